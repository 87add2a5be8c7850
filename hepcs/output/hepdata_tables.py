"""What a finished run gives to HEPData: tables of numbers, whatever writes them."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from hepcs.calibration import Calibration, Quantile
from hepcs.output.histograms import epsilon_folder
from hepcs.output.reading import StoredRun
from hepcs.output.sentences import data_set, injection_text, scan_text
from hepcs.output.table import NOTHING
from hepcs.results import Observed

#: What can stand in a cell: a number, or a word where there is none.
Value = float | str
# Longest name of a table.
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Column:
    """A dependent variable.

    Attributes
    ----------
    name, units
        Header; no units for pure numbers.
    values
        One for each row.
    errors
        Downward (negative) and upward error of each value, None for a value without; None if no value has any.
    label
        What the errors are.
    """

    name: str
    units: str
    values: tuple[Value, ...]
    errors: tuple[tuple[float, float] | None, ...] | None = None
    label: str = ""


@dataclass(frozen=True)
class HepdataTable:
    """A table of the submission.

    Attributes
    ----------
    name, description
        For its readers.
    axis, units
        Name and units of the independent variable.
    rows
        Its values: numbers, or bins [low, high).
    columns
        The dependent variables.
    """

    name: str
    description: str
    axis: str
    units: str
    rows: tuple[float, ...] | tuple[tuple[float, float], ...]
    columns: tuple[Column, ...]


def hepdata_tables(run: StoredRun) -> tuple[HepdataTable, ...]:
    """The tables of a run: spectra with background estimates and local significances, results, sensitivity.

    For each observed data set one table of all events with the fits to them, and one for each ensemble of cluster
    scans, of its representative scan. Then p and Z of the observed data sets, and median and quartiles of Z over
    doped pseudo-experiments, if there are any. Searches with one title have their names behind it.
    """
    run = _with_distinct_titles(run)
    return _with_distinct_names(
        (
            *_spectrum_tables(run),
            *_scan_tables(run),
            *_observed_tables(run),
            *_sensitivity_tables(run),
        )
    )


# ------------------------------------------------------------------------------------------------ names


def _name(text: str, suffix: str = "") -> str:
    """Name of a table, not longer than HEPData allows; hepdata_lib makes the name of a file from it."""
    plain = re.sub(r"[^A-Za-z0-9 +-]", " ", text)
    return f"{plain[: _LONGEST_NAME - len(suffix)].strip()}{suffix}"


def _with_distinct_titles(run: StoredRun) -> StoredRun:
    """The same, with its name behind the title of each search whose title another one has as well."""
    searches = run.result.searches
    times = Counter(search.title for search in searches)
    distinct = tuple(
        dataclasses.replace(search, title=f"{search.title} ({search.name})")
        if times[search.title] > 1
        else search
        for search in searches
    )
    return dataclasses.replace(run, result=dataclasses.replace(run.result, searches=distinct))


def _with_distinct_names(tables: Iterable[HepdataTable]) -> tuple[HepdataTable, ...]:
    """The same, numbered where a name, and the file that hepdata_lib names after it, would come again."""
    distinct: dict[str, HepdataTable] = {}
    for table in tables:
        name, number = table.name, 1
        while name.lower() in distinct:
            number += 1
            name = _name(table.name, f" {number}")
        distinct[name.lower()] = dataclasses.replace(table, name=name)
    return tuple(distinct.values())


def _with_epsilon(text: str, run: StoredRun, epsilon: int) -> str:
    """The same with the data set behind it, where there are several."""
    return _name(text, "" if run.card.samples.is_real_search else f" with {epsilon} signal events")


# ----------------------------------------------------------------------------------- in bins of the mass


def _spectrum_tables(run: StoredRun) -> Iterator[HepdataTable]:
    """Events in bins of m_jj, with the estimate and the local significance of each search that fits them."""
    epsilons = dict.fromkeys(
        observed.epsilon for search in run.result.searches for observed in search.observed
    )
    for epsilon in epsilons:
        columns: list[Column] = []
        for search in run.result.searches:
            prefix = f"{search.name}/observed/{epsilon_folder(epsilon)}"
            if f"{prefix}/spectrum" not in run.histograms:
                continue
            if not columns:
                columns.append(_counts("Events", run, f"{prefix}/spectrum"))
            columns += _estimate_columns(run, prefix, search.title)
        if columns:
            subject = data_set(epsilon, run.card.samples.is_real_search)
            yield _in_mass_bins(
                run,
                _with_epsilon("Dijet spectrum", run, epsilon),
                f"Events of {subject} in bins of the dijet mass, the functions fitted to them with the "
                "uncertainty of the fit, and the local significance of the excess in each bin.",
                columns,
            )


def _scan_tables(run: StoredRun) -> Iterator[HepdataTable]:
    """Jets of the signal-rich clusters of the representative scans."""
    for search in run.result.searches:
        for observed in search.observed:
            n = run.n_scans(search.name, observed.epsilon)
            if n == 0:
                continue
            member = run.representative(search.name, observed.epsilon)
            prefix = f"{search.name}/observed/{epsilon_folder(observed.epsilon)}/member_{member:02d}"
            subject = data_set(observed.epsilon, run.card.samples.is_real_search)
            yield _in_mass_bins(
                run,
                _with_epsilon(f"{search.title} signal-rich clusters", run, observed.epsilon),
                f"{search.title} of {subject}, {scan_text(member, n)}, whose statistic is nearest to the mean: "
                "jets of the signal-rich clusters in bins of the dijet mass (an event counts with each of its two "
                "jets that is in such a cluster), the background estimate from the signal-poor clusters with its "
                "statistical uncertainty, and the local significance of the excess.",
                (
                    _counts("Jets", run, f"{prefix}/signal_rich"),
                    *_estimate_columns(run, prefix, search.title),
                ),
            )


def _estimate_columns(run: StoredRun, prefix: str, title: str) -> Iterator[Column]:
    """Background estimate and local significance of a search, as far as it keeps them."""
    if f"{prefix}/background_estimate" in run.histograms:
        variances = np.asarray(run.histograms[f"{prefix}/background_estimate"].variances())
        yield Column(
            f"Background estimate, {title}",
            "",
            _values(run, f"{prefix}/background_estimate"),
            _symmetric(np.sqrt(variances)),
            "of the estimate",
        )
    if f"{prefix}/local_significance" in run.histograms:
        yield Column(f"Local significance, {title}", "", _values(run, f"{prefix}/local_significance"))


def _in_mass_bins(run: StoredRun, name: str, description: str, columns: Iterable[Column]) -> HepdataTable:
    bins = tuple(pairwise(run.bins.edges.tolist()))
    return HepdataTable(name, description, "$m_{jj}$", "GeV", bins, tuple(columns))


def _counts(name: str, run: StoredRun, path: str) -> Column:
    counts = _values(run, path)
    return Column(name, "", counts, _symmetric(np.sqrt(counts)), "statistical")


def _values(run: StoredRun, path: str) -> tuple[float, ...]:
    return tuple(np.asarray(run.histograms[path].values(), dtype=np.float64).tolist())


def _symmetric(errors: Any) -> tuple[tuple[float, float], ...]:
    return tuple((-float(error), float(error)) for error in errors)


# --------------------------------------------------------------------------- by the number of signal events


def _observed_tables(run: StoredRun) -> Iterator[HepdataTable]:
    """Statistic, p and Z of each search."""
    for search in run.result.searches:
        calibrations = [observed.calibration for observed in search.observed]
        yield _by_epsilon(
            f"Observed significance of {search.title}",
            f"{search.title}: test statistic of each observed data set, p-value and significance Z from "
            f"{run.card.pseudo_experiments.background_only} background-only pseudo-experiments, with 68 % "
            "intervals. Where none of the N pseudo-experiments reaches the statistic, p = 1/N is an upper bound "
            "and Z a lower one; where all do, p = 1 - 1/N is a lower bound and Z an upper one. A bound Z has no "
            "errors, since its interval is open at one end; the other end stands beside it. "
            f"{injection_text(run.result)}",
            (observed.epsilon for observed in search.observed),
            (
                Column("Test statistic", "", tuple(_statistic(observed) for observed in search.observed)),
                _with_interval("p-value", calibrations, lambda one: (one.p, one.p_low, one.p_high)),
                _with_interval("Z", calibrations, lambda one: (one.z, one.z_low, one.z_high)),
                Column("Lower end of the interval of Z", "", _ends(calibrations, lambda one: one.z_low)),
                Column("Upper end of the interval of Z", "", _ends(calibrations, lambda one: one.z_high)),
                Column(
                    "Z is", "", tuple(NOTHING if one is None else _kind(one.bound) for one in calibrations)
                ),
            ),
        )


def _with_interval(
    name: str,
    calibrations: Sequence[Calibration | None],
    value_low_high: Callable[[Calibration], tuple[float, float | None, float | None]],
) -> Column:
    found = [None if one is None else value_low_high(one) for one in calibrations]
    values = tuple(NOTHING if one is None else one[0] for one in found)
    errors = tuple(None if one is None else _around(*one) for one in found)
    return Column(name, "", values, errors, "68 % interval")


def _ends(
    calibrations: Sequence[Calibration | None], end: Callable[[Calibration], float | None]
) -> tuple[Value, ...]:
    """One end of each interval, or that there is none."""
    ends = [None if one is None else end(one) for one in calibrations]
    return tuple(NOTHING if value is None else value for value in ends)


def _sensitivity_tables(run: StoredRun) -> Iterator[HepdataTable]:
    """Median and quartiles of Z over doped pseudo-experiments by the number of injected events."""
    for search in run.result.searches:
        if not search.doped:
            continue
        quantiles = [(one.z.lower_quartile, one.z.median, one.z.upper_quartile) for one in search.doped]
        yield _by_epsilon(
            f"Sensitivity of {search.title}",
            f"{search.title}: median significance over pseudo-experiments with injected signal; the errors lead "
            "to the quartiles, and are left out where any of the three is only a bound, for want of "
            "background-only pseudo-experiments. The true value may lie anywhere above a lower bound, and "
            "anywhere below an upper one.",
            (one.epsilon for one in search.doped),
            (
                Column(
                    "Median Z",
                    "",
                    tuple(median.z for _, median, _ in quantiles),
                    tuple(
                        _around(median.z, low.z, high.z)
                        if low.bound is median.bound is high.bound is None
                        else None
                        for low, median, high in quantiles
                    ),
                    "quartiles",
                ),
                Column("Median Z is", "", tuple(_kind(median.bound) for _, median, _ in quantiles)),
                *(
                    column
                    for i, name in ((0, "Lower quartile"), (2, "Upper quartile"))
                    for column in (
                        Column(name, "", tuple(row[i].z for row in quantiles)),
                        Column(f"{name} is", "", tuple(_kind(row[i].bound) for row in quantiles)),
                    )
                ),
                Column("Pseudo-experiments", "", tuple(float(one.n_used) for one in search.doped)),
            ),
        )


def _by_epsilon(
    name: str, description: str, epsilons: Iterable[int], columns: Iterable[Column]
) -> HepdataTable:
    rows = tuple(map(float, epsilons))
    return HepdataTable(_name(name), description, "Injected signal events", "", rows, tuple(columns))


def _around(value: float, low: float | None, high: float | None) -> tuple[float, float] | None:
    """Errors that lead from a value to its limits; none where one is lacking: 0 would say the opposite."""
    return None if low is None or high is None else (low - value, high - value)


def _statistic(observed: Observed) -> Value:
    outcome = observed.observation.outcome
    return outcome.statistic if outcome.valid else NOTHING


def _kind(bound: Quantile | str | None) -> str:
    return "exact" if bound is None else f"{bound} bound" if bound != "undetermined" else "undetermined"
