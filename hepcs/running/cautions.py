"""What to know of a run before it is begun, as well as after."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hepcs.datasets.samples import Pools

# Bootstraps of a sample of r times the data fluctuate by sqrt(1 + 1/r) as much as data do: 5 % more for r = 10.
AMPLE_BACKGROUND = 10


def small_background(pools: Pools) -> Iterator[str]:
    """That pseudo-experiments carry the fluctuations of the background sample, where that is none too large."""
    worth = pools.background.n_effective
    if pools.data is not None and worth < AMPLE_BACKGROUND * pools.data.n_expected:
        ratio = pools.data.n_expected / worth
        what = f"{worth:.0f} events"
        if pools.background.weights is not None:
            what = f"worth {what} without weights"
        yield (
            f"the background sample ({what} in the evaluation region) is not much "
            f"larger than the data ({pools.data.n_expected:.0f}): pseudo-experiments drawn from it carry its own "
            f"fluctuations too, {np.sqrt(1 + ratio):.2f} times those of the data, so the p-values of searches "
            f"without toys of their own are too large. {AMPLE_BACKGROUND} times the data would be ample"
        )
    # What the observed data set is drawn from, where that is no data.
    drawn, name = (pools.background, "background") if pools.data is None else (pools.data, "pseudo-data")
    if drawn.weights is not None and drawn.n_effective < drawn.n_expected:
        yield (
            f"the {name} sample is worth {drawn.n_effective:,.0f} events without weights in the evaluation "
            f"region, and {drawn.n_expected:,.0f} are expected at the luminosity: data sets hold its events "
            "several times, and its own fluctuations look like structure. Give it more events, or take a lower "
            "luminosity"
        )
