"""The n-parameter dijet function (paper, eq. 3.1; SPEC, section 5).

f(x) = p1 (1 - x)^p2 x^(p3 + p4 ln x + p5 ln^2 x), with x = m_jj / sqrt(s), is taken at the bin centres and
gives counts per bin. So p1 belongs to the bin width: the published parameters are those of 100 GeV bins,
and for another width p1 scales with it. Over bins of different widths the function is one of counts per GeV, and
a bin has that at its centre times its width.

ln f is linear in (ln p1, p2, ..., p5), here called the log-parameters. Everything in this package rests on
that. Over the narrow range of x in a search the five terms are almost degenerate: for five parameters and
380,000 events, ln p1 is known to 190 while the curve is known to 1 %. The log-parameters are always finite
numbers; p1 itself may lie outside the range of a float.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError
from hepcs.background.kernels import logarithms

MAX_PARAMETERS = 5


def dijet_function(m_jj: ArrayLike, parameters: ArrayLike, sqrt_s: float) -> NDArray[np.float64]:
    """Counts per bin of the dijet function (paper, eq. 3.1).

    Parameters
    ----------
    m_jj
        Dijet mass, the bin centres, GeV, any shape, 0 < m_jj < sqrt_s.
    parameters
        p1 > 0 [counts per bin], p2, ..., up to p5; those left out are zero.
    sqrt_s
        Centre-of-mass energy, GeV.

    Returns
    -------
    ndarray
        f, shape of `m_jj`.

    Raises
    ------
    ArgumentError
        For masses outside (0, sqrt_s), or parameters that are not 1 to 5 finite numbers with p1 > 0.
    """
    values = np.asarray(parameters, dtype=np.float64)
    if values.ndim != 1 or not 1 <= values.size <= MAX_PARAMETERS:
        raise ArgumentError(f"the dijet function takes 1 to 5 parameters, found shape {values.shape}")
    if not np.isfinite(values).all() or values[0] <= 0:
        raise ArgumentError(f"the dijet function needs finite parameters with p1 > 0, found {values!s}")
    log_parameters = np.concatenate([[np.log(values[0])], values[1:]])
    return np.asarray(np.exp(design_matrix(m_jj, values.size, sqrt_s) @ log_parameters))


def design_matrix(m_jj: ArrayLike, n_parameters: int, sqrt_s: float) -> NDArray[np.float64]:
    """Matrix A with ln f = A (ln p1, p2, ..., pn): columns 1, ln(1 - x), ln x, ln^2 x, ln^3 x.

    Parameters
    ----------
    m_jj
        GeV, shape (...), 0 < m_jj < sqrt_s.
    n_parameters
        n, the number of columns, 1 to 5.
    sqrt_s
        GeV.

    Returns
    -------
    ndarray
        Shape (..., n).

    Raises
    ------
    ArgumentError
        For masses outside (0, sqrt_s).
    """
    x = np.asarray(m_jj, dtype=np.float64) / sqrt_s
    if not ((x > 0) & (x < 1)).all():
        raise ArgumentError(f"m_jj must lie between 0 and sqrt_s = {sqrt_s:g} GeV, found {m_jj!s}")
    near_one, log_x = (np.asarray(one).reshape(x.shape) for one in logarithms(np.atleast_1d(x).ravel()))
    columns = (np.ones_like(x), near_one, log_x, log_x**2, log_x * log_x * log_x)
    return np.stack(columns[:n_parameters], axis=-1)


def log_widths(widths: ArrayLike | None, centres: ArrayLike) -> NDArray[np.float64]:
    """ln of the bin widths, shape (b,), which a fit adds to ln f; zero for None, where f is of counts per bin.

    Raises ArgumentError for widths that are not positive, finite, and one for each centre.
    """
    shape = np.asarray(centres).shape
    if widths is None:
        return np.zeros(shape)
    values = np.asarray(widths, dtype=np.float64)
    if values.shape != shape or not ((values > 0) & (values < np.inf)).all():
        raise ArgumentError(
            f"widths must be {shape} positive numbers, one for each bin centre, found {values!s}"
        )
    return np.log(values)


def check_spectra(counts: ArrayLike, centres: ArrayLike, n_parameters: int, ndim: int) -> NDArray[np.float64]:
    """The counts as float64, after a check that a fit of n parameters can be made of them.

    Parameters
    ----------
    counts
        Counts, shape (b,) or (t, b).
    centres
        Bin centres, shape (b,).
    n_parameters
        3, 4 or 5.
    ndim
        Expected number of dimensions of `counts`.

    Raises
    ------
    ArgumentError
        If something does not fit; the text says what.
    """
    values = np.asarray(counts, dtype=np.float64)
    n_bins = np.asarray(centres).shape
    if n_parameters not in (3, 4, 5):
        raise ArgumentError(
            f"a dijet function has 3, 4 or 5 parameters here, found n_parameters = {n_parameters!r}"
        )
    if values.ndim != ndim or values.shape[-1:] != n_bins:
        raise ArgumentError(f"counts of shape {values.shape} do not match {n_bins} bin centres")
    if not ((values >= 0) & (values < np.inf)).all():
        raise ArgumentError("counts must be finite and not negative in every bin")
    if values.shape[-1] <= n_parameters:
        raise ArgumentError(f"{values.shape[-1]} bins cannot be fitted with {n_parameters} parameters")
    return values
