"""The largest local significance over windows of adjacent bins."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.statistics.bumphunter import bump_hunter
from hepcs.statistics.significance import Form, maximum_local_significance
from hepcs.statistics.windows import WindowExcess, largest_significance, scan_bins

FALLING = 56_000 * np.exp(-np.arange(16) / 7)
FORMS: tuple[Form, ...] = ("gaussian", "exact")


def test_by_hand() -> None:
    observed, expected = [100, 109, 112, 100], [100, 100, 100, 100]
    one = scan_bins(observed, expected, [1])
    assert one == WindowExcess((2, 3), pytest.approx(1.2))
    # 221 over 200, and three bins: 321 over 300.
    two = scan_bins(observed, expected, [1, 2, 3])
    assert two == WindowExcess((1, 3), pytest.approx(21 / math.sqrt(200)))
    assert scan_bins(observed, expected, [3]).significance == pytest.approx(21 / math.sqrt(300))
    exact = scan_bins(observed, expected, [1, 2], "exact")
    assert exact == WindowExcess((1, 3), pytest.approx(stats.norm.isf(stats.poisson.sf(221, 200))))


@pytest.mark.parametrize("form", FORMS)
def test_single_bins_are_the_published_statistic(form: Form) -> None:
    observed = np.random.default_rng(1).poisson(FALLING)
    found = scan_bins(observed, FALLING, [1], form)
    assert found.significance == maximum_local_significance(observed, FALLING, form)


@pytest.mark.parametrize("form", FORMS)
def test_many_spectra_at_once_are_each_of_them(form: Form) -> None:
    observed = np.random.default_rng(2).poisson(FALLING / 50, (40, 16))
    expected = np.broadcast_to(FALLING / 50, observed.shape)
    found = largest_significance(observed, expected, range(1, 5), form)
    singly = [scan_bins(one, FALLING / 50, range(1, 5), form).significance for one in observed]
    np.testing.assert_array_equal(found, singly)
    # More windows can only find more.
    assert (found >= largest_significance(observed, expected, [1, 3], form)).all()


def test_finds_the_window_of_bumphunter() -> None:
    rng = np.random.default_rng(3)
    for start, width in ((2, 2), (7, 4), (12, 3)):
        observed = rng.poisson(FALLING).astype(float)
        observed[start : start + width] += 5 * np.sqrt(FALLING[start : start + width])
        assert scan_bins(observed, FALLING, range(1, 6)).window == bump_hunter(observed, FALLING, 5).window


def test_no_excess_and_no_estimate() -> None:
    assert scan_bins([3, 2, 1], [3, 2, 1], [1, 2]) == WindowExcess(None, 0.0)
    assert scan_bins([5, 5, 5], [0, 0, 0], [1, 2]) == WindowExcess(None, 0.0)
    # Of equal windows the first width, then the lower mass.
    assert scan_bins([4, 0, 4, 0], [1, 1, 1, 1], [1]).window == (0, 1)
    assert scan_bins([9, 0, 0, 9], [4, 0, 0, 4], [2, 1]).window == (0, 2)


@pytest.mark.parametrize(
    ("observed", "expected", "widths", "form", "match"),
    [
        ([1, 2], [1, 2, 3], [1], "gaussian", "same shape"),
        ([[1, 2]], [[1, 2]], [1], "gaussian", r"shape \(b,\)"),
        ([], [], [1], "gaussian", "same shape"),
        ([1, -2], [1, 2], [1], "gaussian", "not negative"),
        ([1, 2], [1, math.inf], [1], "exact", "finite"),
        ([1, 2], [1, 2], [], "gaussian", "one or more"),
        ([1, 2], [1, 2], [0], "gaussian", "from 1 to 2"),
        ([1, 2], [1, 2], [3], "gaussian", "from 1 to 2"),
        ([1, 2], [1, 2], [1.5], "gaussian", "whole numbers"),
        ([1, 2], [1, 2], [1], "bayes", "unknown form"),
    ],
)
def test_refuses(
    observed: ArrayLike, expected: ArrayLike, widths: Iterable[int], form: Form, match: str
) -> None:
    with pytest.raises(ArgumentError, match=match):
        scan_bins(observed, expected, widths, form)
