"""Figures of the calibration: the smallest cluster-bin (7), and distributions of the statistic (10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from assumption_figures import smallest_cluster_bins
from numpy.typing import NDArray
from paper_figures_stored import MAIN, Drawn, LackingError, Stored, require

from hepcs import plots
from hepcs.calibration import calibrate_many, median_and_quartiles
from hepcs.config.samples import SIGNAL
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.results import Doped

# Numbers of injected events in one panel of Fig. 10.
MOST_DOPED = 4


def smallest_bins(stored: Stored) -> Drawn:
    """Fig. 7: the smallest cluster-bin."""
    run, section = stored.need_run(), stored.need_section()
    smallest = run.details(MAIN, "smallest_cluster_bin", Kind.BACKGROUND_ONLY)
    if smallest.size == 0:
        raise LackingError(
            "no smallest cluster-bins are stored. Run the card again with this version of hepcs"
        )
    n = run.members(MAIN, Kind.BACKGROUND_ONLY).shape[1]
    title = f"{run.search(MAIN).title}, $k$ = {section.k}"
    if n == 1:
        return Drawn(smallest_cluster_bins(smallest, title))
    title += f", smallest of {n} scans"
    remark = f"the smallest of the {n} scans of each pseudo-experiment, where the paper has one scan"
    return Drawn(smallest_cluster_bins(smallest, title), remark)


def calibrations(stored: Stored) -> Drawn:
    """Fig. 10: calibration distributions of single scans, ensembles, and idealised ones."""
    study = stored.need_study()
    require(study, (MAIN,))
    by_name = {search.name: search for search in study.searches}
    ensembles = by_name[MAIN]
    shown = shown_epsilons(ensembles.null, ensembles.doped)
    panels, remarks = [], []
    title = study.titles[MAIN]
    n = 1
    if stored.run is None:
        remarks.append("without single scans, which the file does not hold")
    else:
        n = stored.run.members(MAIN, Kind.BACKGROUND_ONLY).shape[1]
        single = {epsilon: stored.run.members(MAIN, Kind.DOPED, epsilon)[:, 0] for epsilon in ensembles.doped}
        null = stored.run.members(MAIN, Kind.BACKGROUND_ONLY)[:, 0]
        panels.append(panel(f"{title}, one scan", null, single, shown))
    if n > 1 or stored.run is None:
        name = f"{title}, ensembles" + ("" if stored.run is None else f" of {n}")
        panels.append(panel(name, ensembles.null, ensembles.doped, shown))
    else:
        remarks.append("without ensembles, since cluster_scanning.ensemble is 1")
    truth = by_name.get("idealised_cluster_scanning")
    if truth is None:
        remarks.append("without idealised_cluster_scanning, which the run does not have")
    else:
        panels.append(panel(study.titles[truth.name], truth.null, truth.doped, shown))
    return Drawn(plots.calibration_panels(panels), "; ".join(remarks))


def panel(
    title: str,
    null: NDArray[np.float64],
    doped: Mapping[int, NDArray[np.float64]],
    shown: Sequence[int],
) -> plots.CalibrationPanel:
    """A panel of Fig. 10 from the statistics; NaN marks those that could not be computed."""
    valid = null[np.isfinite(null)]
    entries = []
    for epsilon in shown:
        values = doped[epsilon][np.isfinite(doped[epsilon])]
        lower, median, upper = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
        z = median_and_quartiles(calibrate_many(values, valid))
        n_invalid = doped[epsilon].size - values.size
        injection = Injection(epsilon, SIGNAL)
        entries.append(Doped(injection, values.size, n_invalid, (lower, median, upper), z))
    return plots.CalibrationPanel(title, valid, tuple(entries))


def shown_epsilons(null: NDArray[np.float64], doped: Mapping[int, NDArray[np.float64]]) -> tuple[int, ...]:
    """Some epsilon up to the first whose median lies above all background-only statistics."""
    epsilons = sorted(doped)
    beyond = [epsilon for epsilon in epsilons if np.nanmedian(doped[epsilon]) > np.nanmax(null)]
    reach = epsilons if not beyond else epsilons[: epsilons.index(beyond[0]) + 1]
    chosen = np.linspace(0, len(reach) - 1, min(MOST_DOPED, len(reach))).round().astype(int)
    return tuple(reach[i] for i in chosen)
