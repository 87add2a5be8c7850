"""The table that a run ends with: for each search and injection the statistic, p and Z."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from hepcs.calibration import Calibration, Quantile
from hepcs.datasets.bootstrap import Injection
from hepcs.output.histograms import injection_number
from hepcs.results import Combined, Doped, Observed, RunResult
from hepcs.results.wording import KNOWS_TRUTH, NOTHING, TOGETHER

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
CAPTION_OF_DATA = "[68 % interval]; > and < mark bounds, for want of pseudo-experiments."
# Of a search in one line.
LONGEST_TITLE = 24
BLIND = "blind: the observed data were not looked at; expected sensitivity alone"
# Before a quantile of Z that is exact, or only a bound.
SIGNS = {None: "", "lower": "> ", "upper": "< ", "undetermined": "? "}


@dataclass(frozen=True)
class TableRow:
    """One row, all in words: a data set with its p and Z, or the median and quartiles of doped ones.

    Attributes
    ----------
    search
        Title of the search.
    note
        What to know of the search: that it knows the truth.
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
    note: str
    epsilon: str
    data_set: str
    statistic: str
    p: str
    z: str
    is_bound: bool = False


def table_rows(result: RunResult) -> tuple[TableRow, ...]:
    """The rows: each search with its observed data sets and its doped pseudo-experiments, then all together."""
    rows: list[TableRow] = []

    def seen(row: TableRow) -> TableRow:
        # Nobody injected anything into real data.
        return replace(row, epsilon=NOTHING) if result.is_real_search else row

    for search in result.searches:
        note = KNOWS_TRUTH if result.knows_truth(search.name) else ""
        if result.is_blind:
            rows.append(_unseen_row(search.title, note))
        rows += [seen(observed_row(search.title, observed, note)) for observed in search.observed]
        rows += [doped_row(search.title, doped, note) for doped in search.doped]
    if result.is_blind and result.combined:
        rows.append(_unseen_row(TOGETHER, ""))
    # Observed ones first, as of each search.
    rows += [seen(row) for one in result.combined for row in _combined_observed(one)]
    rows += [row for one in result.combined for row in _combined_doped(one)]
    return tuple(rows)


def _unseen_row(title: str, note: str) -> TableRow:
    return TableRow(title, note, NOTHING, "observed", NOTHING, NOTHING, "blind: not looked at")


def observed_row(title: str, observed: Observed, note: str = "") -> TableRow:
    """The row of an observed data set."""
    if observed.calibration is None:
        epsilon = injection_number(observed.injection)
        return TableRow(title, note, epsilon, "observed", NOTHING, NOTHING, "no valid statistic")
    return _calibrated_row(
        title, note, observed.injection, fixed(observed.outcome.statistic), observed.calibration
    )


def _calibrated_row(
    title: str, note: str, injection: Injection, statistic: str, calibration: Calibration
) -> TableRow:
    return TableRow(
        title,
        note,
        injection_number(injection),
        "observed",
        statistic,
        p_text(calibration),
        z_text(calibration),
        calibration.bound is not None,
    )


def doped_row(title: str, doped: Doped, note: str = "", statistic: str | None = None) -> TableRow:
    """The row of the doped pseudo-experiments of an injection."""
    lower, median, upper = (
        _quantile_text(quantile)
        for quantile in (doped.z.lower_quartile, doped.z.median, doped.z.upper_quartile)
    )
    return TableRow(
        title,
        note,
        injection_number(doped.injection),
        f"{doped.n_used} doped",
        fixed(doped.statistic_quartiles[1]) if statistic is None else statistic,
        NOTHING,
        _with_interval(median, lower, upper),
        doped.z.median.bound is not None,
    )


def _combined_observed(combined: Combined) -> Iterator[TableRow]:
    """All searches together: the statistic is the smallest p."""
    found = combined.combination
    if found is not None:
        smallest = f"p {found.smallest_p:#.2g}"
        yield _calibrated_row(TOGETHER, "", combined.injection, smallest, found.calibration)


def _combined_doped(combined: Combined) -> Iterator[TableRow]:
    if combined.doped is not None:
        smallest = -combined.doped.statistic_quartiles[1]
        yield doped_row(TOGETHER, combined.doped, statistic=f"p {smallest:#.2g}")


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
        return f"< {fixed(calibration.z)}"
    if calibration.bound == "lower":
        sure = calibration.z_lower_95
        return f"> {fixed(calibration.z)}" + ("" if sure is None else f" (95 %: > {fixed(sure)})")
    low, high = (NOTHING if z is None else fixed(z) for z in (calibration.z_low, calibration.z_high))
    return _with_interval(fixed(calibration.z), low, high)


def knows_signal(result: RunResult) -> bool:
    """Whether any row has a number of injected events: in real data, only doped pseudo-experiments have."""
    return not result.is_real_search or any(search.doped for search in result.searches)


def render_table(result: RunResult) -> Table:
    """The table for a terminal: 100 columns at most, and in 80 or fewer with intervals in a second line."""
    card = result.card.card
    title = f"{card.name}: {null_text(result)}"
    caption = CAPTION if knows_signal(result) else CAPTION_OF_DATA
    if result.is_blind:
        title, caption = f"{title}\n{BLIND}", f"{BLIND}.\n{caption}"
    if result.combined:
        caption += f"\n{TOGETHER}: the smallest p of {len(result.combined[0].searches)} searches, calibrated."
    # Text, since brackets in a string are markup.
    table = Table(
        title=Text(title),
        caption=Text(caption),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    columns = {name: justify for name, justify in COLUMNS.items() if name != "signal" or knows_signal(result)}
    for name, justify in columns.items():
        # In a narrow terminal the intervals go on in a second line; nothing is cut off.
        table.add_column(
            name,
            justify=justify,
            no_wrap=name not in {"search", "p", "Z"},
            overflow="fold",
            max_width=LONGEST_TITLE if name == "search" else None,
        )
    before = ""
    for row in table_rows(result):
        if before and row.search != before:
            table.add_section()
        search = "\n".join(filter(None, (row.search, row.note))) if row.search != before else ""
        signal = (row.epsilon,) if "signal" in columns else ()
        cells = (search, *signal, row.data_set, row.statistic, row.p, row.z)
        style = "bold" if row.data_set == "observed" else ""
        table.add_row(*(Text(cell) for cell in cells), style=style)
        before = row.search
    return table


def null_text(result: RunResult) -> str:
    """How many background-only pseudo-experiments there are: ``3,900 background-only pseudo-experiments``."""
    card = result.card.card
    numbers = {card.pseudo_experiments_of(search.name).background_only for search in result.searches}
    each = f"{min(numbers):,}" if len(numbers) == 1 else f"{min(numbers):,} to {max(numbers):,}"
    return f"{each} background-only pseudo-experiments for each search"


def fixed(value: float) -> str:
    """Two decimals; + 0.0 takes the sign from a negative zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def _quantile_text(quantile: Quantile) -> str:
    return f"{SIGNS[quantile.bound]}{fixed(quantile.z)}"


def _with_interval(value: str, low: str, high: str) -> str:
    return f"{value} [{low}, {high}]"
