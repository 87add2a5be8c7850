"""Jet images (SPEC section 2): centred, rotated, flipped, binned; and their reprocessing before clustering.

The first image axis is the major axis of the jet, the second its minor axis. For p pixels and half width w, pixel
``[i, j]`` covers ``[-w + 2 w i / p, -w + 2 w (i + 1) / p)`` along the first, and the same with j along the second.
The quadrant of high i and high j holds the most pT.
"""

from hepcs.images.dijets import dijet_images, require_filled_images
from hepcs.images.histogram import image_histogram
from hepcs.images.processing import (
    image_and_reprocess,
    image_mask,
    jet_images,
    nonzero_pixels,
    reprocess,
    smearing_matrix,
    sparse_jet_images,
)

__all__ = [
    "dijet_images",
    "image_and_reprocess",
    "image_histogram",
    "image_mask",
    "jet_images",
    "nonzero_pixels",
    "reprocess",
    "require_filled_images",
    "smearing_matrix",
    "sparse_jet_images",
]
