"""What the images of a sample look like: their averages, and how sparsely they are filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hepcs._core.progress import Mapper, Progress, tracked
from hepcs.features.image_files import JetImages, read_images
from hepcs.features.ingest import Ingested, read_mass


@dataclass(frozen=True)
class AverageImages:
    """Average images before reprocessing, of the lighter and the heavier jet of each event (paper, Fig. 1).

    Attributes
    ----------
    n_events
        Events averaged over.
    lighter, heavier
        Shape (pixels, pixels), each sums to one; zero without events.
    """

    n_events: int
    lighter: NDArray[np.float64]
    heavier: NDArray[np.float64]


@dataclass(frozen=True)
class ImageSummary:
    """Images of a sample by class: of all events, or of background (0) and signal (1) where labels are given.

    Attributes
    ----------
    averages
        Average images.
    nonzero_pixels
        Jets with 0, 1, ..., p^2 non-zero pixels, shape (classes, p^2 + 1) (paper, Fig. 6).
    """

    averages: tuple[AverageImages, ...]
    nonzero_pixels: NDArray[np.int64]


@dataclass(frozen=True)
class _Sums:
    """Of some events, by class: number, sum of weights, images of both jets, jets by non-zero pixels."""

    n_events: NDArray[np.int64]
    weight: NDArray[np.float64]
    images: NDArray[np.float64]
    nonzero_pixels: NDArray[np.int64]

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.n_events + other.n_events,
            self.weight + other.weight,
            self.images + other.images,
            self.nonzero_pixels + other.nonzero_pixels,
        )


# Files of dijets and of images, which of their events are signal, and their weights.
_Item = tuple[Path, Path, NDArray[np.bool_] | None, NDArray[np.float64] | None]


def summarise_images(
    ingested: Ingested,
    images: JetImages,
    labels: NDArray[np.int8] | None,
    weights: NDArray[np.float64] | None = None,
    *,
    name: str,
    mapper: Mapper,
    progress: Progress,
) -> ImageSummary:
    """Average images and numbers of non-zero pixels of the events of a sample of which both jets have an image.

    Parameters
    ----------
    ingested, images
        The sample.
    labels
        Truth labels of its events, shape (n,), to show background and signal apart; None to take all together.
    weights
        Of its events, >= 0, shape (n,), for the averages; None where each counts as one.
    name
        What the sample is, for progress.
    mapper, progress
        Where the work runs and how it reports.

    Raises
    ------
    InputError
        If a file of the cache is damaged.
    """
    signal = _by_file(ingested, None if labels is None else labels != 0)
    items = list(zip(ingested.files, images.files, signal, _by_file(ingested, weights), strict=True))
    n_classes, p = 1 if labels is None else 2, images.pixels
    parts = mapper(partial(_sums_of_file, p, n_classes), items)
    total = reduce(add, tracked(parts, f"{name}: average images", len(items), progress))
    means = total.images / np.where(total.weight > 0, total.weight, 1.0)[:, np.newaxis, np.newaxis]
    averages = tuple(
        AverageImages(int(n), *both)
        for n, both in zip(total.n_events, means.reshape(n_classes, 2, p, p), strict=True)
    )
    return ImageSummary(averages, total.nonzero_pixels)


def _by_file(ingested: Ingested, values: NDArray[Any] | None) -> Sequence[NDArray[Any] | None]:
    """Values of all events cut into those of each file; None for each without values."""
    if values is None:
        return [None] * len(ingested.files)
    return np.split(values, np.cumsum(ingested.sizes)[:-1])


def _sums_of_file(pixels: int, n_classes: int, item: _Item) -> _Sums:
    dijets, file, signal, weights = item
    images, mass = read_images(file, pixels), read_mass(dijets)
    cells, filled = pixels**2, np.diff(images.indptr).astype(np.int64).reshape(-1, 2)
    kept = np.all(filled > 0, axis=1)
    classes = np.zeros(len(mass), dtype=np.int64) if signal is None else signal.astype(np.int64)
    heavier_first = mass[:, 0] > mass[:, 1]
    # Of each jet: its event's class, then 0 for the lighter jet and 1 for the heavier one; -1 if it is left out.
    of_jet = 2 * classes[:, np.newaxis] + np.stack([heavier_first, ~heavier_first], axis=1)
    group = np.where(kept[:, np.newaxis], of_jet, -1).ravel()
    of_event = np.ones(len(mass)) if weights is None else weights
    rows = (np.arange(2 * n_classes)[:, np.newaxis] == group) * np.repeat(of_event, 2)
    sums = sparse.csr_array(rows) @ images.astype(np.float64)
    count = (classes[:, np.newaxis] * (cells + 1) + filled)[kept].ravel()
    return _Sums(
        np.bincount(classes[kept], minlength=n_classes),
        np.bincount(classes[kept], weights=of_event[kept], minlength=n_classes).astype(np.float64),
        sums.toarray().reshape(n_classes, 2, cells),
        np.bincount(count, minlength=n_classes * (cells + 1)).reshape(n_classes, cells + 1),
    )
