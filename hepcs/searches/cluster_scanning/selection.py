"""Which clusters are signal-rich, and how clusters are put together, other than by one threshold for all bins.

The paper selects the clusters that deviate somewhere, and then looks for an excess of their sum anywhere (SPEC,
section 3 steps 5 to 7). Here clusters are selected, or weighted, for each window of m_jj by what they show in that
window, so that a cluster that fluctuates at one mass does not dilute the others at another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hepcs._core.algebra import product
from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning.estimates import TrendExcess, cluster_excess, trend

Combination = Literal["quadrature", "sum", "largest"]
Significance = Literal["gaussian", "likelihood"]


@dataclass(frozen=True)
class WindowScan:
    """Scan of the spectra of one clustering by windows.

    Attributes
    ----------
    clusters
        Excess of each cluster in each window over its own trend, shape (k, w).
    combined
        Significance of each window, all clusters together, shape (w,).
    signal_rich
        Clusters above theta in the most significant window, shape (k,).
    observed
        Jets of these clusters, shape (b,).
    expected
        Their trends, fitted outside of the most significant window, times the jets of all clusters, shape (b,).
    statistic
        Largest of `combined`.
    """

    clusters: TrendExcess
    combined: NDArray[np.float64]
    signal_rich: NDArray[np.bool_]
    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    statistic: float

    @property
    def window(self) -> tuple[int, int]:
        """First bin of the most significant window, and the bin behind its last one."""
        low, high = self.clusters.windows[int(np.argmax(self.combined))]
        return int(low), int(high)


def scan_windows(
    spectra: NDArray[np.int64],
    *,
    combination: Combination = "quadrature",
    theta: float = 3.0,
    widths: Sequence[int] = (1, 2),
    degree: int = 1,
    guard: int = 1,
    significance: Significance = "gaussian",
) -> WindowScan:
    """Scan spectra with a trend of each cluster and a selection for each window (paper, section 5).

    Parameters
    ----------
    spectra
        Jets N[i, b], shape (k, b).
    combination
        ``quadrature``: every cluster with an excess counts, by the square of its significance, and theta only says
        which clusters are shown. ``sum``: those above theta in a window are summed there. ``largest``: the most
        significant one alone, which many clusters without signal dilute by trials only.
    theta
        Threshold in standard deviations of the excess of a cluster.
    widths
        Widths of the windows in bins.
    degree
        Of the polynomial in m_jj that a cluster's share is.
    guard
        Bins on either side of a window that its fit leaves out as well.
    significance
        Of a cluster in a window: ``gaussian``, the excess over its error, or ``likelihood``, for clusters of few
        jets.

    Raises
    ------
    ArgumentError
        If spectra are not counts of shape (k, b), or as :func:`.estimates.cluster_excess` does.
    """
    if spectra.ndim != 2 or (spectra < 0).any():
        raise ArgumentError(f"spectra must be counts of shape (k, b), found shape {spectra.shape}")
    clusters = cluster_excess(spectra, widths=widths, degree=degree, guard=guard)
    z = clusters.significance if significance == "gaussian" else clusters.likelihood_significance
    if combination == "quadrature":
        combined = in_quadrature(z)
    elif combination == "sum":
        combined = of_selected(clusters, z > theta)
    elif combination == "largest":
        combined = z.max(axis=0)
    else:
        raise ArgumentError(
            f'clusters combine in "quadrature", as a "sum" or by the "largest", found {combination!r}'
        )
    best = int(np.argmax(combined))
    signal_rich = z[:, best] > theta
    observed = spectra[signal_rich].sum(axis=0).astype(np.float64)
    total = spectra.sum(axis=0).astype(np.float64)
    low, high = clusters.windows[best]
    expected = trend(observed, total, (int(low), int(high)), degree=degree, guard=guard)
    return WindowScan(clusters, combined, signal_rich, observed, expected, float(combined[best]))


def in_quadrature(significance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root of the sum of squares of the clusters' excesses, deficits left out: (k, w) to (w,).

    For independent clusters it is, up to a constant, the likelihood ratio of a signal that may be in any of them
    in any strength, against none.
    """
    return np.asarray(np.sqrt(np.square(np.maximum(significance, 0.0)).sum(axis=0)))


def of_selected(clusters: TrendExcess, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Significance of the sum of the clusters that are chosen in each window, 0 without any: (k, w) to (w,)."""
    variance = (clusters.variance * chosen).sum(axis=0)
    excess = (clusters.excess * chosen).sum(axis=0)
    return np.asarray(np.where(variance > 0, excess / np.sqrt(np.where(variance > 0, variance, 1.0)), 0.0))


def with_neighbours(
    signal_rich: NDArray[np.bool_], centroids: NDArray[np.floating], n_neighbours: int
) -> NDArray[np.bool_]:
    """The selected clusters and the nearest ones to each of them (paper, section 5: anomalies are neighbours).

    Parameters
    ----------
    signal_rich
        The selected clusters, shape (k,).
    centroids
        Shape (k, d).
    n_neighbours
        Clusters to add around each selected one, by the distance of centroids, 0 to k - 1; of equals the first.

    Returns
    -------
    Shape (k,).

    Raises
    ------
    ArgumentError
        For shapes that do not match, or another `n_neighbours`.
    """
    k = len(signal_rich)
    if centroids.ndim != 2 or len(centroids) != k:
        raise ArgumentError(f"{k} marks and centroids of shape {centroids.shape} do not match")
    if not 0 <= n_neighbours < k:
        raise ArgumentError(f"n_neighbours must be 0 to {k - 1} for {k} clusters, found {n_neighbours}")
    positions = centroids.astype(np.float64)
    selected = np.flatnonzero(signal_rich)
    squares = np.square(positions).sum(axis=1)
    distance = squares[selected, np.newaxis] + squares - 2 * product(positions[selected], positions.T)
    # A cluster is its own nearest, also where rounding or an equal centroid says otherwise.
    distance[np.arange(len(selected)), selected] = -np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : n_neighbours + 1]
    result = signal_rich.copy()
    result[nearest.ravel()] = True
    return result
