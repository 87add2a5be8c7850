"""The answer in words."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from toy_run import toy_run

from hepcs.calibration import TailExtrapolation, calibrate
from hepcs.datasets.bootstrap import Injection
from hepcs.output.sentences import (
    answer,
    bound_text,
    combined_answer,
    extrapolation_text,
    injection_text,
    plain_symbols,
    trials_text,
)
from hepcs.results import RunResult
from hepcs.results.wording import data_set, epsilon_text, legend_text, short_data_set

NULL = np.arange(1000) / 1000


def said(statistic: float, *, valid: bool = True) -> str:
    """What is said of the toy's first observed data set with another statistic, against 0, 0.001, ..., 0.999."""
    search = toy_run().searches[1]
    first = search.observed[0]
    outcome = dataclasses.replace(first.outcome, statistic=statistic, valid=valid)
    calibration = calibrate(statistic, NULL) if valid else None
    return answer(toy_run(), search, dataclasses.replace(first, outcome=outcome, calibration=calibration))


def real_search() -> RunResult:
    """The toy run as if it were one of real data."""
    result = toy_run()
    card = result.card.card
    samples = card.samples.model_copy(update={"data": card.samples.labelled})
    located = dataclasses.replace(result.card, card=card.model_copy(update={"samples": samples}))
    return dataclasses.replace(result, card=located)


def test_a_p_value_with_its_interval() -> None:
    text = said(0.975)
    # 25 of 1000 at or above; Z = Phi^-1(1 - 0.025).
    assert text.startswith(
        "3-parameter fit of the background alone finds a statistic of 0.97, which 25 of 1,000"
    )
    assert f"Z = {stats.norm.isf(0.025):.2f} [" in text
    low, high = (stats.beta.ppf(q, a, b) for q, a, b in ((0.15866, 25, 976), (0.84134, 26, 975)))
    assert f"p = 0.025 [{low:#.2g}, {high:#.2g}]" in text
    assert "bound" not in text
    assert "to quote" not in text


def test_few_above_ask_for_the_valid_p_value() -> None:
    text = said(0.999)
    assert "which 1 of 1,000 background-only pseudo-experiments reaches" in text
    assert (
        f"(k + 1)/(N + 1) is the p-value to quote: p = {2 / 1001:#.2g}, Z = {stats.norm.isf(2 / 1001):.2f}"
        in text
    )


def test_a_lower_bound_says_so() -> None:
    text = said(3.0)
    assert "which none of 1,000 background-only pseudo-experiments reaches: p < 1/1000" in text
    assert f"Z > {stats.norm.isf(1e-3):.2f} is only a lower bound" in text
    p_95 = 1 - 0.05 ** (1 / 1000)
    assert f"At 95 % confidence p < {p_95:#.2g} and Z > {stats.norm.isf(p_95):.2f}." in text


def test_an_upper_bound_is_no_excess() -> None:
    text = said(-1.0)
    assert "every one of 1,000" in text
    assert "there is no excess" in text
    assert f"Z < {-stats.norm.isf(1e-3):.2f}" in text


def test_no_statistic_no_p_value() -> None:
    text = said(math.nan, valid=False)
    assert text == "3-parameter fit of the background alone gave no valid statistic, so there is no p-value."


@pytest.mark.parametrize(
    ("injection", "text", "short", "legend"),
    [
        (Injection(), "the background alone", "no signal", "background only"),
        (
            Injection(1500, "signal"),
            "the background with 1,500 injected signal events",
            "1,500 signal events",
            r"background and $\epsilon$ = 1500 signal events",
        ),
        (
            Injection(1500, "wide"),
            "the background with 1,500 injected events of the signal wide",
            "1,500 events of wide",
            r"background and $\epsilon$ = 1500 events of wide",
        ),
    ],
)
def test_data_sets(injection: Injection, text: str, short: str, legend: str) -> None:
    assert data_set(toy_run(), injection) == text
    assert short_data_set(toy_run(), injection) == short
    assert legend_text(toy_run(), injection) == legend


