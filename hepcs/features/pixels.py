"""All pixels of the reprocessed jet images as features (Cluster Scanning, section 2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hepcs.config.preparation import Images
from hepcs.features.image_files import filled_jets, images_key
from hepcs.features.making import EventBlock
from hepcs.images import reprocess

if TYPE_CHECKING:
    from hepcs.config.schema import Card
    from hepcs.features.sections import Pixels

# Part of the key of what is on disk: raised when the same images would give other pixels.
VERSION = 1


def reprocessed(
    block: EventBlock, *, gamma: float, smearing: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reprocessed images of the events of which both jets have one.

    Parameters
    ----------
    block
        m events.
    gamma, smearing
        Exponent of the pixel scaling; sigma of the smearing, pixels.

    Returns
    -------
    Flat images of both jets in turn, shape (2n, pixels^2), and which events they are of, shape (m,), n of them.
    """
    images = block.images
    both: NDArray[np.bool_] = np.all(filled_jets(images).reshape(-1, 2), axis=1)
    if not both.all():
        images = images[np.repeat(both, 2)]
    p = round(images.shape[1] ** 0.5)
    plain = images.toarray().reshape(-1, p, p)
    return reprocess(plain, gamma=gamma, sigma=smearing).reshape(images.shape), both


def with_gaps(values: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Features of jets, (2n, d), at the events that are present, shape (m, 2, d); NaN at the others."""
    d = values.shape[1]
    if present.all():
        return values.reshape(-1, 2, d)
    filled = np.full((len(present), 2, d), np.nan, dtype=np.float32)
    filled[present] = values.reshape(-1, 2, d)
    return filled


@dataclass(frozen=True)
class PixelMaker:
    """Makes all pixels of the images."""

    gamma: float
    smearing: float
    images: Images

    per: ClassVar[Literal["jet"]] = "jet"
    about: ClassVar[Mapping[str, Any]] = {}
    base: ClassVar[None] = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Pixel by pixel, along the major axis first."""
        p = range(self.images.pixels)
        return tuple(f"pixel_{i}_{j}" for i in p for j in p)

    @property
    def key(self) -> Mapping[str, Any]:
        """All that decides them."""
        return {
            "version": VERSION,
            "images": images_key(self.images),
            "gamma": self.gamma,
            "smearing": self.smearing,
        }

    def make(self, block: EventBlock) -> NDArray[np.float32]:
        """Shape (m, 2, pixels^2)."""
        return with_gaps(*reprocessed(block, gamma=self.gamma, smearing=self.smearing))


def maker(section: Pixels, card: Card) -> PixelMaker:
    """The maker of a section of the card."""
    return PixelMaker(section.gamma, section.smearing, card.images)
