"""Principal components of the reprocessed jet images as features.

They are found once, before any data set is searched, in the training region of the background sample, or of a
labelled one, whatever the labels. Weighted events count by their weights. They keep Euclidean distances up to the
variance that is dropped, and k-means needs no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hepcs._core.algebra import product
from hepcs._core.compilation import compiled
from hepcs._core.errors import ArgumentError, InputError
from hepcs._core.threads import one_thread
from hepcs.config.preparation import Images
from hepcs.features.image_files import images_key
from hepcs.features.making import EventBlock, Untrained
from hepcs.features.pixels import reprocessed, with_gaps

if TYPE_CHECKING:
    from hepcs.config.schema import Card
    from hepcs.features.sections import ImagePca

# Part of the key of what is on disk: raised when the same images would give other components or features.
VERSION = 3


@dataclass(frozen=True)
class ImageMoments:
    """Sums over images from which principal components follow; they add up over chunks.

    Attributes
    ----------
    n
        Number of images.
    weight
        Sum of their weights; n where each counts as one.
    total
        Sum of the weighted images, shape (p,), float64.
    products
        Sum of the weighted outer products, shape (p, p), float64.
    """

    n: int
    weight: float
    total: NDArray[np.float64]
    products: NDArray[np.float64]

    def __add__(self, other: ImageMoments) -> ImageMoments:
        return ImageMoments(
            self.n + other.n,
            self.weight + other.weight,
            self.total + other.total,
            self.products + other.products,
        )


@dataclass(frozen=True)
class Compression:
    """Projection on principal components.

    Attributes
    ----------
    mean
        Mean image, shape (p,).
    components
        Principal axes as columns, shape (p, d), by falling variance.
    kept_variance
        Share of the total variance that they keep.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    kept_variance: float


def image_moments(images: NDArray[np.float32], weights: NDArray[np.float64] | None = None) -> ImageMoments:
    """Moments of images of shape (n, p), with weights >= 0 of shape (n,), or each counted as one."""
    pixels = images.astype(np.float64)
    if weights is None:
        return ImageMoments(len(pixels), float(len(pixels)), pixels.sum(axis=0), pixels.T @ pixels)
    weighted = weights[:, np.newaxis] * pixels
    return ImageMoments(len(pixels), float(weights.sum()), weighted.sum(axis=0), weighted.T @ pixels)


def train_compression(moments: ImageMoments, kept_variance: float) -> Compression:
    """The fewest principal components that keep a share of the variance.

    Parameters
    ----------
    moments
        Moments of the training images.
    kept_variance
        Share of the total variance to keep, in (0, 1).

    Raises
    ------
    InputError
        If there are fewer than two training images, or they are all the same.
    """
    if not 0 < kept_variance < 1:
        raise ArgumentError(f"kept_variance must lie in (0, 1), found {kept_variance}")
    if moments.n < 2 or not moments.weight > 0:
        raise InputError(
            f"{moments.n} jets with an image are too few to train the compression. Widen it, or give more events"
        )
    mean = moments.total / moments.weight
    covariance = moments.products / moments.weight - np.outer(mean, mean)
    with one_thread():
        variances, axes = np.linalg.eigh(covariance)
    variances, axes = np.clip(variances[::-1], 0.0, None), axes[:, ::-1]
    if variances[0] <= 0:
        raise InputError("all jets have the same image: it has no principal components")
    kept = np.cumsum(variances) / variances.sum()
    d = int(np.searchsorted(kept, kept_variance)) + 1
    axes = axes[:, :d]
    # An eigenvector's sign is arbitrary; the largest entry is made positive.
    axes = axes * np.sign(axes[np.argmax(np.abs(axes), axis=0), np.arange(d)])
    return Compression(
        mean.astype(np.float32), np.ascontiguousarray(axes, dtype=np.float32), float(kept[d - 1])
    )


def compress(images: NDArray[np.float32], compression: Compression) -> NDArray[np.float32]:
    """Features of images: (n, p) to (n, d), float32, the same bits on every processor."""
    if images.shape[1] != compression.mean.size:
        raise ArgumentError(f"images have {images.shape[1]} pixels, the compression {compression.mean.size}")
    mean = product(compression.components.T, compression.mean)
    features = np.tile(-mean.astype(np.float32), (len(images), 1))
    _project(np.ascontiguousarray(images), compression.components, features)
    return features


