"""Where an excess lies, how much it is, and how much signal there may be at most."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from toy_run import toy_run

from hepcs.datasets.bootstrap import Kind
from hepcs.datasets.samples import MassBins
from hepcs.output.findings import excess_text, largest_excess, limits_text, signal_limits
from hepcs.results import MassSpectrum

BINS = MassBins(3000.0, 3400.0, 4)


def spectrum(
    observed: list[float], window: tuple[float, float] | None = None, variance: float = 0.0
) -> MassSpectrum:
    counts = np.array(observed)
    expected = np.full(4, 100.0)
    local = np.maximum(counts - expected, 0.0) / 10
    z = None if window is None else 4.0
    return MassSpectrum(
        counts, expected, np.full(4, variance), local, "events", "a line", "events", window, z
    )


def test_one_bin_with_the_poisson_interval() -> None:
    found = largest_excess(spectrum([90.0, 130.0, 100.0, 95.0]), BINS)
    assert found is not None
    assert (found.low, found.high, found.observed, found.expected, found.more) == (3100, 3200, 130, 100, 30)
    # Garwood's interval of 130: the Poisson means for which 130 or more, and 130 or fewer, have 15.87 %.
    assert stats.poisson.sf(129, 100 + found.more_low) == pytest.approx(0.158655, abs=1e-5)
    assert stats.poisson.cdf(130, 100 + found.more_high) == pytest.approx(0.158655, abs=1e-5)


def test_a_window_of_several_bins_and_an_uncertain_estimate() -> None:
    sure = largest_excess(spectrum([90.0, 130.0, 120.0, 95.0], (3100.0, 3300.0)), BINS)
    unsure = largest_excess(spectrum([90.0, 130.0, 120.0, 95.0], (3100.0, 3300.0), 50.0), BINS)
    assert sure is not None
    assert unsure is not None
    assert (sure.observed, sure.expected, sure.more) == (250, 200, 50)
    # Two bins with a variance of 50 each, in quadrature.
    for wide, narrow in ((unsure.more - unsure.more_low, sure.more - sure.more_low),
                         (unsure.more_high - unsure.more, sure.more_high - sure.more)):  # fmt: skip
        assert wide**2 == pytest.approx(narrow**2 + 100)


def test_windows_narrower_than_a_bin_and_no_excess() -> None:
    found = largest_excess(spectrum([90.0, 130.0, 100.0, 95.0], (3101.0, 3105.0)), BINS)
    assert found is not None
    assert found.observed == 130
    assert largest_excess(spectrum([90.0, 90.0, 90.0, 90.0]), BINS) is None
    assert largest_excess(None, BINS) is None
    assert excess_text(None) == "Nowhere does it see more than expected."


def test_few_events_are_written_with_a_decimal() -> None:
    local = np.array([0.0, 2.1, 0.0, 0.0])
    few = dataclasses.replace(
        spectrum([0.0, 5.0, 0.0, 0.0]), expected=np.full(4, 1.5), local_significance=local
    )
    text = excess_text(largest_excess(few, BINS))
    assert "3100 to 3200 GeV: 5.0 events where 1.5 are expected, 3.5 more" in text
    assert "stands out" in text


def test_limits_are_those_of_the_doped_pseudo_experiments() -> None:
    fit = "{fit_3: {kind: dijet_fit, parameters: 3}}"
    search = toy_run(searches=fit, doped=60, epsilon="[0, 20, 400]").searches[0]
    observed = search.observed[0]
    (limits,) = signal_limits(search, observed, 7).values()
    # CLs by counting: 400 events are excluded, 20 are not.
    null = np.mean(search.statistics(Kind.BACKGROUND_ONLY) <= observed.outcome.statistic)
    cls = {
        epsilon: np.mean(search.statistics(Kind.DOPED, epsilon, "signal") <= observed.outcome.statistic)
        / null
        for epsilon in (20, 400)
    }
    assert cls[400] < 0.05 < cls[20]
    assert limits.observed is not None
    assert limits.observed.epsilon is not None
    assert 20 < limits.observed.epsilon < 400
    text = limits_text({"signal": limits})
    assert (
        f"At 95 % confidence there are fewer than {limits.observed.epsilon:,.0f} signal events (CLs)" in text
    )
    assert limits_text({}).startswith("How much signal there may be at most, this run cannot tell")


def test_a_run_without_doped_ones_has_no_limit() -> None:
    search = toy_run(doped=0).searches[1]
    assert signal_limits(search, search.observed[0], 7) == {}
