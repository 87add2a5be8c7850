"""Whether a simulation can stand for data: it must hold events wherever they do, in each feature and in m_jj."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hepcs.config.values import Problem
from hepcs.searches.cut_and_fit.columns import GIVING_AWAY
from hepcs.searches.cut_and_fit.windows import sliding_windows
from hepcs.searches.kinds import Context

#: Least simulated events in a window or a sideband, as many as a leaf of the trees holds by default.
FEWEST = 100
# The data are looked at in so many bins of equal share, and the simulation needs so much of such a share in each.
_BINS = 20
_LEAST = 0.02


def simulation_problems(
    context: Context, features: Sequence[str], window: int, sideband: int | None
) -> Iterator[Problem]:
    """What keeps the sample ``simulation`` from being compared with the data, for `problems_of` a section.

    A ratio of densities is not defined where the simulation has no events. Of twenty bins that hold equal shares
    of the data, in each column of the features, every one must hold a fiftieth of such a share of the simulation.
    """
    simulation, data = context.pools.others.get("simulation"), context.pools.searched
    if simulation is None:
        yield "", "needs the sample 'simulation', which the card does not have"
        return
    bins = context.pools.bins
    windows = sliding_windows(bins.n_bins, window, sideband)
    counts = bins.counts(simulation.m_jj)
    for what, regions in (
        ("window", windows.inside),
        ("sideband", windows.lower),
        ("sideband", windows.upper),
    ):
        events = regions @ counts
        if events.min() < FEWEST:
            low = bins.edges[np.flatnonzero(regions[events.argmin()])[0]]
            yield (
                "window",
                f"the simulation has {events.min():.0f} events in the {what} from m_jj = {low:g} GeV on, "
                f"expected {FEWEST} or more: generate more, or take wider windows",
            )
            break
    for name in features:
        columns = _named(context.columns, name, data.features[name])
        simulated, real = (
            one.features[name][one.rows].reshape(one.n_events, -1) for one in (simulation, data)
        )
        for column, here, there in zip(columns, simulated.T, real.T, strict=True):
            if column.split(" of the ")[0] in GIVING_AWAY:
                continue  # The score is not given it.
            if lacking := gap(there, here):
                low, high, share, found = lacking
                yield (
                    "features",
                    f"the simulation does not overlap the data in {column} of {name!r}: {share:.0%} of the data "
                    f"lie in [{low:.4g}, {high:.4g}], and {found:.2%} of the simulation. Simulate what is there "
                    "in the data, or take other features",
                )


def gap(
    data: NDArray[np.floating], simulation: NDArray[np.floating]
) -> tuple[float, float, float, float] | None:
    """Where data (n,) have no counterpart in simulated values (m,).

    Returns
    -------
    The smallest interval with the shares of data and simulation in it; None if there is none.
    """
    edges = np.unique(np.quantile(data, np.linspace(0, 1, _BINS + 1)))
    if edges.size == 1:
        edges = np.array([edges[0], np.nextafter(edges[0], np.inf, dtype=edges.dtype)])
    # The outermost data may lie beyond all simulated events.
    inner = edges[1:-1]
    shares, found = (
        np.bincount(np.searchsorted(inner, one, side="right"), minlength=edges.size - 1) / max(one.size, 1)
        for one in (data, simulation)
    )
    if edges.size == 2:
        found = np.array([np.mean((simulation >= edges[0]) & (simulation <= edges[1]))])
    lacking = (found < _LEAST * shares) & (shares > 0)
    if not lacking.any():
        return None
    first, last = np.flatnonzero(lacking)[[0, -1]]
    return (
        float(edges[first]),
        float(edges[last + 1]),
        float(shares[lacking].sum()),
        float(found[lacking].sum()),
    )


def _named(columns: Mapping[str, tuple[str, ...]], name: str, values: NDArray[np.floating]) -> list[str]:
    """Names of the columns of a feature as events have them: of jets, both."""
    n = values.shape[-1]
    known = columns.get(name, tuple(f"column {number}" for number in range(n)))
    if values.ndim == 2:
        return [*known]
    return [f"{column} of the {jet} jet" for jet in ("leading", "second") for column in known]
