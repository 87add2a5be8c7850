"""What a finished run gives to HEPData: tables of numbers, whatever writes them."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hepcs.calibration import Calibration, Quantile
from hepcs.datasets.bootstrap import Injection
from hepcs.output.reading import StoredRun
from hepcs.output.sentences import injection_text
from hepcs.results import Doped, MassSpectrum, Observed, SearchResult
from hepcs.results.wording import KNOWS_TRUTH, NOTHING, TOGETHER, data_set, injected_events

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

    For each observed data set a table of each spectrum that is compared with an estimate, beside each other the
    estimates of all searches that compare the same one. Then p and Z of the observed data sets, and median and
    quartiles of Z over doped pseudo-experiments, if there are any; the same of all searches together. Searches
    with one title have their names behind it.
    """
    run = _with_distinct_titles(run)
    return _with_distinct_names(
        (
            *_spectrum_tables(run),
            *_observed_tables(run),
            *_sensitivity_tables(run),
        )
    )


# ------------------------------------------------------------------------------------------------ names


def _name(text: str, suffix: str = "") -> str:
    """Name of a table, not longer than HEPData allows; hepdata_lib makes the name of a file from it."""
    plain = re.sub(r"[^A-Za-z0-9+-]+", " ", text)
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


def _with_injection(text: str, run: StoredRun, injection: Injection) -> str:
    """The same with the data set behind it, where there are several."""
    return _name(text, "" if run.result.is_real_search else f" with {injected_events(injection)}")


# ----------------------------------------------------------------------------------- in bins of the mass


def _spectrum_tables(run: StoredRun) -> Iterator[HepdataTable]:
    """What searches compare in bins of m_jj: a table for each spectrum, with the estimates of its searches."""
    for injection in run.result.observed_injections:
        subject = data_set(run.result, injection)
        for searches in _by_spectrum(run, injection).values():
            first, spectrum = searches[0]
            columns = [Column(spectrum.unit.capitalize(), "", *_counts(spectrum))]
            for title, one in searches:
                columns += _estimate_columns(one, title)
            whole = spectrum.what == spectrum.unit
            name = "Dijet spectrum" if whole else f"{first} spectrum"
            estimates = "; ".join(f"{title}: {one.estimate}" for title, one in searches)
            twice = (
                ""
                if spectrum.unit == "events"
                else " An event counts with each of its jets that is among them."
            )
            yield _in_mass_bins(
                run,
                _with_injection(name, run, injection),
                f"{spectrum.what[:1].upper()}{spectrum.what[1:]} of {subject} in bins of the dijet mass, the "
                f"background estimate with its uncertainty ({estimates}), and the local significance of the "
                f"excess in each bin.{twice}",
                columns,
            )


def _by_spectrum(run: StoredRun, injection: Injection) -> dict[Any, list[tuple[str, MassSpectrum]]]:
    """Titles of the searches with what they compare, by what that is: one entry for each distinct spectrum."""
    found: dict[Any, list[tuple[str, MassSpectrum]]] = {}
    for search in run.result.searches:
        for observed in search.observed:
            spectrum = observed.observation.spectrum
            if observed.injection == injection and spectrum is not None:
                key = (spectrum.what, spectrum.unit, spectrum.observed.tobytes())
                found.setdefault(key, []).append((search.title, spectrum))
    return found


def _estimate_columns(spectrum: MassSpectrum, title: str) -> Iterator[Column]:
    """Background estimate and local significance of a search."""
    errors = _symmetric(np.sqrt(spectrum.variance)) if spectrum.variance.any() else None
    yield Column(f"Background estimate, {title}", "", _values(spectrum.expected), errors, "of the estimate")
    yield Column(f"Local significance, {title}", "", _values(spectrum.local_significance))


def _in_mass_bins(run: StoredRun, name: str, description: str, columns: Iterable[Column]) -> HepdataTable:
    bins = tuple(pairwise(run.bins.edges.tolist()))
    return HepdataTable(name, description, "$m_{jj}$", "GeV", bins, tuple(columns))


def _counts(spectrum: MassSpectrum) -> tuple[tuple[Value, ...], tuple[tuple[float, float], ...], str]:
    """Values, errors, and what these are."""
    return _values(spectrum.observed), _symmetric(np.sqrt(spectrum.observed)), "statistical"


def _values(values: NDArray[np.float64]) -> tuple[Value, ...]:
    return tuple(NOTHING if math.isnan(value) else value for value in values.tolist())


