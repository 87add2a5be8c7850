"""Samples on disk as ingestion leaves them, with a few odd jets, for the tests of what is made of them."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np

from hepcs._core.progress import serial_mapper, silent
from hepcs.config.preparation import Images
from hepcs.features.image_files import draw_images
from hepcs.features.ingest import Ingested
from hepcs.features.making import SampleFiles
from hepcs.jets import Cutflow

IMAGES = Images(pixels=12)


def toy_dijets(
    folder: Path, sizes: tuple[int, ...], seed: int, *, without: tuple[int, ...] = ()
) -> tuple[Ingested, ak.Array]:
    """Events in files as ingestion leaves them, and all their jets; jets `without` have no image.

    Those have two constituents far from each other, so that none is inside the crop around their centre.
    """
    rng = np.random.default_rng(seed)
    n = 2 * sum(sizes)
    counts = rng.integers(2, 9, n)
    counts[list(without)] = 2
    m = int(counts.sum())
    columns = {
        "pt": rng.uniform(1, 100, m).astype(np.float32),
        "eta": rng.normal(0, 0.2, m).astype(np.float32),
        "phi": rng.normal(0, 0.2, m).astype(np.float32),
    }
    for jet in without:
        first = int(counts[:jet].sum())
        columns["pt"][first : first + 2] = 50
        columns["eta"][first : first + 2] = (-1, 1)
    jets = ak.unflatten(ak.zip(columns), counts)
    m_jj, mass = rng.uniform(3000, 4600, n // 2), rng.uniform(50, 500, (n // 2, 2)).astype(np.float32)
    files, start = [], 0
    for number, size in enumerate(sizes):
        part, file = jets[2 * start : 2 * (start + size)], folder / f"dijets-{seed}" / f"{number:05d}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        flat = ak.flatten(part)
        np.savez(
            file,
            m_jj=m_jj[start : start + size],
            mass=mass[start : start + size],
            counts=ak.to_numpy(ak.num(part)),
            constituents=np.stack([ak.to_numpy(flat[name]) for name in columns]),
        )
        files.append(file)
        start += size
    ingested = Ingested(
        key=f"toys {seed} {sizes} {without}",
        files=tuple(files),
        sizes=sizes,
        inputs=(),
        cutflow=Cutflow((), ()),
        rejections=(),
        skipped=(),
        reused=False,
    )
    return ingested, jets


def toy_files(
    folder: Path, sizes: tuple[int, ...], seed: int, *, without: tuple[int, ...] = ()
) -> tuple[SampleFiles, ak.Array]:
    """The same with their images, and all jets."""
    ingested, jets = toy_dijets(folder, sizes, seed, without=without)
    drawn = draw_images(ingested, IMAGES, name="toy", cache=folder, mapper=serial_mapper, progress=silent)
    return SampleFiles("toy", ingested, drawn), jets
