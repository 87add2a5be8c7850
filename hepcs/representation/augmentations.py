"""Augmentations of event objects (AnomalyCLR, section 4): events (b, 19, 4) and a key to events of the same shape.

Physical ones keep what an event is; each is the symmetry or the resolution of a detector:

================  ================================================================================================
`rotated`         all azimuthal angles by one
`smeared`         eta and phi by a normal distribution of variance 0.1 GeV / pT
`jets_smeared`    pT of jets by one of variance 0.052 pT^2 + 1.502 pT, in GeV (section 4, item 3)
================  ================================================================================================

Anomaly ones are what a signal might look like:

================  ================================================================================================
`added`           more electrons, muons and jets, up to the rows there are; the missing energy balances them
`split`           objects become two with the same sum of pT; the missing energy stays
`shifted`         pT of all leptons and jets times U(1, 5), missing energy times U(0.5, 5), or both
================  ================================================================================================

All keep the trigger, the limits of each kind of object and phi in (-pi, pi]. What is new stands behind what was
there, so that the rows are no longer in the order of pT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hepcs.config.event_objects import ELECTRON, JET, MET, MUON, N_ROWS, OBJECT_TYPES, TRIGGER_PT
from hepcs.config.representation import Augmentation
from hepcs.neural.backend import jax, jnp

ANGLE_VARIANCE = 0.1  # GeV
JET_VARIANCE = (0.052, 1.502)
OBJECT_FACTOR = (1.0, 5.0)
MET_FACTOR = (0.5, 5.0)
# GeV. Of all rows, what belongs to their kind.
_CODE, _PT_MIN, _ETA_MAX = (
    np.concatenate([np.full(kind.most, getattr(kind, name), dtype=np.float32) for kind in OBJECT_TYPES])
    for name in ("code", "pt_min", "abs_eta_max")
)
_FOUND = (ELECTRON, MUON, JET)
# The largest number below pi in single precision.
_PI = np.nextafter(np.float32(np.pi), np.float32(0))


def physical(key: Any, events: Any) -> Any:
    """All physical augmentations."""
    keys = jax.random.split(key, 3)
    return rotated(keys[0], smeared(keys[1], jets_smeared(keys[2], events)))


@dataclass(frozen=True)
class OneAnomaly:
    """One of the anomaly augmentations for each event, at random."""

    of: tuple[Augmentation, ...] = ("add", "split", "shift")

    def __call__(self, key: Any, events: Any) -> Any:
        """Augmented events."""
        which, *keys = jax.random.split(key, len(self.of) + 1)
        made = jnp.stack([_ANOMALIES[name](one, events) for name, one in zip(self.of, keys, strict=True)])
        chosen = jax.random.randint(which, (len(events),), 0, len(self.of))
        return made[chosen, jnp.arange(len(events))]


def rotated(key: Any, events: Any) -> Any:
    """All objects of an event, turned about the beam."""
    angle = jax.random.uniform(key, (len(events), 1), minval=-jnp.pi, maxval=jnp.pi)
    return events.at[..., 2].set(jnp.where(_there(events), _wrapped(events[..., 2] + angle), 0.0))


def smeared(key: Any, events: Any) -> Any:
    """Directions as a detector might have measured them instead."""
    there, pt = _there(events), events[..., 0]
    noise = jax.random.normal(key, (2, *pt.shape)) * jnp.sqrt(ANGLE_VARIANCE / jnp.maximum(pt, 1.0))
    eta = jnp.clip(events[..., 1] + noise[0], -_ETA_MAX, _ETA_MAX)
    phi = _wrapped(events[..., 2] + noise[1])
    return jnp.stack([pt, jnp.where(there, eta, 0.0), jnp.where(there, phi, 0.0), events[..., 3]], axis=-1)


def jets_smeared(key: Any, events: Any) -> Any:
    """Jets of another measured pT, not below their limit."""
    pt = events[..., 0]
    deviation = jnp.sqrt(JET_VARIANCE[0] * pt**2 + JET_VARIANCE[1] * pt)
    measured = jnp.maximum(pt + deviation * jax.random.normal(key, pt.shape), _PT_MIN)
    return events.at[..., 0].set(jnp.where(events[..., 3] == JET.code, measured, pt))


def added(key: Any, events: Any) -> Any:
    """So many more objects of each kind as there is room for, or fewer; one jet at least, if there is room."""
    counts, place, angle, share = jax.random.split(key, 4)
    more = _numbers(counts, _rooms(events))
    jets = jnp.where((more.sum(axis=1) == 0) & (_rooms(events)[:, 2] > 0), 1, more[:, 2])
    new = _new_rows(events, more.at[:, 2].set(jets))
    shape = events.shape[:2]
    hardest = jnp.where(_found(events), events[..., 0], 0.0).max(axis=1, keepdims=True)
    pt = jnp.maximum(hardest * jax.random.uniform(share, shape), _PT_MIN)
    eta = _ETA_MAX * jax.random.uniform(place, shape, minval=-1.0)
    phi = _wrapped(jax.random.uniform(angle, shape, minval=-jnp.pi, maxval=jnp.pi))
    objects = jnp.stack([pt, eta, phi, jnp.broadcast_to(_CODE, shape)], axis=-1)
    return _balanced(jnp.where(new[..., jnp.newaxis], objects, events), jnp.where(new, pt, 0.0), phi)


def split(key: Any, events: Any) -> Any:
    """Objects that become two, each not below its limit, of directions as of :func:`smeared`.

    The hardest lepton keeps what the trigger needs. An event of which nothing can be split gets more objects
    instead, as of :func:`added`.
    """
    counts, order, shares, directions, other = jax.random.split(key, 5)
    b, pt = len(events), events[..., 0]
    lepton = _found(events) & (events[..., 3] != JET.code)
    leading = jnp.argmax(jnp.where(lepton, pt, 0.0), axis=1)
    kept = jnp.where(jnp.arange(N_ROWS) == leading[:, jnp.newaxis], TRIGGER_PT + 0.1, _PT_MIN)
    possible = _found(events) & (pt > kept + _PT_MIN)
    # What the new one takes, of what remains beyond both limits.
    part = _PT_MIN + jax.random.uniform(shares, pt.shape) * (pt - kept - _PT_MIN)
    n_possible = jnp.stack([possible[:, one.first : one.last].sum(axis=1) for one in _FOUND], axis=1)
    room = jnp.minimum(_rooms(events), n_possible)
    some = _numbers(counts, room)
    most = jnp.argmax(room, axis=1)
    at_least = jax.nn.one_hot(most, len(_FOUND), dtype=some.dtype) * (room.max(axis=1) > 0)[:, jnp.newaxis]
    some = jnp.where((some.sum(axis=1) == 0)[:, jnp.newaxis], at_least, some)
    new = _new_rows(events, some)
    rank = jnp.where(possible, jax.random.uniform(order, pt.shape), 2.0)
    parents = jnp.zeros((b, N_ROWS), dtype=jnp.int32)
    for one in _FOUND:
        rows = slice(one.first, one.last)
        by_rank = jnp.argsort(rank[:, rows], axis=1) + one.first
        number = jnp.arange(one.most) - (events[:, rows, 3] > 0).sum(axis=1, keepdims=True)
        found = jnp.take_along_axis(by_rank, jnp.maximum(number, 0), axis=1)
        parents = parents.at[:, rows].set(found.astype(jnp.int32))
    taken = jnp.where(new, jnp.take_along_axis(part, parents, axis=1), 0.0)
    lost = jax.vmap(lambda values, places: jnp.zeros(N_ROWS).at[places].add(values))(taken, parents)
    copies = jnp.take_along_axis(events, parents[..., jnp.newaxis], axis=1).at[..., 0].set(taken)
    made = jnp.where(new[..., jnp.newaxis], copies, events.at[..., 0].add(-lost))
    touched = new | (lost > 0)
    made = jnp.where(touched[..., jnp.newaxis], smeared(directions, made), made)
    nothing = (room.sum(axis=1) == 0)[:, jnp.newaxis, jnp.newaxis]
    return jnp.where(nothing, added(other, events), made)


def shifted(key: Any, events: Any) -> Any:
    """All momenta of leptons and jets by one factor, or the missing one by another, or both."""
    which, objects, missing = jax.random.split(key, 3)
    b = len(events)
    mode = jax.random.randint(which, (b,), 0, 3)
    factor = jax.random.uniform(objects, (b,), minval=OBJECT_FACTOR[0], maxval=OBJECT_FACTOR[1])
    met = jax.random.uniform(missing, (b,), minval=MET_FACTOR[0], maxval=MET_FACTOR[1])
    factor, met = jnp.where(mode == 0, 1.0, factor), jnp.where(mode == 1, 1.0, met)
    is_met = jnp.arange(N_ROWS) == MET.first
    return events.at[..., 0].multiply(jnp.where(is_met, met[:, jnp.newaxis], factor[:, jnp.newaxis]))


_ANOMALIES = {"add": added, "split": split, "shift": shifted}


def _there(events: Any) -> Any:
    return events[..., 3] > 0


def _found(events: Any) -> Any:
    """Leptons and jets that there are."""
    return _there(events) & (jnp.arange(N_ROWS) > MET.first)


def _wrapped(phi: Any) -> Any:
    """Angles in (-pi, pi]."""
    return jnp.clip(phi - 2 * jnp.pi * jnp.round(phi / (2 * jnp.pi)), -_PI, _PI)


def _rooms(events: Any) -> Any:
    """Empty rows of electrons, muons and jets, (b, 3)."""
    return jnp.stack([(events[:, one.first : one.last, 3] == 0).sum(axis=1) for one in _FOUND], axis=1)


def _numbers(key: Any, most: Any) -> Any:
    """Whole numbers from 0 to `most`, each as often."""
    return jnp.minimum(jnp.floor(jax.random.uniform(key, most.shape) * (most + 1)), most).astype(jnp.int32)


def _new_rows(events: Any, numbers: Any) -> Any:
    """The first so many empty rows of electrons, muons and jets, (b, 19)."""
    new = jnp.zeros(events.shape[:2], dtype=bool)
    for i, one in enumerate(_FOUND):
        empty = events[:, one.first : one.last, 3] == 0
        new = new.at[:, one.first : one.last].set(
            empty & (jnp.cumsum(empty, axis=1) <= numbers[:, i : i + 1])
        )
    return new


def _balanced(events: Any, pt: Any, phi: Any) -> Any:
    """Events whose missing energy balances new objects, too: their pT and phi, (b, 19)."""
    met, angle = events[:, MET.first, 0], events[:, MET.first, 2]
    px, py = (met * f(angle) - (pt * f(phi)).sum(axis=1) for f in (jnp.cos, jnp.sin))
    events = events.at[:, MET.first, 0].set(jnp.hypot(px, py))
    return events.at[:, MET.first, 2].set(_wrapped(jnp.arctan2(py, px)))
