"""Are the deviations of the signal-poor clusters normal? Three tests (paper, appendix D and Fig. 8).

The selection of clusters by theta = 3 rests on deviations that follow N(0, 1) where there is no signal. The
paper puts the deviations of all signal-poor clusters in all bins together and asks three tests, each of which
sees other things: Shapiro-Wilk the shape, whatever the mean and the width; Jarque-Bera the skewness and the
kurtosis; Kolmogorov-Smirnov the distance from N(0, 1) itself, mean and width included.

Their p-values are for independent deviations of one normal distribution. Here each bin's deviations were
standardised with the bin's own mean and width, clusters of different sizes fluctuate differently, and the
selection took away what lies beyond theta. So p is counted in toys: multinomial spectra of clusters of the same
sizes, without signal and without mass sculpting, that go through the same selection (:func:`normality_by_toys`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hepcs._core.errors import ArgumentError

# Shapiro-Wilk's p-value is an approximation fitted up to here (Royston, 1995); above, scipy warns.
_LARGEST_SHAPIRO = 5000
_SMALLEST = 8


@dataclass(frozen=True)
class NormalityTest:
    """Statistic and p-value of one test; both None where the test is not defined for so many deviations."""

    name: str
    statistic: float | None
    p: float | None


@dataclass(frozen=True)
class Normality:
    """Three tests of the same deviations.

    Attributes
    ----------
    n
        Deviations, clusters times bins.
    mean, sd, skewness, excess_kurtosis
        Moments; 0, 1, 0, 0 for N(0, 1).
    shapiro_wilk, kolmogorov_smirnov, jarque_bera
        The tests; Kolmogorov-Smirnov's is against N(0, 1), the others are against any normal distribution.
    """

    n: int
    mean: float
    sd: float
    skewness: float
    excess_kurtosis: float
    shapiro_wilk: NormalityTest
    kolmogorov_smirnov: NormalityTest
    jarque_bera: NormalityTest

    @property
    def tests(self) -> tuple[NormalityTest, ...]:
        """The three, in the order of the paper."""
        return (self.shapiro_wilk, self.kolmogorov_smirnov, self.jarque_bera)

    @property
    def smallest_p(self) -> float:
        """The smallest of the p-values."""
        return min(test.p for test in self.tests if test.p is not None)


def normality_tests(deviations: ArrayLike, signal_rich: NDArray[np.bool_] | None = None) -> Normality:
    """Shapiro-Wilk, Kolmogorov-Smirnov and Jarque-Bera tests of deviations (paper, appendix D, Fig. 8).

    Parameters
    ----------
    deviations
        z[i, b] of the standardised spectra, shape (k, b), or of any other shape without `signal_rich`.
    signal_rich
        Clusters to leave out, shape (k,); none if absent.

    Returns
    -------
    Normality

    Raises
    ------
    ArgumentError
        For deviations that are not finite, all alike, or fewer than 8; or clusters that do not match.
    """
    values = np.asarray(deviations, dtype=np.float64)
    if signal_rich is not None:
        if values.ndim != 2 or signal_rich.shape != values.shape[:1]:
            raise ArgumentError(
                f"signal_rich of shape {signal_rich.shape} does not match deviations of shape {values.shape}; "
                "expected (k,) and (k, b)"
            )
        values = values[~signal_rich]
    values = values.ravel()
    if values.size < _SMALLEST:
        raise ArgumentError(f"a test of normality needs at least {_SMALLEST} deviations, found {values.size}")
    if not np.isfinite(values).all():
        raise ArgumentError("deviations must be finite; leave out clusters without jets")
    if np.ptp(values) == 0:
        raise ArgumentError(f"all {values.size} deviations are {values[0]:g}: there is nothing to test")
    return Normality(
        n=values.size,
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)),
        skewness=float(stats.skew(values)),
        excess_kurtosis=float(stats.kurtosis(values)),
        shapiro_wilk=_shapiro_wilk(values),
        kolmogorov_smirnov=_named("Kolmogorov-Smirnov", stats.kstest(values, "norm")),
        jarque_bera=_named("Jarque-Bera", stats.jarque_bera(values)),
    )


def _shapiro_wilk(values: NDArray[np.float64]) -> NormalityTest:
    if values.size > _LARGEST_SHAPIRO:
        return NormalityTest("Shapiro-Wilk", None, None)
    return _named("Shapiro-Wilk", stats.shapiro(values))


def _named(name: str, found: Any) -> NormalityTest:
    return NormalityTest(name, float(found.statistic), float(found.pvalue))


def cluster_toys(spectra: NDArray[np.int64], rng: np.random.Generator, n_toys: int) -> NDArray[np.int64]:
    """Spectra of clusters of the same sizes, each multinomial with the m_jj spectrum of all: shape (t, k, b)."""
    sizes, total = spectra.sum(axis=1), spectra.sum(axis=0)
    return rng.multinomial(sizes, total / total.sum(), size=(n_toys, sizes.size))


def normality_by_toys(
    spectra: NDArray[np.int64],
    select: Callable[[NDArray[np.int64]], tuple[NDArray[np.float64], NDArray[np.bool_]]],
    rng: np.random.Generator,
    n_toys: int = 200,
) -> dict[str, float]:
    """p of the three tests by name: the share of toys whose nominal p is at most as small, (k + 1) / (N + 1).

    Parameters
    ----------
    spectra
        Jets of the clusters of one scan in the bins, shape (k, b).
    select
        Deviations, shape (k, b), and signal-rich clusters, shape (k,), of such spectra.
    rng, n_toys
        Random numbers of the toys, and how many; some 2 ms each.

    Raises
    ------
    ArgumentError
        As :func:`normality_tests`.
    """
    seen = normality_tests(*select(spectra)).tests
    toys = [normality_tests(*select(toy)).tests for toy in cluster_toys(spectra, rng, n_toys)]
    found = {}
    for number, test in enumerate(seen):
        if test.p is not None:
            nominal = [one[number].p for one in toys]
            below = sum(p is not None and p <= test.p for p in nominal)
            found[test.name] = (below + 1) / (n_toys + 1)
    return found
