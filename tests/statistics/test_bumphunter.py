"""The statistics of a spectrum: maximum local significance and BumpHunter's, the latter against pyBumpHunter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.config.searches import Statistic
from hepcs.statistics.bumphunter import Bump, bump_hunter
from hepcs.statistics.bumphunter import (
    test_statistic as statistic_of,  # pytest would take its own name for a test
)
from hepcs.statistics.significance import log_poisson_tail, maximum_local_significance

FALLING = 56_000 * np.exp(-np.arange(16) / 7)
# Interior bins without background too, and empty ones at both ends.
GAPS = np.array([0, 0, 4.0, 3.0, 0, 2.5, 7.0, 0.5, 0, 0, 1.5, 0.2, 0.1, 0, 0, 0])


def by_pybumphunter(
    observed: NDArray[np.float64], expected: NDArray[np.float64], max_width: int
) -> tuple[tuple[int, int], float]:
    """Window and p-value of the reference implementation, without its pseudo-experiments."""
    from pyBumpHunter import BumpHunter1D

    hunter = BumpHunter1D(
        rang=(0, observed.size), bins=observed.size, width_max=max_width, nworker=1, npe=1, seed=1
    )
    hunter.bump_scan(observed, expected, is_hist=True, do_pseudo=False)
    first = int(hunter.min_loc_ar[0])
    return (first, first + int(hunter.min_width_ar[0])), float(hunter.min_Pval_ar[0])


def by_brute_force(
    observed: NDArray[np.float64], expected: NDArray[np.float64], max_width: int
) -> dict[tuple[int, int], float]:
    """ln p of every window with an excess, by scipy's Poisson distribution."""
    found = {}
    for width in range(1, max_width + 1):
        for start in range(observed.size - width + 1):
            s, b = observed[start : start + width].sum(), expected[start : start + width].sum()
            inside = expected[:start].sum() > 0 or expected[start] > 0
            inside &= expected[start + width :].sum() > 0 or expected[start + width - 1] > 0
            if inside and s > b > 0:
                found[start, start + width] = float(stats.poisson.logsf(s - 1, b))
    return found


