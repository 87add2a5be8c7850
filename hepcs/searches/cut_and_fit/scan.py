"""The test of score-and-cut searches: local Z of each window and cut, and the largest of them.

==============  ==============================================================  ===================================
form            local Z of S events over B +- sqrt(v)                           when
==============  ==============================================================  ===================================
``asymptotic``  (S - B) / sqrt(B + v)                                           B in the tens or more
``exact``       from P(N >= S), Poisson with a mean of Gamma distribution       few events; deficits from P(N <= S)
                of mean B and variance v (Linnemann, PHYSTAT 2003, eq. 14)
==============  ==============================================================  ===================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hepcs._core.errors import ArgumentError
from hepcs.searches.cut_and_fit.cuts import checked_efficiencies, keep_highest, kept_spectra
from hepcs.searches.cut_and_fit.window_fit import WindowFits, fit_outside, fit_outside_by_f_test
from hepcs.searches.cut_and_fit.windows import SlidingWindows

Form = Literal["asymptotic", "exact"]
NParameters = Literal[3, 4, "f_test"]

# Of p-values that underflow, Z is that of the smallest number.
_LARGEST_Z = float(-special.ndtri(np.finfo(float).tiny))


@dataclass(frozen=True)
class CutScan:
    """The test of one data set: w windows, c cuts, b bins.

    Attributes
    ----------
    windows
        The windows.
    efficiencies
        Share of events that each cut keeps, shape (c,).
    spectrum
        Counts before any cut, shape (b,).
    kept
        Counts after the cut, shape (w, c, b).
    curve
        Counts fitted outside of each window, and predicted in it, shape (w, c, b).
    observed, expected, variance
        S, B and the variance of B in the window, shape (w, c).
    n_parameters
        Parameters of each fit, shape (w, c).
    local_z
        Local significance, negative for deficits, shape (w, c). NaN, as the three above, where a fit failed.
    """

    windows: SlidingWindows
    efficiencies: NDArray[np.float64]
    spectrum: NDArray[np.float64]
    kept: NDArray[np.float64]
    curve: NDArray[np.float64]
    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    variance: NDArray[np.float64]
    n_parameters: NDArray[np.int64]
    local_z: NDArray[np.float64]

    @property
    def n_failed(self) -> int:
        """Number of fits that failed; they take no part in the statistic."""
        return int(np.isnan(self.local_z).sum())

    @property
    def best(self) -> tuple[int, int]:
        """Window and cut of the largest local Z; the first ones if every fit failed."""
        if self.n_failed == self.local_z.size:
            return 0, 0
        window, cut = np.unravel_index(np.nanargmax(self.local_z), self.local_z.shape)
        return int(window), int(cut)

    @property
    def statistic(self) -> float:
        """The largest local Z over windows and cuts; NaN if every fit failed. Its p-value needs calibration."""
        return float(self.local_z[self.best])

    def largest_by_cut(self) -> NDArray[np.float64]:
        """The largest local Z of each cut alone, shape (c,); NaN where all fits of a cut failed."""
        filled = np.where(np.isnan(self.local_z), -np.inf, self.local_z).max(axis=0)
        return np.where(np.isneginf(filled), np.nan, filled)


def scan_scores(
    scores: NDArray[np.floating],
    mass_bin: NDArray[np.integer],
    multiplicity: NDArray[np.integer],
    folds: NDArray[np.integer],
    windows: SlidingWindows,
    efficiencies: ArrayLike,
    centres: ArrayLike,
    rng: np.random.Generator,
    *,
    sqrt_s: float,
    n_parameters: NParameters = 3,
    form: Form = "asymptotic",
    widths: ArrayLike | None = None,
    relative_error: ArrayLike = 0.0,
) -> CutScan:
    """Cut on scores, fold by fold, and test every window: from the scores of events to the statistic.

    Parameters
    ----------
    scores
        Larger is more signal-like: (w, n), of a model for each window; or (n,), of one that knows no windows.
    mass_bin, multiplicity, folds
        m_jj bin, multiplicity >= 0 and fold of each event, shape (n,). One fold for all if one model, which has
        seen none of the events, made all the scores.
    windows, efficiencies, centres, sqrt_s, n_parameters, form, widths, relative_error
        See :func:`scan_cuts`.
    rng
        For the order among equal scores.

    Raises
    ------
    ArgumentError
        As :func:`~hepcs.searches.cut_and_fit.cuts.keep_highest` and :func:`scan_cuts`.
    """
    if scores.ndim not in (1, 2) or scores.shape[:-1] not in ((), (windows.n_windows,)):
        raise ArgumentError(
            f"scores must have shape (n,) or ({windows.n_windows}, n) for {windows.n_windows} windows, "
            f"found {scores.shape}"
        )
    kept = np.stack(
        [
            kept_spectra(
                keep_highest(one, multiplicity, folds, efficiencies, rng),
                mass_bin,
                multiplicity,
                windows.n_bins,
            )
            for one in np.atleast_2d(scores)
        ]
    )
    return scan_cuts(
        np.bincount(mass_bin, multiplicity, windows.n_bins),
        kept if scores.ndim == 2 else kept[0],
        windows,
        efficiencies,
        centres,
        sqrt_s=sqrt_s,
        n_parameters=n_parameters,
        form=form,
        widths=widths,
        relative_error=relative_error,
    )


def scan_cuts(
    spectrum: ArrayLike,
    kept: ArrayLike,
    windows: SlidingWindows,
    efficiencies: ArrayLike,
    centres: ArrayLike,
    *,
    sqrt_s: float,
    n_parameters: NParameters = 3,
    form: Form = "asymptotic",
    widths: ArrayLike | None = None,
    relative_error: ArrayLike = 0.0,
) -> CutScan:
    """Fit the kept spectra outside of each window, all in one go, and test the window.

    Parameters
    ----------
    spectrum
        Counts before any cut, shape (b,).
    kept
        Counts after each cut, shape (w, c, b); or (c, b) for a score that does not depend on the window.
    windows
        w windows over b bins.
    efficiencies
        Shares that the cuts keep, shape (c,).
    centres
        Bin centres, GeV, shape (b,).
    sqrt_s
        Centre-of-mass energy, GeV.
    n_parameters
        3 or 4; or ``f_test``: 3, and 4 where the bins outside of the window ask for it at a level of 0.05.
    form
        ``asymptotic`` or ``exact``.
    widths
        Bin widths, GeV, shape (b,), where they differ.
    relative_error
        Uncertainty of B, divided by it, that Z takes into account beside that of the fit: for all cuts, or for
        each, shape (c,).

    Raises
    ------
    ArgumentError
        For shapes that do not match, bad counts, or windows that leave too few bins for the fit.
    """
    shares = checked_efficiencies(efficiencies)
    before, after = np.asarray(spectrum, dtype=np.float64), np.asarray(kept, dtype=np.float64)
    w, c, b = windows.n_windows, shares.size, windows.n_bins
    if before.shape != (b,) or after.shape not in ((c, b), (w, c, b)):
        raise ArgumentError(
            f"a scan of {w} windows and {c} cuts over {b} bins needs a spectrum ({b},) and kept ones "
            f"({w}, {c}, {b}) or ({c}, {b}); found {before.shape} and {after.shape}"
        )
    after = np.broadcast_to(after, (w, c, b)).copy()
    inside = np.broadcast_to(windows.inside[:, np.newaxis], (w, c, b))
    fits = _fits(after.reshape(-1, b), inside.reshape(-1, b), centres, sqrt_s, n_parameters, widths)
    observed = np.where(inside, after, 0.0).sum(axis=-1)
    expected, variance = fits.expected.reshape(w, c), fits.variance.reshape(w, c)
    return CutScan(
        windows,
        shares,
        before,
        after,
        fits.curve.reshape(w, c, b),
        observed,
        expected,
        variance,
        fits.n_parameters.reshape(w, c),
        window_significance(
            observed, expected, variance + np.square(np.asarray(relative_error) * expected), form
        ),
    )


def window_significance(
    observed: ArrayLike, expected: ArrayLike, variance: ArrayLike, form: Form = "asymptotic"
) -> NDArray[np.float64]:
    """Local significance of S events where B, known with a variance, are expected.

    Parameters
    ----------
    observed
        S >= 0, any shape.
    expected, variance
        B > 0 and its variance >= 0, broadcast against S; NaN passes through.
    form
        ``asymptotic`` or ``exact``; see the module.

    Returns
    -------
    ndarray
        Z in standard deviations, negative for deficits. The exact one is at least 0 for an excess, at most 0 for
        a deficit, and ends where a p-value underflows, at 37.5.

    Raises
    ------
    ArgumentError
        For negative numbers, or an unknown form.
    """
    s, b, v = np.broadcast_arrays(
        *(np.asarray(one, dtype=np.float64) for one in (observed, expected, variance))
    )
    if (s < 0).any() or (b < 0).any() or (v < 0).any():
        raise ArgumentError("counts, expectations and variances must not be negative")
    if form == "asymptotic":
        spread = np.sqrt(b + v)
        # Where nothing at all is expected there is no estimate, and nothing to be said.
        return np.asarray((s - b) / np.where(spread > 0, spread, np.nan))
    if form == "exact":
        return _exact_significance(s, b, v)
    raise ArgumentError(f'unknown form {form!r} of the local significance; expected "asymptotic" or "exact"')


def _exact_significance(
    s: NDArray[np.float64], b: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Signed Z by the Poisson distribution whose mean is Gamma distributed, which is a negative binomial."""
    mean = np.where(b > 0, b, np.nan)
    # A variance of zero is the limit of small ones: below this, it changes nothing at double precision.
    spread = np.maximum(v, 1e-9 * mean)
    shape, odds = mean**2 / spread, spread / (spread + mean)
    at_least = np.where(s > 0, special.betainc(np.maximum(s, 1.0), shape, odds), 1.0)
    at_most = special.betainc(shape, s + 1, 1 - odds)
    excess = np.maximum(-special.ndtri(at_least), 0.0)
    deficit = np.minimum(special.ndtri(at_most), 0.0)
    z = np.where(s > b, excess, deficit)
    return np.asarray(np.where(np.isnan(mean + v), np.nan, np.clip(z, -_LARGEST_Z, _LARGEST_Z)))


def _fits(
    counts: NDArray[np.float64],
    inside: NDArray[np.bool_],
    centres: ArrayLike,
    sqrt_s: float,
    n_parameters: NParameters,
    widths: ArrayLike | None,
) -> WindowFits:
    if n_parameters == "f_test":
        return fit_outside_by_f_test(counts, inside, centres, sqrt_s=sqrt_s, widths=widths)
    return fit_outside(counts, inside, centres, sqrt_s=sqrt_s, n_parameters=n_parameters, widths=widths)