def test_data_are_data() -> None:
    real = real_search()
    assert (data_set(real, Injection()), short_data_set(real, Injection())) == ("the data", "data")
    assert legend_text(real, Injection()) == "data"
    assert epsilon_text(Injection(70, "wide")) == r"wide, $\epsilon$ = 70"


def test_all_searches_together() -> None:
    text = combined_answer(toy_run(), toy_run().combined[1])
    assert text.startswith(
        "All 3 searches together: the smallest p in the background with 150 injected signal events is 0.024 "
        "(Cluster Scanning). Among all searches, one as extreme is found in none of 40 background-only "
        "pseudo-experiments: p < 1/40, so Z > 1.96 is only a lower bound"
    )
    assert "reaches" not in text


def test_studies_are_marked() -> None:
    result = toy_run(searches="{idealised_fit: {}}")
    (search,) = result.searches
    assert answer(result, search, search.observed[0]).startswith(
        "idealised fit (study: knows the truth) of the"
    )


def test_where_a_search_looks_is_said_by_its_kind() -> None:
    searches = (
        "{scan: {kind: cluster_scanning, k: 8, ensemble: 1, windows: {widths: [1, 2]}}, idealised_fit: {}}"
    )
    result = toy_run(searches=searches, background_only=10, doped=0)
    where = "16 bins of 100 GeV, m_jj in [3000, 4600) GeV"
    assert trials_text(result, "scan") == f"31 windows of 1 to 2 among {where}; 8 clusters; 1 scan"
    assert trials_text(result, "idealised_fit") == where


def test_bounds_are_flagged() -> None:
    assert bound_text(calibrate(3.0, NULL)) == "lower bound"
    assert bound_text(calibrate(-3.0, NULL)) == "upper bound"
    assert bound_text(calibrate(0.5, NULL)) == ""
    assert bound_text(None) == ""


def extrapolation(**changes: Any) -> TailExtrapolation:
    values: dict[str, Any] = {
        "observed": 5.0, "p": 1e-5, "p_low": 1e-6, "p_high": 1e-4, "z": 4.26, "z_low": 3.7, "z_high": 4.8,
        "p_exponential": 3e-5, "z_exponential": 4.01, "goodness_p": 0.4, "n_tail": 100, "shape": -0.1,
        "quotable": True, "reasons": (),
    }  # fmt: skip
    return TailExtrapolation(**{**values, **changes})


def test_an_extrapolation_is_never_more_than_that() -> None:
    text = extrapolation_text(extrapolation())
    assert "Z = 4.01, an extrapolation" in text, "the smaller of both"
    assert "tested by none" in text
    refused = extrapolation_text(extrapolation(quotable=False, reasons=("the fit is bad", "too far")))
    assert refused.endswith("may not be quoted: the fit is bad; too far.")
    assert "4.0" not in refused


def test_the_local_excess_of_an_ensemble_is_that_of_its_representative() -> None:
    first = toy_run().searches[0].observed[1].observation
    scan = first.result.scans[first.result.representative]
    assert first.spectrum is not None
    found = first.spectrum.largest_excess(toy_run().bins.edges)
    best = int(np.argmax(scan.local_significance))
    assert (found.z, found.low, found.high) == (scan.statistic, 3000 + 100 * best, 3100 + 100 * best)


def test_mathematics_in_plain_text() -> None:
    assert plain_symbols(r"threshold $\theta$, smearing $\sigma_k$") == "threshold θ, smearing σ_k"
    assert plain_symbols("40 x 40 pixels") == "40 x 40 pixels"


def test_injected_events_are_counted_before_the_mass_window() -> None:
    """By the truth: each injected event inside has two jets in the spectra of injected signal."""
    result = toy_run()
    histograms = result.searches[0].observed[1].observation.histograms
    jets = next(one for one in histograms if one.path == "member_00/signal_spectra").histogram.values().sum()
    inside = int(jets) // 2
    assert 0 < inside <= 150
    text = injection_text(result)
    assert "at any m_jj" in text
    assert f"lie {inside:,} of 150." in text
    unknown = dataclasses.replace(result.samples[0], averages=())
    assert injection_text(dataclasses.replace(result, samples=(unknown,))).endswith("at any m_jj.")
