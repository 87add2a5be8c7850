"""What came in of a sample and what was left of it, in numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hepcs.datasets.reports import SampleReport, WeightReport
from hepcs.datasets.samples import MassBins, Sample
from hepcs.datasets.weighting import Weighting
from hepcs.features.image_summary import ImageSummary
from hepcs.features.ingest import Ingested, read_m_jj, read_mass_ratio, read_shifted, read_weights
from hepcs.features.making import PreparedFeature, SampleFiles


def sample_report(
    files: SampleFiles,
    sample: Sample,
    prepared: Mapping[str, PreparedFeature],
    summary: ImageSummary,
    bins: MassBins,
    weighting: Weighting | None,
) -> SampleReport:
    """The report of a sample on disk, by its events, what features lack, and its weights, if it has some."""
    ingested, weights, sample = files.ingested, None, sample.within(bins)
    if weighting is not None and sample.weights is not None:
        negative = float(np.mean(sample.weights < 0)) if sample.n_events else 0.0
        spectrum, variances = sample.spectrum(bins), sample.variances(bins)
        assert variances is not None
        weights = WeightReport(
            sample.n_expected,
            sample.n_effective,
            negative,
            spectrum,
            variances,
            weighting.acceptance,
            weighting.slices,
        )
    return SampleReport(
        role=files.name,
        inputs=ingested.inputs,
        cutflow=ingested.cutflow,
        rejections=ingested.rejections,
        skipped=ingested.skipped,
        n_selected=sample.n_selected,
        n_evaluation=sample.n_events,
        reused=ingested.reused and files.images.reused and all(one.reused for one in prepared.values()),
        averages=summary.averages,
        nonzero_pixels=tuple(summary.nonzero_pixels),
        lacking={name: len(one.lacking) for name, one in prepared.items() if len(one.lacking)},
        n_weightless=ingested.n_weightless,
        weights=weights,
        mass_ratio=_mass_ratio(ingested),
        n_repeated=len(ingested.repeated),
        # Of the data, no spectrum leaves a blind run.
        energy_spectra={} if files.name == "data" else _energy_spectra(ingested, bins, weighting),
    )


def _mass_ratio(ingested: Ingested) -> tuple[float, float, float] | None:
    """Quantiles of m_jj as the files hold it over ours; None where they hold none."""
    ratio = np.concatenate([read_mass_ratio(file) for file in ingested.files])
    if ratio.size == 0:
        return None
    low, median, high = np.quantile(ratio, (0.15865, 0.5, 0.84135))
    return float(low), float(median), float(high)


def _energy_spectra(
    ingested: Ingested, bins: MassBins, weighting: Weighting | None
) -> dict[str, NDArray[np.float64]]:
    """Spectra with the jets' energies as they are and shifted, weighted; none where they are not shifted."""
    shifted = [read_shifted(file) for file in ingested.files]
    if not any(shifted):
        return {}
    nominal = [(read_m_jj(file), read_weights(file)) for file in ingested.files]
    factors = np.ones(len(shifted)) if weighting is None else weighting.factors
    parts = {"nominal": nominal} | {name: [one[name] for one in shifted] for name in shifted[0]}
    return {
        name: np.sum(
            [
                _counts_inside(bins, m_jj, factor * weights)
                for factor, (m_jj, weights) in zip(factors, files, strict=True)
            ],
            axis=0,
        )
        for name, files in parts.items()
    }


def _counts_inside(
    bins: MassBins, m_jj: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Counts of the events in the region: a signal whose m_jj is varied has others as well."""
    inside = (m_jj >= bins.low) & (m_jj < bins.high)
    return bins.counts(m_jj[inside], weights[inside])
