"""A sample of the paper's size, drawn from a few thousand Pythia events.

Each jet of the sample is a generated one, moved a little along the principal components: a smoothed bootstrap,
which keeps the spectrum of eigenvalues and the clumps that k-means finds. Images are made block by block when they
are asked for, the same ones every time, so that the memory stays low and both procedures see the same jets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.progress import Mapper, silent
from hepcs._core.randomness import Stream, generator
from hepcs.background import dijet_function
from hepcs.config.preparation import Jets
from hepcs.config.samples import SIGNAL
from hepcs.config.sources import PythiaSource
from hepcs.datasets.cached_sources import open_source
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.features.feature_file import mapped_digest, open_mapped
from hepcs.features.image_pca import Compression, compress, image_moments, train_compression
from hepcs.features.sections import ImagePca
from hepcs.images import image_and_reprocess, require_filled_images
from hepcs.jets import select_dijets
from hepcs.sources.base import EventSource

BINS = MassBins(3000.0, 4600.0, 16)
# Training region of the components and of the clusters, GeV.
TRAINING = (3000.0, 3100.0)
# Name of the features.
FEATURES = "image_pca"
SQRT_S = 13_000.0
# The paper's 4-parameter fit to its background, counts per 100 GeV.
PUBLISHED = (0.15239691, 0.85218256, -14.17770188, -3.57107481)
# Of the paper's million background events, 380,000 lie in the evaluation region.
INSIDE = 0.38
# Of the signal events, 95 % do.
INSIDE_SIGNAL = 0.95
# How far a jet is moved, in standard deviations of each component.
SMOOTHING = 0.25
# Events of a block of images: 13 MB.
BLOCK = 1024
SEED = 20_240_227

Process = Literal["qcd", "zprime"]


def in_training(m_jj: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which events lie in the training region."""
    return (m_jj >= TRAINING[0]) & (m_jj < TRAINING[1])


