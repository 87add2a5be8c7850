"""What the jets look like that a search picked out: average images, made again from the dijets in the cache.

A search names groups of jets (:class:`hepcs.searches.base.JetGroup`); here each group becomes a histogram, the average of
the images of its jets before reprocessing. All groups of a run are averaged together in one pass over the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hepcs._core.progress import Mapper, Progress, tracked
from hepcs.config.preparation import Images
from hepcs.features.ingest import Ingested, read_dijets
from hepcs.features.preparation import BLOCK, read_m_jj
from hepcs.images import image_histogram, jet_images
from hepcs.results import JetGroup, NamedHistogram, Observed, SearchResult

# A file of dijets, jets in it, and the group of each, both of shape (m,).
_Item = tuple[Path, NDArray[np.int64], NDArray[np.int64]]


def with_pictures(
    results: Sequence[SearchResult],
    ingested: Mapping[str, Ingested],
    images: Images,
    mapper: Mapper,
    progress: Progress,
) -> tuple[SearchResult, ...]:
    """The results of searches with the average images of their groups of jets among the histograms.

    Parameters
    ----------
    results
        What the searches found.
    ingested
        Dijets on disk by the role of the sample.
    images
        Section of the card.
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
    averages = iter(average_images(groups, ingested, images, mapper, progress))

    def drawn(observed: Observed) -> Observed:
        observation = observed.observation
        named = tuple(
            NamedHistogram(group.path, group.title, image_histogram(next(averages), images.half_width))
            for group in observation.groups
        )
        histograms = (*observation.histograms, *named)
        return replace(observed, observation=replace(observation, histograms=histograms, groups=()))

    return tuple(
        replace(result, observed=tuple(drawn(observed) for observed in result.observed)) for result in results
    )


def average_images(
    groups: Sequence[JetGroup],
    ingested: Mapping[str, Ingested],
    images: Images,
    mapper: Mapper,
    progress: Progress,
) -> NDArray[np.float64]:
    """Average image, before reprocessing, of each group of jets.

    Parameters and errors are those of :func:`with_pictures`.

    Returns
    -------
    Shape (groups, pixels, pixels), each sums to one; zero for a group without jets.
    """
    items = [
        item
        for role in dict.fromkeys(role for group in groups for role in group.jets)
        for item in _by_file(groups, role, ingested[role])
    ]
    sums = np.zeros((len(groups), images.pixels**2))
    parts = mapper(partial(_sum_images, images, len(groups)), items)
    for part in tracked(parts, "average images of selected jets", len(items), progress):
        sums += part
    sizes = np.array([sum(len(jets) for jets in group.jets.values()) for group in groups])
    means = sums / np.maximum(sizes, 1)[:, np.newaxis]
    return means.reshape(len(groups), images.pixels, images.pixels)


def _by_file(groups: Sequence[JetGroup], role: str, ingested: Ingested) -> list[_Item]:
    """Jets of a sample with the groups that they are in, cut into those of each file; none without jets."""
    listed = [group.jets.get(role, np.zeros(0, dtype=np.int64)) for group in groups]
    group_of = np.repeat(np.arange(len(groups)), [len(jets) for jets in listed])
    jets = np.concatenate(listed)
    order = np.argsort(jets, kind="stable")
    jets, group_of = jets[order], group_of[order]
    ends = 2 * np.cumsum([len(read_m_jj(file)) for file in ingested.files])
    items, start = [], 0
    for file, first, stop in zip(
        ingested.files, (0, *ends[:-1]), np.searchsorted(jets, ends, side="left"), strict=True
    ):
        if stop > start:
            items.append((file, jets[start:stop] - first, group_of[start:stop]))
        start = int(stop)
    return items


def _sum_images(images: Images, n_groups: int, item: _Item) -> NDArray[np.float64]:
    """Sum of the images of the jets of one file by group, shape (groups, pixels^2); a jet is drawn once."""
    file, jets, group_of = item
    constituents = read_dijets(file).constituents
    distinct, position = np.unique(jets, return_inverse=True)
    sums = np.zeros((n_groups, images.pixels**2))
    for start in range(0, len(distinct), BLOCK):
        chosen = distinct[start : start + BLOCK]
        inside = (position >= start) & (position < start + len(chosen))
        cells = (group_of[inside], position[inside] - start)
        times = sparse.csr_array((np.ones(int(inside.sum())), cells), shape=(n_groups, len(chosen)))
        drawn = jet_images(
            ak.to_packed(constituents[chosen]), pixels=images.pixels, half_width=images.half_width
        )
        sums += times @ drawn.reshape(len(chosen), -1).astype(np.float64)
    return sums
