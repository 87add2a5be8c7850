"""From dijets on disk to prepared samples: images, compression, features, average images.

Features lie in one memory-mapped file a sample, under the content that made them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs._core.progress import Mapper, Progress, tracked
from hepcs._core.storage import (
    atomic_folder,
    atomic_path,
    digest_of,
    file_sha256,
    reserve,
    stored_arrays,
    write_json,
)
from hepcs.config.preparation import Features, Images
from hepcs.features.feature_file import MappedArray, mapped_digest, open_mapped
from hepcs.features.image_pca import Compression, ImageMoments, compress, image_moments, train_compression
from hepcs.features.ingest import Ingested, read_dijets
from hepcs.images import jet_images, reprocess
from hepcs.running.identity import array_digest

logger = logging.getLogger(__name__)

# Part of the key of what is on disk: raised when the same dijets would give other features.
VERSION = 2

# Jets that are turned into images at a time: bounds the memory, and fits the processor's caches.
BLOCK = 4096

# What a prepared sample consists of.
FILES = ("features.npy", "m_jj.npy", "averages.npz")


@dataclass(frozen=True)
class AverageImages:
    """Average images before reprocessing, of the lighter and the heavier jet of each event (paper, Fig. 1).

    Attributes
    ----------
    n_events
        Events averaged over.
    lighter, heavier
        Shape (pixels, pixels), each sums to one; zero without events.
    """

    n_events: int
    lighter: NDArray[np.float64]
    heavier: NDArray[np.float64]


@dataclass(frozen=True)
class PreparedSample:
    """Features of a sample on disk.

    Attributes
    ----------
    features_file
        ``.npy`` file, float32, shape (n, 2, d), jets in falling pT.
    digest
        SHA-256 of that file.
    m_jj
        Shape (n,), GeV.
    averages
        Average images by class: of all events, or of background (0) and signal (1) where labels are given.
    reused
        Whether all was found on disk.
    """

    features_file: Path
    digest: str
    m_jj: NDArray[np.float64]
    averages: tuple[AverageImages, ...]
    reused: bool

    def features(self) -> MappedArray:
        """The features, memory-mapped read-only; raises InputError if the file is not as it was written."""
        return open_mapped(self.features_file, self.digest)


@dataclass(frozen=True)
class _Work:
    """What a process needs to make the features of a chunk."""

    images: Images
    features: Features
    compression: Compression | None


def train_on(
    ingested: Ingested,
    training: tuple[float, float],
    chosen: NDArray[np.bool_] | None,
    *,
    images: Images,
    features: Features,
    cache: Path,
    mapper: Mapper,
    progress: Progress,
) -> tuple[Compression, str]:
    """Train the compression on the training region of a sample, or read it from the cache.

    Parameters
    ----------
    ingested
        The background sample.
    training
        Training region in m_jj, [low, high), GeV.
    chosen
        Which of its events inside the evaluation region to use, shape (n,); all if None.
    images, features
        Sections of the card.
    cache, mapper, progress
        Folder of prepared samples; where the work runs and how it reports.

    Returns
    -------
    The compression and the key of its content.
    """
    key = digest_of(
        {
            "version": VERSION,
            "dijets": ingested.key,
            "chosen": None if chosen is None else array_digest(chosen),
            "training": list(training),
            "images": images.model_dump(mode="json"),
            "features": features.model_dump(mode="json"),
        }
    )
    file = cache / "compressions" / f"{key[:20]}.npz"
    if not file.exists():
        masks = by_file(ingested, chosen)
        function = partial(_moments, _Work(images, features, None), training)
        items = list(zip(ingested.files, masks, strict=True))
        total: ImageMoments | None = None
        for moments in tracked(mapper(function, items), "compression: training", len(items), progress):
            if moments is not None:
                total = moments if total is None else total + moments
        if total is None:
            raise InputError(
                f"{', '.join(file.path for file in ingested.inputs)}: no background event in the training region "
                f"[{training[0]:g}, {training[1]:g}) GeV: move regions.training to where the data are"
            )
        compression = train_compression(total, features.kept_variance)
        with atomic_path(file) as temporary:
            np.savez(
                temporary,
                mean=compression.mean,
                components=compression.components,
                kept_variance=compression.kept_variance,
            )
    with stored_arrays(file) as arrays:
        return Compression(arrays["mean"], arrays["components"], float(arrays["kept_variance"])), key


def prepare(
    ingested: Ingested,
    labels: NDArray[np.int8] | None,
    compression: tuple[Compression, str] | None,
    *,
    name: str,
    images: Images,
    features: Features,
    cache: Path,
    mapper: Mapper,
    progress: Progress,
) -> PreparedSample:
    """Features and average images of a sample, made or read from the cache.

    Parameters
    ----------
    ingested
        The sample.
    labels
        Truth labels of the events inside, shape (n,), only to average the images of signal and background
        apart; None to average over all.
    compression
        The trained compression and its key; None for the full pixels.
    name
        What the sample is, for progress and messages.
    images, features
        Sections of the card.
    cache, mapper, progress
        Folder of prepared samples; where the work runs and how it reports.
    """
    key = digest_of(
        {
            "version": VERSION,
            "dijets": ingested.key,
            "images": images.model_dump(mode="json"),
            "reprocessing": [features.gamma, features.smearing],
            "compression": None if compression is None else compression[1],
            "labels": None if labels is None else array_digest(labels),
        }
    )
    folder = cache / "features" / key[:20]
    reused = (folder / "complete.json").exists()
    if reused:
        logger.info("%s: reusing the features in %s", name, folder)
    else:
        work = _Work(images, features, None if compression is None else compression[0])
        _make(ingested, labels, work, folder, name, mapper, progress)
    digests = _check_digests(folder)
    with stored_arrays(folder / "averages.npz") as arrays:
        averages = tuple(
            AverageImages(int(n), lighter, heavier)
            for n, lighter, heavier in zip(arrays["n"], arrays["lighter"], arrays["heavier"], strict=True)
        )
    m_jj = np.load(folder / "m_jj.npy", allow_pickle=False)
    return PreparedSample(folder / "features.npy", digests["features.npy"], m_jj, averages, reused)


def _check_digests(folder: Path) -> dict[str, str]:
    """The digests of a prepared sample; refuses one that is not as it was written."""
    try:
        written: dict[str, str] = json.loads((folder / "complete.json").read_text(encoding="utf-8"))
        altered = [name for name in FILES if mapped_digest(folder / name) != written[name]]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: damaged ({error}). Delete it and run again") from error
    if altered:
        raise InputError(
            f"{folder / altered[0]}: altered since it was written. Delete {folder} and run again"
        )
    return written


def _make(
    ingested: Ingested,
    labels: NDArray[np.int8] | None,
    work: _Work,
    folder: Path,
    name: str,
    mapper: Mapper,
    progress: Progress,
) -> None:
    """Write features, m_jj and average images of a sample into the cache, as a folder that appears whole."""
    signal = None if labels is None else labels != 0
    masks = by_file(ingested, signal)
    sizes = [len(read_m_jj(file)) for file in ingested.files]
    pixels = work.images.pixels
    d = pixels**2 if work.compression is None else work.compression.components.shape[1]
    n_classes = 1 if signal is None else 2
    counts = np.zeros(n_classes, dtype=np.int64)
    sums = np.zeros((n_classes, 2, pixels, pixels))
    m_jj = np.empty(sum(sizes))
    with atomic_folder(folder) as temporary:
        shape = (sum(sizes), 2, d)
        features = np.lib.format.open_memmap(
            temporary / "features.npy", mode="w+", dtype=np.float32, shape=shape
        )
        reserve(temporary / "features.npy", (temporary / "features.npy").stat().st_size)
        items = list(zip(ingested.files, masks, strict=True))
        start = 0
        function = partial(_features, work)
        for part in tracked(mapper(function, items), f"{name}: features", len(items), progress):
            stop = start + len(part.m_jj)
            features[start:stop], m_jj[start:stop] = part.features, part.m_jj
            counts, sums = counts + part.n_events[:n_classes], sums + part.sums[:n_classes]
            start = stop
        features.flush()
        del features
        np.save(temporary / "m_jj.npy", m_jj)
        means = sums / np.maximum(counts, 1)[:, np.newaxis, np.newaxis, np.newaxis]
        np.savez(temporary / "averages.npz", n=counts, lighter=means[:, 0], heavier=means[:, 1])
        write_json(temporary / "complete.json", {name: file_sha256(temporary / name) for name in FILES})


def read_m_jj(file: Path) -> NDArray[np.float64]:
    """The m_jj of the dijets of one chunk, GeV."""
    with stored_arrays(file) as arrays:
        return np.asarray(arrays["m_jj"])


def by_file(ingested: Ingested, values: NDArray[np.bool_] | None) -> Sequence[NDArray[np.bool_] | None]:
    """Values of the events inside, shape (n,), cut into those of each file; None for each without values."""
    if values is None:
        return [None] * len(ingested.files)
    sizes = [len(read_m_jj(file)) for file in ingested.files]
    return np.split(values, np.cumsum(sizes)[:-1])


def _reprocessed(work: _Work, plain: NDArray[np.float32]) -> NDArray[np.float32]:
    return reprocess(plain, gamma=work.features.gamma, sigma=work.features.smearing).reshape(len(plain), -1)


def _moments(
    work: _Work, training: tuple[float, float], item: tuple[Path, NDArray[np.bool_] | None]
) -> ImageMoments | None:
    """Moments of the reprocessed images of a chunk's training region; None if it is empty."""
    file, chosen = item
    dijets = read_dijets(file)
    inside = (dijets.m_jj >= training[0]) & (dijets.m_jj < training[1])
    if chosen is not None:
        inside &= chosen
    jets = dijets.constituents[np.repeat(inside, 2)]
    total: ImageMoments | None = None
    for start in range(0, len(jets), BLOCK):
        block = ak.to_packed(jets[start : start + BLOCK])
        plain = jet_images(block, pixels=work.images.pixels, half_width=work.images.half_width)
        moments = image_moments(_reprocessed(work, plain))
        total = moments if total is None else total + moments
    return total


