"""Images of jets from their constituents, and the reprocessing that makes them fit for k-means."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from hepcs._core.errors import ArgumentError, InputError
from hepcs.images import kernels
from hepcs.jets.columns import Columns, flatten

Images = NDArray[np.float32]


def jet_images(constituents: Any, *, pixels: int = 40, half_width: float = 0.8) -> Images:
    """Jet images (paper, section 2.1; SPEC section 2, steps 1-5).

    1. centre on the pT-weighted centroid in (eta, phi), phi differences wrapped to (-pi, pi];
    2. rotate by the principal axis of the pT-weighted second-moment tensor: the major axis becomes the first
       image axis. A tensor without principal axis (one constituent, an isotropic jet) leaves it as it is;
    3. mirror both axes so that the quadrant with the most pT (of the whole jet) is (+, +);
    4. bin [-half_width, half_width) squared, pixel = sum of pT;
    5. normalise to a sum of one.

    Parameters
    ----------
    constituents
        Awkward array n jets x var x {pt, eta, phi}, GeV and radians, finite, pt >= 0.
    pixels
        Number of pixels along each axis.
    half_width
        Half of the width of the crop, in eta and phi.

    Returns
    -------
    array
        Shape (n, pixels, pixels).

    Raises
    ------
    InputError
        If a jet has no constituent inside the crop; the text names it. :func:`image_mask` finds them all.
    ArgumentError
        If the input has another form, or values that are not finite or negative pT.
    """
    columns = _checked(constituents, half_width, pixels)
    images = np.empty((columns.n_lists, pixels, pixels), dtype=np.float32)
    empty = kernels.fill_images(columns.offsets, *columns.fields.values(), half_width, images)
    _raise_if_empty(empty, half_width)
    return images


def sparse_jet_images(constituents: Any, *, pixels: int = 40, half_width: float = 0.8) -> sparse.csr_array:
    """The images of :func:`jet_images`, bit by bit, as their pixels that are not zero: most of them are.

    Parameters and errors are those of :func:`jet_images`, but that a jet without constituent inside the crop has
    no pixel, and is no error.

    Returns
    -------
    csr_array
        Shape (n, pixels^2), float32; row j is the flat image of jet j.
    """
    columns = _checked(constituents, half_width, pixels)
    starts = np.empty(columns.n_lists + 1, dtype=np.int64)
    cells = np.empty(columns.fields["pt"].size, dtype=np.int32)
    values = np.empty(cells.size, dtype=np.float32)
    n = kernels.fill_sparse_images(
        columns.offsets, *columns.fields.values(), half_width, pixels, starts, cells, values
    )
    return sparse.csr_array((values[:n], cells[:n], starts), shape=(columns.n_lists, pixels**2))


def image_mask(constituents: Any, *, half_width: float = 0.8) -> NDArray[np.bool_]:
    """Which jets have a constituent inside the crop, and so an image; arguments as :func:`jet_images`.

    Returns
    -------
    array
        Shape (n,).
    """
    columns = _checked(constituents, half_width)
    filled = np.empty(columns.n_lists, dtype=np.bool_)
    kernels.mark_filled(columns.offsets, *columns.fields.values(), half_width, filled)
    return filled


def reprocess(images: Images, *, gamma: float = 0.5, sigma: float = 1.0) -> Images:
    """Reprocess images before clustering (paper, section 2.1; SPEC section 2).

    ``pixel -> pixel**gamma``; smear with an isotropic Gaussian, as ``scipy.ndimage.gaussian_filter`` does by
    default (reflecting borders, truncated at 4 sigma); normalise to a sum of one.

    Parameters
    ----------
    images
        Shape (..., p, p), not negative, none of them empty.
    gamma
        Exponent of the scaling, > 0.
    sigma
        Standard deviation of the Gaussian, pixels; 0 for none.

    Returns
    -------
    array
        Shape (..., p, p).

    Raises
    ------
    ArgumentError
        If the shape is another, or an image is empty or has negative or non-finite pixels.
    """
    if images.ndim < 2 or images.shape[-1] != images.shape[-2]:
        raise ArgumentError(f"expected images of shape (..., p, p), found {images.shape}")
    flat = np.ascontiguousarray(images, dtype=np.float32).reshape(-1, *images.shape[-2:])
    out = np.empty_like(flat)
    bad = kernels.smear_images(flat, _exponent(gamma), *_smearing(images.shape[-1], sigma), out)
    if bad >= 0:
        raise ArgumentError(f"image {bad} is empty, or has pixels that are negative or not finite")
    return out.reshape(images.shape)


def image_and_reprocess(
    constituents: Any,
    *,
    pixels: int = 40,
    half_width: float = 0.8,
    gamma: float = 0.5,
    sigma: float = 1.0,
) -> Images:
    """``reprocess(jet_images(...))``, bit by bit, with only one array of images in memory.

    Parameters and errors are those of :func:`jet_images` and :func:`reprocess`.

    Returns
    -------
    array
        Shape (n, pixels, pixels).
    """
    columns = _checked(constituents, half_width, pixels)
    out = np.empty((columns.n_lists, pixels, pixels), dtype=np.float32)
    empty = kernels.fill_and_smear_images(
        columns.offsets,
        *columns.fields.values(),
        half_width,
        _exponent(gamma),
        *_smearing(pixels, sigma),
        out,
    )
    _raise_if_empty(empty, half_width)
    return out


def nonzero_pixels(images: Images) -> NDArray[np.int64]:
    """Pixels that are not zero in each image, shape (...) for images (..., p, p) (paper, Fig. 6)."""
    return np.asarray(np.count_nonzero(images, axis=(-2, -1)), dtype=np.int64)


def smearing_matrix(pixels: int, sigma: float) -> NDArray[np.float64]:
    """Matrix W of the Gaussian smearing along one axis: smeared image = ``W.T @ image @ W``.

    Row i is what becomes of pixel i; it is SciPy's own filter at work on the unit vectors.

    Parameters
    ----------
    pixels
        Number p of pixels along the axis.
    sigma
        Standard deviation, pixels.

    Returns
    -------
    array
        Shape (p, p).
    """
    if not 0 <= sigma < np.inf:
        raise ArgumentError(f"the smearing needs a sigma of 0 or more pixels, found {sigma:g}")
    return np.asarray(ndimage.gaussian_filter(np.eye(pixels), (0, sigma)), dtype=np.float64)


@lru_cache(maxsize=8)
def _smearing(pixels: int, sigma: float) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The smearing matrix, and the range [first, last) of the columns that are not zero in each row."""
    weights = smearing_matrix(pixels, sigma)
    filled = weights != 0
    first = np.argmax(filled, axis=1)
    return weights, first, pixels - np.argmax(filled[:, ::-1], axis=1)


def _exponent(gamma: float) -> float:
    if not 0 < gamma < np.inf:
        raise ArgumentError(f"the pixel scaling needs an exponent above 0, found {gamma:g}")
    return float(gamma)


def _checked(constituents: Any, half_width: float, pixels: int = 1) -> Columns:
    if not 0 < half_width < np.inf or pixels < 1:
        raise ArgumentError(
            f"an image needs a half width above 0 and a pixel at least, found {half_width:g} and {pixels}"
        )
    columns = flatten(constituents, ("pt", "eta", "phi"))
    finite = all(np.isfinite(column).all() for column in columns.fields.values())
    if not finite or (columns.fields["pt"] < 0).any():
        raise ArgumentError("the constituents of a jet must be finite, with pt >= 0")
    return columns


def _raise_if_empty(jet: int, half_width: float) -> None:
    if jet >= 0:
        raise InputError(
            f"jet {jet} has no constituent inside the image, [-{half_width:g}, {half_width:g}) in eta and phi "
            "from its centre; leave it out, or choose a larger images.half_width"
        )
