"""The table that a run ends with: for each search and epsilon the statistic, p and Z."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from hepcs.calibration import Calibration, Quantile
from hepcs.results import Doped, Observed, RunResult

#: Where there is no number.
NOTHING = "-"
COLUMNS: dict[str, JustifyMethod] = {
    "search": "left",
    "signal": "right",
    "data set": "right",
    "statistic": "right",
    "p": "left",
    "Z": "left",
}
CAPTION = (
    "signal: injected events; observed: [68 % interval]; doped: median [quartiles].\n"
    "> and < mark bounds, for want of pseudo-experiments."
)
# Before a quantile of Z that is exact, or only a bound.
SIGNS = {None: "", "lower": "> ", "upper": "< ", "undetermined": "? "}


@dataclass(frozen=True)
class TableRow:
    """One row, all in words: a data set with its p and Z, or the median and quartiles of doped ones.

    Attributes
    ----------
    search
        Title of the search.
    epsilon
        Injected signal events.
    data_set
        ``observed``, or ``100 doped``.
    statistic
        The statistic; for doped pseudo-experiments its median.
    p
        p with its 68 % interval, or ``< 1/1000``.
    z
        Z with its 68 % interval, or ``> 3.09 (95 %: > 2.75)``; for doped pseudo-experiments median and
        quartiles, each with the sign of a bound where it is one.
    is_bound
        Whether Z (its median) is only a bound.
    """

    search: str
    epsilon: str
    data_set: str
    statistic: str
    p: str
    z: str
    is_bound: bool


def table_rows(result: RunResult) -> tuple[TableRow, ...]:
    """The rows of the table, search by search: observed data sets, then doped pseudo-experiments."""
    rows: list[TableRow] = []
    for search in result.searches:
        rows += [observed_row(search.title, observed) for observed in search.observed]
        rows += [doped_row(search.title, doped) for doped in search.doped]
    return tuple(rows)


def observed_row(title: str, observed: Observed) -> TableRow:
    """The row of an observed data set."""
    calibration, epsilon = observed.calibration, str(observed.epsilon)
    if calibration is None:
        return TableRow(title, epsilon, "observed", NOTHING, NOTHING, "no valid statistic", False)
    return TableRow(
        title,
        epsilon,
        "observed",
        _fixed(observed.observation.outcome.statistic),
        p_text(calibration),
        z_text(calibration),
        calibration.bound is not None,
    )


def doped_row(title: str, doped: Doped) -> TableRow:
    """The row of the doped pseudo-experiments of an epsilon."""
    lower, median, upper = (
        _quantile_text(quantile)
        for quantile in (doped.z.lower_quartile, doped.z.median, doped.z.upper_quartile)
    )
    return TableRow(
        title,
        str(doped.epsilon),
        f"{doped.n_used} doped",
        _fixed(doped.statistic_quartiles[1]),
        NOTHING,
        _with_interval(median, lower, upper),
        doped.z.median.bound is not None,
    )


def p_text(calibration: Calibration) -> str:
    """``0.012 [0.010, 0.015]``, or the bound that the number of pseudo-experiments sets."""
    if calibration.bound == "lower":
        return f"< 1/{calibration.n_null} [0, {calibration.p_high:.2g}]"
    if calibration.bound == "upper":
        return f"> 1 - 1/{calibration.n_null} [{calibration.p_low:.3g}, 1]"
    return _with_interval(*(f"{p:#.2g}" for p in (calibration.p, calibration.p_low, calibration.p_high)))


def z_text(calibration: Calibration) -> str:
    """``2.25 [2.17, 2.33]``, or a bound: by 1/N, and the one that holds at 95 % confidence."""
    if calibration.bound == "upper":
        return f"< {_fixed(calibration.z)}"
    if calibration.bound == "lower":
        sure = calibration.z_lower_95
        return f"> {_fixed(calibration.z)}" + ("" if sure is None else f" (95 %: > {_fixed(sure)})")
    low, high = (NOTHING if z is None else _fixed(z) for z in (calibration.z_low, calibration.z_high))
    return _with_interval(_fixed(calibration.z), low, high)


def render_table(result: RunResult) -> Table:
    """The table for a terminal: 100 columns at most, and in 80 or fewer with intervals in a second line."""
    n_null = result.card.card.pseudo_experiments.background_only
    title = f"{result.card.card.name}: {n_null} background-only pseudo-experiments for each search"
    # Text, since brackets in a string are markup.
    table = Table(
        title=Text(title),
        caption=Text(CAPTION),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    for name, justify in COLUMNS.items():
        # In a narrow terminal the intervals go on in a second line; nothing is cut off.
        table.add_column(name, justify=justify, no_wrap=name not in {"p", "Z"}, overflow="fold")
    before = ""
    for row in table_rows(result):
        if before and row.search != before:
            table.add_section()
        cells = (row.search if row.search != before else "", row.epsilon, row.data_set)
        style = "bold" if row.data_set == "observed" else ""
        table.add_row(*(Text(cell) for cell in (*cells, row.statistic, row.p, row.z)), style=style)
        before = row.search
    return table


def _fixed(value: float) -> str:
    """Two decimals; + 0.0 takes the sign from a negative zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def _quantile_text(quantile: Quantile) -> str:
    return f"{SIGNS[quantile.bound]}{_fixed(quantile.z)}"


def _with_interval(value: str, low: str, high: str) -> str:
    return f"{value} [{low}, {high}]"
