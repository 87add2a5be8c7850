"""Searches by score and cut (SEARCHES, section 1): scores, cuts, a fit without the window, the largest local Z."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import CardError
from hepcs.datasets.bootstrap import EventView, Kind, Task, draw_data_set
from hepcs.datasets.samples import Pools
from hepcs.results.outcomes import MassSpectrum, Observation
from hepcs.searches.base import Cost, Inputs, Search
from hepcs.searches.cut_and_fit.bias import measured_uncertainty, sculpting
from hepcs.searches.cut_and_fit.columns import columns_left_out, gives_m_jj_away, left_out_text
from hepcs.searches.cut_and_fit.decorrelation import flat_scores
from hepcs.searches.cut_and_fit.scan import CutScan, scan_scores
from hepcs.searches.cut_and_fit.section import CutAndFit
from hepcs.searches.cut_and_fit.training import Events, Scores, Training
from hepcs.searches.cut_and_fit.windows import SlidingWindows, sliding_windows
from hepcs.searches.kinds import Context

logger = logging.getLogger(__name__)

# Fewer events than this in a window after the cut: neither the fit nor its error mean anything.
FEW_EVENTS = 10
# Data sets without signal that tell the uncertainty of the estimate, where it is to be measured.
BIAS_TESTS = 20
# Data sets of which more fits fail have no statistic.
MOST_FAILED = 0.1


@dataclass(frozen=True)
class CutResult:
    """What a search by score and cut found in a data set; `failed_trainings` diverged or collapsed.

    `numbers` are those of :attr:`Scores.numbers`.
    """

    scan: CutScan
    failed_trainings: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def statistic(self) -> float:
        """The largest local Z over windows and cuts."""
        return self.scan.statistic

    @property
    def members(self) -> tuple[float, ...]:
        """The largest local Z of each cut alone."""
        return tuple(map(float, self.scan.largest_by_cut()))

    @property
    def valid(self) -> bool:
        """Whether all trainings and nearly all fits converged."""
        few = self.scan.n_failed <= MOST_FAILED * self.scan.local_z.size
        return few and not self.failed_trainings and bool(np.isfinite(self.statistic))

    @cached_property
    def details(self) -> Mapping[str, float]:
        """Where the largest local Z is, and by cut what tells of sculpting and bias, mean over windows."""
        scan = self.scan
        window, cut = scan.best
        with np.errstate(divide="ignore", invalid="ignore"):
            bias = (scan.observed - scan.expected) / scan.expected
            error = np.sqrt(scan.variance) / scan.expected
        shape = sculpting(scan.spectrum, scan.kept, scan.windows)
        by_cut = {
            "bias": np.nanmean(bias, axis=0),
            "estimate_error": np.nanmean(error, axis=0),
            "jsd": np.nanmean(shape.jsd, axis=0),
            "chi2_ndof": np.nanmean(shape.chi2 / np.maximum(shape.ndof, 1), axis=0),
        }
        return {
            "best_window": float(window),
            "best_cut": float(cut),
            "failed_fits": float(scan.n_failed),
            "failed_trainings": float(self.failed_trainings),
            **self.numbers,
            **{
                f"{name}_{cut_name(share)}": float(value)
                for name, values in by_cut.items()
                for share, value in zip(scan.efficiencies, values, strict=True)
            },
        }


def cut_name(efficiency: float) -> str:
    """The share that a cut keeps as a word: ``0p01``."""
    return f"{efficiency:g}".replace(".", "p").replace("-", "m")


@dataclass(frozen=True)
class ScoreSearch(Search):
    """A search by score and cut.

    `training` is that of the section, after :meth:`prepare` with what is trained once; `columns` are those of each
    feature that the score may look at, where it is not of all, and `momenta` the column of pT of features of jets.
    `tested` is what the bias tests of :meth:`prepare` draw their data sets from, if the uncertainty of the
    estimate is to be measured, and `measured` what they found, for each cut.
    """

    section: CutAndFit
    windows: SlidingWindows
    sqrt_s: float
    training: Training
    columns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    momenta: Mapping[str, int] = field(default_factory=dict)
    tested: Pools | None = None
    measured: tuple[float, ...] = ()

    @property
    def uncertainty(self) -> tuple[float, ...] | float:
        """Of B, divided by it, beside that of the fit: of the card, or as measured for each cut."""
        named = self.section.background_uncertainty
        return (self.measured or 0.0) if isinstance(named, str) else named

    @property
    def cost(self) -> Cost:
        """Trainings take seconds: few data sets at a time."""
        once = self.section.is_trained_once
        return Cost(chunk=20 if once else 2, retrain=not once)

    @property
    def needs_samples(self) -> bool:
        """Whether each data set is compared with whole samples."""
        return self.section.compares_with_samples

    @property
    def fit_key(self) -> str:
        """What decides the scores: searches with the same key share them."""
        own = {
            "title",
            "pseudo_experiments",
            "efficiencies",
            "fit_parameters",
            "local_significance",
            "background_uncertainty",
        }
        if self.section.decorrelate != "planing":
            own.add("decorrelate")
        settings = self.section.model_dump_json(exclude=own, exclude_defaults=True)
        return f"{self.section.kind} {settings}"

    def prepare(self, inputs: Inputs, rng: np.random.Generator) -> Self:
        """What is trained once for all data sets, and what bias tests find if they are asked."""
        trained = replace(self, training=self.training.prepare(self._samples(inputs), rng), tested=None)
        return trained if self.tested is None else trained._test(self.tested, inputs, rng)

    def _test(self, pools: Pools, inputs: Inputs, rng: np.random.Generator) -> Self:
        """The same with the uncertainty of its estimate as data sets without signal show it."""
        logger.info("%s: bias tests on %d data sets without signal", self.name, BIAS_TESTS)
        seed, scans = int(rng.integers(2**62)), []
        for index in range(BIAS_TESTS):
            data = draw_data_set(pools, Task(Kind.BACKGROUND_ONLY, 0, index), seed)
            truth = data.injected if self.section.needs_truth else None
            given = Inputs(inputs.samples if self.needs_samples else {}, truth)
            scans.append(self.judge(self.fit(data.view, given, rng), data.view, given, rng).scan)
        found = measured_uncertainty(scans, pools.background.n_effective / pools.searched.n_expected)
        logger.info(
            "%s: measured uncertainty of the estimate, by cut: %s", self.name, found.round(4).tolist()
        )
        return replace(self, measured=tuple(map(float, found)))

    def fit(self, data: EventView, inputs: Inputs, rng: np.random.Generator) -> Scores:
        """Scores of all events of a data set, each by a model that has not seen it."""
        return self.training.scores(self._events(data), self.windows, self._samples(inputs), rng)

    def _events(self, view: EventView) -> Events:
        planed = self.section.decorrelate == "planing"
        return Events(view, self.section.features, self.columns, planed, self.momenta)

    def _samples(self, inputs: Inputs) -> dict[str, Events]:
        return {role: self._events(view) for role, view in inputs.samples.items()}

    def judge(self, fit: Scores, data: EventView, inputs: Inputs, rng: np.random.Generator) -> CutResult:  # noqa: ARG002
        """Cut, fit outside of each window, and compare inside."""
        values, bins = fit.values, data.bins.index(data.m_jj)
        if self.section.decorrelate == "quantile":
            shares = self.section.efficiencies
            values = flat_scores(values, bins, data.multiplicity, fit.folds, self.windows, shares, rng)
        scores = values if len(values) > 1 or self.windows.n_windows == 1 else values[0]
        return CutResult(
            scan_scores(
                scores,
                bins,
                data.multiplicity,
                fit.folds,
                self.windows,
                self.section.efficiencies,
                data.bins.centres,
                rng,
                sqrt_s=self.sqrt_s,
                n_parameters=self.section.fit_parameters,
                form=self.section.local_significance,
                widths=data.bins.widths,
                relative_error=self.uncertainty,
            ),
            fit.n_failed,
            fit.numbers,
        )

    def observe(
        self,
        found: CutResult,
        data: EventView,
        injected: NDArray[np.bool_] | None,  # noqa: ARG002
    ) -> Observation:
        """The spectrum of the best cut with the fit that leaves out the best window, and all local Z."""
        scan = found.scan
        window, cut = scan.best
        kept, curve = scan.kept[window, cut], np.nan_to_num(scan.curve[window, cut])
        low, high = scan.windows.bounds(data.bins.edges)[window]
        excess = np.maximum(kept - curve, 0.0)
        spectrum = MassSpectrum(
            kept,
            curve,
            np.zeros_like(curve),
            np.divide(excess, np.sqrt(curve), out=np.zeros_like(excess), where=curve > 0),
            what=f"events with the highest {scan.efficiencies[cut]:.2g} of scores",
            estimate="dijet function fitted outside of the window",
            window=(float(low), float(high)),
            local_z=scan.statistic,
        )
        summary = {
            "efficiencies": scan.efficiencies.tolist(),
            "windows": scan.windows.bounds(data.bins.edges).tolist(),
            "local_z": scan.local_z.tolist(),
            "observed": scan.observed.tolist(),
            "expected": scan.expected.tolist(),
            "expected_error": np.sqrt(scan.variance).tolist(),
            "failed_fits": scan.n_failed,
            "failed_trainings": found.failed_trainings,
            "numbers": dict(found.numbers),
        }
        if self.measured:
            summary["background_uncertainty"] = {"relative": list(self.measured)}
        return Observation(spectrum, summary, result=found)


def build(name: str, section: CutAndFit, context: Context) -> ScoreSearch:
    """The search of a section.

    Raises
    ------
    CardError
        If there are too few events for the folds, a cut would keep fewer than ten events in a window, or the
        features give m_jj away.
    """
    windows = sliding_windows(context.pools.bins.n_bins, section.window, section.sideband)
    problems = [
        f"{context.where('.'.join(filter(None, ('searches', name, key))))}: {problem}"
        for key, problem in _problems(section, windows, context)
    ]
    if problems:
        raise CardError("\n".join(problems))
    usual = section.usual_title if name == section.kind else ""
    title = section.title or usual or name.replace("_", " ")
    kept = {}
    for feature in section.feature_names:
        columns = context.columns.get(feature, ())
        if section.looks_at:
            kept[feature] = tuple(columns.index(column) for column in section.looks_at)
        elif left_out := columns_left_out(columns):
            logger.info("%s: %s", name, left_out_text(left_out, feature))
            kept[feature] = tuple(i for i, column in enumerate(columns) if column not in left_out)
    momenta = {
        feature: context.columns[feature].index("pt")
        for feature in section.feature_names
        if "pt" in context.columns.get(feature, ())
    }
    sqrt_s = context.card.regions.sqrt_s
    tested = (
        context.pools.only(section.feature_names) if section.background_uncertainty == "measured" else None
    )
    return ScoreSearch(name, title, section, windows, sqrt_s, section.training(), kept, momenta, tested)


def _problems(section: CutAndFit, windows: SlidingWindows, context: Context) -> Iterator[tuple[str, str]]:
    """What the samples do not allow: keys of the section, and why."""
    searched = context.pools.searched
    # A bootstrap holds two thirds of the events.
    if searched.n_events < 2 * section.folds:
        yield (
            "folds",
            f"{section.folds} folds of {searched.n_events} events, expected half as many as events or fewer",
        )
    fewest = float((windows.inside @ searched.spectrum(context.pools.bins)).min())
    for efficiency in section.efficiencies:
        if efficiency * fewest < FEW_EVENTS:
            yield (
                "efficiencies",
                f"a cut that keeps {efficiency:g} of all events leaves about {efficiency * fewest:.1f} in the "
                f"window with the fewest ({fewest:.0f}), expected {FEW_EVENTS} or more. Keep more, take wider "
                "windows, or end the evaluation region earlier",
            )
    for feature in section.feature_names:
        columns = context.columns.get(feature, ())
        if lacking := [name for name in section.looks_at if name not in columns]:
            yield (
                "features",
                f"{feature!r} lacks {', '.join(lacking)}, which the score is of; its columns are "
                f"{', '.join(columns[:10])}{' ...' if len(columns) > 10 else ''}",
            )
    yield from section.problems_of(context)
    for feature in section.feature_names:
        if section.normalises_momenta or not gives_m_jj_away(context.columns.get(feature, ())):
            continue
        yield (
            "features",
            f"{feature!r} holds the pT of constituents, which add up to that of the jets, and so nearly "
            "m_jj: a score of it would be one of m_jj. Take other features, such as `event` or `substructure`",
        )
