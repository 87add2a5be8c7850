"""The signal-rich spectrum of a finished run as a workspace for pyhf (Heinrich et al., JOSS 6 (2021) 2823).

One channel with the jets of the signal-rich clusters of one cluster scan, S_b, and two samples:

``background``
    The estimate B_b = s P_b from the signal-poor clusters. Its statistical uncertainty, s sqrt(P_b), is a
    `shapesys`: a Poisson measurement of P_b in each bin. Its normalisation is free (`background_norm`), since the
    estimate was scaled to the signal-rich jets themselves, signal included.
``signal``
    With the strength `mu` as parameter of interest: :class:`SignalTemplate` says which.

Jets are counted, and an event whose two jets are both in signal-rich clusters counts twice, so that counts
fluctuate somewhat more than Poisson. The clusters were selected by the same data, which no likelihood of one
spectrum knows of: what an excess is worth, only the calibration of the run says, and the name of the measurement
repeats. The workspace is for those who want to combine or reinterpret the spectrum.

Bins without background estimate are left out: the likelihood of an event there has no maximum without signal.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.output.histograms import epsilon_folder
from hepcs.output.reading import StoredRun, StoredScan
from hepcs.output.sentences import scan_text
from hepcs.output.table import z_text
from hepcs.results import Observed

logger = logging.getLogger(__name__)

CHANNEL = "signal_rich"
# The strength may go up to so many times the template; of one bin, to so many times the excess.
_LARGEST_STRENGTH = 10.0


@dataclass(frozen=True)
class SignalTemplate:
    """What one unit of the signal strength is.

    Attributes
    ----------
    jets
        Jets in each bin, shape (b,); none where there is no background estimate.
    description
        ``jets of 800 injected signal events in the signal-rich clusters``, known by the truth; or, where nothing
        was injected, one standard deviation of the background, sqrt(B), in the most significant bin alone.
    largest
        Upper bound of the strength in fits.
    """

    jets: NDArray[np.float64]
    description: str
    largest: float


def signal_template(scan: StoredScan, epsilon: int) -> SignalTemplate:
    """The template of a scan: the injected signal where it is known, else one bin.

    Parameters
    ----------
    scan
        The scan, with a background estimate.
    epsilon
        Injected signal events.
    """
    has_estimate = scan.expected > 0
    if scan.signal_spectra is not None:
        jets = scan.signal_spectra[scan.signal_rich].sum(axis=0).astype(np.float64)
        jets[~has_estimate] = 0
        if jets.any():
            text = f"jets of {epsilon} injected signal events in the signal-rich clusters, by the truth"
            return SignalTemplate(jets, text, _LARGEST_STRENGTH)
    significance = np.where(has_estimate, scan.local_significance, -np.inf)
    best = int(np.argmax(significance))
    jets = np.zeros_like(scan.expected)
    jets[best] = np.sqrt(scan.expected[best])
    text = "one standard deviation of the background in the most significant bin alone"
    return SignalTemplate(jets, text, _LARGEST_STRENGTH * max(1.0, float(significance[best])))


def pyhf_workspace(
    run: StoredRun, search: str | None = None, epsilon: int | None = None, member: int | None = None
) -> dict[str, Any]:
    """The workspace of one cluster scan, as a JSON object of pyhf's schema 1.0.0.

    Parameters
    ----------
    run
        The run.
    search
        Name of the search; the first one that scans clusters if None.
    epsilon
        Injected signal events of the data set; the largest number that the run has if None.
    member
        The scan of the ensemble, counted from 0 as its folder ``member_00`` is; if None the one nearest to
        its mean, of those that have a background estimate. The name of the measurement says which.

    Raises
    ------
    ArgumentError
        If there is no such scan, or it has no background estimate since it selected no cluster, or all of them;
        for None, if no scan of the ensemble has one.
    """
    search = _search(run) if search is None else search
    if epsilon is None:
        epsilon = max(observed.epsilon for observed in run.search(search).observed)
    if member is None:
        member = _nearest_with_estimate(run, search, epsilon)
    scan = run.scan(search, epsilon, member)
    if not scan.expected.any():
        raise ArgumentError(
            f"{run.folder}: {_scan_name(run, search, epsilon, member)} has no background estimate: it selected "
            f"{int(scan.signal_rich.sum())} of {len(scan.signal_rich)} clusters."
            f"{_others(run, search, epsilon)}"
        )
    path = f"{search}/observed/{epsilon_folder(epsilon)}/member_{member:02d}/background_estimate"
    errors = np.sqrt(np.asarray(run.histograms[path].variances(), dtype=np.float64))
    template = signal_template(scan, epsilon)
    kept = scan.expected > 0
    name = (
        f"{run.card.name}: {_scan_name(run, search, epsilon, member)}; mu = 1: {template.description}; "
        f"{significance_notice(run.observed(search, epsilon))}{_left_out(run, kept)}"
    )
    samples = [_background(scan.expected[kept], errors[kept]), _signal(template.jets[kept])]
    return {
        "channels": [{"name": CHANNEL, "samples": samples}],
        "observations": [{"name": CHANNEL, "data": scan.observed[kept].tolist()}],
        "measurements": [_measurement(name, template.largest)],
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
        "a discovery p-value of this workspace is not the calibrated significance, since the clusters were "
        f"selected on these data: {found}"
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


def _scan_name(run: StoredRun, search: str, epsilon: int, member: int) -> str:
    return f"{search}, {epsilon} signal events, {scan_text(member, run.n_scans(search, epsilon))}"


def _background(expected: NDArray[np.float64], errors: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "name": "background",
        "data": expected.tolist(),
        "modifiers": [
            {"name": "background_norm", "type": "normfactor", "data": None},
            {"name": "background_statistics", "type": "shapesys", "data": errors.tolist()},
        ],
    }


def _signal(jets: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "name": "signal",
        "data": jets.tolist(),
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
    """The first search that scans clusters."""
    for search in run.result.searches:
        if any(run.n_scans(search.name, observed.epsilon) for observed in search.observed):
            return search.name
    raise ArgumentError(
        f"{run.folder}: no search of the run scans clusters, so there is no signal-rich spectrum"
    )


def _nearest_with_estimate(run: StoredRun, search: str, epsilon: int) -> int:
    """The scan nearest to the ensemble's mean that has an estimate; the nearest of all if none has one."""
    nearest = run.representative(search, epsilon)
    outcome = run.observed(search, epsilon).observation.outcome
    distance = np.abs(np.array(outcome.members) - outcome.statistic)
    n = run.n_scans(search, epsilon)
    for member in np.argsort(distance, kind="stable")[:n].tolist():
        if run.scan(search, epsilon, member).expected.any():
            if member != nearest:
                logger.warning(
                    "%s: %s, the nearest to the mean of the ensemble, has no background estimate; %s, the next "
                    "that has one, is taken",
                    run.folder, _scan_name(run, search, epsilon, nearest), scan_text(int(member), n),
                )  # fmt: skip
            return int(member)
    return nearest


def _others(run: StoredRun, search: str, epsilon: int) -> str:
    """Which scans have an estimate, for a message."""
    n = run.n_scans(search, epsilon)
    able = [scan_text(member, n) for member in range(n) if run.scan(search, epsilon, member).expected.any()]
    return f" Scans that have one: {', '.join(able)}" if able else " No scan of the ensemble has one"
