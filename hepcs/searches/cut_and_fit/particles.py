"""Constituents of jets for networks: momenta as shares of the jet's, seen from its axis, turned the same way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def particles(features: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """The hardest constituents of jets, without what tells the jet's momentum or direction.

    Momenta are divided by their sum, positions are seen from the mean weighted with them, the axis of largest
    spread is turned to the first coordinate, and both are flipped so that their third moments are positive.

    Parameters
    ----------
    features
        Features of the kind ``constituents``: pT [GeV], eta and phi of each, shape (n, 2, 3 m).
    most
        Constituents that are kept of a jet; m where it is larger.

    Returns
    -------
    ndarray
        Share of pT, first and second coordinate, by falling pT, zeros behind the last one: shape (n, 2, k, 3).
    """
    n = len(features)
    known = features.reshape(n, 2, -1, 3)[:, :, :most]
    share = known[..., 0] / np.maximum(known[..., 0].sum(axis=-1, keepdims=True), 1e-6)
    place = known[..., 1:] - (share[..., np.newaxis] * known[..., 1:]).sum(axis=2, keepdims=True)
    x, y = place[..., 0], place[..., 1]
    xx, xy, yy = ((share * product).sum(axis=-1) for product in (x * x, x * y, y * y))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)[..., np.newaxis]
    turned = np.stack([x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)], axis=-1)
    skew = (share[..., np.newaxis] * turned**3).sum(axis=2, keepdims=True)
    turned *= np.where(skew < 0, -1, 1)
    return np.where(
        known[..., :1] > 0, np.concatenate([share[..., np.newaxis], turned], axis=-1), 0.0
    ).astype(np.float32)


def constant_error(known: NDArray[np.floating], there: NDArray[np.bool_]) -> float:
    """Least mean squared error of one that says the same of all constituents.

    Parameters
    ----------
    known
        Numbers of the constituents of jets, shape (n, m, d).
    there
        Which of them there are, shape (n, m); all of a jet count as one jet.
    """
    share = there / np.maximum(there.sum(axis=1, keepdims=True), 1)
    weights = share[..., np.newaxis] / share.sum()
    mean = (weights * known).sum(axis=(0, 1))
    return float((weights * np.square(known - mean)).sum(axis=(0, 1)).mean())
