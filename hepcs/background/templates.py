"""Signal shapes in the m_jj spectrum at several masses: what :mod:`hepcs.background.mass_scan` looks for.

=============================  ==========================================================================
:func:`gaussian_templates`     a resonance of a width that is given, relative to its mass or in GeV
:func:`sample_templates`       the m_jj shape of a signal sample of one mass, moved to every other one
=============================  ==========================================================================

A template is the share of the signal's events in each bin, so its sum is below 1 where a part of the signal lies
outside of the spectrum, and a strength is a number of signal events, inside or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hepcs._core.errors import ArgumentError

Move = Literal["scaled", "shifted"]

# Of the signal, inside the spectrum: with less of it there, a strength is known to nothing.
_SMALLEST_SHARE = 1e-3


@dataclass(frozen=True)
class SignalTemplates:
    """Signal shapes at m masses in b bins.

    Attributes
    ----------
    masses
        Mass hypotheses, GeV, rising, shape (m,).
    edges
        Bin edges, GeV, rising, shape (b + 1,).
    shares
        Share of the signal's events in each bin, >= 0, shape (m, b), each sum between 0.001 and 1.

    Raises
    ------
    ArgumentError
        If something does not fit; the text says what.
    """

    masses: NDArray[np.float64]
    edges: NDArray[np.float64]
    shares: NDArray[np.float64]

    def __post_init__(self) -> None:
        n_masses, n_bins = self.masses.size, self.edges.size - 1
        if self.shares.shape != (n_masses, n_bins):
            raise ArgumentError(
                f"{n_masses} masses and {n_bins} bins need shares of shape ({n_masses}, {n_bins}), "
                f"found {self.shares.shape}"
            )
        # Written so that NaN fails it, too.
        if not (self.shares >= 0).all() or not (self.shares.sum(axis=1) <= 1 + 1e-9).all():
            raise ArgumentError("shares of a signal must not be negative, nor add up to more than 1")
        outside = self.shares.sum(axis=1) < _SMALLEST_SHARE
        if outside.any():
            raise ArgumentError(
                f"less than {_SMALLEST_SHARE:.1%} of the signal at {self.masses[outside][0]:g} GeV lies in the "
                f"spectrum, {self.edges[0]:g} to {self.edges[-1]:g} GeV: choose masses inside it"
            )

    @property
    def widths(self) -> NDArray[np.float64] | None:
        """Bin widths, GeV, shape (b,); None where they are the same, up to rounding."""
        widths = np.diff(self.edges)
        return None if np.allclose(widths, widths[0], rtol=1e-9, atol=0) else widths

    @property
    def centres(self) -> NDArray[np.float64]:
        """Bin centres, GeV, shape (b,)."""
        return (self.edges[:-1] + self.edges[1:]) / 2


def gaussian_templates(
    masses: ArrayLike,
    edges: ArrayLike,
    *,
    relative_width: float | None = None,
    width: float | None = None,
) -> SignalTemplates:
    """Gaussian resonances, integrated over the bins.

    Parameters
    ----------
    masses
        Mass hypotheses, GeV, > 0, rising, shape (m,).
    edges
        Bin edges, GeV, > 0, rising, shape (b + 1,).
    relative_width, width
        Standard deviation divided by the mass, or in GeV, > 0: one of the two.

    Raises
    ------
    ArgumentError
        For masses, edges or widths of another kind, both widths or none, or a mass with less than 0.1 % of its
        events in the spectrum.
    """
    centres, bounds = _rising("masses", masses, 1), _rising("edges", edges, 2)
    if (relative_width is None) == (width is None):
        raise ArgumentError("a Gaussian template needs one of relative_width and width (GeV)")
    sigma = relative_width * centres if relative_width is not None else np.full(centres.shape, width)
    if not ((sigma > 0) & (sigma < np.inf)).all():
        raise ArgumentError(f"the width of a resonance must be positive, found {relative_width or width!r}")
    shares = np.diff(special.ndtr((bounds - centres[:, None]) / sigma[:, None]), axis=1)
    return SignalTemplates(centres, bounds, shares)


def sample_templates(
    m_jj: ArrayLike,
    sample_mass: float,
    masses: ArrayLike,
    edges: ArrayLike,
    *,
    move: Move = "scaled",
    weights: ArrayLike | None = None,
) -> SignalTemplates:
    """The m_jj shape of a signal sample, moved to other masses.

    Parameters
    ----------
    m_jj
        Of all signal events of the sample, GeV, shape (n,); those outside of the spectrum as well, because at
        another mass they are inside.
    sample_mass
        Mass that the sample was made for, GeV.
    masses
        Mass hypotheses, GeV, > 0, rising, shape (m,).
    edges
        Bin edges, GeV, > 0, rising, shape (b + 1,).
    move
        ``scaled``: m_jj times mass / `sample_mass`, for a width that is proportional to the mass, as those of
        detector and showers nearly are. ``shifted``: m_jj plus mass - `sample_mass`, for a constant width.
    weights
        Of the events, >= 0, shape (n,); each counts as one if absent.

    Raises
    ------
    ArgumentError
        For masses or edges of another kind, an empty sample, values that are not finite, an unknown `move`, or a
        mass with less than 0.1 % of its events in the spectrum.
    """
    hypotheses, bounds = _rising("masses", masses, 1), _rising("edges", edges, 2)
    values = np.asarray(m_jj, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ArgumentError(
            f"a signal sample needs finite m_jj of shape (n,), n > 0, found shape {values.shape}"
        )
    order = np.argsort(values, kind="stable")
    sample = values[order]
    if not 0 < sample_mass < np.inf:
        raise ArgumentError(f"sample_mass must be a mass in GeV, found {sample_mass!r}")
    if move not in get_args(Move):
        raise ArgumentError(f'unknown move {move!r}; expected "scaled" or "shifted"')
    # The bins move the other way: counts of a bin moved by -x are those of the sample moved by x.
    if move == "scaled":
        moved = bounds * (sample_mass / hypotheses)[:, None]
    else:
        moved = bounds - (hypotheses - sample_mass)[:, None]
    below = np.searchsorted(sample, moved, side="left")
    if weights is None:
        return SignalTemplates(hypotheses, bounds, np.diff(below, axis=1) / sample.size)
    own = np.asarray(weights, dtype=np.float64)
    if own.shape != sample.shape or not ((own >= 0) & (own < np.inf)).all() or not own.any():
        raise ArgumentError(f"weights must be {sample.shape} numbers >= 0, not all zero, found {own!s}")
    cumulated = np.concatenate([[0.0], np.cumsum(own[order])])
    shares = np.diff(cumulated[below], axis=1) / cumulated[-1]
    return SignalTemplates(hypotheses, bounds, np.maximum(shares, 0.0))


def _rising(name: str, values: ArrayLike, at_least: int) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    good = array.ndim == 1 and array.size >= at_least and np.isfinite(array).all()
    if not good or array[0] <= 0 or not (np.diff(array) > 0).all():
        raise ArgumentError(
            f"{name} must be {at_least} or more positive, rising numbers in GeV, found {values!s}"
        )
    return array
