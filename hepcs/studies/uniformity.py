"""Are null p-values uniform? A test on independent samples, which a calibration must pass before it is believed.

Background-only statistics of one sample calibrate those of another, independent one (other seeds, or the other
half of the background). If the calibration is right, p <= alpha happens with probability alpha.

p-values by counting share one null sample, so they are not independent of each other, they come in steps of
1 / N, and statistics that tie share a value. A one-sample test against the uniform distribution takes none of
that into account: with N background-only and as many tested statistics it rejects a perfect calibration far
too often. All p-values here are exact instead: both samples come from one distribution if the calibration is
right, so any division of the pooled statistics into two is as likely as the one that was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hepcs._core.errors import ArgumentError
from hepcs.calibration.counting import finite_statistics

_MIN_STATISTICS = 10


@dataclass(frozen=True)
class PermutationTest:
    """A distance between two samples, and how often a random division of the pool is as far apart.

    Attributes
    ----------
    statistic
        The distance.
    p
        (divisions at least as far + 1) / (divisions + 1).
    """

    statistic: float
    p: float


@dataclass(frozen=True)
class SizeAt:
    """How often p <= alpha, which for a right calibration is alpha.

    Attributes
    ----------
    alpha
        The level that was asked for.
    level
        The level that N null statistics can tell, floor(alpha (N + 1)) / (N + 1), at most `alpha`.
    n_passing, rate
        Tested statistics with (k + 1) / (N + 1) <= alpha, and their share.
    p
        Two-sided probability of a count as far from its mean, if the calibration is right: beta-binomial, since
        the null sample fluctuates as well. With ties it errs on the side of a small count.
    """

    alpha: float
    level: float
    n_passing: int
    rate: float
    p: float


@dataclass(frozen=True)
class Uniformity:
    """Uniformity of the null p-values of one sample, calibrated with another.

    Attributes
    ----------
    n_null, n_tested
        Statistics that calibrate, and those that are calibrated.
    n_distinct
        Different values among all of them; fewer than their number if there are ties, such as statistics of
        exactly 0.
    p_values
        k / N of each tested statistic, shape (n_tested,).
    kolmogorov_smirnov
        Largest distance of the distribution of p from the uniform one, at the steps that counting has.
    chi2
        Over bins of p with the same content in the pool as nearly as ties allow.
    n_chi2_bins
        Bins that were left by the ties.
    sizes
        How often p is below a few levels.
    """

    n_null: int
    n_tested: int
    n_distinct: int
    p_values: NDArray[np.float64]
    kolmogorov_smirnov: PermutationTest
    chi2: PermutationTest
    n_chi2_bins: int
    sizes: tuple[SizeAt, ...]


def uniformity_test(
    null: ArrayLike,
    tested: ArrayLike,
    *,
    rng: np.random.Generator,
    n_bins: int = 10,
    alphas: Sequence[float] = (0.1, 0.05, 0.01),
    n_permutations: int = 1000,
) -> Uniformity:
    """Test the p-values of background-only statistics against the uniform distribution.

    Parameters
    ----------
    null
        Background-only statistics that calibrate, shape (N,), at least 10.
    tested
        Independent background-only statistics, shape (m,), at least 10.
    rng
        Random numbers of the permutations.
    n_bins
        Bins of the chi2 test, at least 2.
    alphas
        Levels, each in (0, 1), at which the size of a test by p is given.
    n_permutations
        At least 100; 0.1 ms each for 5,000 statistics.

    Raises
    ------
    ArgumentError
        For statistics that are not finite or too few, or numbers outside their range.
    """
    reference, sample = finite_statistics("null", null), finite_statistics("tested", tested)
    for name, values in (("null", reference), ("tested", sample)):
        if values.size < _MIN_STATISTICS:
            raise ArgumentError(f"expected at least {_MIN_STATISTICS} {name} statistics, found {values.size}")
    if n_bins < 2 or n_permutations < 100:
        raise ArgumentError(
            f"expected n_bins >= 2 and n_permutations >= 100, found {n_bins} and {n_permutations}"
        )
    pooled, group = np.unique(np.concatenate([reference, sample]), return_inverse=True)
    is_tested = np.zeros(group.size, dtype=np.bool_)
    is_tested[reference.size :] = True
    sizes = np.bincount(group, minlength=pooled.size)
    bins = _equal_bins(sizes, n_bins)
    seen = _distances(group[is_tested], sizes, bins)
    drawn = np.array(
        [_distances(group[rng.permutation(is_tested)], sizes, bins) for _ in range(n_permutations)]
    )
    # Equal distances differ by rounding.
    above = (drawn >= np.array(seen) * (1 - 1e-12)).sum(axis=0)
    ks, chi2 = (
        PermutationTest(value, float((n + 1) / (n_permutations + 1)))
        for value, n in zip(seen, above, strict=True)
    )
    ordered = np.sort(reference)
    counts = reference.size - np.searchsorted(ordered, sample, side="left")
    return Uniformity(
        n_null=reference.size,
        n_tested=sample.size,
        n_distinct=pooled.size,
        p_values=counts / reference.size,
        kolmogorov_smirnov=ks,
        chi2=chi2,
        n_chi2_bins=int(bins.max()) + 1,
        sizes=tuple(_size_at(alpha, counts, reference.size) for alpha in alphas),
    )


def _equal_bins(sizes: NDArray[np.int64], n_bins: int) -> NDArray[np.int64]:
    """Bin of each distinct value, so that the bins hold the pool in equal parts; ties stay together."""
    middle = np.cumsum(sizes) - sizes / 2
    bins = np.minimum((n_bins * middle / sizes.sum()).astype(np.int64), n_bins - 1)
    return np.asarray(np.unique(bins, return_inverse=True)[1])


def _distances(
    tested: NDArray[np.int64], sizes: NDArray[np.int64], bins: NDArray[np.int64]
) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance and chi2 of homogeneity between the tested values and the others."""
    inside = np.bincount(tested, minlength=sizes.size)
    n, m = sizes.sum() - tested.size, tested.size
    distance = np.abs(np.cumsum(inside) / m - np.cumsum(sizes - inside) / n).max()
    total = np.bincount(bins, weights=sizes)
    expected = total * m / (n + m)
    # Both rows of the table: the deviations are opposite, the expectations as n to m.
    chi2 = (np.square(np.bincount(bins, weights=inside) - expected) / expected).sum() * (n + m) / n
    return float(distance), float(chi2)


def _size_at(alpha: float, counts: NDArray[np.int64], n_null: int) -> SizeAt:
    if not 0 < alpha < 1:
        raise ArgumentError(f"a level must lie between 0 and 1, found {alpha!r}")
    steps = int(np.floor(alpha * (n_null + 1) + 1e-9))
    passing, tested = int((counts + 1 <= steps).sum()), counts.size
    if steps == 0:
        return SizeAt(alpha, 0.0, passing, passing / tested, 1.0)
    # k + 1 <= steps: the statistic is above the steps-th largest of N, which leaves Beta(steps, N + 1 - steps).
    distribution = stats.betabinom(tested, steps, n_null + 1 - steps)
    tail = min(distribution.cdf(passing), distribution.sf(passing - 1))
    return SizeAt(alpha, steps / (n_null + 1), passing, passing / tested, float(min(1.0, 2 * tail)))
