"""Parts of a sample: by the truth, every second event, or what is searched apart from what calibrates it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hepcs.config.samples import PseudoData
from hepcs.datasets.samples import MassBins, Sample
from hepcs.datasets.weighting import positive_weights
from hepcs.features.ingest import TruthLabels


def split_by_truth(sample: Sample, truth: TruthLabels, bins: MassBins) -> tuple[Sample, Sample]:
    """Background and signal events of a labelled sample, to put data sets together from."""
    of_all = truth.inside != 0
    inside = of_all[sample.rows]
    # Of those that were selected, the ones that lack a feature are in no data set.
    outside = int((truth.selected != 0).sum() - of_all.sum())
    n_signal = int(inside.sum()) + outside
    parts = sample.take(~inside, sample.n_selected - n_signal), sample.take(inside, n_signal)
    if sample.weights is None:
        return parts
    background, signal = (
        # Negative weights of one are not made good by positive ones of the other.
        replace(part, positive_weights=positive_of(part, bins), weight_outside=weight)
        for part, weight in zip(parts, truth.outside, strict=True)
    )
    return background, signal


def positive_of(sample: Sample, bins: MassBins) -> NDArray[np.float64]:
    """Weights of the events of a weighted sample that can be drawn by, shape (n,)."""
    assert sample.weights is not None
    return positive_weights(sample.weights, sample.m_jj, bins.around(sample.m_jj), sample.role)


def every_second(sample: Sample, half: Literal["even", "odd"]) -> Sample:
    """The events of a sample with an even or an odd number, counted inside the evaluation region."""
    return _part(sample, np.arange(sample.n_events) % 2 == (half == "odd"))


def set_apart(sample: Sample, wanted: PseudoData) -> tuple[Sample, Sample]:
    """The events of a sample that pseudo-experiments are drawn from, and those that are pseudo-data."""
    chosen = np.arange(sample.n_events) % wanted.one_in == wanted.which
    return _part(sample, ~chosen), _part(sample, chosen)


def _part(sample: Sample, mask: NDArray[np.bool_]) -> Sample:
    """Some of the events of a sample."""
    # As large a share of the events outside, which nobody counted one by one.
    n_selected = round(sample.n_selected * mask.sum() / sample.n_events) if sample.n_events else 0
    return sample.take(mask, max(n_selected, int(mask.sum())))
