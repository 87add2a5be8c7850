"""Average images as histograms."""

from __future__ import annotations

import hist
import numpy as np
from numpy.typing import NDArray


def image_histogram(image: NDArray[np.float64], half_width: float) -> hist.Hist:
    """An average image of shape (p, p), the first axis eta'; its pixels have no error of their own.

    Parameters
    ----------
    image
        The image, which sums to one.
    half_width
        It covers [-half_width, half_width) in eta' and in phi', radians.
    """
    axes = (
        hist.axis.Regular(
            len(image), -half_width, half_width, name=name, label=label, underflow=False, overflow=False
        )
        for name, label in (("eta", r"$\eta'$"), ("phi", r"$\phi'$ [rad]"))
    )
    histogram = hist.Hist(*axes, storage=hist.storage.Weight(), label="mean share of the jet's $p_T$")
    histogram[...] = np.stack([image, np.zeros_like(image)], axis=-1)
    return histogram
