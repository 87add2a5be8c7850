"""How sparsely jet images are filled (paper, appendix B): the number of pixels that are not zero."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.progress import Mapper, Progress, tracked
from hepcs._core.storage import atomic_path, digest_of, stored_arrays
from hepcs.config.preparation import Images
from hepcs.features.ingest import Ingested, read_dijets
from hepcs.features.preparation import BLOCK, by_file
from hepcs.images import jet_images, nonzero_pixels

# Part of the key of what is on disk: raised when the same dijets would give other counts.
VERSION = 1


def count_nonzero_pixels(
    ingested: Ingested,
    labels: NDArray[np.int8] | None,
    *,
    name: str,
    images: Images,
    cache: Path,
    mapper: Mapper,
    progress: Progress,
) -> NDArray[np.int64]:
    """Distribution of the number of non-zero pixels of the jet images of a sample (paper, Fig. 6).

    The images are those before reprocessing, of both jets of every event inside the evaluation region. Counted
    once, and then read from the cache.

    Parameters
    ----------
    ingested
        The sample.
    labels
        Truth labels of the events inside, shape (n,), to count background (0) and signal (1) apart; None to
        count all together.
    name
        What the sample is, for progress.
    images
        Section of the card; p pixels along each axis.
    cache, mapper, progress
        Folder of prepared samples; where the work runs and how it reports.

    Returns
    -------
    Jets with 0, 1, ..., p^2 non-zero pixels, by class, shape (classes, p^2 + 1).

    Raises
    ------
    InputError
        If a file of the cache is damaged.
    """
    key = digest_of(
        {
            "version": VERSION,
            "dijets": ingested.key,
            "images": images.model_dump(mode="json"),
            "labels": None if labels is None else digest_of(labels.tolist()),
        }
    )
    file = cache / "nonzero_pixels" / f"{key[:20]}.npz"
    if not file.exists():
        masks = by_file(ingested, None if labels is None else labels != 0)
        items = list(zip(ingested.files, masks, strict=True))
        counts = np.zeros((1 if labels is None else 2, images.pixels**2 + 1), dtype=np.int64)
        function = partial(_count_chunk, images)
        for part in tracked(mapper(function, items), f"{name}: non-zero pixels", len(items), progress):
            counts += part[: len(counts)]
        with atomic_path(file) as temporary:
            np.savez(temporary, counts=counts)
    with stored_arrays(file) as arrays:
        return np.asarray(arrays["counts"], dtype=np.int64)


def _count_chunk(images: Images, item: tuple[Path, NDArray[np.bool_] | None]) -> NDArray[np.int64]:
    """Counts of one chunk by class, shape (2, p^2 + 1)."""
    file, signal = item
    dijets = read_dijets(file)
    classes = np.zeros(len(dijets.m_jj), dtype=np.int64) if signal is None else signal.astype(np.int64)
    of_jet, cells = np.repeat(classes, 2), images.pixels**2 + 1
    counts = np.zeros(2 * cells, dtype=np.int64)
    for start in range(0, len(of_jet), BLOCK):
        jets = ak.to_packed(dijets.constituents[start : start + BLOCK])
        plain = jet_images(jets, pixels=images.pixels, half_width=images.half_width)
        cell = of_jet[start : start + BLOCK] * cells + nonzero_pixels(plain)
        counts += np.bincount(cell, minlength=2 * cells)
    return counts.reshape(2, cells)
