"""Figures 1 to 11 and Table 1 of the Cluster Scanning paper, from the stored results of a run alone.

examples:
  python analysis/paper_figures.py --run runs/sensitivity
  python analysis/paper_figures.py --run runs/sensitivity --output figures --epsilon 1400 --style CMS
  python analysis/paper_figures.py --run runs/sensitivity --training runs/training
  python analysis/paper_figures.py --run analysis/results/statistics.json

Each figure is written as PDF and PNG; what the run does not hold is said, with what it would take. A
``statistics.json`` of analysis/sensitivity.py has the statistics alone: it gives Figs. 5, 10 and 11 and the
limits. Fig. 11 takes the trainings from ``--training`` where the run itself does not have them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sensitivity import BOOTSTRAPS, HEADLINE, limits_of
from study import Study, open_study, study_of

from hepcs import plots
from hepcs.bootstrap import Kind
from hepcs.calibration import calibrate_many, median_and_quartiles
from hepcs.calibration.comparison import significance_improvement
from hepcs.calibration.sensitivity import Curve, sensitivity
from hepcs.enrichment import signal_fraction_improvement
from hepcs.errors import ArgumentError, CardError, HepcsError
from hepcs.normality import Normality, normality_tests
from hepcs.output import save_figure
from hepcs.output.hyperparameters import hyperparameters, latex_table, markdown_table
from hepcs.output.reading import StoredRun, StoredScan, read_run
from hepcs.plots.figures import epsilon_text
from hepcs.randomness import Stream, generator
from hepcs.results import Doped
from hepcs.scan import ScanResult
from hepcs.storage import write_text

#: The search that the figures of single scans show.
MAIN = "cluster_scanning"
FORMATS = ("pdf", "png")
# Numbers of injected events in one panel of Fig. 10.
MOST_DOPED = 4


class LackingError(Exception):
    """The stored results do not hold what a figure needs; the text says what, and how to get it."""


@dataclass(frozen=True)
class Stored:
    """What the figures are made from.

    Attributes
    ----------
    run
        A finished run; None if there are only the statistics of its pseudo-experiments.
    study
        Statistics of the pseudo-experiments; None without doped ones.
    epsilon
        Injected events of the data set whose scan is drawn; the largest number of the run if None.
    training
        Statistics of another run with the trainings of Fig. 11; None to take them from `study`.
    best
        A further search in the figure of limits, such as the best realistic one.
    """

    run: StoredRun | None
    study: Study | None
    epsilon: int | None
    training: Study | None = None
    best: str | None = None

    def need_run(self) -> StoredRun:
        """The run, or LackingError."""
        if self.run is None:
            raise LackingError("the file holds statistics alone. Give the folder of the run")
        return self.run

    def need_study(self) -> Study:
        """The statistics of doped pseudo-experiments, or LackingError."""
        if self.study is None:
            raise LackingError(
                "no doped pseudo-experiments. Set pseudo_experiments.doped and injection.epsilon, and run again"
            )
        return self.study


@dataclass(frozen=True)
class Drawn:
    """A figure, and what is not in it although the paper has it."""

    figure: Figure
    remark: str = ""


# --------------------------------------------------------------------------------------- images (1 and 6)


def images(stored: Stored) -> Drawn:
    """Fig. 1: average images."""
    run = stored.need_run()
    panels = plots.average_panels(run.result.samples)
    if not panels:
        raise LackingError("no average images: no event of the samples is in the evaluation region")
    without = "" if len(panels) == 3 else "without signal, since the run has none"
    return Drawn(plots.average_images(panels, run.card.images.half_width), without)


def sparsity(stored: Stored) -> Drawn:
    """Fig. 6: non-zero pixels of the images."""
    run = stored.need_run()
    filled = [entry for sample in run.result.samples for entry in plots.pixel_counts(sample)]
    if not filled:
        raise LackingError("no counts of non-zero pixels. Run the card again with this version of hepcs")
    return Drawn(plots.nonzero_pixels(filled, run.card.images.pixels))


# ------------------------------------------------------------------------------- one scan (2 to 4, 8 and 9)


def normalised(stored: Stored) -> Drawn:
    """Fig. 2: normalised spectra."""
    run, scan, title = shown_scan(stored)
    return Drawn(plots.normalised_spectra(scan_result(scan), run.bins, title))


def standardised(stored: Stored) -> Drawn:
    """Fig. 3: standardised spectra."""
    run, scan, title = shown_scan(stored)
    theta = run.card.cluster_scanning.theta
    return Drawn(plots.standardised_spectra(scan_result(scan), run.bins, theta, title))


def signal_rich(stored: Stored) -> Drawn:
    """Fig. 4: signal-rich against scaled signal-poor spectrum."""
    run, scan, title = shown_scan(stored)
    return Drawn(plots.signal_rich_and_poor(scan_result(scan), run.bins, title))


def deviations(stored: Stored) -> Drawn:
    """Fig. 8: distribution of the deviations, with three tests of normality."""
    run, scan, title = shown_scan(stored)
    filled = scan.spectra.sum(axis=1) > 0
    epsilon = shown_epsilon(stored, run)
    members = [run.scan(MAIN, epsilon, member) for member in range(run.n_scans(MAIN, epsilon))]
    try:
        poor = signal_poor_p(scan)
        everything = p_values(normality_tests(scan.deviations[filled]))
        ensemble = [signal_poor_p(member) for member in members]
    except ArgumentError as error:
        raise LackingError(f"the deviations cannot be tested for normality: {error}") from error
    figure = plots.deviation_distribution(
        scan_result(scan), run.bins, signal_poor_p=poor, all_p=everything, ensemble_p=ensemble, title=title
    )
    return Drawn(figure)


def signal_poor_p(scan: StoredScan) -> dict[str, float]:
    """p-values of the tests of normality of the signal-poor clusters of a scan."""
    filled = scan.spectra.sum(axis=1) > 0
    return p_values(normality_tests(scan.deviations[filled], scan.signal_rich[filled]))


def minus_total(stored: Stored) -> Drawn:
    """Fig. 9: normalised minus total spectrum, with plain and robust estimators."""
    run, scan, title = shown_scan(stored)
    fraction = run.card.cluster_scanning.outlier_fraction
    return Drawn(plots.spectra_minus_total(scan_result(scan), run.bins, fraction, title))


def enrichment(stored: Stored) -> Drawn:
    """SFI of each cluster (appendix C)."""
    _, scan, title = shown_scan(stored)
    if scan.signal_spectra is None or scan.signal_spectra.sum() == 0:
        raise LackingError(
            "no jets of injected signal are stored of the data set. Inject some by injection.epsilon, and "
            "run again"
        )
    signal = scan.signal_spectra.sum(axis=1)
    sfi = signal_fraction_improvement(signal, scan.spectra.sum(axis=1) - signal)
    return Drawn(plots.cluster_enrichment(sfi, signal, scan.signal_rich, title))


def shown_scan(stored: Stored) -> tuple[StoredRun, StoredScan, str]:
    """The representative scan of the data set that is shown, and what it is."""
    run = stored.need_run()
    if MAIN not in run.names:
        raise LackingError(f"the run has no search {MAIN}")
    search, epsilon = run.search(MAIN), shown_epsilon(stored, run)
    n = run.n_scans(MAIN, epsilon)
    if n == 0:
        raise LackingError(f"no cluster scan of the observed data set with epsilon = {epsilon} is stored")
    member = run.representative(MAIN, epsilon)
    title = f"{search.title}, {epsilon_text(run.result, epsilon)}"
    if n > 1:
        title += f"\nscan {member + 1} of {n}, the nearest to that of the ensemble"
    return run, run.scan(MAIN, epsilon, member), title


def shown_epsilon(stored: Stored, run: StoredRun) -> int:
    """Injected events of the data set that is shown."""
    if stored.epsilon is not None:
        return stored.epsilon
    return max(entry.epsilon for entry in run.search(MAIN).observed)


def scan_result(scan: StoredScan) -> ScanResult:
    """A stored scan as the plot functions take it."""
    return ScanResult(
        scan.spectra,
        scan.deviations,
        scan.signal_rich,
        scan.observed,
        scan.expected,
        scan.local_significance,
        scan.statistic,
    )


def p_values(found: Normality) -> dict[str, float]:
    """p-values of the tests that are defined, by their names."""
    return {test.name: test.p for test in found.tests if test.p is not None}


# ------------------------------------------------------------------------------------- sensitivity (5 and 11)


def realistic(stored: Stored) -> Drawn:
    """Fig. 5a: Cluster Scanning against the dijet fits."""
    return curves(stored, (MAIN,), ("fit_4", "fit_3", "fit_5"))


def idealised(stored: Stored) -> Drawn:
    """Fig. 5b: idealised Cluster Scanning against the idealised fit."""
    return curves(stored, ("idealised_cluster_scanning",), ("idealised_fit",))


def training(stored: Stored) -> Drawn:
    """Fig. 11: training without signal, and where the signal is."""
    searches, fits = (MAIN, "training_without_signal", "training_3450_3550"), ("fit_4", "fit_3")
    if stored.training is None:
        return curves(stored, searches, fits)
    require(stored.training, searches)
    if any(name in stored.training.titles for name in fits):
        return curves(replace(stored, study=stored.training), searches, fits)
    # That run has no fits: they come from the other one, and SI is over Cluster Scanning as it is.
    found = counted_curves(stored.training, searches)
    beside = counted_curves(stored.study, fits) if stored.study is not None else {}
    titles = stored.training.titles
    figure = plots.sensitivity_curves(
        [plots.study_curve(found[name], titles[name], band=name != MAIN) for name in searches]
        + [
            plots.study_curve(curve, stored.need_study().titles[name], band=False)
            for name, curve in beside.items()
        ],
        [improvement(found, titles, name, MAIN) for name in searches[1:]],
        title=f"{stored.training.n_null} background-only pseudo-experiments"
        + (f" ({stored.need_study().n_null} of the fits)" if beside else ""),
        signal_to_background=None if stored.run is None else signal_to_background(stored.run),
    )
    return Drawn(figure, "SI over Cluster Scanning itself, since the run of the trainings has no fits")


def curves(stored: Stored, searches: Sequence[str], baselines: Sequence[str]) -> Drawn:
    """Searches and baselines against epsilon, with SI over the first baseline that is there."""
    study = stored.need_study()
    require(study, searches)
    there = [name for name in baselines if name in study.titles]
    if not there:
        raise LackingError(f"the run has no search {' or '.join(baselines)} to compare with")
    missing = [name for name in baselines if name not in there]
    found = counted_curves(study, (*searches, *there))
    # Bands of more than two curves hide each other.
    banded = (*searches, there[0])
    figure = plots.sensitivity_curves(
        [
            plots.study_curve(found[name], study.titles[name], band=name in banded)
            for name in (*searches, *there)
        ],
        [improvement(found, study.titles, name, there[0]) for name in searches],
        title=f"{study.searches[0].null.size} background-only pseudo-experiments",
        signal_to_background=None if stored.run is None else signal_to_background(stored.run),
    )
    return Drawn(figure, f"without {', '.join(missing)}, which the run does not have" if missing else "")


def improvement(
    found: Mapping[str, Curve], titles: Mapping[str, str], name: str, baseline: str
) -> plots.Improvement:
    """SI of one search of a study over another."""
    entries = significance_improvement(found[name], found[baseline])
    return plots.study_improvement(entries, titles[name], titles[baseline])


def require(study: Study, names: Sequence[str]) -> None:
    """Raise LackingError for searches that the study does not have."""
    missing = [name for name in names if name not in study.titles]
    if missing:
        raise LackingError(
            f"the run has no search {' and no '.join(missing)}. data_cards/sensitivity.yaml shows how to "
            "ask for it"
        )


def counted_curves(study: Study, names: Sequence[str]) -> dict[str, Curve]:
    """Z by counting, as the paper reads it, with the random numbers of analysis/sensitivity.py."""
    searches = [search for search in study.searches if search.name in names]
    if not searches:
        return {}
    found = sensitivity(
        searches, rng=generator(1, Stream.STUDY), n_bootstrap=BOOTSTRAPS, readings=("counted",)
    )
    return {name: entry.curves["counted"] for name, entry in found.items()}


def signal_to_background(run: StoredRun) -> float | None:
    """S/B in the evaluation region for one injected event; None where the run does not tell.

    B is the mean over the background-only pseudo-experiments. The share of the signal inside is that of the signal
    sample, or else of what two observed data sets differ by.
    """
    outcomes = run.result.searches[0].outcomes
    background = [one.n_events for one in outcomes if one.task.kind is Kind.BACKGROUND_ONLY]
    inside = {one.task.epsilon: one.n_events for one in outcomes if one.task.kind is Kind.OBSERVED}
    for sample in run.result.samples:
        if sample.role == "signal":
            return sample.n_evaluation / sample.n_selected / float(np.mean(background))
    least, most = min(inside), max(inside)
    if most == least:
        return None
    return (inside[most] - inside[least]) / (most - least) / float(np.mean(background))


# ------------------------------------------------------------------------------------- calibration (7 and 10)


def smallest_bins(stored: Stored) -> Drawn:
    """Fig. 7: the smallest cluster-bin."""
    run = stored.need_run()
    if MAIN not in run.names:
        raise LackingError(f"the run has no search {MAIN}")
    smallest = run.details(MAIN, "smallest_cluster_bin", Kind.BACKGROUND_ONLY)
    if smallest.size == 0:
        raise LackingError(
            "no smallest cluster-bins are stored. Run the card again with this version of hepcs"
        )
    n = run.members(MAIN, Kind.BACKGROUND_ONLY).shape[1]
    title = f"{run.search(MAIN).title}, $k$ = {run.card.cluster_scanning.k}"
    if n == 1:
        return Drawn(plots.smallest_cluster_bins(smallest, title))
    title += f", smallest of {n} scans"
    remark = f"the smallest of the {n} scans of each pseudo-experiment, where the paper has one scan"
    return Drawn(plots.smallest_cluster_bins(smallest, title), remark)


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
        entries.append(
            Doped(epsilon, values.size, doped[epsilon].size - values.size, (lower, median, upper), z)
        )
    return plots.CalibrationPanel(title, valid, tuple(entries))


def shown_epsilons(null: NDArray[np.float64], doped: Mapping[int, NDArray[np.float64]]) -> tuple[int, ...]:
    """Some epsilon up to the first whose median lies above all background-only statistics."""
    epsilons = sorted(doped)
    beyond = [epsilon for epsilon in epsilons if np.nanmedian(doped[epsilon]) > np.nanmax(null)]
    reach = epsilons if not beyond else epsilons[: epsilons.index(beyond[0]) + 1]
    chosen = np.linspace(0, len(reach) - 1, min(MOST_DOPED, len(reach))).round().astype(int)
    return tuple(reach[i] for i in chosen)


# ------------------------------------------------------------------------------------------------- limits


def limits(stored: Stored) -> Drawn:
    """Expected upper limits of the searches, with those of analysis/sensitivity.py."""
    study = stored.need_study()
    wanted = HEADLINE if stored.best is None else (HEADLINE[0], stored.best, *HEADLINE[1:])
    names = [name for name in wanted if name in study.titles]
    if not names:
        raise LackingError(f"the run has none of the searches {', '.join(HEADLINE)}")
    found = limits_of(study, names)
    for entry in found.values():
        if not entry.reaches:
            raise LackingError(f"{entry.text}. Set pseudo_experiments.doped higher, and run again")
    return Drawn(plots.upper_limit_bands([(study.titles[name], found[name]) for name in names]))


# ---------------------------------------------------------------------------------------------- the command

FIGURES: Mapping[str, Callable[[Stored], Drawn]] = {
    "figure_01_average_images": images,
    "figure_02_normalised_spectra": normalised,
    "figure_03_standardised_spectra": standardised,
    "figure_04_signal_rich": signal_rich,
    "figure_05a_sensitivity": realistic,
    "figure_05b_idealised_sensitivity": idealised,
    "figure_06_nonzero_pixels": sparsity,
    "figure_07_smallest_cluster_bin": smallest_bins,
    "figure_08_deviations": deviations,
    "figure_09_minus_total": minus_total,
    "figure_10_calibration": calibrations,
    "figure_11_training_region": training,
    "signal_fraction_improvement": enrichment,
    "upper_limits": limits,
}


def draw_all(stored: Stored, style: str) -> Iterator[tuple[str, Drawn | str]]:
    """Name of each figure, and the figure, or what the stored results lack for it."""
    for name, function in FIGURES.items():
        try:
            with plots.style_context(style):  # type: ignore[arg-type]
                drawn = function(stored)
        except LackingError as lacking:
            yield name, str(lacking)
        else:
            yield name, drawn


def open_stored(
    path: Path, epsilon: int | None, training: Path | None = None, best: str | None = None
) -> Stored:
    """The folder of a run, or a file of statistics; `training` is another one, for Fig. 11, `best` a search.

    Raises
    ------
    HepcsError
        If it cannot be read, or the run has no observed data set with `epsilon`.
    """
    trainings = None if training is None else open_study(training)
    if path.suffix == ".json":
        return Stored(None, open_study(path), epsilon, trainings, best)
    run = read_run(path)
    if epsilon is not None and MAIN in run.names:
        run.observed(MAIN, epsilon)
    has_doped = any(search.doped for search in run.result.searches)
    return Stored(run, study_of(run) if has_doped else None, epsilon, trainings, best)


def write_all(stored: Stored, folder: Path, style: str) -> tuple[list[str], list[str]]:
    """Write what can be made; returns lines that say what was written, and what could not be made."""
    written, lacking = [], []
    for name, found in draw_all(stored, style):
        if isinstance(found, str):
            lacking.append(f"{name}: {found}")
            continue
        save_figure(found.figure, folder, name, FORMATS)
        written.append(name + (f" ({found.remark})" if found.remark else ""))
    if stored.run is not None:
        rows = hyperparameters(stored.run.card)
        write_text(folder / "table_1_hyperparameters.md", markdown_table(rows))
        write_text(folder / "table_1_hyperparameters.tex", latex_table(rows))
        written.append("table_1_hyperparameters")
    else:
        lacking.append("table_1_hyperparameters: the file holds statistics alone. Give the folder of the run")
    return written, lacking


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the figures of a run, and say what it lacks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--run", type=Path, required=True, help="folder of a finished run, or a statistics.json"
    )
    parser.add_argument(
        "--output", type=Path, help="folder for the figures (paper_figures beside the results)"
    )
    parser.add_argument("--training", type=Path, help="another run, with the trainings of Fig. 11")
    parser.add_argument(
        "--epsilon", type=int, help="injected events of the scan in Figs. 2-4, 8, 9; the most of the run"
    )
    parser.add_argument("--best", help="a further search in the figure of limits, such as window_scan_2")
    parser.add_argument("--style", choices=("plain", "CMS", "ATLAS"), help="that of the card")
    parsed = parser.parse_args(arguments)
    try:
        stored = open_stored(parsed.run, parsed.epsilon, parsed.training, parsed.best)
        beside = parsed.run if stored.run is not None else parsed.run.parent
        folder = parsed.output or beside / "paper_figures"
        style = parsed.style or ("plain" if stored.run is None else stored.run.card.output.style)
        try:
            written, lacking = write_all(stored, folder, style)
        except OSError as error:
            raise CardError(
                f"{folder}: cannot be written: {error.strerror or error}. Use another --output"
            ) from error
    except HepcsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"written to {folder}:", *written, sep="\n  ")
    if lacking:
        print("not made:", *lacking, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
