"""The test of QUAK: fits of disjoint categories, combined for each hypothesis, and the largest of all windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.config.schema import Card
from hepcs.datasets.bootstrap import EventView
from hepcs.results.outcomes import Observation
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit import search as common
from hepcs.searches.cut_and_fit.decorrelation import flat_scores
from hepcs.searches.cut_and_fit.report import trials as score_trials
from hepcs.searches.cut_and_fit.scan import CutScan, scan_cuts, scan_scores
from hepcs.searches.cut_and_fit.search import CutResult, ScoreSearch
from hepcs.searches.cut_and_fit.training import Scores
from hepcs.searches.kinds import Context
from hepcs.searches.quak.section import Quak
from hepcs.searches.quak.training import QuakTraining


@dataclass(frozen=True)
class QuakResult(CutResult):
    """What QUAK found in a data set: `scan` has the h hypotheses in place of cuts, with all their categories.

    Attributes
    ----------
    hypotheses
        Their names.
    categories
        The scan of the c categories of each.
    """

    hypotheses: tuple[str, ...] = ()
    categories: tuple[CutScan, ...] = ()

    @cached_property
    def details(self) -> Mapping[str, float]:
        """As of any cut, the mean over hypotheses, by the share at which a category ends."""
        of_each = [CutResult(scan, self.failed_trainings, self.numbers).details for scan in self.categories]
        window, best = self.scan.best
        return {
            **{name: float(np.mean([one[name] for one in of_each])) for name in of_each[0]},
            "best_window": float(window),
            "best_cut": float(best),
            "failed_fits": float(self.n_failed_fits),
        }

    @property
    def n_failed_fits(self) -> int:
        """Fits of all categories that failed."""
        return sum(one.n_failed for one in self.categories)

    @property
    def valid(self) -> bool:
        """Whether all trainings, and nearly all fits of categories converged."""
        n_fits = sum(one.local_z.size for one in self.categories)
        return super().valid and self.n_failed_fits <= common.MOST_FAILED * n_fits


class QuakSearch(ScoreSearch):
    """QUAK, of which `training` is a :class:`QuakTraining`."""

    def judge(self, fit: Scores, data: EventView, inputs: Inputs, rng: np.random.Generator) -> QuakResult:  # noqa: ARG002
        """Sort the events by each hypothesis, fit its categories outside of each window, and combine."""
        training = cast(QuakTraining, self.training)
        assert training.space is not None
        shares, results, categories = sorted(self.section.efficiencies), [], []
        errors = np.broadcast_to(self.uncertainty, len(training.hypotheses))
        for name, values, error in zip(training.hypotheses, fit.values, errors, strict=True):
            within = self._scan(values, fit.folds, data, shares, rng)
            rings = np.diff(within.kept, axis=1, prepend=0)
            found = scan_cuts(
                within.spectrum,
                rings,
                self.windows,
                shares,
                data.bins.centres,
                sqrt_s=self.sqrt_s,
                n_parameters=self.section.fit_parameters,
                form=self.section.local_significance,
                widths=data.bins.widths,
            )
            expected = np.ones(len(shares))
            if name in training.space.expected:
                expected = shares_within(training.space.expected[name], values, data.multiplicity, shares)
            z = combined_z(found, expected, float(error))
            results.append((within, z))
            categories.append(found)

        # All categories of a hypothesis together stand where another search has a cut.
        whole: dict[str, Any] = {
            what: np.stack([getattr(within, what)[:, -1] for within, _ in results], axis=1)
            for what in ("kept", "curve", "observed", "expected", "variance", "n_parameters")
        }
        whole["local_z"] = np.stack([z for _, z in results], axis=1)
        scan = replace(results[0][0], efficiencies=np.full(len(results), shares[-1]), **whole)
        return QuakResult(scan, fit.n_failed, fit.numbers, training.hypotheses, tuple(categories))

    def observe(self, found: CutResult, data: EventView, injected: NDArray[np.bool_] | None) -> Observation:
        """The spectrum of all categories of the best hypothesis, and the combined Z of all windows."""
        assert isinstance(found, QuakResult)
        usual = super().observe(found, data, injected)
        assert usual.spectrum is not None
        best = found.hypotheses[found.scan.best[1]]
        spectrum = replace(usual.spectrum, what=f"all categories of the hypothesis {best!r}")
        summary = {**usual.summary, "labels": [*found.hypotheses]}
        return replace(usual, spectrum=spectrum, summary=summary)

    def _scan(
        self,
        values: NDArray[np.float64],
        folds: NDArray[np.int64],
        data: EventView,
        shares: list[float],
        rng: np.random.Generator,
    ) -> CutScan:
        """Events within each share, by one order of all."""
        bins, scores = data.bins.index(data.m_jj), values
        if self.section.decorrelate == "quantile":
            scores = flat_scores(
                values[np.newaxis], bins, data.multiplicity, folds, self.windows, shares, rng
            )
        return scan_scores(
            scores,
            bins,
            data.multiplicity,
            folds,
            self.windows,
            shares,
            data.bins.centres,
            rng,
            sqrt_s=self.sqrt_s,
            n_parameters=self.section.fit_parameters,
            widths=data.bins.widths,
        )


def shares_within(
    expected: NDArray[np.floating],
    values: NDArray[np.floating],
    multiplicity: NDArray[np.integer],
    shares: list[float],
) -> NDArray[np.float64]:
    """Share of a prior's events in each category.

    Parameters
    ----------
    expected
        Values of the prior's events, rising, shape (k,).
    values, multiplicity
        Of the events of the data set, shape (m,).
    shares
        c rising shares of all events of the data set, at which categories end.

    Returns
    -------
    ndarray
        Shape (c,).
    """
    order = np.argsort(-values)
    ends = np.searchsorted(np.cumsum(multiplicity[order]), np.array(shares) * multiplicity.sum())
    thresholds = values[order][np.minimum(ends, len(values) - 1)]
    above = 1 - np.searchsorted(expected, thresholds) / len(expected)
    return np.asarray(np.diff(above, prepend=0.0))


def combined_z(
    scan: CutScan, expected: NDArray[np.floating], relative_error: float = 0.0
) -> NDArray[np.float64]:
    """Z of a signal that spreads over categories as expected, from the fits of all of them.

    With s_c of the signal in category c, whose excess is S_c - B_c with the variance V_c = B_c + var(B_c), the
    best estimate of its strength is in units of its error ``sum s (S - B) / V / sqrt(sum s^2 / V)``.

    Parameters
    ----------
    scan
        Of w windows and c categories.
    expected
        Relative signal in each category, shape (c,).
    relative_error
        Of every estimate, beside that of its fit.

    Returns
    -------
    ndarray
        Shape (w,); NaN where no fit converged.

    Raises
    ------
    ArgumentError
        For another shape.
    """
    if expected.shape != scan.efficiencies.shape:
        raise ArgumentError(
            f"{scan.efficiencies.size} categories need as many shares, found {expected.shape}"
        )
    # A category of which nothing is expected still has some part, should nothing be expected in any.
    signal = np.maximum(expected, 1e-6)
    used = np.isfinite(scan.local_z)
    variance = scan.expected + scan.variance + np.square(relative_error * scan.expected)
    variance = np.where(used, variance, np.inf)
    excess = np.where(used, scan.observed - scan.expected, 0.0)
    information = (signal**2 / variance).sum(axis=1)
    strength = (signal * excess / variance).sum(axis=1)
    return np.asarray(strength / np.sqrt(np.where(information > 0, information, np.nan)))


def trials(section: Quak, card: Card) -> str:
    """Where the search looks for an excess: windows, and the orders of the priors and of what is unlike any."""
    windows, _, _ = score_trials(section, card).partition("; ")
    return f"{windows}; {len(card.samples.priors) + 1} orders of the events"


def build(name: str, section: Quak, context: Context) -> QuakSearch:
    """The search of a section; raises CardError as :func:`hepcs.searches.cut_and_fit.search.build`."""
    usual = common.build(name, section, context)
    return QuakSearch(**vars(usual))
