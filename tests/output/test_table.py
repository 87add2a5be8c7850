"""The table for the terminal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from rich.console import Console
from toy_run import toy_run

from hepcs.calibration import Quantile, calibrate
from hepcs.datasets.bootstrap import Injection
from hepcs.output.table import doped_row, observed_row, p_text, render_table, table_rows, z_text
from hepcs.results import RunResult
from hepcs.results.wording import KNOWS_TRUTH, NOTHING

NULL = np.arange(1000.0)


def test_p_and_z_with_intervals() -> None:
    # 100 of 1000 at or above. Quantiles of the beta distributions (100, 901) and (101, 900) at 15.87 and 84.13 %:
    # p between 0.0904 and 0.1104, Z between 1.224 and 1.338 around 1.2816.
    calibration = calibrate(900.0, NULL)
    assert p_text(calibration) == "0.10 [0.090, 0.11]"
    assert z_text(calibration) == "1.28 [1.22, 1.34]"


def test_bounds_are_written_as_bounds() -> None:
    nothing_above = calibrate(2000.0, NULL)
    assert p_text(nothing_above).startswith("< 1/1000")
    # Phi^-1(0.999) = 3.0902; the 95 % limit on p is 1 - 0.05^(1/1000) = 0.00299, Z = 2.7489.
    assert z_text(nothing_above) == "> 3.09 (95 %: > 2.75)"
    all_above = calibrate(-1.0, NULL)
    assert p_text(all_above).startswith("> 1 - 1/1000")
    assert z_text(all_above) == "< -3.09"


def test_rows_of_a_run() -> None:
    rows = table_rows(toy_run())
    assert [(row.search, row.epsilon, row.data_set) for row in rows[:4]] == [
        ("Cluster Scanning", "0", "observed"),
        ("Cluster Scanning", "150", "observed"),
        ("Cluster Scanning", "150", "5 doped"),
        ("3-parameter fit", "0", "observed"),
    ]
    assert len(rows) == 12
    statistic = toy_run().searches[0].observed[1].outcome.statistic
    assert rows[1].statistic == f"{statistic:.2f}"
    assert rows[1].is_bound
    assert rows[1].z.startswith("> 1.96")
    assert not rows[0].is_bound


def test_all_searches_together_have_rows_of_their_own() -> None:
    rows = table_rows(toy_run())[9:]
    assert [(row.search, row.epsilon, row.data_set) for row in rows] == [
        ("all searches together", "0", "observed"),
        ("all searches together", "150", "observed"),
        ("all searches together", "150", "5 doped"),
    ]
    combination = toy_run().combined[1].combination
    assert combination is not None
    assert rows[1].statistic == f"p {combination.smallest_p:#.2g}"
    # One of 40 background-only data sets has a p as small in one of three searches, but is no further out there.
    assert combination.calibration.n_above == 0
    assert rows[1].p.startswith("< 1/40 [0, ")
    assert rows[1].z.startswith("> 1.96")
    assert rows[1].is_bound


def text_of(result: RunResult, width: int = 100) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(render_table(result))
    return capture.get()


def test_a_blind_run_says_so_and_what_may_be_expected() -> None:
    result = toy_run(blind=True)
    rows = table_rows(result)
    assert [row.z for row in rows if row.data_set == "observed"] == ["blind: not looked at"] * 4
    assert sum(row.data_set == "5 doped" for row in rows) == 4
    text = text_of(result)
    assert "blind: the observed data were not looked at" in text
    assert text_of(toy_run()).count("blind") == 0


def test_studies_are_marked_and_long_titles_leave_room_for_numbers() -> None:
    long = "title: 'a search with a title that is longer than its column'"
    searches = f"{{idealised_fit: {{}}, fit_3: {{kind: dijet_fit, parameters: 3, {long}}}}}"
    result = toy_run(searches=searches)
    notes = {row.search: row.note for row in table_rows(result)}
    assert notes["idealised fit"] == KNOWS_TRUTH
    assert sum(bool(note) for note in notes.values()) == 1
    text = text_of(result)
    assert KNOWS_TRUTH in text
    for row in table_rows(result):
        assert row.p in text
        assert row.z in text


def test_injections_of_several_signals_are_named() -> None:
    signals = "signals: {wide: {kind: root, files: s.root}, narrow: {kind: root, files: n.root}}"
    samples = f"{{background: {{kind: root, files: b.root}}, {signals}}}"
    result = toy_run(
        searches="{fit_3: {kind: dijet_fit, parameters: 3}}", samples=samples, epsilon="[0, 150]"
    )
    assert [row.epsilon for row in table_rows(result)] == [
        "0", "wide 150", "narrow 150", "wide 150", "narrow 150",
    ]  # fmt: skip


def test_a_data_set_without_statistic_says_so() -> None:
    observed = dataclasses.replace(toy_run().searches[0].observed[0], calibration=None)
    row = observed_row("a search", observed)
    assert (row.statistic, row.p, row.z) == (NOTHING, NOTHING, "no valid statistic")


def test_quartiles_of_doped_pseudo_experiments_mark_bounds() -> None:
    doped = toy_run().searches[0].doped[0]
    z = dataclasses.replace(
        doped.z,
        lower_quartile=Quantile(1.0, None),
        median=Quantile(2.5, "undetermined"),
        upper_quartile=Quantile(3.09, "lower"),
    )
    row = doped_row("a search", dataclasses.replace(doped, statistic_quartiles=(1.0, 2.0, 3.0), z=z))
    assert (row.statistic, row.z, row.is_bound) == ("2.00", "? 2.50 [1.00, > 3.09]", True)


@pytest.mark.parametrize("width", [100, 180])
def test_it_fits_into_100_columns_and_loses_nothing(width: int) -> None:
    console = Console(width=width, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(render_table(toy_run()))
    text = capture.get()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    for row in table_rows(toy_run()):
        assert any(row.p in line and row.z in line and row.statistic in line for line in text.splitlines()), (
            row
        )
    assert "…" not in text
    assert "[quartiles]" in text


def test_a_narrow_terminal_loses_nothing_either() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(render_table(toy_run()))
    text = capture.get()
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 80
    words = text.split()
    for row in table_rows(toy_run()):
        assert all(word in words for word in f"{row.statistic} {row.p} {row.z}".split()), row


def test_the_longest_numbers_fit_too() -> None:
    result = toy_run()
    search = result.searches[0]
    calibration = calibrate(3899.0, np.arange(3900.0))
    assert p_text(calibration) == "0.00026 [4.4e-05, 0.00085]"
    observed = dataclasses.replace(
        search.observed[0], injection=Injection(10000, "signal"), calibration=calibration
    )
    z = dataclasses.replace(search.doped[0].z, lower_quartile=Quantile(-3.21, "lower"))
    doped = dataclasses.replace(search.doped[0], n_used=100, z=z)
    search = dataclasses.replace(search, observed=(observed,), doped=(doped,))
    console = Console(width=100)
    with console.capture() as capture:
        console.print(render_table(dataclasses.replace(result, searches=(search,), combined=())))
    assert "0.00026 [4.4e-05, 0.00085]" in capture.get()
    assert "> 1.96 [> -3.21, > 1.96]" in capture.get()
    assert "…" not in capture.get()