@compiled
def _project(images, components, features):  # type: ignore[no-untyped-def]
    """Add images @ components to features, (n, d), float32.

    The sum over the pixels runs in their order, so its bits are the same on every processor; those of a BLAS are
    not. Eight pixels at a time, and some jets beside each other, keep what is read in registers and cache; where
    all eight are zero, as in half of a typical image, there is nothing to add.
    """
    n, d = features.shape
    pixels = images.shape[1]
    whole = pixels // 8 * 8
    for start in range(0, n, 32):
        jets = range(start, min(start + 32, n))
        for p in range(0, whole, 8):
            c0, c1, c2, c3 = components[p], components[p + 1], components[p + 2], components[p + 3]
            c4, c5, c6, c7 = components[p + 4], components[p + 5], components[p + 6], components[p + 7]
            for j in jets:
                x0, x1, x2, x3 = images[j, p], images[j, p + 1], images[j, p + 2], images[j, p + 3]
                x4, x5, x6, x7 = images[j, p + 4], images[j, p + 5], images[j, p + 6], images[j, p + 7]
                if x0 == x1 == x2 == x3 == x4 == x5 == x6 == x7 == 0:
                    continue
                row = features[j]
                for f in range(d):
                    first = (((row[f] + x0 * c0[f]) + x1 * c1[f]) + x2 * c2[f]) + x3 * c3[f]
                    row[f] = (((first + x4 * c4[f]) + x5 * c5[f]) + x6 * c6[f]) + x7 * c7[f]
        for p in range(whole, pixels):
            for j in jets:
                for f in range(d):
                    features[j, f] += images[j, p] * components[p, f]


@dataclass(frozen=True)
class ImagePcaMaker:
    """Makes principal components of images.

    Attributes
    ----------
    compression
        The trained components.
    trained
        Digest of what they came from.
    gamma, smearing
        Of the reprocessing.
    images
        Section of the card.
    """

    compression: Compression
    trained: str
    gamma: float
    smearing: float
    images: Images

    per: ClassVar[Literal["jet"]] = "jet"
    base: ClassVar[None] = None

    @property
    def columns(self) -> tuple[str, ...]:
        """By falling variance."""
        return tuple(f"component_{number}" for number in range(self.compression.components.shape[1]))

    @property
    def key(self) -> Mapping[str, Any]:
        """All that decides the features."""
        return {
            "version": VERSION,
            "images": images_key(self.images),
            "gamma": self.gamma,
            "smearing": self.smearing,
            "trained": self.trained,
        }

    @property
    def about(self) -> Mapping[str, Any]:
        """The share of the variance that is kept."""
        return {"kept_variance": self.compression.kept_variance}

    def make(self, block: EventBlock) -> NDArray[np.float32]:
        """Shape (m, 2, d)."""
        images, both = reprocessed(block, gamma=self.gamma, smearing=self.smearing)
        return with_gaps(compress(images, self.compression), both)


@dataclass(frozen=True)
class UntrainedImagePca(Untrained):
    """Principal components that are yet to be found."""

    section: ImagePca
    images: Images

    @property
    def window(self) -> tuple[float, float]:
        """The training region in m_jj, [low, high), GeV."""
        return self.section.training

    @property
    def key(self) -> Mapping[str, Any]:
        """All that decides the components of given events."""
        return {
            "version": VERSION,
            "images": images_key(self.images),
            "section": self.section.model_dump(mode="json"),
        }

    def sums(self, block: EventBlock) -> ImageMoments:
        """Moments of the reprocessed images."""
        images, both = reprocessed(block, gamma=self.section.gamma, smearing=self.section.smearing)
        return image_moments(images, None if block.weights is None else np.repeat(block.weights[both], 2))

    def solve(self, total: ImageMoments) -> dict[str, NDArray[Any]]:
        """The compression as arrays."""
        found = train_compression(total, self.section.kept_variance)
        return {
            "mean": found.mean,
            "components": found.components,
            "kept_variance": np.array(found.kept_variance),
        }

    def trained(self, arrays: Mapping[str, NDArray[Any]], key: str) -> ImagePcaMaker:
        """The maker with its components."""
        compression = Compression(arrays["mean"], arrays["components"], float(arrays["kept_variance"]))
        return ImagePcaMaker(compression, key, self.section.gamma, self.section.smearing, self.images)


def maker(section: ImagePca, card: Card) -> UntrainedImagePca:
    """The maker of a section of the card, to be trained."""
    return UntrainedImagePca(section, card.images)
