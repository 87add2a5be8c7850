"""Weights of the events of a sample: generator weights, and slices of a phase space stitched by cross-section.

An event of a slice with cross-section sigma stands for w sigma L / sum(w) events of data with luminosity L. Here w
is its generator weight, and the sum is over all events that were generated. Without a luminosity the weights of a
sample are relative, and are scaled to add up to its effective size, (sum w)^2 / sum w^2.

Nobody draws a negative number of events. Where weights of both signs meet, events are drawn, and trainings are
weighted, by ``|w| sum(w) / sum(|w|)`` of the bin of m_jj that they lie in (the positive resampler, Andersen et
al., EPJC 80 (2020) 1007). So the spectrum stays what it was; features keep their distribution as far as events of
either sign are alike in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs.config.sources import FileSource
from hepcs.datasets.reports import Slice
from hepcs.datasets.samples import MassBins
from hepcs.features.ingest import Ingested, read_weights
from hepcs.sources.opening import files_by_entry

#: Events of one pb at one fb^-1.
_PB_FB = 1000.0


@dataclass(frozen=True)
class Weighting:
    """Weights of the events of a sample in the evaluation region, in the order of their rows.

    Attributes
    ----------
    weights
        Of either sign, shape (n,).
    outside
        Sum of weights of the events that were selected outside of the region.
    acceptance
        Share of all weights, of the events that were generated, whose events were selected at any m_jj.
    slices
        The parts of the sample.
    factors
        For each file of dijets what its events' own weights were multiplied by.
    """

    weights: NDArray[np.float64]
    outside: float
    acceptance: float
    slices: tuple[Slice, ...] = field(default=())
    factors: tuple[float, ...] = ()


def weighting_of(
    section: FileSource, ingested: Ingested, folders: Sequence[Path], luminosity: float | None, name: str
) -> Weighting | None:
    """The weights of a sample; None where each event counts as one.

    Parameters
    ----------
    section
        Of the card.
    ingested
        Its dijets on disk.
    folders
        Where its files are looked for.
    luminosity
        Of the data, fb^-1; None for relative weights.
    name
        Of the sample, for messages.

    Raises
    ------
    InputError
        If a slice has no events, or the weights of one, or of the whole sample, do not add up to more than zero.
    """
    if not section.is_weighted:
        return None
    weights = [read_weights(file) for file in ingested.files]
    slice_of = _slices_of_files(section, folders)
    sums, scales, slices = _sums(section, ingested, slice_of), {}, []
    for index, entry in enumerate(section.files):
        total = section.sum_of_weights[index] if section.sum_of_weights else sums.get(index, 0.0)
        if index not in sums and section.max_events is not None:
            continue  # only the first events were asked for
        if not total > 0:
            raise InputError(
                f"{name}: the weights of all events of {entry} add up to {total:g}; expected more than zero"
            )
        sigma = _of_entry(section.cross_section, index)
        scales[index] = 1.0 if sigma is None else sigma * _PB_FB * (luminosity or 1.0) / total
        n = sum(
            size
            for path, size in zip(ingested.origins, ingested.sizes, strict=True)
            if slice_of.get(path, 0) == index
        )
        slices.append(Slice(entry, sigma, float(total), scales[index], n))
    factors = [scales[slice_of.get(path, 0)] for path in ingested.origins]
    scaled = np.concatenate([factor * values for factor, values in zip(factors, weights, strict=True)])
    selected = sum(factor * one for factor, (_, one) in zip(factors, ingested.weight_sums, strict=True))
    inside = float(scaled.sum())
    if not inside > 0:
        raise InputError(
            f"{name}: the weights of its {scaled.size} events in the evaluation region add up to {inside:g}; "
            "expected more than zero"
        )
    relative = luminosity is None or section.cross_section is None
    norm = inside / float(np.square(scaled).sum()) if relative else 1.0
    generated = sum(one.scale * one.sum_of_weights for one in slices)
    outside = max(selected - inside, 0.0) * norm
    by_file = tuple(norm * one for one in factors)
    return Weighting(scaled * norm, outside, float(selected / generated), tuple(slices), by_file)


def positive_weights(
    weights: NDArray[np.float64], m_jj: NDArray[np.float64], bins: MassBins, name: str
) -> NDArray[np.float64]:
    """Weights >= 0 that add up to the same in each bin, shape (n,); those given, where none is negative.

    Raises InputError for a bin whose weights add up to less than zero.
    """
    if not (weights < 0).any():
        return weights
    sums, sizes = bins.counts(m_jj, weights), bins.counts(m_jj, np.abs(weights))
    negative = np.flatnonzero(sums < 0)
    if negative.size:
        low, high = bins.edges[negative[0]], bins.edges[negative[0] + 1]
        raise InputError(
            f"{name}: the weights of the events with m_jj in [{low:g}, {high:g}) GeV add up to "
            f"{sums[negative[0]]:.4g}, so no pseudo-experiment can be drawn there. Give it more events or wider "
            "bins, or end the evaluation region earlier"
        )
    share = np.divide(sums, sizes, out=np.zeros_like(sums), where=sizes > 0)
    return np.asarray(np.abs(weights) * share[bins.index(m_jj)])


def _slices_of_files(section: FileSource, folders: Sequence[Path]) -> dict[str, int]:
    """Number of the entry of `files` that each file comes from."""
    return {path: index for index, files in enumerate(files_by_entry(section, folders)) for path in files}


def _sums(section: FileSource, ingested: Ingested, slice_of: Mapping[str, int]) -> dict[int, float]:
    """Sum of weights over all events that were read of each entry of `files`."""
    sums: dict[int, float] = {}
    for path, (total, _) in zip(ingested.origins, ingested.weight_sums, strict=True):
        index = slice_of.get(path, 0)
        sums[index] = sums.get(index, 0.0) + total
    assert set(sums) <= set(range(len(section.files)))
    return sums


def _of_entry(values: Sequence[float] | None, index: int) -> float | None:
    if values is None:
        return None
    return values[index]