@dataclass(frozen=True)
class _FeaturesOfChunk:
    """Features and m_jj of a chunk, and sums of its plain images by class and by mass order."""

    features: NDArray[np.float32]
    m_jj: NDArray[np.float64]
    n_events: NDArray[np.int64]
    sums: NDArray[np.float64]


def _features(work: _Work, item: tuple[Path, NDArray[np.bool_] | None]) -> _FeaturesOfChunk:
    file, signal = item
    dijets = read_dijets(file)
    n = len(dijets.m_jj)
    classes = np.zeros(n, dtype=np.int64) if signal is None else signal.astype(np.int64)
    heavier_first = dijets.mass[:, 0] > dijets.mass[:, 1]
    # Row of `sums` for each jet: its event's class, then 0 for the lighter jet and 1 for the heavier one.
    is_heavier = np.stack([heavier_first, ~heavier_first], axis=1)
    group = (2 * classes[:, np.newaxis] + is_heavier).ravel()
    pixels = work.images.pixels
    sums = np.zeros((4, pixels * pixels))
    features = []
    for start in range(0, 2 * n, BLOCK):
        jets = ak.to_packed(dijets.constituents[start : start + BLOCK])
        plain = jet_images(jets, pixels=pixels, half_width=work.images.half_width)
        for row in range(4):
            sums[row] += plain[group[start : start + BLOCK] == row].reshape(-1, pixels**2).sum(axis=0)
        images = _reprocessed(work, plain)
        features.append(images if work.compression is None else compress(images, work.compression))
    flat = np.concatenate(features) if features else np.zeros((0, 1), dtype=np.float32)
    return _FeaturesOfChunk(
        flat.reshape(n, 2, flat.shape[1]),
        dijets.m_jj,
        np.bincount(classes, minlength=2),
        sums.reshape(2, 2, pixels, pixels),
    )
