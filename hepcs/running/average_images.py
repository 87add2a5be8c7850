"""What the jets look like that a search picked out: average images.

A search names groups of jets (:class:`hepcs.searches.base.JetGroup`); here each group becomes a histogram, the
average of the images of its jets before reprocessing. All groups of a run are averaged together, in one pass over
the images on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hepcs._core.errors import ArgumentError
from hepcs._core.progress import Mapper, Progress, tracked
from hepcs.features.image_files import JetImages, filled_jets, read_images
from hepcs.images import image_histogram
from hepcs.results import JetGroup, NamedHistogram, Observed, SearchResult


def with_average_images(
    results: Sequence[SearchResult],
    images: Mapping[int, JetImages],
    half_width: float,
    mapper: Mapper,
    progress: Progress,
) -> tuple[SearchResult, ...]:
    """The results of searches with the average images of their groups of jets among the histograms.

    Parameters
    ----------
    results
        What the searches found.
    images
        Images on disk by the identity of the first event of each sample.
    half_width
        Half of the width of the crop of the images, in eta and phi.
    mapper, progress
        Where the work runs, and how it reports. The averages do not depend on it.

    Raises
    ------
    InputError
        If a file of the cache is damaged.
    """
    groups = [
        group for result in results for observed in result.observed for group in observed.observation.groups
    ]
    if not groups:
        return tuple(results)
    averages = iter(average_images(groups, images, mapper, progress))

    def drawn(observed: Observed) -> Observed:
        observation = observed.observation
        named = tuple(
            NamedHistogram(group.path, group.title, image_histogram(next(averages), half_width))
            for group in observation.groups
        )
        histograms = (*observation.histograms, *named)
        return replace(observed, observation=replace(observation, histograms=histograms, groups=()))

    return tuple(
        replace(result, observed=tuple(drawn(observed) for observed in result.observed)) for result in results
    )


def average_images(
    groups: Sequence[JetGroup], images: Mapping[int, JetImages], mapper: Mapper, progress: Progress
) -> NDArray[np.float64]:
    """Average image, before reprocessing, of each group of jets; jets without image are left out.

    Parameters and errors are those of :func:`with_average_images`; there must be a group.

    Returns
    -------
    Shape (groups, pixels, pixels), each sums to one; zero for a group without images.

    Raises
    ------
    ArgumentError
        If a jet is in none of the samples.
    """
    jets = np.concatenate([group.jets for group in groups])
    group_of = np.repeat(np.arange(len(groups)), [len(group.jets) for group in groups])
    order = np.argsort(jets, kind="stable")
    items = list(_by_file(jets[order], group_of[order], images))
    (pixels,) = {one.pixels for one in images.values()}
    nothing = _Sums(np.zeros((len(groups), pixels**2)), np.zeros(len(groups)))
    parts = mapper(partial(_sums_of_file, pixels, len(groups)), items)
    total = reduce(add, tracked(parts, "average images of selected jets", len(items), progress), nothing)
    means = total.images / np.maximum(total.n_jets, 1)[:, np.newaxis]
    return means.reshape(len(groups), pixels, pixels)


@dataclass(frozen=True)
class _Sums:
    """Sums of images by group, shape (groups, pixels^2), and the number of jets that have one, shape (groups,)."""

    images: NDArray[np.float64]
    n_jets: NDArray[np.float64]

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(self.images + other.images, self.n_jets + other.n_jets)


# A file of images, jets in it, and the group of each, both of shape (m,).
_Item = tuple[Path, NDArray[np.int64], NDArray[np.int64]]


def _by_file(
    jets: NDArray[np.int64], group_of: NDArray[np.int64], images: Mapping[int, JetImages]
) -> Iterator[_Item]:
    """Jets in rising order with their groups, cut into those of each file; no file without jets."""
    n_found = 0
    for first_event, sample in images.items():
        edges = 2 * (first_event + np.cumsum((0, *sample.sizes)))
        cuts = np.searchsorted(jets, edges)
        for file, first, start, stop in zip(sample.files, edges[:-1], cuts[:-1], cuts[1:], strict=True):
            if stop > start:
                yield file, jets[start:stop] - first, group_of[start:stop]
        n_found += cuts[-1] - cuts[0]
    if n_found != len(jets):
        raise ArgumentError(f"{len(jets) - n_found} jets of a group are in none of the samples of the run")


def _sums_of_file(pixels: int, n_groups: int, item: _Item) -> _Sums:
    file, jets, group_of = item
    images = read_images(file, pixels)
    shape = (n_groups, images.shape[0])
    times = sparse.coo_array((np.ones(len(jets)), (group_of, jets)), shape=shape).tocsr()
    return _Sums(
        (times @ images.astype(np.float64)).toarray(), times @ filled_jets(images).astype(np.float64)
    )
