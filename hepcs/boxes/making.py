"""Sealed boxes from the samples of a card: background events, and in some of them those of a signal."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import yaml
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, CardError
from hepcs._core.progress import Mapper, Progress, serial_mapper, silent
from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import atomic_folder, check_place, file_sha256, write_json, write_text
from hepcs.boxes.drawing import Contents, draw_contents
from hepcs.boxes.keys import Key, write_key
from hepcs.config import LocatedCard
from hepcs.config.samples import SIGNAL
from hepcs.config.schema import Card
from hepcs.config.sources import FileSource, Source
from hepcs.datasets.cached_sources import check_cache, open_source
from hepcs.jets.selection import select_block
from hepcs.sources.base import Chunk, EventSource, SourceBlock
from hepcs.sources.files import is_url, named_trees, resolve_files, search_folders
from hepcs.sources.writing import RootWriter

logger = logging.getLogger(__name__)

EVENTS, BOX, CARD, REST = "events.root", "box.json", "card.yaml", "background.root"


@dataclass(frozen=True)
class Wanted:
    """How many boxes, and what they hold.

    Attributes
    ----------
    boxes, empty
        Boxes, and those of them without a signal.
    events
        Events of each box, signal included, before any selection.
    signal_events
        Least and largest number of injected signal events.
    """

    boxes: int
    empty: int
    events: int
    signal_events: tuple[int, int]


@dataclass(frozen=True)
class _Signal:
    """The events of a signal, and which of them are selected, with their m_jj (NaN for others)."""

    constituents: Any
    m_jj: NDArray[np.float64]


def make_boxes(
    card: LocatedCard,
    folder: Path,
    keys: Path,
    wanted: Wanted,
    *,
    seed: int | None = None,
    mapper: Mapper = serial_mapper,
    progress: Progress = silent,
) -> tuple[str, ...]:
    """Write boxes that hold events of the card's samples, a key for each, and the background that is left.

    No event is in two boxes, or in a box and in ``background.root``, from which the card of each box draws its
    pseudo-experiments. Signal events lie at random places among the others, so that their order tells nothing.

    Parameters
    ----------
    card
        Names `background` and `signal` or `signals`; its selection, searches and pseudo-experiments are those of
        the cards of the boxes.
    folder, keys
        Where the boxes and their keys go; neither may exist.
    wanted
        How many.
    seed
        Where all is drawn from; from the operating system, so that nobody knows it, if None. It is written beside
        the keys.
    mapper, progress
        Where samples are generated, and how it is reported.

    Returns
    -------
    The names of the boxes.

    Raises
    ------
    ArgumentError
        If the folders exist already, or more events are asked for than there are.
    CardError
        If the card has no background of its own.
    InputError
        If a sample cannot be read.
    """
    samples = card.card.samples
    if samples.background is None or samples.is_real_search:
        raise CardError(
            f"{card.where('samples')}: boxes are made of `background` with `signal` or `signals`, and of no "
            "`data` or `labelled` sample"
        )
    _require_plain(card)
    for place in (folder, keys):
        if place.exists():
            raise ArgumentError(
                f"{place}: exists already; boxes and keys are never overwritten. Give another name"
            )
        check_place(place)
    cache = check_cache(card)
    sources = {
        role: open_source(section, search_folders(card), cache, mapper, progress)
        for role, section in samples.by_role().items()
        if role in {"background", SIGNAL} or role.startswith("signals.")
    }
    background = sources.pop("background")
    chunks = background.chunks()
    n_background = sum(chunk.n_entries for chunk in chunks)
    _require_room(wanted, n_background)
    seed = secrets.randbits(63) if seed is None else seed
    rng = generator(seed, Stream.BOXES)
    sizes = {
        role.removeprefix("signals."): sum(chunk.n_entries for chunk in source.chunks())
        for role, source in sources.items()
    }
    contents = draw_contents(wanted.boxes, wanted.empty, sizes, wanted.signal_events, rng)
    hidden = _hidden_events(card.card, sources, contents, rng)
    # All boxes have as many events, or their number would tell what they hold.
    taken = np.array([wanted.events - one.n_injected for one in contents])
    box_of = np.full(n_background, wanted.boxes)
    box_of[rng.permutation(n_background)[: taken.sum()]] = np.repeat(np.arange(wanted.boxes), taken)
    names = tuple(f"box_{number:02d}" for number in range(1, wanted.boxes + 1))
    with atomic_folder(keys) as secret, atomic_folder(folder) as temporary:
        _write_events(temporary, names, background, chunks, box_of, hidden, rng, progress)
        for name, inside, signal in zip(names, contents, hidden, strict=True):
            key = _key(name, inside, signal, file_sha256(temporary / name / EVENTS))
            sealed = write_key(secret / f"{name}.json", key)
            told = {"box": name, "events": wanted.events, "sha256": key.events, "key_sha256": sealed}
            write_json(temporary / name / BOX, told)
            write_text(temporary / name / CARD, _card_of(card, name, folder.absolute()))
        write_json(secret / "seed.json", {"seed": seed})
    logger.info("%d boxes are in %s, their keys in %s", wanted.boxes, folder, keys)
    return names


def _require_room(wanted: Wanted, n_background: int) -> None:
    """Refuse boxes that take all of the background, or have no place for it."""
    taken = wanted.boxes * wanted.events
    if n_background <= taken:
        raise ArgumentError(
            f"{wanted.boxes} boxes of {wanted.events:,} events take {taken:,}, and there are {n_background:,} "
            "background events, some of which are needed for pseudo-experiments"
        )
    if wanted.signal_events[1] >= wanted.events:
        raise ArgumentError(
            f"{wanted.signal_events[1]:,} signal events leave no background in boxes of {wanted.events:,} events"
        )


def _require_plain(card: LocatedCard) -> None:
    """Refuse what the events of a box would lose: weights, and what a card selects or corrects as it reads."""
    lost = ("triggers", "flags", "lumi_mask", "stored_jets", "energy_corrections")
    for role, section in card.card.samples.by_role().items():
        hides = role in {"background", SIGNAL} or role.startswith("signals.")
        if not hides or not isinstance(section, FileSource):
            continue
        named = [key for key in lost if getattr(section, key, None)]
        if section.is_weighted or named:
            found = ", ".join(named) or "event weights"
            raise CardError(
                f"{card.where(f'samples.{role}')}: boxes hold plain events with their constituents; found {found}"
            )


def _hidden_events(
    card: Card, sources: Mapping[str, EventSource], contents: Sequence[Contents], rng: np.random.Generator
) -> tuple[_Signal | None, ...]:
    """The signal events of each box; no event is in two of them."""
    found: list[_Signal | None] = [None] * len(contents)
    for role, source in sources.items():
        name = role.removeprefix("signals.")
        boxes = [number for number, one in enumerate(contents) if one.signal == name]
        if not boxes:
            continue
        signal = _read_signal(card, source)
        drawn = rng.permutation(len(signal.m_jj))
        for number in boxes:
            rows, drawn = np.split(drawn, [contents[number].n_injected])
            found[number] = _Signal(signal.constituents[rows], signal.m_jj[rows])
    return tuple(found)


def _read_signal(card: Card, source: EventSource) -> _Signal:
    """All events of a signal; which are selected inside the evaluation region of the card."""
    low, high = card.regions.evaluation
    events, masses = [], []
    for chunk in source.chunks():
        events.append(source.read(chunk))
        selected = select_block(SourceBlock.whole(events[-1], chunk), card.jets, file=chunk.file)
        m_jj = np.full(chunk.n_entries, np.nan)
        m_jj[selected.entry - chunk.start] = selected.m_jj
        masses.append(np.where((m_jj >= low) & (m_jj < high), m_jj, np.nan))
    return _Signal(ak.concatenate(events), np.concatenate(masses))


def _write_events(
    folder: Path,
    names: Sequence[str],
    background: EventSource,
    chunks: Sequence[Chunk],
    box_of: NDArray[np.int64],
    hidden: Sequence[_Signal | None],
    rng: np.random.Generator,
    progress: Progress,
) -> None:
    """Stream the background into the boxes and the rest, signal events at random places among it."""
    # The place of each signal event among all background events, inside the boxes or not.
    places = [rng.integers(0, box_of.size, 0 if one is None else len(one.m_jj)) for one in hidden]
    # Masses in all boxes or in none, or a column would tell full ones from empty ones.
    massive = any(_has_mass(events) for events in _samples_of(background, chunks, hidden))
    with ExitStack() as stack:
        paths = [*(folder / name / EVENTS for name in names), folder / REST]
        writers = [stack.enter_context(RootWriter(path, mass=massive)) for path in paths]
        start = 0
        for number, chunk in enumerate(chunks):
            events, stop = background.read(chunk), start + chunk.n_entries
            here = box_of[start:stop]
            for box, writer in enumerate(writers):
                mixed = [events[here == box]]
                if box < len(names) and (signal := hidden[box]) is not None:
                    mixed.append(signal.constituents[(places[box] >= start) & (places[box] < stop)])
                together = ak.concatenate(mixed)
                writer.write(together[rng.permutation(len(together))])
            start = stop
            progress("boxes", number + 1, len(chunks))


def _samples_of(
    background: EventSource, chunks: Sequence[Chunk], hidden: Sequence[_Signal | None]
) -> Iterator[Any]:
    yield background.read(chunks[0])
    yield from (one.constituents for one in hidden if one is not None)


def _has_mass(events: Any) -> bool:
    return bool(ak.any(events["mass"] != 0, axis=None))


def _key(box: str, inside: Contents, signal: _Signal | None, events: str) -> Key:
    m_jj = np.empty(0) if signal is None else signal.m_jj[np.isfinite(signal.m_jj)]
    key = Key(box, inside.signal, inside.n_injected, m_jj.size, None, None, events, secrets.token_hex(16))
    if not m_jj.size:
        return key
    low, median, high = (float(one) for one in np.quantile(m_jj, [0.16, 0.5, 0.84]))
    return replace(key, m_jj=median, resolution=(high - low) / 2)


def _card_of(card: LocatedCard, box: str, folder: Path) -> str:
    """The card that searches a box: that of the samples, with other ones, and nothing to inject."""
    kept = card.card.model_dump(mode="json", exclude_unset=True, exclude={"samples", "injection", "name"})
    if "searches" in kept:
        # Bounds know the truth, which is in no box.
        sections = card.card.searches
        kept["searches"] = {
            name: one
            for name, one in kept["searches"].items()
            if not sections[name].needs_truth and "signal" not in sections[name].roles
        }
        if not kept["searches"]:
            raise CardError(f"{card.where('searches')}: all need the truth, which is in no box")
    source = {"kind": "root", "tree": "Events"}
    samples: dict[str, Any] = {
        "data": {**source, "files": [str(folder / box / EVENTS)]},
        "background": {**source, "files": [str(folder / REST)]},
    }
    given, folders = card.card.samples, search_folders(card)
    for role in ("simulation", "training"):
        if (its := getattr(given, role)) is not None:
            samples[role] = _found(its, folders)
    if given.priors:
        samples["priors"] = {name: _found(one, folders) for name, one in given.priors.items()}
    content = {"name": box, "samples": samples, **kept}
    return f"# Searches {box}, blind first: --blind, then --resume.\n" + yaml.safe_dump(
        content, sort_keys=False
    )


def _found(section: Source, folders: Sequence[Path]) -> dict[str, Any]:
    """A section of a card, with the files that it names where they are."""
    keys = section.model_dump(mode="json", exclude_unset=True)
    if isinstance(section, FileSource):
        files = resolve_files(section, folders)
        trees = named_trees(section.files, folders)
        keys["files"] = [
            (file if is_url(file) else str(Path(file).absolute()))
            + (f":{trees[file]}" if trees[file] else "")
            for file in files
        ]
    return keys
