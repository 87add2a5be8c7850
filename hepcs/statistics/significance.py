"""Local significance of an excess over an expectation, and p-values as numbers of standard deviations.

============  ======================================  ==============================================
form          Z_b                                     when
============  ======================================  ==============================================
``gaussian``  (S - B) / sqrt(B)         (paper, 3.3)  the published analysis; B in the hundreds or more
``exact``     Phi^-1(CDF_Poisson(B)(S)) (paper, 3.2)  small B, where a Gaussian overstates excesses
============  ======================================  ==============================================

Both are inputs of a statistic that is calibrated with pseudo-experiments; neither includes the number of bins
looked at. An uncertainty u B of the expectation, such as the bias that a test of the estimate has found, can be
asked for: it joins the deviation of the Gaussian form, sqrt(B + (u B)^2), and makes the mean of the exact one
Gamma distributed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hepcs._core.errors import ArgumentError

Form = Literal["gaussian", "exact"]

# Farther than this many sqrt(S + 1) above the mean, and before it underflows, gammainc gives way to a
# continued fraction: from 4.5 on it sums at most 2000 terms of a series, which for B = 1e8 leaves a third
# of the tail out.
_FAR = 4.4
_SMALLEST_TAIL = 1e-280
# Steps of that fraction; 45 give it to rounding at 4.4 and any B, 12 at 38.
_FRACTION_STEPS = 60


def local_significance(
    observed: ArrayLike, expected: ArrayLike, form: Form = "gaussian", relative_error: ArrayLike = 0.0
) -> NDArray[np.float64]:
    """Local significance of the excess in each bin (paper, eqs. 3.2 and 3.3; SPEC, section 3 step 7).

    Only excesses count: Z = 0 for S <= B. The exact form follows the paper's equation to the letter: the
    tail is P(N > S), without S itself, so it lies above the one from P(N >= S) by about 1 / sqrt(B). It is
    taken from logarithms of the tail, and finite for any finite counts. Between whole numbers of counts it
    interpolates by the incomplete gamma function.

    A bin whose expectation is 0 has no background estimate: an estimate of zero from a finite control sample
    excludes nothing. There Z = 0 whatever is observed, in the data as in every pseudo-experiment, so the
    calibration stays right and no infinity reaches a mean over an ensemble. :func:`without_estimate` finds such
    bins.

    Parameters
    ----------
    observed
        Counts S, >= 0, shape (..., b).
    expected
        Background estimate B, >= 0, shape (..., b), broadcast against `observed`.
    form
        ``gaussian`` or ``exact``.
    relative_error
        Uncertainty u of B, divided by B, >= 0, broadcast against both.

    Returns
    -------
    ndarray
        Z >= 0 in standard deviations, shape (..., b).

    Raises
    ------
    ArgumentError
        For negative or non-finite entries, shapes that do not match, or an unknown form.
    """
    counts, background = _checked(observed, expected)
    error = np.asarray(relative_error, dtype=np.float64)
    if not ((error >= 0) & (error < np.inf)).all():
        raise ArgumentError(f"the relative error of an expectation must not be negative, found {error!s}")
    if error.any() and form in ("gaussian", "exact"):
        return _uncertain_significance(counts, background, error, form)
    if form == "gaussian":
        # The excess over an expectation of zero is set to zero here, so 0 / 1 stands for "no estimate".
        excess = np.where(background > 0, np.maximum(counts - background, 0.0), 0.0)
        return np.asarray(excess / np.sqrt(np.where(background > 0, background, 1.0)))
    if form == "exact":
        return _exact_significance(counts, background)
    raise ArgumentError(f'unknown form {form!r} of the local significance; expected "gaussian" or "exact"')


def maximum_local_significance(observed: ArrayLike, expected: ArrayLike, form: Form = "gaussian") -> float:
    """Test statistic MLS = max_b Z_b of one spectrum, observed and expected of shape (b,) (paper, eq. 3.2).

    For many spectra at once take ``local_significance(...).max(axis=-1)``. Raises ArgumentError as
    :func:`local_significance` does, and for a spectrum without bins.
    """
    z = local_significance(observed, expected, form)
    if z.ndim != 1 or z.size == 0:
        raise ArgumentError(f"maximum_local_significance needs spectra of shape (b,), found {z.shape}")
    return float(z.max())


def without_estimate(observed: ArrayLike, expected: ArrayLike) -> NDArray[np.bool_]:
    """Bins with counts and an expectation of 0, where no significance can be given, shape (..., b)."""
    counts, background = _checked(observed, expected)
    return (counts > 0) & (background <= 0)


def log_poisson_tail(observed: ArrayLike, expected: ArrayLike) -> NDArray[np.float64]:
    """ln P(N > S) for N Poisson distributed with mean B, without underflow.

    Parameters
    ----------
    observed
        S >= 0, any shape.
    expected
        B > 0, broadcast against `observed`.

    Returns
    -------
    ndarray
        Natural logarithm, <= 0. Relative accuracy 1e-9 for S up to 1e6 and 1e-7 up to 1e8, by the rounding of
        S ln B.

    Raises
    ------
    ArgumentError
        For negative or non-finite entries, B = 0, or shapes that do not match.
    """
    counts, background = _checked(observed, expected)
    if (background <= 0).any():
        raise ArgumentError("the Poisson tail needs an expectation above 0 in every entry")
    return _log_tail(counts, background)


def p_to_z(p: ArrayLike) -> NDArray[np.float64]:
    """Z = Phi^-1(1 - p), one-sided, without losing small p; -inf for p = 1 and +inf for p = 0.

    Raises ArgumentError for p outside [0, 1]. For p below 1e-300 use :func:`log_p_to_z`.
    """
    values = np.asarray(p, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ArgumentError(f"a p-value lies in [0, 1], found {values!s}")
    return np.asarray(-special.ndtri(values))


def z_to_p(z: ArrayLike) -> NDArray[np.float64]:
    """p = 1 - Phi(z), one-sided, without cancellation; 0 beyond z = 38 (use :func:`z_to_log_p`)."""
    return np.asarray(special.ndtr(-np.asarray(z, dtype=np.float64)))


def log_p_to_z(log_p: ArrayLike) -> NDArray[np.float64]:
    """Z = Phi^-1(1 - p) from the natural logarithm of p, finite for any finite log p < 0.

    Raises ArgumentError for log p > 0 or NaN.
    """
    values = np.asarray(log_p, dtype=np.float64)
    if not (values <= 0).all():
        raise ArgumentError(f"the logarithm of a p-value is not above 0, found {values!s}")
    return np.asarray(-special.ndtri_exp(values))


def z_to_log_p(z: ArrayLike) -> NDArray[np.float64]:
    """Natural logarithm of p = 1 - Phi(z), finite for any finite z."""
    return np.asarray(special.log_ndtr(-np.asarray(z, dtype=np.float64)))


def _checked(observed: ArrayLike, expected: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    counts = np.asarray(observed, dtype=np.float64)
    background = np.asarray(expected, dtype=np.float64)
    for name, values in (("observed", counts), ("expected", background)):
        # Written so that NaN fails it, too.
        if not ((values >= 0) & (values < np.inf)).all():
            raise ArgumentError(f"{name} must be finite and not negative in every bin, found {values!s}")
    if counts.shape != background.shape:
        try:
            counts, background = np.broadcast_arrays(counts, background)
        except ValueError as error:
            raise ArgumentError(
                f"observed has shape {counts.shape} and expected {background.shape}; the bins must match"
            ) from error
    return counts, background


def _exact_significance(counts: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
    z = np.zeros(counts.shape)
    excess = (counts > background) & (background > 0)
    if excess.any():
        z[excess] = -special.ndtri_exp(_log_tail(counts[excess], background[excess]))
    # An excess of less than one count over a tiny B can have a tail above one half.
    return np.asarray(np.maximum(z, 0.0))


def _uncertain_significance(
    counts: NDArray[np.float64], background: NDArray[np.float64], error: NDArray[np.float64], form: Form
) -> NDArray[np.float64]:
    """Z with an uncertain expectation; the exact one ends where its p-value underflows, at 37.5."""
    mean = np.where(background > 0, background, 1.0)
    spread = np.square(error * mean)
    excess = np.where(background > 0, np.maximum(counts - background, 0.0), 0.0)
    if form == "gaussian":
        return np.asarray(excess / np.sqrt(mean + spread))
    # Below this, an error changes nothing at double precision.
    spread = np.maximum(spread, 1e-9 * mean)
    tail = special.betainc(counts + 1, mean**2 / spread, spread / (spread + mean))
    z = -special.ndtri(np.clip(tail, _SMALLEST_TAIL, 1.0))
    return np.asarray(np.where(excess > 0, np.maximum(z, 0.0), 0.0))


def _log_tail(counts: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln P(N > S): the regularised lower incomplete gamma function at (S + 1, B)."""
    tail = special.gammainc(counts + 1, background)
    far = (counts - background > _FAR * np.sqrt(counts + 1)) | (tail < _SMALLEST_TAIL)
    if not far.any():
        return np.asarray(np.log(tail))
    log_tail = np.array(np.log(np.where(far, 1.0, tail)))
    log_tail[far] = _log_far_tail(counts[far], background[far])
    return log_tail


def _log_far_tail(counts: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln P(N > S) far above the mean: the first term of the sum, times a continued fraction for the rest.

    P(N > S) = Pois(S + 1; B) / F with a = S + 1 and (DLMF 8.9.1, NIST)
    a F = a - a B / (a + 1 + B / (a + 2 - (a + 1) B / (a + 3 + 2 B / (a + 4 - ...)))),
    evaluated from the far end, where every denominator is positive because B < S.
    """
    a = counts + 1
    fraction = a + _FRACTION_STEPS
    for step in range(_FRACTION_STEPS, 0, -1):
        half = (step + 1) // 2
        numerator = -(a + half - 1) * background if step % 2 else half * background
        fraction = (a + step - 1) + numerator / fraction
    first = a * np.log(background) - background - special.gammaln(a + 1)
    return first - np.log(fraction / a)
