"""Results as a notebook wants them: numbers, histograms, tables and figures of a run by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import hist
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs._core.requirements import pip_install
from hepcs.calibration import Calibration
from hepcs.calibration.combination import Combination
from hepcs.config import Card
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.interactive.html import run_html, search_html
from hepcs.output import make_figures, run_histograms, table_rows, write_run
from hepcs.output.findings import Excess, largest_excess, signal_limits
from hepcs.output.folder import prepare_folder
from hepcs.output.report import COMPARISON
from hepcs.output.root import outcome_columns
from hepcs.results import MassSpectrum, Observed, RunResult, SearchResult
from hepcs.studies.limits import UpperLimits

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run, which a notebook shows as a table with the answer above it.

    Attributes
    ----------
    result
        All of it, as :mod:`hepcs.results` has it.
    folder
        Where its files are; None if it was not written.
    """

    result: RunResult
    folder: Path | None = None

    @cached_property
    def searches(self) -> Mapping[str, SearchView]:
        """The searches by name."""
        return {search.name: SearchView(self, search) for search in self.result.searches}

    @property
    def card(self) -> Card:
        """The card with all defaults."""
        return self.result.card.card

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know of the results."""
        return self.result.warnings

    @property
    def combination(self) -> Combination:
        """All searches together in the observed data set: its `p` counts in that there were several.

        Raises
        ------
        ArgumentError
            If there is no observed data set, or several: `result.combined` has one for each.
        """
        found = [one.combination for one in self.result.combined if one.combination is not None]
        if len(found) != 1:
            raise ArgumentError(f"{len(found)} observed data sets, expected one: see run.result.combined")
        return found[0]

    @property
    def p(self) -> float:
        """The p-value of all searches together; see :attr:`combination`."""
        return self.combination.p

    @cached_property
    def histograms(self) -> Mapping[str, hist.Hist]:
        """All histograms by their path, as in ``results.root``."""
        return run_histograms(self.result)

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """All figures by name; drawn when this is first asked for, which takes some seconds."""
        from hepcs.output.figures import draw_figures

        return {drawing.name: drawing.figure for drawing in draw_figures(self.result)}

    def figure(self, name: str = "searches") -> Figure:
        """A figure by its name, as in ``figures/``; by default all searches side by side.

        Raises
        ------
        ArgumentError
            If there is none of that name; the text names those that there are.
        """
        from hepcs.output.figures import comparison

        if name == COMPARISON and "figures" not in vars(self):
            drawing = comparison(self.result)
            if drawing is not None:
                return drawing.figure
        return _named(name, self.figures)

    def table(self) -> pandas.DataFrame:
        """The table that a run ends with, all in words, as a DataFrame; it needs pandas.

        Raises
        ------
        ComputationError
            If pandas is not installed.
        """
        columns = ("search", "epsilon", "data_set", "statistic", "p", "z", "note")
        rows = [[getattr(row, name) for name in columns] for row in table_rows(self.result)]
        return _pandas().DataFrame(rows, columns=columns)

    def save(self, folder: Path | str, *, overwrite: bool = False) -> Run:
        """Write the run into a folder, as the command does, and give the run that is there.

        Raises
        ------
        CardError, ComputationError
            If the folder holds what must not be replaced, or cannot be written to.
        """
        folder = Path(folder)
        prepare_folder(folder, overwrite)
        write_run(self.result, folder, make_figures(self.result))
        return Run(self.result, folder)

    def __repr__(self) -> str:
        """A line for each search."""
        where = "" if self.folder is None else f", in {self.folder}"
        return "\n".join([f"Run({self.card.name}{where})", *map(repr, self.result.searches)])

    def _repr_html_(self) -> str:
        return run_html(self.result, self.folder)


@dataclass(frozen=True, repr=False)
class SearchView:
    """One search of a run.

    Where several data sets were observed, :meth:`at` names the one that is meant.

    Attributes
    ----------
    run, result
        The run, and what the search found in it.
    injection
        Of the observed data set that is meant; None if there is but one.
    """

    run: Run
    result: SearchResult
    injection: Injection | None = None

    def at(self, epsilon: int, signal: str | None = None) -> SearchView:
        """The search in the observed data set with `epsilon` injected events, of a signal if several have it.

        Raises
        ------
        ArgumentError
            If there is no such data set, or several.
        """
        found = [
            one.injection
            for one in self.result.observed
            if one.injection.epsilon == epsilon and signal in {None, one.injection.signal}
        ]
        if len(found) != 1:
            raise ArgumentError(f"{self._n(len(found))} with epsilon = {epsilon}; there are {self._there()}")
        return SearchView(self.run, self.result, found[0])

    @property
    def observed(self) -> Observed:
        """The observed data set, and what it means.

        Raises
        ------
        ArgumentError
            If there is none (a blind run), or several and none is named by :meth:`at`.
        """
        found = [one for one in self.result.observed if self.injection in {None, one.injection}]
        if len(found) != 1:
            raise ArgumentError(f"{self._n(len(found))}; choose by .at(epsilon): there are {self._there()}")
        return found[0]

    @property
    def calibration(self) -> Calibration:
        """p and Z with their intervals, and whether they are bounds.

        Raises
        ------
        ArgumentError
            If the statistic could not be computed, or as for :attr:`observed`.
        """
        found = self.observed.calibration
        if found is None:
            raise ArgumentError(f"{self.result.name}: the statistic could not be computed, so there is no p")
        return found

    @property
    def p(self) -> float:
        """Calibrated global p-value; the bound 1/N where :attr:`bound` says "lower"."""
        return self.calibration.p

    @property
    def p_interval(self) -> tuple[float, float]:
        """Its 68.27 % interval."""
        return self.calibration.p_low, self.calibration.p_high

    @property
    def z(self) -> float:
        """Global significance."""
        return self.calibration.z

    @property
    def bound(self) -> str | None:
        """Whether Z is only a "lower" or "upper" bound; None for a value."""
        return self.calibration.bound

    @property
    def statistic(self) -> float:
        """The observed statistic."""
        return self.observed.outcome.statistic

    @property
    def null(self) -> NDArray[np.float64]:
        """Statistics of the background-only pseudo-experiments, shape (n,)."""
        return self.result.statistics(Kind.BACKGROUND_ONLY)

    @property
    def excess(self) -> Excess | None:
        """Where the largest excess lies, and how much it is; None where there is none."""
        return largest_excess(self.observed.observation.spectrum, self.run.result.bins)

    @property
    def limits(self) -> Mapping[str, UpperLimits]:
        """Upper limits on the signal events, by signal; none without doped pseudo-experiments."""
        return signal_limits(self.result, self.observed, self.run.card.seed)

    @property
    def spectrum(self) -> MassSpectrum | None:
        """What the search compares in bins of m_jj."""
        return self.observed.observation.spectrum

    @property
    def histograms(self) -> Mapping[str, hist.Hist]:
        """Its histograms by their path below ``<search>/``, as in ``results.root``."""
        begin = f"{self.result.name}/"
        return {
            path.removeprefix(begin): one
            for path, one in self.run.histograms.items()
            if path.startswith(begin)
        }

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """Its figures by name, without the search's own."""
        from hepcs.output.figures import draw_figures

        begin = f"{self.result.name}_"
        alone = replace(self.run.result, searches=(self.result,), combined=(), samples=())
        return {
            drawing.name.removeprefix(begin): drawing.figure
            for drawing in draw_figures(alone)
            if drawing.name.startswith(begin)
        }

    def figure(self, name: str = "calibration") -> Figure:
        """One of :attr:`figures`; by default where the observed data lie among the pseudo-experiments.

        Raises
        ------
        ArgumentError
            If there is none of that name.
        """
        return _named(name, self.figures)

    def outcomes(self) -> ak.Array:
        """Every data set as a record: kind, epsilon, signal, index, statistic, members, valid, and the details."""
        return ak.Array(ak.zip(dict(outcome_columns(self.result.outcomes)), depth_limit=1))

    def to_pandas(self) -> pandas.DataFrame:
        """The same as a DataFrame, without the members of ensembles; it needs pandas.

        Raises
        ------
        ComputationError
            If pandas is not installed.
        """
        columns = outcome_columns(self.result.outcomes)
        return _pandas().DataFrame(
            {name: ak.to_list(values) for name, values in columns.items() if name != "members"}
        )

    def _n(self, n: int) -> str:
        return f"{self.result.name}: {n or 'no'} observed data set{'' if n == 1 else 's'}"

    def _there(self) -> str:
        return ", ".join(one.injection.label for one in self.result.observed) or "none: the run is blind"

    def __repr__(self) -> str:
        """As the search's result."""
        return repr(self.result)

    def _repr_html_(self) -> str:
        return search_html(self.run.result, self.result, self.injection)


def _named(name: str, figures: Mapping[str, Figure]) -> Figure:
    if name not in figures:
        raise ArgumentError(f"no figure is named {name!r}; there are {', '.join(figures)}")
    return figures[name]


def _pandas() -> Any:
    """The package, which tables alone need."""
    try:
        import pandas
    except ImportError as error:
        raise ComputationError(
            f"a DataFrame needs pandas, which is not installed: {pip_install('pandas')}"
        ) from error
    return pandas
