"""Images of both jets of selected events, with errors that name the event."""

from __future__ import annotations

import awkward as ak
import numpy as np

from hepcs._core.errors import InputError
from hepcs.images.processing import Images, image_mask, jet_images
from hepcs.jets import DijetChunk, Rejection

_WHICH = ("leading", "second")


def require_filled_images(chunk: DijetChunk, *, half_width: float = 0.8) -> DijetChunk:
    """Events of which both jets have a constituent inside the image; the others are counted and listed.

    Parameters
    ----------
    chunk
        Selected events.
    half_width
        Half of the width of the crop, in eta and phi.

    Returns
    -------
    DijetChunk
        The events that have images, with one more step in the cutflow.
    """
    filled = image_mask(ak.flatten(chunk.jets.constituents, axis=1), half_width=half_width).reshape(-1, 2)
    mask = filled[:, 0] & filled[:, 1]
    rejections = tuple(
        Rejection(
            chunk.file,
            int(chunk.entry[event]),
            f"the {_WHICH[int(np.argmin(filled[event]))]} jet has no constituent inside the image, "
            f"[-{half_width:g}, {half_width:g}) in eta and phi",
        )
        for event in np.flatnonzero(~mask)
    )
    return chunk.take(mask, "constituents inside both images", rejections, len(rejections))


def dijet_images(chunk: DijetChunk, *, pixels: int = 40, half_width: float = 0.8) -> Images:
    """Images of both jets of each event, each with a sum of one; see :func:`hepcs.images.jet_images`.

    Returns
    -------
    array
        Shape (n, 2, pixels, pixels), leading jet first.

    Raises
    ------
    InputError
        If a jet has no constituent inside the crop; the text names file, entry and jet.
    """
    _raise_if_unfilled(chunk, half_width)
    constituents = ak.flatten(chunk.jets.constituents, axis=1)
    return jet_images(constituents, pixels=pixels, half_width=half_width).reshape(-1, 2, pixels, pixels)


def _raise_if_unfilled(chunk: DijetChunk, half_width: float) -> None:
    kept = require_filled_images(chunk, half_width=half_width)
    if kept.n_events < chunk.n_events:
        first = next(one for one in kept.rejections if one not in chunk.rejections)
        raise InputError(f"{first}; {chunk.n_events - kept.n_events} such events in this chunk")