def _symmetric(errors: Any) -> tuple[tuple[float, float], ...]:
    return tuple((-float(error), float(error)) for error in errors)


# --------------------------------------------------------------------------- by the number of signal events


def _observed_tables(run: StoredRun) -> Iterator[HepdataTable]:
    """Statistic, p and Z of each search, and of all together, for each signal."""
    for search in run.result.searches:
        if search.observed:
            n_null = run.card.pseudo_experiments_of(search.name).background_only
            found = [(one.injection, one.calibration, _statistic(one)) for one in search.observed]
            yield from _calibrated_tables(run, _titled(run, search), n_null, found, "Test statistic")
    combined = [
        (one.injection, one.combination.calibration, one.combination.smallest_p)
        for one in run.result.combined
        if one.combination is not None
    ]
    if combined:
        n_null = run.result.combined[0].n_null
        yield from _calibrated_tables(run, TOGETHER, n_null, combined, "Smallest p")


def _titled(run: StoredRun, search: SearchResult) -> str:
    return f"{search.title} ({KNOWS_TRUTH})" if run.result.knows_truth(search.name) else search.title


def _calibrated_tables(
    run: StoredRun,
    title: str,
    n_null: int,
    found: Sequence[tuple[Injection, Calibration | None, Value]],
    statistic: str,
) -> Iterator[HepdataTable]:
    for signal, rows in _by_signal(found, lambda row: row[0]):
        calibrations = [calibration for _, calibration, _ in rows]
        yield _by_epsilon(
            f"Observed significance of {title}{signal}",
            f"{title}: {statistic.lower()} of each observed data set, p-value and significance Z from "
            f"{n_null} background-only pseudo-experiments, with 68 % "
            "intervals. Where none of the N pseudo-experiments reaches the statistic, p = 1/N is an upper bound "
            "and Z a lower one; where all do, p = 1 - 1/N is a lower bound and Z an upper one. A bound Z has no "
            "errors, since its interval is open at one end; the other end stands beside it. "
            f"{injection_text(run.result)}",
            (injection.epsilon for injection, _, _ in rows),
            (
                Column(statistic, "", tuple(value for _, _, value in rows)),
                _with_interval("p-value", calibrations, lambda one: (one.p, one.p_low, one.p_high)),
                _with_interval("Z", calibrations, lambda one: (one.z, one.z_low, one.z_high)),
                Column("Lower end of the interval of Z", "", _ends(calibrations, lambda one: one.z_low)),
                Column("Upper end of the interval of Z", "", _ends(calibrations, lambda one: one.z_high)),
                Column(
                    "Z is", "", tuple(NOTHING if one is None else _kind(one.bound) for one in calibrations)
                ),
            ),
        )


Row = TypeVar("Row")


def _by_signal(
    rows: Sequence[Row], injection_of: Callable[[Row], Injection]
) -> Iterator[tuple[str, list[Row]]]:
    """Rows of each signal, with its name where there are several; those without a signal go with the first."""
    names = list(dict.fromkeys(injection_of(row).signal for row in rows if injection_of(row).signal)) or [""]
    for name in names:
        first = {name, ""} if name == names[0] else {name}
        of = f", signal {name}" if len(names) > 1 else ""
        yield of, [row for row in rows if injection_of(row).signal in first]


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
    entries = [(_titled(run, search), search.doped) for search in run.result.searches]
    entries.append((TOGETHER, tuple(one.doped for one in run.result.combined if one.doped is not None)))
    for title, all_doped in entries:
        for signal, doped in _by_signal(all_doped, lambda one: one.injection):
            if doped:
                yield _sensitivity_table(f"{title}{signal}", doped)


def _sensitivity_table(title: str, doped: Sequence[Doped]) -> HepdataTable:
    quantiles = [(one.z.lower_quartile, one.z.median, one.z.upper_quartile) for one in doped]
    return _by_epsilon(
        f"Sensitivity of {title}",
        f"{title}: median significance over pseudo-experiments with injected signal; the errors lead "
        "to the quartiles, and are left out where any of the three is only a bound, for want of "
        "background-only pseudo-experiments. The true value may lie anywhere above a lower bound, and "
        "anywhere below an upper one.",
        (one.injection.epsilon for one in doped),
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
            Column("Pseudo-experiments", "", tuple(float(one.n_used) for one in doped)),
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
    return observed.outcome.statistic if observed.outcome.valid else NOTHING


def _kind(bound: Quantile | str | None) -> str:
    return "exact" if bound is None else f"{bound} bound" if bound != "undetermined" else "undetermined"