@dataclass(frozen=True)
class GeneratedJets:
    """Jets of generated events: reprocessed images, shape (n, 2, p), and m_jj, shape (n,), GeV."""

    images: NDArray[np.float32]
    m_jj: NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """A sample drawn around generated jets.

    Attributes
    ----------
    jets
        The generated jets.
    compression
        Trained on the background's.
    m_jj
        Of the events of the sample, shape (n,), GeV.
    key
        Tells its random numbers from those of other samples.
    spread
        Standard deviation of each component over the generated jets, shape (d,).
    """

    jets: GeneratedJets
    compression: Compression
    m_jj: NDArray[np.float64]
    key: int
    spread: NDArray[np.float32]

    @property
    def n_blocks(self) -> int:
        """Number of blocks of events."""
        return -(-self.m_jj.size // BLOCK)

    def images(self, block: int) -> NDArray[np.float32]:
        """Images of the events of a block, shape (n, 2, p), each with a sum of one; the same every time."""
        n = min(BLOCK, self.m_jj.size - block * BLOCK)
        p, d = self.compression.components.shape
        rng = generator(SEED, Stream.TOY, self.key, block)
        images = self.jets.images[rng.integers(len(self.jets.images), size=n)].reshape(2 * n, p)
        shift = rng.standard_normal((2 * n, d), dtype=np.float32) * (SMOOTHING * self.spread)
        images += shift @ self.compression.components.T
        np.maximum(images, 0, out=images)
        images /= images.sum(axis=1, keepdims=True)
        return images.reshape(n, 2, p)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Images of all blocks in turn."""
        return map(self.images, range(self.n_blocks))


@dataclass(frozen=True)
class PaperSample:
    """The sample of the paper's size.

    Attributes
    ----------
    background, signal
        Where its jets come from.
    pools
        Its features, memory-mapped.
    folder
        Where the features lie.
    """

    background: Drawn
    signal: Drawn
    pools: Pools
    folder: Path


def generated_events(process: Process, n: int, cache: Path, mapper: Mapper) -> EventSource:
    """Pythia events, from the cache if they are there."""
    section = PythiaSource(kind="pythia", process=process, events=n, seed=7, m_hat_min=2300.0)
    return open_source(section, (), cache, mapper, silent)


def constituents(source: EventSource) -> ak.Array:
    """All events of a source."""
    return ak.concatenate([source.read(chunk) for chunk in source.chunks()])


def generated_jets(events: ak.Array) -> GeneratedJets:
    """Select dijets, and make their reprocessed images."""
    dijets = require_filled_images(select_dijets(events, Jets(), file="generated", first_entry=0))
    images = image_and_reprocess(ak.flatten(dijets.jets.constituents, axis=1))
    return GeneratedJets(images.reshape(len(dijets.m_jj), 2, -1), dijets.m_jj)


def draw_background(jets: GeneratedJets, compression: Compression, n: int, key: int) -> Drawn:
    """n background events with the published spectrum."""
    rng = generator(SEED, Stream.TOY, key)
    edges = np.linspace(BINS.low, BINS.high, 3201)
    density = dijet_function((edges[1:] + edges[:-1]) / 2, PUBLISHED, SQRT_S)
    cumulative = np.concatenate([[0.0], np.cumsum(density)])
    m_jj = np.interp(rng.random(n) * cumulative[-1], cumulative, edges)
    return _drawn(jets, compression, m_jj, key)


def draw_signal(jets: GeneratedJets, compression: Compression, n: int, key: int) -> Drawn:
    """n signal events with the generated masses."""
    rng = generator(SEED, Stream.TOY, key)
    inside = jets.m_jj[(jets.m_jj >= BINS.low) & (jets.m_jj < BINS.high)]
    m_jj = rng.choice(inside, size=n) + rng.normal(0.0, 10.0, size=n)
    return _drawn(jets, compression, m_jj, key)


def _drawn(jets: GeneratedJets, compression: Compression, m_jj: NDArray[np.float64], key: int) -> Drawn:
    spread = compress(jets.images.reshape(-1, jets.images.shape[2]), compression).std(axis=0)
    return Drawn(jets, compression, np.clip(m_jj, BINS.low, np.nextafter(BINS.high, 0)), key, spread)


def write_features(drawn: Drawn, path: Path, *, pixels: bool = False) -> NDArray[np.float32]:
    """Features of all jets of a sample, or all their pixels, memory-mapped: shape (n, 2, d)."""
    d = drawn.compression.components.shape[0 if pixels else 1]
    shape = (drawn.m_jj.size, 2, d)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for index, images in enumerate(drawn.blocks()):
        part = slice(index * BLOCK, index * BLOCK + len(images))
        flat = images.reshape(-1, images.shape[2])
        file[part] = images if pixels else compress(flat, drawn.compression).reshape(-1, 2, d)
    file.flush()
    del file
    return open_mapped(path, mapped_digest(path))


def pools_of(
    background: Drawn, signal: Drawn, features: NDArray[np.float32], signal_features: NDArray[np.float32]
) -> Pools:
    """Samples with their features; the identities of the signal events come after those of the background."""
    signals = _sample(signal, signal_features, INSIDE_SIGNAL, background.m_jj.size)
    return Pools(_sample(background, features, INSIDE, 0), BINS, {SIGNAL: signals})


def _sample(drawn: Drawn, features: NDArray[np.float32], inside: float, first_event: int) -> Sample:
    """A sample, with the share of the selected events that is inside the evaluation region."""
    n = drawn.m_jj.size
    return Sample(drawn.m_jj, {FEATURES: features}, np.arange(n), round(n / inside), first_event=first_event)


def make_sample(
    n_events: int, n_signal: int, background: GeneratedJets, signal: GeneratedJets, folder: Path
) -> PaperSample:
    """Draw the sample of the paper's size, and write its features."""
    pixels = background.images.reshape(-1, background.images.shape[2])
    compression = train_compression(image_moments(pixels), ImagePca().kept_variance)
    drawn = draw_background(background, compression, n_events, 1)
    drawn_signal = draw_signal(signal, compression, n_signal, 2)
    features = write_features(drawn, folder / "background.npy")
    signal_features = write_features(drawn_signal, folder / "signal.npy")
    pools = pools_of(drawn, drawn_signal, features, signal_features)
    return PaperSample(drawn, drawn_signal, pools, folder)
