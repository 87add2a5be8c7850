"""How features are made: once, in chunks, in parallel, kept by content and memory-mapped.

A kind of feature has a maker, which turns events into numbers, see :class:`Maker`. What is made is an ``.npy``
file under the digest of all that made it: two cards that ask for the same share it. A maker that has to be trained
first, such as principal components, is an :class:`Untrained` one until then.
"""

from __future__ import annotations

import hashlib
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hepcs._core.errors import ComputationError, InputError
from hepcs._core.progress import Mapper, Progress, tracked
from hepcs._core.storage import (
    COMPLETE,
    atomic_folder,
    atomic_path,
    digest_of,
    file_sha256,
    reserve,
    stored_arrays,
    write_json,
)
from hepcs.config.features import FeatureSection
from hepcs.config.kinds import load_kind
from hepcs.config.schema import Card
from hepcs.features.feature_file import MappedArray, mapped_digest, open_mapped
from hepcs.features.image_files import JetImages, read_images
from hepcs.features.ingest import DijetArrays, Ingested, read_dijets, read_m_jj, read_mass

logger = logging.getLogger(__name__)

# Part of the key of what is on disk: raised when the same maker would give other features.
VERSION = 3

# Events that are handed to a maker at a time: bounds the memory, and fits the processor's caches.
BLOCK = 2048

# What the features of a sample consist of, beside `complete.json`.
FILES = ("features.npy", "lacking.npy")


@dataclass(frozen=True)
class SampleFiles:
    """A sample on disk, of which features are made.

    Attributes
    ----------
    name
        What it is, for progress and messages.
    ingested
        Its dijets.
    images
        The images of their jets.
    weights
        Of its events, >= 0, shape (n,), in the order of `ingested`: what is trained on them counts them so. None
        where each counts as one.
    """

    name: str
    ingested: Ingested
    images: JetImages
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class _EventFile:
    """One file of a sample; what is not looked at is not read."""

    dijets_file: Path
    images_file: Path
    pixels: int
    base: NDArray[np.float32] | None = None
    weights: NDArray[np.float64] | None = None

    @cached_property
    def dijets(self) -> DijetArrays:
        return read_dijets(self.dijets_file)

    @cached_property
    def m_jj(self) -> NDArray[np.float64]:
        return read_m_jj(self.dijets_file)

    @cached_property
    def mass(self) -> NDArray[np.float32]:
        return read_mass(self.dijets_file)

    @cached_property
    def images(self) -> sparse.csr_array:
        return read_images(self.images_file, self.pixels)


class EventBlock:
    """m events, of which a maker makes features; both jets of an event in turn, the leading one first."""

    def __init__(self, file: _EventFile, rows: NDArray[np.int64]) -> None:
        self._file, self._rows = file, rows
        self._jets = np.stack([2 * rows, 2 * rows + 1], axis=1).ravel()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def m_jj(self) -> NDArray[np.float64]:
        """Shape (m,), GeV."""
        return self._file.m_jj[self._rows]

    @property
    def mass(self) -> NDArray[np.float32]:
        """Jet masses, shape (m, 2), GeV."""
        return self._file.mass[self._rows]

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """Of the events, >= 0, shape (m,), for what is trained; None where each counts as one."""
        return None if self._file.weights is None else self._file.weights[self._rows]

    @property
    def constituents(self) -> ak.Array:
        """Awkward array 2m x var x {pt, eta, phi}, GeV and radians."""
        return ak.to_packed(self._file.dijets.constituents[self._jets])

    @property
    def images(self) -> sparse.csr_array:
        """Jet images before reprocessing, shape (2m, pixels^2); empty for a jet that has none."""
        return self._file.images[self._jets]

    @property
    def base(self) -> NDArray[np.float32]:
        """Features that the base of the maker made of these events, NaN where they lack a value."""
        if self._file.base is None:
            raise ComputationError("a maker without base asks for the features of its base")
        return self._file.base[self._rows]


class Maker(Protocol):
    """Makes one kind of feature of any events: a frozen object that can be sent to another process."""

    @property
    def per(self) -> Literal["jet", "event"]:
        """What the features are of."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the d features."""
        ...

    @property
    def key(self) -> Mapping[str, Any]:
        """All that decides the features of given events, in plain JSON types: settings, versions of the code."""
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """Plain numbers that people want to know about it, such as the variance that is kept."""
        ...

    @property
    def base(self) -> Maker | None:
        """A maker whose features it is made from."""
        ...

    def make(self, block: EventBlock) -> NDArray[np.float32]:
        """Features of the events, (m, 2, d) of jets or (m, d) of events; NaN where an event lacks a value."""
        ...


