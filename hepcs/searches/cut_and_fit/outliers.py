"""Distance on the principal components of small variance: outliers among events or jets, without any label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.searches.cut_and_fit.classifier import Scorer

if TYPE_CHECKING:
    from sklearn.preprocessing import QuantileTransformer


def require_copies(weights: NDArray[np.floating]) -> None:
    """Raise ArgumentError unless weights are whole numbers, as multiplicities are: others cannot be copies."""
    if (np.asarray(weights) % 1).any():
        raise ArgumentError("this score counts copies of events: expected multiplicities as weights")


@dataclass(frozen=True)
class PcaScorer(Scorer):
    """Distance in the directions in which events hardly differ."""

    kept_variance: float

    def fit(self, x: Any, weights: Any, labels: Any, rng: np.random.Generator) -> PcaDistance:  # noqa: ARG002
        """Make each feature normal, and find the small components; weights are multiplicities."""
        from sklearn.preprocessing import QuantileTransformer

        require_copies(weights)
        seed, copies = int(rng.integers(2**31 - 1)), np.repeat(x, np.asarray(weights, dtype=np.int64), axis=0)
        normal = QuantileTransformer(
            n_quantiles=min(1000, len(copies)), output_distribution="normal", random_state=seed
        ).fit(copies)
        values = normal.transform(copies)
        mean, covariance = values.mean(axis=0), np.cov(values, rowvar=False)
        variances, axes = np.linalg.eigh(np.atleast_2d(covariance))
        # In rising order of variance: small are those without which the others still hold enough, at least one.
        others = 1 - np.cumsum(variances) / variances.sum()
        small = max(int((others >= self.kept_variance).sum()), 1)
        scale = np.sqrt(np.maximum(variances[:small], 1e-12 * variances[-1]))
        return PcaDistance(normal, mean, axes[:, :small] / scale)


@dataclass(frozen=True)
class PcaDistance:
    """Squared distance on the small components, each in units of its standard deviation."""

    normal: QuantileTransformer
    mean: NDArray[np.float64]
    axes: NDArray[np.float64]

    def score(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Features (n, d) to (n,)."""
        return np.asarray(np.square((self.normal.transform(x) - self.mean) @ self.axes).sum(axis=1))
