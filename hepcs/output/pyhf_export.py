"""The spectrum of a search of a finished run as a workspace for pyhf (Heinrich et al., JOSS 6 (2021) 2823).

One channel with what the search compares in bins of m_jj, S_b, and two samples:

``background``
    The estimate B_b. Its own uncertainty is a `shapesys`: a Poisson measurement in each bin. Its normalisation is
    free (`background_norm`), since estimates are scaled, or fitted, to the spectrum itself, signal included.
``signal``
    With the strength `mu` as parameter of interest: :class:`SignalTemplate` says which.

Where jets are counted, an event counts with each of them, so that counts fluctuate somewhat more than Poisson.
The search looked in many places and chose by the same data, which no likelihood of one spectrum knows of: what an
excess is worth, only the calibration of the run says, and the name of the measurement repeats. The workspace is
for those who want to combine or reinterpret the spectrum.

Bins without background estimate are left out: the likelihood of an event there has no maximum without signal.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.datasets.bootstrap import Injection
from hepcs.output.reading import StoredRun
from hepcs.output.table import z_text
from hepcs.results import MassSpectrum, Observation, Observed
from hepcs.results.wording import injected_events

logger = logging.getLogger(__name__)

CHANNEL = "spectrum"
# The strength may go up to so many times the template; of a bump, to so many times the excess.
_LARGEST_STRENGTH = 10.0


@dataclass(frozen=True)
class SignalTemplate:
    """What one unit of the signal strength is.

    Attributes
    ----------
    counts
        In each bin, shape (b,); none where there is no background estimate.
    description
        ``800 injected signal events, by the truth``; or, where nothing was injected or the search does not say
        what of it is in the spectrum, one standard deviation of the background in the most significant window.
    largest
        Upper bound of the strength in fits.
    """

    counts: NDArray[np.float64]
    description: str
    largest: float


def signal_template(
    observation: Observation, spectrum: MassSpectrum, injection: Injection, edges: NDArray[np.float64]
) -> SignalTemplate:
    """The template of a spectrum: the injected signal where it is known, else a bump.

    Parameters
    ----------
    observation
        What the search observed, with ``injected`` among its histograms if it knows what of the injected signal
        is in the spectrum.
    spectrum
        With a background estimate.
    injection
        The injected signal events.
    edges
        Of the bins, shape (b + 1,), GeV.
    """
    has_estimate = spectrum.expected > 0
    for named in observation.histograms:
        if named.path == "injected":
            counts = np.where(has_estimate, named.histogram.values(), 0.0)
            if counts.any():
                text = f"{injected_events(injection)} that were injected, as far as in the spectrum, by the truth"
                return SignalTemplate(counts, text, _LARGEST_STRENGTH)
    low, high = edges[:-1], edges[1:]
    excess = spectrum.largest_excess(edges)
    window = has_estimate & (low < excess.high) & (high > excess.low)
    if not window.any():
        window = has_estimate & (np.arange(has_estimate.size) == np.argmax(has_estimate))
    expected = np.where(window, spectrum.expected, 0.0)
    counts = expected / np.sqrt(expected.sum())
    text = (
        f"one standard deviation of the background in the most significant window, "
        f"[{low[window].min():g}, {high[window].max():g}) GeV"
    )
    return SignalTemplate(counts, text, _LARGEST_STRENGTH * max(1.0, excess.z))


def pyhf_workspace(
    run: StoredRun, search: str | None = None, injection: Injection | int | None = None
) -> dict[str, Any]:
    """The workspace of one spectrum, as a JSON object of pyhf's schema 1.0.0.

    Parameters
    ----------
    run
        The run.
    search
        Name of the search; the first one that compares a spectrum if None.
    injection
        Signal events of the data set, or their number alone; the largest number that the run has if None.

    Raises
    ------
    ArgumentError
        If there is no such search or data set, or it has no spectrum or no background estimate.
    """
    name = _search(run) if search is None else search
    if injection is None:
        found = run.search(name).observed
        if not found:
            raise ArgumentError(f"{run.folder}: {name} has observed nothing: the run is blind")
        injection = max(found, key=lambda one: one.injection.epsilon).injection
    observed = run.observed(name, injection)
    spectrum = observed.observation.spectrum
    what = f"{name}, {injected_events(observed.injection)}"
    if spectrum is None or not spectrum.expected.any():
        raise ArgumentError(
            f"{run.folder}: {what}: there is no {'background estimate' if spectrum else 'spectrum'} to export"
        )
    template = signal_template(observed.observation, spectrum, observed.injection, run.bins.edges)
    kept = spectrum.expected > 0
    text = (
        f"{run.card.name}: {what}: {spectrum.what}; mu = 1: {template.description}; "
        f"{significance_notice(observed)}{_left_out(run, kept)}"
    )
    samples = [
        _background(spectrum.expected[kept], np.sqrt(spectrum.variance[kept])),
        _signal(template.counts[kept]),
    ]
    return {
        "channels": [{"name": CHANNEL, "samples": samples}],
        "observations": [{"name": CHANNEL, "data": spectrum.observed[kept].tolist()}],
        "measurements": [_measurement(text, template.largest)],
        "version": "1.0.0",
    }


def significance_notice(observed: Observed) -> str:
    """That a fit to the workspace gives no significance, and which one the run gives instead."""
    calibration = observed.calibration
    found = "the run found none"
    if calibration is not None:
        equals = "= " if calibration.bound is None else ""
        found = f"that of the whole search is Z {equals}{z_text(calibration)}"
    return (
        "a discovery p-value of this workspace is not the calibrated significance, since the search looked "
        f"in many places of these data: {found}"
    )


def _left_out(run: StoredRun, kept: NDArray[np.bool_]) -> str:
    """The bins without background estimate, for the name of the measurement; they are warned of."""
    edges = run.bins.edges
    bins = ", ".join(f"[{edges[i]:g}, {edges[i + 1]:g})" for i in np.flatnonzero(~kept))
    if not bins:
        return ""
    text = f"m_jj bins left out, without background estimate: {bins} GeV"
    logger.warning("%s: %s", run.folder, text)
    return f"; {text}"


def _background(expected: NDArray[np.float64], errors: NDArray[np.float64]) -> dict[str, Any]:
    modifiers: list[dict[str, Any]] = [{"name": "background_norm", "type": "normfactor", "data": None}]
    if errors.any():
        modifiers.append({"name": "background_statistics", "type": "shapesys", "data": errors.tolist()})
    return {"name": "background", "data": expected.tolist(), "modifiers": modifiers}


def _signal(counts: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "name": "signal",
        "data": counts.tolist(),
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }


def _measurement(name: str, largest_strength: float) -> dict[str, Any]:
    return {
        "name": name,
        "config": {
            "poi": "mu",
            "parameters": [
                {"name": "mu", "inits": [0.0], "bounds": [[0.0, largest_strength]]},
                {"name": "background_norm", "inits": [1.0], "bounds": [[0.0, 10.0]]},
            ],
        },
    }


def _search(run: StoredRun) -> str:
    """The first search that compares a spectrum."""
    for search in run.result.searches:
        if any(observed.observation.spectrum is not None for observed in search.observed):
            return search.name
    raise ArgumentError(f"{run.folder}: no search of the run compares a spectrum of observed data")