class Untrained(ABC):
    """A maker that is yet to be trained, on the events of a window in m_jj of the background or labelled sample.

    All events of the window, whatever their label: a label may not enter. They count by their weights, if they
    have some. Its section of the card has the window as `training`. One that names another `sample` is trained on
    that, all of it.
    """

    sample: ClassVar[str] = ""

    @property
    @abstractmethod
    def window(self) -> tuple[float, float]:
        """m_jj [low, high), GeV."""

    @property
    @abstractmethod
    def key(self) -> Mapping[str, Any]:
        """All that decides what is learned from given events, in plain JSON types."""

    @abstractmethod
    def sums(self, block: EventBlock) -> Any:
        """What is learned from a block of events; `+` adds up that of all of them."""

    @abstractmethod
    def solve(self, total: Any) -> dict[str, NDArray[Any]]:
        """What was learned from all events, as arrays that can be kept.

        Raises
        ------
        InputError
            If the events do not tell it.
        """

    @abstractmethod
    def trained(self, arrays: Mapping[str, NDArray[Any]], key: str) -> Maker:
        """The maker, from what :meth:`solve` returned and the digest of what that came from."""

    def stored(self, files: Mapping[str, Sequence[Path]]) -> Maker | None:  # noqa: ARG002
        """The maker as it was kept in a file that the card names; None without one.

        Parameters
        ----------
        files
            Files of dijets of each sample by role: what they hold may not have trained it.

        Raises
        ------
        InputError
            If it is not what the card asks for, or knows events that are searched.
        """
        return None

    def store(self, maker: Maker, files: Sequence[Path]) -> None:  # noqa: B027
        """Keep a maker that was trained on the events in `files`, where the card names a file for it."""


@dataclass(frozen=True)
class PreparedFeature:
    """A feature of all events of a sample, on disk.

    Attributes
    ----------
    file
        ``.npy`` file, float32, shape (N, 2, d) or (N, d).
    digest
        SHA-256 of that file.
    lacking
        Rows of the events that lack the feature: those with a value that is not finite.
    reused
        Whether it was found on disk.
    """

    file: Path
    digest: str
    lacking: NDArray[np.int64]
    reused: bool

    def values(self) -> MappedArray:
        """The features, memory-mapped read-only; raises InputError if the file is not as it was written."""
        return open_mapped(self.file, self.digest)


def maker_of(section: FeatureSection, card: Card) -> Maker | Untrained:
    """The maker of a section of the card."""
    made: Maker | Untrained = load_kind("hepcs.features", section.kind).maker(section, card)
    return made


def train(
    untrained: Untrained, sample: SampleFiles, *, where: str, cache: Path, mapper: Mapper, progress: Progress
) -> Maker:
    """Train a maker on the events of its window of a sample, or read what was learned from the cache.

    Parameters
    ----------
    untrained
        The maker.
    sample
        The background sample, or the labelled one.
    where
        Place of the window in the card, for messages.
    cache, mapper, progress
        Folder of prepared samples; where the work runs and how it reports.

    Raises
    ------
    InputError
        If there is no event in the window, or they do not tell what is to be learned.
    """
    of = {"version": VERSION, "dijets": sample.ingested.key, "maker": _type_of(untrained)}
    if sample.weights is not None:
        of["weights"] = hashlib.sha256(sample.weights.tobytes()).hexdigest()
    key = digest_of({**of, **untrained.key})
    file = cache / "training" / f"{key[:20]}.npz"
    if not file.exists():
        files = [one for one, _ in _files_of(sample)]
        parts = mapper(partial(_sums_of_file, untrained), files)
        total = None
        for part in tracked(parts, f"{sample.name}: training", len(files), progress):
            total = part if total is None else total if part is None else total + part
        low, high = untrained.window
        if total is None:
            raise InputError(
                f"{where}: no event of {sample.name} in the training region [{low:g}, {high:g}) GeV: move it to "
                "where the events are"
            )
        try:
            learned = untrained.solve(total)
        except InputError as error:
            region = "" if untrained.sample else f"the training region [{low:g}, {high:g}) GeV: "
            raise InputError(f"{where}: {region}{error}") from error
        with atomic_path(file) as temporary:
            np.savez(temporary, allow_pickle=False, **learned)
    with stored_arrays(file) as arrays:
        return untrained.trained(dict(arrays.items()), key)


