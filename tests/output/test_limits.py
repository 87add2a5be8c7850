"""Limits of a run: in events, and as cross-sections with acceptance and luminosity beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_run import toy_run

from hepcs.jets import Cutflow
from hepcs.output.limits import limits_entry, limits_table, run_limits
from hepcs.output.report import render_report
from hepcs.output.summary import summarise
from hepcs.results import RunResult

SAMPLES = "{background: {kind: lhco, files: a.h5}, signal: {kind: lhco, files: b.h5}, luminosity: 20.0}"


def run(nuisances: str = "") -> RunResult:
    """A fit with 80 doped pseudo-experiments of 100, 300 and 700 events; a quarter of the signal is selected."""
    found = toy_run(
        searches="{fit_3: {kind: dijet_fit, parameters: 3}}",
        samples=SAMPLES,
        epsilon=f"[0, 100, 300, 700]{nuisances}",
        background_only=100,
        doped=80,
    )
    signal = replace(found.samples[0], role="signal", cutflow=Cutflow(("read",), (24000,)), n_selected=6000)
    return replace(found, samples=(replace(found.samples[0], role="background"), signal))


def test_limits_rest_on_acceptance_times_luminosity() -> None:
    result = run()
    (found,) = run_limits(result)
    assert found.cross_section is not None
    assert found.cross_section.acceptance == 0.25
    observed = found.events.observed
    assert observed is not None and observed.epsilon is not None
    assert 100 <= observed.epsilon <= 700
    assert found.cross_section.observed == pytest.approx(observed.epsilon / 5)
    (entry,) = limits_entry(result)
    assert entry["cross_section_fb"]["luminosity"] == 20
    assert summarise(result)["limits"][0]["search"] == "fit_3"
    table = limits_table(result)
    assert table is not None
    assert [row[2] for row in table.rows] == ["events", "cross-section [fb]"]
    assert "luminosity 20 / fb: one fb is 5 events" in table.caption
    assert "Without systematic uncertainties" in table.caption
    assert "Upper limits at 95% CLs" in render_report(result)


def test_uncertainties_are_named_and_widen_the_limits() -> None:
    plain, wide = run(), run(", nuisances: {acceptance: 0.5, energy_scale: 0.02}")
    table = limits_table(wide)
    assert table is not None
    assert "energy scale 2 %, acceptance 50 %" in table.caption
    medians = [next(run_limits(one)).events.expected[2].epsilon or np.inf for one in (plain, wide)]
    assert medians[1] > medians[0]
    # Nothing of the background-only data sets and of the observed ones knows of them.
    for one, other in zip(plain.searches, wide.searches, strict=True):
        assert [found.outcome for found in one.observed] == [found.outcome for found in other.observed]


def test_one_number_of_events_makes_no_limit() -> None:
    assert limits_table(toy_run()) is None
