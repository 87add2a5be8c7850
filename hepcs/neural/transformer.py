"""A transformer for sets of objects: any order of them, and any number, gives the same representation.

Vaswani et al., arXiv:1706.03762, with normalisation before each layer; attention to objects that are there alone,
and a sum over them, as in JetCLR (Dillon et al., SciPost Phys. 12 (2022) 188, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hepcs._core.errors import ArgumentError
from hepcs.neural.backend import eqx, jax, jnp
from hepcs.neural.layers import Dense


class TransformerLayer(eqx.Module):
    """Attention among the objects, then a network for each: (m, w) of one event to (m, w)."""

    norms: tuple[eqx.nn.LayerNorm, eqx.nn.LayerNorm]
    attention: eqx.nn.MultiheadAttention
    forward: Dense

    def __init__(self, width: int, heads: int, hidden: int, key: Any) -> None:
        keys = jax.random.split(key)
        self.norms = (eqx.nn.LayerNorm(width), eqx.nn.LayerNorm(width))
        self.attention = eqx.nn.MultiheadAttention(heads, width, key=keys[0])
        self.forward = Dense((width, hidden, width), keys[1])

    def __call__(self, x: Any, there: Any) -> Any:
        """Objects (m, w), of which those count that are there (m,)."""
        normal = jax.vmap(self.norms[0])(x)
        seen = jnp.broadcast_to(there, (len(x), len(x)))
        x = x + self.attention(normal, normal, normal, mask=seen)
        return x + self.forward(jax.vmap(self.norms[1])(x))


class TransformerEncoder(eqx.Module):
    """Objects (..., m, d) of events to a representation (..., w), and to what a contrastive loss sees."""

    first: Dense
    layers: tuple[TransformerLayer, ...]
    norm: eqx.nn.LayerNorm
    head: Dense

    def represent(self, objects: Any, there: Any) -> Any:
        """Representation (..., w): the sum over objects, before the head.

        Parameters
        ----------
        objects
            Features of objects, shape (..., m, d).
        there
            Which of them there are, shape (..., m); the features of others have no effect.
        """
        # Before anything is computed: infinite times zero is no zero.
        known = jnp.where(there[..., jnp.newaxis], objects, 0.0)
        flat = known.reshape(-1, *known.shape[-2:])
        found = jax.vmap(self._of_one)(flat, there.reshape(-1, there.shape[-1]))
        return found.reshape(*known.shape[:-2], -1)

    def _of_one(self, objects: Any, there: Any) -> Any:
        x = self.first(objects)
        for layer in self.layers:
            x = layer(x, there)
        return jnp.where(there[:, jnp.newaxis], jax.vmap(self.norm)(x), 0.0).sum(axis=0)

    def __call__(self, objects: Any, there: Any) -> Any:
        """The head's answer, (..., d_out); see :meth:`represent`."""
        return self.head(self.represent(objects, there))


@dataclass(frozen=True)
class Transformers:
    """From a key to a :class:`TransformerEncoder`.

    Attributes
    ----------
    n_features
        Of an object, d.
    width
        Of the representation, w.
    heads
        Of the attention; they divide the width.
    layers
        Attention and network, so many times.
    hidden
        Nodes of the networks behind the attention, and of the head.
    output
        Numbers that the head gives.
    """

    n_features: int
    width: int = 64
    heads: int = 4
    layers: int = 2
    hidden: int = 64
    output: int = 64

    def __post_init__(self) -> None:
        if min(self.n_features, self.width, self.heads, self.layers, self.hidden, self.output) < 1 or (
            self.width % self.heads
        ):
            raise ArgumentError(f"expected positive sizes and a width that the heads divide, found {self}")

    def __call__(self, key: Any) -> TransformerEncoder:
        """An untrained one."""
        first, head, *keys = jax.random.split(key, self.layers + 2)
        return TransformerEncoder(
            Dense((self.n_features, self.width), first),
            tuple(TransformerLayer(self.width, self.heads, self.hidden, one) for one in keys),
            eqx.nn.LayerNorm(self.width),
            Dense((self.width, self.hidden, self.output), head),
        )
