"""Autoencoders: networks that say an event again through a narrow place, and fail where it is like no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs.neural.backend import eqx, jax, jnp
from hepcs.neural.layers import Dense, Standardised, standardised
from hepcs.neural.stacking import stacked


class Autoencoder(eqx.Module):
    """Features (..., d) of an event or a jet, standardised, to a few numbers and back."""

    inputs: Standardised
    encoder: Any
    decoder: Any

    def __call__(self, x: Any) -> tuple[Any, Any]:
        """Standardised features, and what is left of them, both (..., d)."""
        known = self.inputs(x)
        return known, self.decoder(self.encoder(known))

    def errors(self, x: Any) -> Any:
        """Mean squared error of each event: features (b, d), or (b, j, d) of its jets, to (b,)."""
        known, said = self(x)
        return jnp.square(known - said).reshape(len(known), -1).mean(axis=1)


@dataclass(frozen=True)
class DenseHalves:
    """Encoder and decoder of fully connected layers, from a key."""

    n_features: int
    widths: tuple[int, ...]
    latent: int

    def __call__(self, key: Any) -> tuple[Dense, Dense]:
        """Both."""
        there, back = jax.random.split(key)
        sizes = (self.n_features, *self.widths, self.latent)
        return Dense(sizes, there), Dense(sizes[::-1], back)


@dataclass(frozen=True)
class ImageHalves:
    """Encoder and decoder of convolutions for square images, from a key.

    As in Tag N' Train (Amram and Mantilla Suarez, JHEP 01 (2021) 153): three convolutions of 3 x 3, with a pooling
    by 2 between them, and the same backwards; some 20,000 parameters for 40 x 40 pixels.
    """

    pixels: int
    channels: tuple[int, int, int]
    latent: int

    def __call__(self, key: Any) -> tuple[ImageEncoder, ImageDecoder]:
        """Both."""
        there, back = jax.random.split(key)
        return ImageEncoder(self, there), ImageDecoder(self, back)


class Convolution(eqx.Module):
    """3 x 3, with a leaky rectifier: images (n, p, p, c_in) to (n, p, p, c_out)."""

    kernel: Any
    bias: Any

    def __init__(self, before: int, after: int, key: Any) -> None:
        self.kernel = jax.random.normal(key, (9 * before, after)) * np.sqrt(2 / (9 * before))
        self.bias = jnp.zeros(after)

    def __call__(self, x: Any) -> Any:
        """Images of the same size."""
        # As one matrix product: convolutions with kernels of many networks at once are slow on processors.
        p = x.shape[1]
        wide = jnp.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        near = [wide[:, i : i + p, j : j + p] for i in range(3) for j in range(3)]
        return jax.nn.leaky_relu(jnp.concatenate(near, axis=-1) @ self.kernel + self.bias, 0.1)


class ImageEncoder(eqx.Module):
    """Images (..., p p) to (..., latent)."""

    layers: tuple[Convolution, ...]
    last: Dense
    pixels: int = eqx.field(static=True)

    def __init__(self, shape: ImageHalves, key: Any) -> None:
        first, second, third = shape.channels
        keys = jax.random.split(key, 4)
        steps = ((1, first), (first, second), (second, third))
        self.layers = tuple(Convolution(a, b, one) for (a, b), one in zip(steps, keys[:3], strict=True))
        self.last = Dense(((shape.pixels // 4) ** 2 * third, shape.latent), keys[3])
        self.pixels = shape.pixels

    def __call__(self, x: Any) -> Any:
        """Convolutions, pooled twice by 2."""
        image = x.reshape(-1, self.pixels, self.pixels, 1)
        for i, layer in enumerate(self.layers):
            if i:
                n, p, _, c = image.shape
                image = image.reshape(n, p // 2, 2, p // 2, 2, c).max(axis=(2, 4))
            image = layer(image)
        return self.last(image.reshape(*x.shape[:-1], -1))


class ImageDecoder(eqx.Module):
    """From (..., latent) to images (..., p p)."""

    first: Dense
    layers: tuple[Convolution, ...]
    last: Dense
    pixels: int = eqx.field(static=True)

    def __init__(self, shape: ImageHalves, key: Any) -> None:
        third, second, first = shape.channels
        keys = jax.random.split(key, 5)
        self.first = Dense((shape.latent, (shape.pixels // 4) ** 2 * first), keys[0])
        steps = ((first, first), (first, second), (second, third))
        self.layers = tuple(Convolution(a, b, one) for (a, b), one in zip(steps, keys[1:4], strict=True))
        self.last = Dense((third, 1), keys[4])
        self.pixels = shape.pixels

    def __call__(self, z: Any) -> Any:
        """Convolutions, enlarged twice by 2."""
        p = self.pixels // 4
        image = jax.nn.leaky_relu(self.first(z), 0.1).reshape(-1, p, p, self.layers[0].kernel.shape[0] // 9)
        for i, layer in enumerate(self.layers):
            if i:
                image = image.repeat(2, axis=1).repeat(2, axis=2)
            image = layer(image)
        return self.last(image).reshape(*z.shape[:-1], -1)


def autoencoders(
    halves: DenseHalves | ImageHalves,
    x: NDArray[np.floating],
    weights: NDArray[np.floating],
    rng: np.random.Generator,
    *,
    together: bool = False,
) -> Autoencoder:
    """A stack of untrained autoencoders for features (n, d) or (n, j, d), with weights (g, n).

    `together` is that of :func:`~hepcs.neural.layers.standardised`.
    """
    encoder, decoder = stacked(halves, len(weights), rng)
    return Autoencoder(standardised(x, weights, together=together), encoder, decoder)


def spread(models: Autoencoder, x: NDArray[np.floating]) -> float:
    """Mean squared error of one that says the mean of all events, as far as features are not constant."""
    return float(np.square(models.inputs.of_group(x, 0)).mean())
