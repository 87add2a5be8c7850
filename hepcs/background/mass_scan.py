"""A mass scan: the dijet function and a signal template fitted together, at each of several masses.

At every mass the strength s is fitted with the parameters of the background profiled. The statistic is that of a
discovery (Cowan, Cranmer, Gross and Vitells, EPJC 71 (2011) 1554, eq. 12): q0 = 2 ln(L(s^) / L(0)) for s^ > 0 and
0 else, and the local significance is sqrt(q0) (ibid., eq. 53). A background fit without a signal follows a part of
the signal that it is then compared with; this one does not, so it sees smaller ones.

The likelihood is the Poisson likelihood of the bins. The background is log-linear in its parameters
(:mod:`hepcs.background.functions`), and the signal is linear in s, so that Newton's method takes some five steps
of a microsecond from the background-only fit (:mod:`hepcs.background.profile_kernel`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.algebra import orthonormalised
from hepcs._core.errors import ArgumentError
from hepcs.background.functions import check_spectra, design_matrix, log_widths
from hepcs.background.irls import mean, poisson_chi2, solve
from hepcs.background.profile_kernel import profile_strengths
from hepcs.background.templates import SignalTemplates


@dataclass(frozen=True)
class MassScans:
    """Mass scans of t spectra with b bins, at m masses.

    Attributes
    ----------
    masses
        GeV, shape (m,).
    strength
        Fitted number of signal events, negative for a deficit, shape (t, m).
    strength_error
        Its standard deviation, the background profiled, from the observed information; 0 without a fit, shape
        (t, m).
    local_z
        sqrt(q0) for a positive strength, 0 else; NaN where the fit did not converge and the strength is not known
        to be negative either, shape (t, m).
    converged
        Whether the maximum of the likelihood was found, shape (t, m). One that was not found for a deficit harms
        no search: with few events, a negative strength ends where an empty bin would expect less than nothing.
    best
        Index of the best mass: of the largest signed root of q0, shape (t,).
    background, signal
        Counts per bin that are expected from background and signal at the best mass, shape (t, b).
    background_only
        Counts per bin of the fit without signal, shape (t, b).
    background_only_chi2
        Its likelihood-ratio chi2 (Baker and Cousins), shape (t,).
    """

    masses: NDArray[np.float64]
    strength: NDArray[np.float64]
    strength_error: NDArray[np.float64]
    local_z: NDArray[np.float64]
    converged: NDArray[np.bool_]
    best: NDArray[np.int64]
    background: NDArray[np.float64]
    signal: NDArray[np.float64]
    background_only: NDArray[np.float64]
    background_only_chi2: NDArray[np.float64]

    @property
    def statistic(self) -> NDArray[np.float64]:
        """The largest local significance of each spectrum, NaN if one of its fits failed, shape (t,)."""
        return np.asarray(self.local_z.max(axis=1))

    @property
    def n_failed(self) -> int:
        """Spectra without a statistic."""
        return int(np.isnan(self.statistic).sum())

    def __getitem__(self, index: int) -> MassScan:
        """The scan of one spectrum."""
        best = int(self.best[index])
        return MassScan(
            masses=self.masses,
            strength=self.strength[index],
            strength_error=self.strength_error[index],
            local_z=self.local_z[index],
            converged=self.converged[index],
            best=best,
            background=self.background[index],
            signal=self.signal[index],
            background_only=self.background_only[index],
            background_only_chi2=float(self.background_only_chi2[index]),
        )


@dataclass(frozen=True)
class MassScan:
    """Mass scan of one spectrum: :class:`MassScans`, without the axis t of the spectra."""

    masses: NDArray[np.float64]
    strength: NDArray[np.float64]
    strength_error: NDArray[np.float64]
    local_z: NDArray[np.float64]
    converged: NDArray[np.bool_]
    best: int
    background: NDArray[np.float64]
    signal: NDArray[np.float64]
    background_only: NDArray[np.float64]
    background_only_chi2: float

    @property
    def best_mass(self) -> float:
        """GeV."""
        return float(self.masses[self.best])

    @property
    def statistic(self) -> float:
        """The largest local significance; NaN if a fit failed."""
        return float(self.local_z.max())


def scan_masses(
    counts: ArrayLike, templates: SignalTemplates, n_parameters: int, *, sqrt_s: float
) -> MassScan:
    """Fit the dijet function and a signal template to a spectrum, at each mass of the templates.

    Parameters
    ----------
    counts
        Counts per bin, >= 0, shape (b,).
    templates
        Signal shapes in the same bins.
    n_parameters
        Of the dijet function: 3, 4 or 5.
    sqrt_s
        Centre-of-mass energy, GeV.

    Returns
    -------
    MassScan
        Check that its statistic is not NaN.

    Raises
    ------
    ArgumentError
        For arguments that do not match, negative or non-finite counts, or too few bins.
    """
    values = check_spectra(counts, templates.centres, n_parameters, ndim=1)
    return scan_masses_many(values[None], templates, n_parameters, sqrt_s=sqrt_s)[0]


def scan_masses_many(
    counts: ArrayLike, templates: SignalTemplates, n_parameters: int, *, sqrt_s: float
) -> MassScans:
    """:func:`scan_masses` of many spectra at once, counts of shape (t, b)."""
    values = check_spectra(counts, templates.centres, n_parameters, ndim=2)
    if values.shape[1] <= n_parameters + 1:
        raise ArgumentError(
            f"{values.shape[1]} bins cannot be fitted with {n_parameters} parameters and a signal strength"
        )
    basis, _ = orthonormalised(design_matrix(templates.centres, n_parameters, sqrt_s))
    offset = log_widths(templates.widths, templates.centres)
    coefficients, determined = solve(values, basis, offset=offset)
    shares = np.ascontiguousarray(templates.shares)
    strength, error, q0, score, fitted, converged = profile_strengths(
        values, coefficients, basis, shares, offset
    )
    converged &= determined[:, None]
    # The profile likelihood falls from s = 0 on where its slope there is negative, whatever became of the fit:
    # with few events, an empty bin would expect less than nothing before a negative strength has its maximum.
    deficit = determined[:, None] & (np.where(converged, strength, score) <= 0)
    root = np.where(converged, np.copysign(np.sqrt(q0), strength), np.where(deficit, -np.inf, np.nan))
    best = np.argmax(np.where(np.isnan(root), -np.inf, root), axis=1)
    row = np.arange(len(values))
    background_only = mean(coefficients, basis, offset)
    return MassScans(
        masses=templates.masses,
        strength=strength,
        strength_error=error,
        local_z=np.maximum(root, 0.0),
        converged=converged,
        best=best,
        background=mean(fitted[row, best], basis, offset),
        signal=strength[row, best, None] * shares[best],
        background_only=background_only,
        background_only_chi2=poisson_chi2(values, background_only),
    )
