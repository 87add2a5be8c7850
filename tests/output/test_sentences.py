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
from hepcs.output.captions import CAPTIONS, caption_of, epsilon_of
from hepcs.output.sentences import (
    answer,
    bound_text,
    data_set,
    extrapolation_text,
    injection_text,
    local_excess,
    plain_symbols,
    short_data_set,
)
from hepcs.results import Observed, SearchResult

NULL = np.arange(1000) / 1000


def observed(statistic: float, *, valid: bool = True) -> tuple[SearchResult, Observed]:
    """The toy's first observed data set, with another statistic against 0, 0.001, ..., 0.999."""
    search = toy_run().searches[1]
    first = search.observed[0]
    outcome = dataclasses.replace(first.observation.outcome, statistic=statistic, valid=valid)
    calibration = calibrate(statistic, NULL) if valid else None
    observation = dataclasses.replace(first.observation, outcome=outcome)
    return search, dataclasses.replace(first, observation=observation, calibration=calibration)


def test_a_p_value_with_its_interval() -> None:
    text = answer(*observed(0.975), is_real_search=True)
    # 25 of 1000 at or above; Z = Phi^-1(1 - 0.025).
    assert text.startswith("3-parameter fit of the data finds a statistic of 0.97, which 25 of 1,000")
    assert f"Z = {stats.norm.isf(0.025):.2f} [" in text
    low, high = (stats.beta.ppf(q, a, b) for q, a, b in ((0.15866, 25, 976), (0.84134, 26, 975)))
    assert f"p = 0.025 [{low:#.2g}, {high:#.2g}]" in text
    assert "bound" not in text
    assert "to quote" not in text


def test_few_above_ask_for_the_valid_p_value() -> None:
    text = answer(*observed(0.999), is_real_search=True)
    assert "which 1 of 1,000 background-only pseudo-experiments reaches" in text
    assert (
        f"(k + 1)/(N + 1) is the p-value to quote: p = {2 / 1001:#.2g}, Z = {stats.norm.isf(2 / 1001):.2f}"
        in text
    )


def test_a_lower_bound_says_so() -> None:
    text = answer(*observed(3.0), is_real_search=True)
    assert "which none of 1,000 background-only pseudo-experiments reaches: p < 1/1000" in text
    assert f"Z > {stats.norm.isf(1e-3):.2f} is only a lower bound" in text
    p_95 = 1 - 0.05 ** (1 / 1000)
    assert f"At 95 % confidence p < {p_95:#.2g} and Z > {stats.norm.isf(p_95):.2f}." in text


def test_an_upper_bound_is_no_excess() -> None:
    text = answer(*observed(-1.0), is_real_search=True)
    assert "every one of 1,000" in text
    assert "there is no excess" in text
    assert f"Z < {-stats.norm.isf(1e-3):.2f}" in text


def test_no_statistic_no_p_value() -> None:
    text = answer(*observed(math.nan, valid=False), is_real_search=False)
    assert text == "3-parameter fit of the background alone gave no valid statistic, so there is no p-value."


@pytest.mark.parametrize(
    ("epsilon", "real", "text", "short"),
    [
        (0, True, "the data", "data"),
        (0, False, "the background alone", "no signal"),
        (1500, False, "the background with 1,500 injected signal events", "1,500 signal events"),
    ],
)
def test_data_sets(epsilon: int, real: bool, text: str, short: str) -> None:
    assert data_set(epsilon, real) == text
    assert short_data_set(epsilon, real) == short


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
    first = toy_run().searches[0].observed[1]
    ensemble = first.observation.result
    scan = ensemble.scans[ensemble.representative]
    found = local_excess(first)
    assert found is not None
    best = int(np.argmax(scan.local_significance))
    assert (found.z, found.low, found.high) == (scan.statistic, 3000 + 100 * best, 3100 + 100 * best)
    bare = dataclasses.replace(first, observation=dataclasses.replace(first.observation, histograms=()))
    assert local_excess(bare) is None


def test_mathematics_in_plain_text() -> None:
    assert plain_symbols(r"threshold $\theta$, smearing $\sigma_k$") == "threshold θ, smearing σ_k"
    assert plain_symbols("40 x 40 pixels") == "40 x 40 pixels"


def test_captions_are_found_by_name() -> None:
    assert caption_of("cluster_scanning_signal_rich_epsilon_0150") == CAPTIONS["signal_rich"]
    assert caption_of("fit_3_calibration") == CAPTIONS["calibration"]
    assert caption_of("my_search_odd_plot_epsilon_0150") == ("My search odd plot", "")
    assert (epsilon_of("signal_rich_epsilon_0150"), epsilon_of("fit_3_calibration")) == (150, None)


def test_every_caption_says_what_to_look_for() -> None:
    assert all("ook " in text for _, text in CAPTIONS.values())


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
