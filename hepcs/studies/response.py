"""How the statistic of a search answers to signal: its distribution for each number of signal events.

Doped pseudo-experiments are few, and limits rest on the far tail of each epsilon. So the distributions are
described together: at epsilon the statistic is

    t = centre(epsilon) + width(epsilon) r,

with the mean of its own pseudo-experiments, and a standard deviation and residuals r that are shared with similar
epsilon, weighted by a normal density in ln epsilon. Each
quantile is then taken as not falling with epsilon (isotonic regression) and as linear between two of the list, so
P(t' <= t | epsilon) never rises with the signal. Background-only statistics, of which there are many, stand for
themselves: no quantile with signal is below theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from hepcs._core.errors import ArgumentError
from hepcs.calibration.counting import finite_statistics

# Over so much of ln epsilon widths are smoothed, and over the first of these that holds enough the shapes.
_NEAR, _SIMILAR, _ENOUGH = 0.2, (0.4, 0.8, 1.6, np.inf), 200


@dataclass(frozen=True)
class Response:
    """Distributions of a statistic by the number of signal events; see :func:`response_of`.

    Attributes
    ----------
    null
        Background-only statistics, rising, shape (N,).
    epsilon
        Numbers of signal events above 0, rising, shape (e,).
    centre, width
        Mean and smoothed standard deviation of the statistic for each, shape (e,).
    n_doped
        Valid doped statistics for each, shape (e,).
    residuals
        Of all doped statistics, rising, shape (K,).
    shares
        By epsilon, the share of the weights of the residuals up to each, shape (e, K).
    n_effective
        Residuals without weights that are worth as much, shape (e,).
    """

    null: NDArray[np.float64]
    epsilon: NDArray[np.int64]
    centre: NDArray[np.float64]
    width: NDArray[np.float64]
    n_doped: NDArray[np.int64]
    residuals: NDArray[np.float64]
    shares: NDArray[np.float64]
    n_effective: NDArray[np.float64]

    def null_share(self, t: float) -> float:
        """P(t' <= t | background only), counted; of those equal to t, a half, as where residuals smear them."""
        left, right = (np.searchsorted(self.null, t, side=side) for side in ("left", "right"))
        return float((left + right) / (2 * self.null.size))

    def n_near(self, epsilon: float) -> float:
        """Residuals, without weights, that are worth as much as those that describe an epsilon."""
        return float(np.interp(epsilon, self.epsilon, self.n_effective))

    def quantile(self, level: float) -> NDArray[np.float64]:
        """The quantile of a level in [0, 1] by epsilon, 0 first: shape (e + 1,), not falling."""
        least = float(np.interp(level, np.linspace(0, 1, self.null.size), self.null))
        shape = np.array([np.interp(level, share, self.residuals) for share in self.shares])
        raw = self.centre + self.width * shape
        rising = isotonic_regression(raw, weights=self.n_doped.astype(np.float64)).x
        return np.concatenate([[least], np.maximum(rising, least)])


def response_of(null: ArrayLike, doped: Mapping[int, ArrayLike]) -> Response:
    """Distributions of a statistic by the number of signal events.

    Parameters
    ----------
    null
        Background-only statistics, shape (N,), at least ten; NaN ones are left out.
    doped
        Doped statistics by epsilon > 0, shape (M,) each; NaN likewise.

    Raises
    ------
    ArgumentError
        For infinite statistics, fewer than ten background-only ones, no epsilon above 0, or one without any.
    """
    background = _valid("background-only", null)
    if background.size < 10:
        raise ArgumentError(f"expected ten or more background-only statistics, found {background.size}")
    if not doped or min(doped) <= 0:
        raise ArgumentError(f"expected doped statistics for epsilon above 0, found {sorted(doped)}")
    epsilons = sorted(doped)
    signal = [_valid(f"epsilon = {epsilon}", doped[epsilon]) for epsilon in epsilons]
    for epsilon, values in zip(epsilons, signal, strict=True):
        if values.size == 0:
            raise ArgumentError(f"epsilon = {epsilon}: no valid statistic")
    sizes = np.array([values.size for values in signal])
    variances, ln_epsilon = np.array([values.var() for values in signal]), np.log(epsilons)
    near = sizes * _density(ln_epsilon, _NEAR)
    width = np.sqrt(near @ variances / near.sum(axis=1))
    if not (width > 0).all():  # all alike
        width = np.full(len(signal), background.std() or 1.0)
    found = np.concatenate([(values - values.mean()) / sd for values, sd in zip(signal, width, strict=True)])
    order = np.argsort(found)
    of = np.repeat(np.arange(sizes.size), sizes)[order]
    for reach in _SIMILAR:
        density = _density(ln_epsilon, reach)
        n_effective = np.square(density @ sizes) / (np.square(density) @ sizes)
        if n_effective.min() >= _ENOUGH:
            break
    weights = density[:, of]
    cumulated = np.cumsum(weights, axis=1) - weights / 2
    return Response(
        null=np.sort(background),
        epsilon=np.array(epsilons, dtype=np.int64),
        centre=np.array([values.mean() for values in signal]),
        width=width,
        n_doped=sizes,
        residuals=found[order],
        shares=cumulated / weights.sum(axis=1, keepdims=True),
        n_effective=n_effective,
    )


def _density(ln_epsilon: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """How much each epsilon of the list counts for each, shape (e, e)."""
    return np.asarray(np.exp(-0.5 * np.square((ln_epsilon[:, None] - ln_epsilon) / width)))


def in_halves(
    doped: Mapping[int, ArrayLike], rng: np.random.Generator
) -> tuple[dict[int, NDArray[np.float64]], dict[int, NDArray[np.float64]]]:
    """Valid doped statistics in two random halves, of which one describes the response and the other tests it."""
    first, second = {}, {}
    for epsilon in sorted(doped):
        values = rng.permutation(_valid(f"epsilon = {epsilon}", doped[epsilon]))
        first[epsilon], second[epsilon] = values[::2], values[1::2]
    return first, second


def last_below(epsilon: NDArray[np.float64], quantile: NDArray[np.float64], t: float) -> float | None:
    """The epsilon up to which a quantile, linear between epsilon, is at most t; None beyond the last one."""
    if t < quantile[0]:
        return 0.0
    if t >= quantile[-1]:
        return None
    i = int(np.searchsorted(quantile, t, side="right"))
    share = (t - quantile[i - 1]) / (quantile[i] - quantile[i - 1])
    return float(epsilon[i - 1] + share * (epsilon[i] - epsilon[i - 1]))


def _valid(name: str, values: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64)
    return finite_statistics(name, found[~np.isnan(found)])
