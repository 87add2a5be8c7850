"""Augmentations of jets: what an embedding shall not see, and what it shall see.

b jets are an array (b, n, 3) of constituents, pT [GeV], and eta and phi relative to the axis; those that there are
come first, and zeros behind them. A network on it is to be blind to the physical augmentations (Dillon et al.,
SciPost Phys. 12 (2022) 188, section 3.1), and to notice the anomalies (Dillon et al., "Anomalies, Representations,
and Self-Supervision", section 3, here of constituents).

====================  ====================================================  =======================================
augmentation          what it does                                          what it conserves
====================  ====================================================  =======================================
:func:`rotated`       turns the jet about its axis                          pT, all distances
:func:`reflected`     mirrors it, or not                                    pT, all distances
:func:`split`         splits some constituents collinearly                  four-momentum, where there is room
:func:`noisy`         adds soft constituents                                what was there; pT but for 1 %
:func:`smeared`       smears pT by 5 %, positions by 0.1 GeV / pT           number
:func:`moved`         moves a prong elsewhere                               each pT, number
:func:`added`         adds a prong                                          sum of pT
:func:`scaled`        makes one side harder                                 sum of pT, number, positions but for
                                                                            the centre
====================  ====================================================  =======================================

The anomalies end with the centre of pT on the axis again: a jet off its axis is none, and would be told by that.
"""

from __future__ import annotations

from typing import Any

from hepcs.neural.backend import jax, jnp

#: Constituents that one augmentation adds at most.
MOST_SPLIT, MOST_SOFT, PRONG = 3, 5, 4
#: Largest share of the pT that soft constituents add; smearing of pT, relative; of positions, GeV, and its limit.
SOFT_SHARE, PT_SMEARING, POSITION_SMEARING, LARGEST_SHIFT = 0.01, 0.05, 0.1, 0.05
# Constituents this near to one are a prong, and so far it is moved, or another one added.
_PRONG_RADIUS, _SHORTEST, _FARTHEST = 0.2, 0.2, 0.6
# Radius in which soft constituents appear.
_REACH = 0.8


def rotated(key: Any, jets: Any) -> Any:
    """Jets (b, n, 3), each turned by any angle."""
    angle = jax.random.uniform(key, (len(jets), 1), maxval=2 * jnp.pi)
    c, s = jnp.cos(angle), jnp.sin(angle)
    pt, eta, phi = jnp.moveaxis(jets, 2, 0)
    return jnp.stack([pt, c * eta - s * phi, s * eta + c * phi], axis=2)


def reflected(key: Any, jets: Any) -> Any:
    """Jets (b, n, 3), half of them with eta of the other sign."""
    sign = jnp.where(jax.random.bernoulli(key, shape=(len(jets), 1)), 1.0, -1.0)
    return jets.at[..., 1].multiply(sign)


def split(key: Any, jets: Any) -> Any:
    """Jets (b, n, 3), of which up to three constituents, any of them, are two in the same direction."""
    b, n, _ = jets.shape
    numbers = jax.random.uniform(key, (b, n + MOST_SPLIT))
    there = jets[..., 0] > 0
    parents = jnp.argsort(jnp.where(there, numbers[:, :n], 2.0), axis=1)[:, :MOST_SPLIT]
    before = jnp.take_along_axis(jets, parents[..., jnp.newaxis], axis=1)
    places = _free(jets, MOST_SPLIT)
    possible = (places < n) & (before[..., 0] > 0)
    given = jnp.where(possible, before[..., 0] * numbers[:, n:] / 2, 0.0)
    rows = jnp.arange(b)[:, jnp.newaxis]
    lighter = jets.at[rows, parents, 0].add(-given)
    pieces = before.at[..., 0].set(given)
    return lighter.at[rows, jnp.where(possible, places, n)].set(pieces, mode="drop")


def noisy(key: Any, jets: Any) -> Any:
    """Jets (b, n, 3) with up to five more soft constituents each within 0.8 of the axis."""
    b, n, _ = jets.shape
    numbers = jax.random.uniform(key, (b, 1 + 3 * MOST_SOFT))
    wanted = jnp.arange(MOST_SOFT) < jnp.floor(numbers[:, :1] * (MOST_SOFT + 1))
    amount, distance, angle = jnp.split(numbers[:, 1:], 3, axis=1)
    pt = (1 - amount) * SOFT_SHARE / MOST_SOFT * _pt(jets)
    soft = jnp.concatenate([pt[..., jnp.newaxis], _polar(_REACH * distance, angle)], axis=2)
    places = jnp.where(wanted, _free(jets, MOST_SOFT), n)
    return jets.at[jnp.arange(b)[:, jnp.newaxis], places].set(soft, mode="drop")


def smeared(key: Any, jets: Any) -> Any:
    """Jets (b, n, 3) as a detector of small resolution sees them; soft constituents lie less certainly."""
    pt = jets[..., :1]
    errors = jnp.clip(jax.random.normal(key, jets.shape), -3, 3)
    spread = jnp.minimum(POSITION_SMEARING / jnp.maximum(pt, 1e-6), LARGEST_SHIFT)
    seen = [pt * (1 + PT_SMEARING * errors[..., :1]), jets[..., 1:] + spread * errors[..., 1:]]
    return jnp.where(pt > 0, jnp.concatenate(seen, axis=2), 0.0)


