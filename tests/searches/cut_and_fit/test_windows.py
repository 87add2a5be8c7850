"""Windows and sidebands."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.searches.cut_and_fit.windows import sliding_windows


def test_the_standard_region_has_eleven_windows() -> None:
    windows = sliding_windows(16)
    assert windows.n_windows == 11
    bounds = windows.bounds(np.linspace(3000, 4600, 17))
    assert bounds[0].tolist() == [3200, 3400]
    assert bounds[-1].tolist() == [4200, 4400]


@pytest.mark.parametrize(("n_bins", "width", "sideband"), [(16, 2, None), (16, 3, 1), (9, 1, 4), (6, 2, 2)])
def test_a_window_lies_between_its_sidebands(n_bins: int, width: int, sideband: int | None) -> None:
    windows = sliding_windows(n_bins, width, sideband)
    side = width if sideband is None else sideband
    assert windows.first[0] == side
    assert windows.first[-1] + width + side == n_bins
    assert (np.diff(windows.first) == 1).all()
    for inside, lower, upper in zip(windows.inside, windows.lower, windows.upper, strict=True):
        assert (inside.sum(), lower.sum(), upper.sum()) == (width, side, side)
        assert not (inside & lower).any()
        assert not (inside & upper).any()
        assert np.flatnonzero(lower)[-1] + 1 == np.flatnonzero(inside)[0]
        assert np.flatnonzero(inside)[-1] + 1 == np.flatnonzero(upper)[0]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ArgumentError, match="5 bins hold no window of 2 bins with sidebands of 2"):
        sliding_windows(5)
    with pytest.raises(ArgumentError, match="at least one bin"):
        sliding_windows(16, 2, 0)
    with pytest.raises(ArgumentError, match="do not match edges"):
        sliding_windows(16).bounds(np.arange(16.0))