def spectra() -> list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Background only, bumps of several widths, deficits, small counts, gaps."""
    rng = np.random.default_rng(1)
    found = []
    for name, expected in (("high", FALLING), ("low", FALLING / 5000), ("gaps", GAPS)):
        for i in range(6):
            observed = rng.poisson(expected).astype(float)
            found.append((f"{name}, background {i}", observed, expected))
            bump = np.zeros(16)
            bump[3 + i : 4 + 2 * i] = (1 + i) * np.sqrt(expected[3 + i : 4 + 2 * i] + 1)
            found.append((f"{name}, bump {i}", np.round(observed + bump), expected))
            found.append((f"{name}, deficit {i}", np.maximum(np.round(observed - bump), 0), expected))
    return found


@pytest.mark.parametrize(
    ("observed", "expected"), [case[1:] for case in spectra()], ids=[case[0] for case in spectra()]
)
@pytest.mark.parametrize("max_width", [1, 3, 8, 16])
def test_agrees_with_pybumphunter(
    observed: NDArray[np.float64], expected: NDArray[np.float64], max_width: int
) -> None:
    ours = bump_hunter(observed, expected, max_width)
    window, p = by_pybumphunter(observed, expected, max_width)
    assert ours.p == pytest.approx(p, rel=1e-6)
    assert ours.statistic == pytest.approx(-math.log(p), rel=1e-6, abs=1e-12)
    if p < 1:
        assert ours.window == window


@pytest.mark.parametrize("seed", range(40))
def test_is_the_smallest_of_all_windows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    expected = 10 ** rng.uniform(-2, 6) * rng.uniform(0.1, 1, rng.integers(2, 30))
    expected[rng.random(expected.size) < 0.1] = 0
    shift = rng.choice([-3, 0, 5], expected.size) * np.sqrt(expected)
    observed = rng.poisson(np.maximum(expected + shift, 0)).astype(float)
    widest = int(rng.integers(1, expected.size + 1))
    windows = by_brute_force(observed, expected, widest)
    ours = bump_hunter(observed, expected, widest)
    assert ours.log_p == pytest.approx(min(windows.values(), default=0.0), rel=1e-8, abs=1e-8)
    if ours.window is not None:
        assert windows[ours.window] == pytest.approx(ours.log_p, rel=1e-8, abs=1e-8)
    else:
        assert not windows


def test_window_by_hand() -> None:
    # One bin: P(N >= 3 | 1) = 1 - 5 / (2 e). Two: P(N >= 6 | 2) = 1 - e^-2 (1 + 2 + 2 + 4/3 + 2/3 + 4/15).
    expected = np.ones(6)
    observed = np.array([1.0, 0, 3, 3, 1, 0])
    one, two = bump_hunter(observed, expected, 1), bump_hunter(observed, expected, 2)
    assert (one.window, two.window) == ((2, 3), (2, 4))
    assert one.p == pytest.approx(1 - 2.5 / math.e)
    assert two.p == pytest.approx(1 - math.exp(-2) * (7 + 4 / 15))
    assert two.statistic == pytest.approx(-math.log(two.p))


def test_without_an_excess_the_statistic_is_zero() -> None:
    for observed, expected in (([3, 2, 1], [3, 2, 1]), ([0, 0, 0], [3, 2, 1]), ([5, 5, 5], [0, 0, 0])):
        found = bump_hunter(observed, expected)
        assert found == Bump(None, 0.0)
        assert (found.statistic, found.p) == (0.0, 1.0)
        assert math.copysign(1, found.statistic) == 1


def test_stays_finite_and_right_far_beyond_a_float() -> None:
    found = bump_hunter([100, 40_000, 100], [100, 20_000, 100.0], 1)
    assert found.p == 0
    assert found.window == (1, 2)
    # P(N >= S) = P(N > S - 1).
    assert found.log_p == pytest.approx(float(log_poisson_tail(39_999, 20_000)), rel=1e-9)


def test_wide_bump_is_found_wide() -> None:
    observed = FALLING.round()
    observed[5:9] += 2 * np.sqrt(FALLING[5:9])
    assert bump_hunter(observed.round(), FALLING).window == (5, 9)
    # The default is half the bins.
    everywhere = np.ceil(FALLING * 1.02)
    window = bump_hunter(everywhere, FALLING).window
    assert window is not None
    assert window[1] - window[0] == 8
    wider = bump_hunter(everywhere, FALLING, 16).window
    assert wider == (0, 16)


def test_counts_that_are_not_whole_lie_between_their_neighbours() -> None:
    low, middle, high = (bump_hunter([s], [20.0], 1).log_p for s in (30.0, 30.5, 31.0))
    assert low > middle > high
    # The incomplete gamma function, where it is a chi2 distribution: P(chi2_61 < 40).
    assert middle == pytest.approx(float(stats.chi2.logcdf(40, 61)))


def test_both_statistics_of_the_card() -> None:
    rng = np.random.default_rng(3)
    observed = rng.poisson(FALLING).astype(float)
    observed[5:8] += 3 * np.sqrt(FALLING[5:8])
    for form in ("gaussian", "exact"):
        value, z = statistic_of(observed, FALLING, Statistic(local_significance=form))  # type: ignore[arg-type]
        assert value == z.max() == maximum_local_significance(observed, FALLING, form)  # type: ignore[arg-type]
    bumphunter = Statistic(kind="bumphunter", max_width=3, local_significance="exact")
    value, again = statistic_of(observed, FALLING, bumphunter)
    assert value == bump_hunter(observed, FALLING, 3).statistic
    np.testing.assert_array_equal(again, z)


def test_card_refuses_what_does_not_belong_together() -> None:
    with pytest.raises(ValidationError, match="bumphunter"):
        Statistic(max_width=3)
    with pytest.raises(ValidationError):
        Statistic(kind="bumphunter", max_width=0)
    with pytest.raises(ValidationError):
        Statistic(kind="bump")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("observed", "expected", "width", "match"),
    [
        ([1.0, 2.0], [1.0], 1, "shape"),
        ([[1.0]], [[1.0]], 1, "shape"),
        ([], [], None, "shape"),
        ([-1.0, 2.0], [1.0, 1.0], 1, "observed"),
        ([1.0, 2.0], [1.0, math.nan], 1, "expected"),
        ([1.0, 2.0], [1.0, 1.0], 3, "max_width"),
        ([1.0, 2.0], [1.0, 1.0], 0, "max_width"),
    ],
)
def test_refuses_bad_spectra(
    observed: list[float], expected: list[float], width: int | None, match: str
) -> None:
    with pytest.raises(ArgumentError, match=match):
        bump_hunter(observed, expected, width)


def test_a_statistic_needs_one_spectrum() -> None:
    with pytest.raises(ArgumentError, match="shape"):
        statistic_of([[1.0]], [[1.0]], Statistic())