def moved(key: Any, jets: Any) -> Any:
    """Jets (b, n, 3) whose constituents around one of them, drawn by pT, lie elsewhere, 0.2 to 0.6 away."""
    numbers = jax.random.uniform(key, (len(jets), 3))
    summed = jnp.cumsum(jets[..., 0], axis=1)
    # The last of those that there are, where rounding would go beyond.
    which = jnp.minimum((summed < numbers[:, :1] * summed[:, -1:]).sum(axis=1), _number(jets) - 1)
    middle = jnp.take_along_axis(jets[..., 1:], which[:, jnp.newaxis, jnp.newaxis], axis=1)
    near = jnp.square(jets[..., 1:] - middle).sum(axis=2, keepdims=True) < _PRONG_RADIUS**2
    shift = _polar(_away(numbers[:, 1:2]), numbers[:, 2:])
    return _centred(jets.at[..., 1:].add(jnp.where(near, shift, 0.0)))


def added(key: Any, jets: Any) -> Any:
    """Jets (b, n, 3) with one more prong each, of a tenth to a half of the pT, 0.2 to 0.6 from the axis.

    It takes the place of the softest constituents where there is no room.
    """
    b, n, _ = jets.shape
    numbers = jax.random.uniform(key, (b, 3 + 3 * PRONG))
    pt, (parts, distance, angle) = _pt(jets), jnp.split(numbers[:, 3:], 3, axis=1)
    each = -jnp.log1p(-parts) + 1e-6
    each *= pt * (0.1 + 0.4 * numbers[:, :1]) / each.sum(axis=1, keepdims=True)
    where = _polar(_away(numbers[:, 1:2]), numbers[:, 2:3]) + _polar(0.05 * distance, angle)
    prong = jnp.concatenate([each[..., jnp.newaxis], where], axis=2)
    first = jnp.minimum(_number(jets), n - PRONG)[:, jnp.newaxis]
    rows = jnp.arange(b)[:, jnp.newaxis]
    return _centred(_of_pt(jets.at[rows, first + jnp.arange(PRONG)].set(prong), pt))


def scaled(key: Any, jets: Any) -> Any:
    """Jets (b, n, 3) whose constituents on one side of the axis are 1.5 to 5 times as hard."""
    numbers = jax.random.uniform(key, (len(jets), 2))
    side = (jets[..., 1:] * _polar(1.0, numbers[:, :1])).sum(axis=2) > 0
    harder = jets.at[..., 0].multiply(jnp.where(side, 1.5 + 3.5 * numbers[:, 1:], 1.0))
    return _centred(_of_pt(harder, _pt(jets)))


def physical(key: Any, jets: Any) -> Any:
    """All physical augmentations of each jet: (b, n, 3) to (b, n, 3)."""
    for one, function in zip(
        jax.random.split(key, 5), (rotated, reflected, split, noisy, smeared), strict=True
    ):
        jets = function(one, jets)
    return jets


def anomaly(key: Any, jets: Any) -> Any:
    """One anomaly of each jet, drawn for it: (b, n, 3) to (b, n, 3)."""
    which, *keys = jax.random.split(key, 4)
    chosen = jax.random.randint(which, (len(jets), 1, 1), 0, 3)
    kinds = [function(one, jets) for one, function in zip(keys, (moved, added, scaled), strict=True)]
    return jnp.where(chosen == 0, kinds[0], jnp.where(chosen == 1, kinds[1], kinds[2]))


def _number(jets: Any) -> Any:
    """Constituents of each jet, (b,)."""
    return (jets[..., 0] > 0).sum(axis=1)


def _pt(jets: Any) -> Any:
    """Sum of pT of each jet, (b, 1)."""
    return jets[..., 0].sum(axis=1, keepdims=True)


def _free(jets: Any, most: int) -> Any:
    """The next places behind the constituents of each jet, (b, most)."""
    return _number(jets)[:, jnp.newaxis] + jnp.arange(most)


def _away(number: Any) -> Any:
    """A distance at which a prong is another one, from a number in [0, 1)."""
    return _SHORTEST + (_FARTHEST - _SHORTEST) * number


def _polar(distance: Any, turn: Any) -> Any:
    """Points at a distance, after a part of a whole turn: (...) to (..., 2)."""
    angle = 2 * jnp.pi * turn
    return jnp.stack([distance * jnp.cos(angle), distance * jnp.sin(angle)], axis=-1)


def _of_pt(jets: Any, total: Any) -> Any:
    """Jets (b, n, 3), their constituents scaled to sums of pT (b, 1)."""
    return jets.at[..., 0].multiply(total / jnp.maximum(_pt(jets), 1e-30))


def _centred(jets: Any) -> Any:
    """Jets (b, n, 3) around their centres of pT; padding stays zero."""
    pt = jets[..., :1]
    centre = (pt * jets[..., 1:]).sum(axis=1, keepdims=True) / jnp.maximum(_pt(jets), 1e-30)[..., jnp.newaxis]
    return jnp.where(pt > 0, jets.at[..., 1:].add(-centre), 0.0)
