"""What to know of a run before it is begun, as well as after."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Bootstraps of a sample of r times the data fluctuate by sqrt(1 + 1/r) as much as data do: 5 % more for r = 10.
AMPLE_BACKGROUND = 10


def small_background(n_background: int, n_data: int) -> Iterator[str]:
    """That pseudo-experiments carry the fluctuations of the background sample, if it is no larger than the data.

    Both are numbers of events in the evaluation region.
    """
    if n_background < AMPLE_BACKGROUND * n_data:
        ratio = n_data / n_background
        yield (
            f"the background sample ({n_background} events in the evaluation region) is not much "
            f"larger than the data ({n_data}): pseudo-experiments drawn from it carry its own "
            f"fluctuations too, {np.sqrt(1 + ratio):.2f} times those of the data, so the p-values of searches "
            f"without toys of their own are too large. {AMPLE_BACKGROUND} times the data would be ample"
        )
