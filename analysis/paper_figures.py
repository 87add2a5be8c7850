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
from pathlib import Path

import paper_figures_calibration as calibration
import paper_figures_method as method
import paper_figures_sensitivity as sensitivity
from paper_figures_stored import MAIN, Drawn, LackingError, Stored
from study import open_study, study_of

from hepcs import plots
from hepcs._core.errors import CardError, HepcsError
from hepcs._core.storage import write_text
from hepcs.output import save_figure
from hepcs.output.hyperparameters import hyperparameters, latex_table, markdown_table
from hepcs.output.reading import read_run

FORMATS = ("pdf", "png")

FIGURES: Mapping[str, Callable[[Stored], Drawn]] = {
    "figure_01_average_images": method.images,
    "figure_02_normalised_spectra": method.normalised,
    "figure_03_standardised_spectra": method.standardised,
    "figure_04_signal_rich": method.signal_rich,
    "figure_05a_sensitivity": sensitivity.realistic,
    "figure_05b_idealised_sensitivity": sensitivity.idealised,
    "figure_06_nonzero_pixels": method.sparsity,
    "figure_07_smallest_cluster_bin": calibration.smallest_bins,
    "figure_08_deviations": method.deviations,
    "figure_09_minus_total": method.minus_total,
    "figure_10_calibration": calibration.calibrations,
    "figure_11_training_region": sensitivity.training,
    "signal_fraction_improvement": method.enrichment,
    "upper_limits": sensitivity.limits,
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
    if stored.run is not None and MAIN in stored.run.names:
        rows = hyperparameters(stored.run.card, MAIN)
        write_text(folder / "table_1_hyperparameters.md", markdown_table(rows))
        write_text(folder / "table_1_hyperparameters.tex", latex_table(rows))
        written.append("table_1_hyperparameters")
    elif stored.run is not None:
        lacking.append(f"table_1_hyperparameters: the run has no search {MAIN}")
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