def prepare_feature(
    maker: Maker, sample: SampleFiles, *, feature: str, cache: Path, mapper: Mapper, progress: Progress
) -> PreparedFeature:
    """A feature of all events of a sample, made or read from the cache.

    Parameters
    ----------
    maker
        Makes it.
    sample
        The sample.
    feature
        Name of the feature, for progress and messages.
    cache, mapper, progress
        Folder of prepared samples; where the work runs and how it reports.

    Raises
    ------
    InputError
        If a file of the cache is damaged.
    ComputationError
        If the maker gives something else than it says.
    """
    key = digest_of({"version": VERSION, "dijets": sample.ingested.key, **_key_of(maker)})
    folder = cache / "features" / key[:20]
    reused = (folder / COMPLETE).exists()
    if reused:
        logger.info("%s: reusing the feature %s in %s", sample.name, feature, folder)
    else:
        base = None
        if maker.base is not None:
            base = prepare_feature(
                maker.base, sample, feature=feature, cache=cache, mapper=mapper, progress=progress
            ).values()
        files = _files_of(sample)
        parts = mapper(partial(_make_file, maker, base), files)
        _write(maker, tracked(parts, f"{sample.name}: {feature}", len(files), progress), sample, folder)
    digests = _checked_digests(folder)
    lacking = np.load(folder / "lacking.npy", allow_pickle=False)
    return PreparedFeature(folder / "features.npy", digests["features.npy"], lacking, reused)


def _type_of(maker: Any) -> str:
    return f"{type(maker).__module__}.{type(maker).__qualname__}"


def _key_of(maker: Maker) -> dict[str, Any]:
    base = None if maker.base is None else _key_of(maker.base)
    return {"maker": _type_of(maker), "columns": list(maker.columns), "key": dict(maker.key), "base": base}


def _files_of(sample: SampleFiles) -> list[tuple[_EventFile, int]]:
    """The files of a sample, and the number of the first event of each."""
    ingested, images = sample.ingested, sample.images
    starts = np.cumsum((0, *ingested.sizes))[:-1].tolist()
    weights: Sequence[NDArray[np.float64] | None] = [None] * len(starts)
    if sample.weights is not None:
        weights = np.split(sample.weights, starts[1:])
    return [
        (_EventFile(dijets, drawn, images.pixels, weights=own), start)
        for dijets, drawn, start, own in zip(ingested.files, images.files, starts, weights, strict=True)
    ]


def _blocks(file: _EventFile, rows: NDArray[np.int64]) -> Iterator[EventBlock]:
    for start in range(0, len(rows), BLOCK):
        yield EventBlock(file, rows[start : start + BLOCK])


def _sums_of_file(untrained: Untrained, file: _EventFile) -> Any:
    """What is learned from the events of one file; None if none is in the window."""
    low, high = untrained.window
    total = None
    for block in _blocks(file, np.flatnonzero((file.m_jj >= low) & (file.m_jj < high))):
        sums = untrained.sums(block)
        total = sums if total is None else total + sums
    return total


def _make_file(
    maker: Maker, base: NDArray[np.float32] | None, item: tuple[_EventFile, int]
) -> NDArray[np.float32]:
    """Features of the events of one file."""
    file, start = item
    n = len(file.m_jj)
    if base is not None:
        file = replace(file, base=base[start : start + n])
    values = np.empty((n, *_shape_of(maker)), dtype=np.float32)
    for first, block in zip(range(0, n, BLOCK), _blocks(file, np.arange(n)), strict=True):
        made, wanted = maker.make(block), (len(block), *_shape_of(maker))
        if made.shape != wanted:
            raise ComputationError(
                f"{_type_of(maker)} made features of shape {made.shape}, expected {wanted}"
            )
        values[first : first + len(block)] = made
    return values


def _shape_of(maker: Maker) -> tuple[int, ...]:
    """Shape of the features of one event."""
    return (2, len(maker.columns)) if maker.per == "jet" else (len(maker.columns),)


def _write(maker: Maker, parts: Iterator[NDArray[np.float32]], sample: SampleFiles, folder: Path) -> None:
    """Write the features of a sample into the cache, as a folder that appears whole."""
    lacking: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    with atomic_folder(folder) as temporary:
        file = temporary / "features.npy"
        shape = (sum(sample.ingested.sizes), *_shape_of(maker))
        features = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
        reserve(file, file.stat().st_size)
        start = 0
        for part in parts:
            features[start : start + len(part)] = part
            finite = np.isfinite(part).all(axis=tuple(range(1, part.ndim)))
            lacking.append(start + np.flatnonzero(~finite))
            start += len(part)
        features.flush()
        del features
        np.save(temporary / "lacking.npy", np.concatenate(lacking))
        write_json(temporary / COMPLETE, {name: file_sha256(temporary / name) for name in FILES})


def _checked_digests(folder: Path) -> dict[str, str]:
    """The digests of a prepared feature; refuses one that is not as it was written."""
    try:
        written: dict[str, str] = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
        altered = [name for name in FILES if mapped_digest(folder / name) != written[name]]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: damaged ({error}). Delete it and run again") from error
    if altered:
        raise InputError(
            f"{folder / altered[0]}: altered since it was written. Delete {folder} and run again"
        )
    return written
