"""The images of all jets of a sample, each drawn once: kept on disk as their pixels that are not zero.

Whatever needs images reads them from here. They lie in one file for each file of dijets, under the content of
both, so that one more input file means work for that file alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hepcs._core.progress import Mapper, Progress, tracked
from hepcs._core.storage import atomic_path, digest_of, stored_arrays, wait_for_files
from hepcs.config.preparation import Images
from hepcs.features.ingest import Ingested, read_dijets
from hepcs.images import sparse_jet_images

logger = logging.getLogger(__name__)

# Part of the key of what is on disk: raised when the same dijets would give other images.
VERSION = 1

# Jets that are drawn at a time: bounds the memory.
BLOCK = 4096


@dataclass(frozen=True)
class JetImages:
    """Images, before reprocessing, of the jets of a sample on disk.

    Attributes
    ----------
    files
        One for each file of dijets: the images of both jets of each event in turn.
    sizes
        Events in each of them.
    pixels
        Number p of pixels along each axis.
    reused
        Whether all was found on disk.
    """

    files: tuple[Path, ...]
    sizes: tuple[int, ...]
    pixels: int
    reused: bool


def images_key(images: Images) -> dict[str, Any]:
    """What decides the images of given dijets, in plain JSON types: part of the key of what is made from them."""
    return {"version": VERSION, **images.model_dump(mode="json")}


def draw_images(
    ingested: Ingested, images: Images, *, name: str, cache: Path, mapper: Mapper, progress: Progress
) -> JetImages:
    """Draw the images of both jets of every event of a sample, where they are not on disk.

    Parameters
    ----------
    ingested
        The sample.
    images
        Section of the card.
    name
        What the sample is, for progress and messages.
    cache, mapper, progress
        Folder of prepared samples; where the work runs and how it reports.
    """
    folder = cache / "images"
    files = tuple(folder / _place_of(file, images) for file in ingested.files)
    missing = [item for item in zip(ingested.files, files, strict=True) if not item[1].exists()]
    if missing:
        draw = partial(_draw_file, images)
        for _ in tracked(mapper(draw, missing), f"{name}: images", len(missing), progress):
            pass
        wait_for_files(files)
    else:
        logger.info("%s: reusing the jet images in %s", name, folder)
    return JetImages(files, ingested.sizes, images.pixels, not missing)


def _place_of(dijets: Path, images: Images) -> Path:
    """Where the images of a file of dijets are, whose folder is named by what made it."""
    key = digest_of({"dijets": dijets.parent.name, "images": images_key(images)})
    return Path(key[:20]) / dijets.name


def _draw_file(images: Images, item: tuple[Path, Path]) -> None:
    dijets, file = item
    jets = read_dijets(dijets).constituents
    drawn = sparse.vstack(
        [
            sparse_jet_images(
                ak.to_packed(jets[start : start + BLOCK]), pixels=images.pixels, half_width=images.half_width
            )
            for start in range(0, max(len(jets), 1), BLOCK)
        ],
        format="csr",
    )
    with atomic_path(file) as temporary:
        # At most 200 x 200 pixels, so 16 bits count them.
        np.savez(temporary, starts=drawn.indptr, cells=drawn.indices.astype(np.uint16), values=drawn.data)


def read_images(file: Path, pixels: int) -> sparse.csr_array:
    """The images of one file, before reprocessing.

    Returns
    -------
    csr_array
        Shape (n, pixels^2), float32: row j is the flat image of jet j, which sums to one; empty for a jet without
        constituent inside the crop.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    with stored_arrays(file) as arrays:
        starts = arrays["starts"]
        values, cells = arrays["values"], arrays["cells"].astype(np.int32)
        return sparse.csr_array((values, cells, starts), shape=(len(starts) - 1, pixels**2))


def filled_jets(images: sparse.csr_array) -> NDArray[np.bool_]:
    """Which jets have an image, shape (n,)."""
    return np.asarray(np.diff(images.indptr) > 0)
