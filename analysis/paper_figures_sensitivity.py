"""Figures of the sensitivity: Z against injected events (5 and 11), and upper limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from paper_figures_stored import MAIN, Drawn, LackingError, Stored, require
from sensitivity import BOOTSTRAPS, HEADLINE, limits_of
from study import Study

from hepcs import plots
from hepcs._core.randomness import Stream, generator
from hepcs.datasets.bootstrap import Kind
from hepcs.output.reading import StoredRun
from hepcs.studies.comparison import significance_improvement
from hepcs.studies.sensitivity import Curve, sensitivity


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
        title=f"{stored.training.n_null:,} background-only pseudo-experiments"
        + (f" ({stored.need_study().n_null:,} of the fits)" if beside else ""),
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
        title=f"{study.n_null:,} background-only pseudo-experiments",
        signal_to_background=None if stored.run is None else signal_to_background(stored.run),
    )
    return Drawn(figure, f"without {', '.join(missing)}, which the run does not have" if missing else "")


def improvement(
    found: Mapping[str, Curve], titles: Mapping[str, str], name: str, baseline: str
) -> plots.Improvement:
    """SI of one search of a study over another."""
    entries = significance_improvement(found[name], found[baseline])
    return plots.study_improvement(entries, titles[name], titles[baseline])


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
