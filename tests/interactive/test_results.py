"""Results in a notebook: numbers, tables and figures of a run by name, and what is shown of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toy_run import toy_run

import hepcs
from hepcs._core.errors import ArgumentError
from hepcs.datasets.bootstrap import Kind
from hepcs.interactive import Run


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(toy_run())


def test_import_is_light() -> None:
    """Nothing of what takes time is loaded before it is used."""
    code = "import sys, hepcs; dir(hepcs); print(sorted({'numpy', 'pydantic', 'rich'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_help_loads_no_library() -> None:
    """`hepcs --help` within half a second: what takes longer than that is not imported."""
    code = (
        "import sys; from hepcs.analysis.__main__ import parse_arguments\n"
        "try: parse_arguments(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'pydantic', 'rich', 'numba'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("\n[]")


def test_public_names_are_there() -> None:
    assert all(hasattr(hepcs, name) for name in hepcs.__all__)
    with pytest.raises(AttributeError, match="no attribute 'open_rum'; there are Card, Run"):
        hepcs.open_rum  # noqa: B018


def test_numbers_of_a_search(run: Run) -> None:
    search = run.searches["fit_3"].at(150)
    observed = toy_run().searches[1].observed[1]
    assert observed.calibration is not None
    assert search.p == observed.calibration.p
    assert search.p_interval == (observed.calibration.p_low, observed.calibration.p_high)
    assert search.z == observed.calibration.z
    assert search.bound == observed.calibration.bound
    assert search.statistic == observed.outcome.statistic
    assert search.null.shape == (40,)
    np.testing.assert_array_equal(search.null, toy_run().searches[1].statistics(Kind.BACKGROUND_ONLY))


def test_several_data_sets_have_to_be_told_apart(run: Run) -> None:
    with pytest.raises(
        ArgumentError, match=r"fit_3: 2 observed data sets; choose by \.at\(epsilon\): there are epsilon_0000"
    ):
        run.searches["fit_3"].p  # noqa: B018
    with pytest.raises(ArgumentError, match="fit_3: no observed data sets with epsilon = 7"):
        run.searches["fit_3"].at(7)
    with pytest.raises(ArgumentError, match="2 observed data sets, expected one"):
        run.p  # noqa: B018


def test_a_blind_run_has_a_null_and_no_p() -> None:
    blind = Run(toy_run(blind=True)).searches["fit_3"]
    assert blind.null.size == 40
    with pytest.raises(ArgumentError, match="none: the run is blind"):
        blind.p  # noqa: B018


def test_excess_and_limits(run: Run) -> None:
    search = run.searches["fit_3"].at(150)
    excess, spectrum = search.excess, search.spectrum
    assert excess is not None
    assert spectrum is not None
    bins = toy_run().bins
    inside = (bins.edges[:-1] >= excess.low) & (bins.edges[1:] <= excess.high)
    assert excess.observed == spectrum.observed[inside].sum()
    assert excess.more == pytest.approx(excess.observed - spectrum.expected[inside].sum())
    # Wider than the Poisson interval alone, since the estimate has a variance or none.
    assert excess.more_low < excess.more - 0.9 * np.sqrt(excess.observed)
    assert excess.more_high > excess.more + 0.9 * np.sqrt(excess.observed)
    (limits,) = search.limits.values()
    assert limits.n_doped == {150: 5}


def test_tables(run: Run) -> None:
    pandas = pytest.importorskip("pandas")
    search = run.searches["cluster_scanning"]
    outcomes = search.outcomes()
    assert isinstance(outcomes, ak.Array)
    assert len(outcomes) == len(toy_run().searches[0].outcomes)
    assert ak.to_list(ak.num(outcomes["members"])) == [2] * len(outcomes)
    frame = search.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    null = frame[frame["kind"] == int(Kind.BACKGROUND_ONLY)]["statistic"].to_numpy()
    np.testing.assert_array_equal(null, search.null)
    table = run.table()
    assert list(table["search"][:2]) == ["Cluster Scanning", "Cluster Scanning"]


def test_histograms_are_those_of_the_files(run: Run) -> None:
    found = run.searches["fit_3"].histograms
    assert found["calibration"].axes.name == ("statistic",)
    assert found["observed/epsilon_0150/spectrum"].axes.name == ("m_jj",)
    assert found["calibration"].sum(flow=True) == 40


def test_what_a_notebook_shows(run: Run) -> None:
    html = run._repr_html_()
    assert "All 3 searches together" in html
    assert "a warning" in html
    assert "More pseudo-experiments" in html
    assert "<script" not in html
    shown = run.searches["fit_3"].at(150)._repr_html_()
    assert shown.count("<svg") == 1
    assert shown.count('class="bin"') == toy_run().bins.n_bins
    assert "with 150 injected signal events" in shown
    assert "the background alone" not in shown
    assert run.searches["fit_3"]._repr_html_().count("<svg") == 2


def test_reprs_fit_a_screen(run: Run) -> None:
    for one in (run, run.result, run.searches["cluster_scanning"], toy_run().searches[0].observed):
        text = repr(one)
        assert len(text.splitlines()) < 20
        assert max(map(len, text.splitlines())) < 250


@pytest.mark.slow
def test_figures_and_a_folder(tmp_path: Path) -> None:
    run = Run(toy_run(searches="{fit_3: {kind: dijet_fit, parameters: 3}}", epsilon="[150]"))
    saved = run.save(tmp_path / "saved")
    opened = hepcs.open_run(tmp_path / "saved")
    assert opened.searches["fit_3"].p == run.searches["fit_3"].p == saved.searches["fit_3"].p
    assert opened.searches["fit_3"].figure().axes
    with pytest.raises(ArgumentError, match="no figure is named 'x'; there are calibration"):
        opened.searches["fit_3"].figure("x")
    assert "saved" in opened._repr_html_()
