"""Networks for event objects: what they see of them, the encoder, and features for an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs.config.event_objects import ELECTRON, JET, MET, OBJECT_TYPES
from hepcs.config.representation import Encoding
from hepcs.neural.backend import eqx, jax, jnp
from hepcs.neural.transformer import TransformerEncoder, Transformers

_CODES = tuple(kind.code for kind in OBJECT_TYPES)
N_FEATURES = 3 + len(_CODES)


class EventEncoder(eqx.Module):
    """Events (b, 19, 4) to what a contrastive loss sees (b, d)."""

    scale: Any
    encoder: TransformerEncoder

    def represent(self, events: Any) -> Any:
        """Representations (b, w), before the head."""
        return self.encoder.represent(*self._seen(events))

    def __call__(self, events: Any) -> Any:
        """The head's answer."""
        return self.encoder(*self._seen(events))

    def _seen(self, events: Any) -> tuple[Any, Any]:
        code = events[..., 3]
        one_hot = jnp.stack([code == one for one in _CODES], axis=-1).astype(events.dtype)
        scaled = preprocessed(events, jax.lax.stop_gradient(self.scale))
        return jnp.concatenate([scaled, one_hot], axis=-1), code > 0


@dataclass(frozen=True)
class EventEncoders:
    """From a key to an :class:`EventEncoder`; `scale` as of :func:`scale_of`."""

    section: Encoding
    scale: float

    def __call__(self, key: Any) -> EventEncoder:
        """An untrained one."""
        one = self.section
        make = Transformers(N_FEATURES, one.dimension, one.heads, one.layers, one.hidden, one.dimension)
        return EventEncoder(jnp.float32(self.scale), make(key))


def scale_of(events: NDArray[np.floating]) -> float:
    """Mean pT of all leptons and jets, GeV (AnomalyCLR, section 4), of events (n, 19, 4)."""
    objects = events[:, ELECTRON.first :]
    return float(objects[..., 0][objects[..., 3] > 0].mean())


def preprocessed(events: Any, scale: Any) -> Any:
    """pT in units of `scale`, eta of its largest value and phi of pi: events (..., 4) to (..., 3).

    Zeros stay zeros (AnomalyCLR, section 4).
    """
    return events[..., :3] / jnp.stack([scale, jnp.float32(JET.abs_eta_max), jnp.float32(np.pi)])


def raw_features(events: NDArray[np.floating], scale: float) -> NDArray[np.float32]:
    """The same in one row for each event, (n, 56): without the eta of the missing energy, which has none."""
    table = np.asarray(events[..., :3] / np.array([scale, JET.abs_eta_max, np.pi]), dtype=np.float32)
    return np.delete(table.reshape(len(table), -1), 3 * MET.first + 1, axis=1)
