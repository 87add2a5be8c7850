"""Generated samples: files of Pythia events, made block by block by any number of processes.

Each block becomes one file, written whole or not at all, so an interrupted generation goes on where it stopped,
and a card that asks for more events keeps those that are there. The files are then read as any other. How
events are made: :mod:`hepcs.generation.pythia_events`, :mod:`hepcs.generation.detector`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from hepcs._core.errors import InputError
from hepcs._core.progress import Mapper, Progress, serial_mapper, silent
from hepcs._core.storage import digest_of, wait_for_files, write_json
from hepcs.config.event_objects import GeneratedObjects, ObjectFiles
from hepcs.config.sources import LhcoSource, PythiaSource, RootSource
from hepcs.generation.object_events import (
    OBJECT_CODE_VERSION,
    generate_objects,
    object_settings,
    processes_of,
)
from hepcs.generation.processes import PROCESSES
from hepcs.generation.pythia_events import (
    ANGLE_STEPS,
    BATCH,
    PT_MANTISSA_BITS,
    RESPONSE,
    GeneratedBlock,
    generate_block,
    missing_pythia,
    pythia_settings,
)
from hepcs.sources.event_objects import write_objects
from hepcs.sources.writing import EventWriter, LhcoWriter, RootWriter

logger = logging.getLogger(__name__)

__all__ = [
    "BLOCK_EVENTS",
    "GeneratedBlock",
    "block_file",
    "block_files",
    "blocks",
    "cache_key",
    "generate",
    "generate_block",
    "generate_block_file",
    "generated_in",
    "generated_source_section",
    "missing_blocks",
    "pythia_settings",
]

BLOCK_EVENTS = 4000
"""Events of a block: some 16 s, of which 0.4 s go into starting Pythia."""

OBJECT_BLOCK_EVENTS = 1000
"""The same for event objects, of which few pass the trigger."""

# Raised when the same section would give other events.
_CODE_VERSION = 1
_MARKER = "generation.json"


def blocks(section: PythiaSource | GeneratedObjects) -> tuple[GeneratedBlock, ...]:
    """The blocks that make up the sample; only the last one can be shorter than BLOCK_EVENTS."""
    size = OBJECT_BLOCK_EVENTS if isinstance(section, GeneratedObjects) else BLOCK_EVENTS
    starts = range(0, section.events, size)
    return tuple(GeneratedBlock(i, min(size, section.events - start)) for i, start in enumerate(starts))


def cache_key(section: PythiaSource | GeneratedObjects) -> str:
    """Hex digest of all that the events of a block depend on: `section` but for `events`, and the versions.

    Raises
    ------
    MissingDependencyError
        If pythia8mc is not installed.
    """
    return digest_of(_identity(section))


def _identity(section: PythiaSource | GeneratedObjects) -> dict[str, Any]:
    try:
        version = metadata.version("pythia8mc")
    except metadata.PackageNotFoundError as error:
        raise missing_pythia() from error
    if isinstance(section, GeneratedObjects):
        return {
            "process": section.process,
            "seed": section.seed,
            "processes": {name: object_settings(name) for name in processes_of(section)},
            "detector": asdict(RESPONSE),
            "block_events": OBJECT_BLOCK_EVENTS,
            "pythia8mc": version,
            "code_version": OBJECT_CODE_VERSION,
        }
    return {
        "process": section.process,
        "seed": section.seed,
        "format": section.format,
        "settings": list(pythia_settings(section)),
        "detector": asdict(RESPONSE),
        "storage": [ANGLE_STEPS, PT_MANTISSA_BITS],
        "block_events": BLOCK_EVENTS,
        "batch": BATCH,
        "pythia8mc": version,
        "code_version": _CODE_VERSION,
    }


def block_file(section: PythiaSource | GeneratedObjects, block: GeneratedBlock, folder: Path) -> Path:
    """The file of a block in the folder of its sample."""
    suffix = "root" if section.format == "root" else "h5"
    return folder / f"{section.process}-{block.index:05d}-{block.n_events}.{suffix}"


def block_files(section: PythiaSource | GeneratedObjects, folder: Path) -> tuple[Path, ...]:
    """The files of all blocks, in order, whether they are there or not."""
    return tuple(block_file(section, block, folder) for block in blocks(section))


def missing_blocks(section: PythiaSource | GeneratedObjects, folder: Path) -> tuple[GeneratedBlock, ...]:
    """The blocks whose file is not there.

    Raises
    ------
    InputError
        If the folder holds events of other settings.
    """
    _check_marker(section, folder)
    return tuple(block for block in blocks(section) if not block_file(section, block, folder).exists())


def generate_block_file(
    section: PythiaSource | GeneratedObjects, block: GeneratedBlock, folder: Path
) -> Path:
    """Make the file of one block, if it is not there; any process can do it.

    Raises
    ------
    InputError
        If the folder holds events of other settings.
    MissingDependencyError, ComputationError
        As :func:`generate_block`; ComputationError if the folder cannot be written, too.
    """
    path = block_file(section, block, folder)
    _write_marker(section, folder)
    if path.exists():
        return path
    if isinstance(section, GeneratedObjects):
        write_objects(path, generate_objects(section, block.index, block.n_events))
    else:
        events = generate_block(section, block)
        writer: EventWriter = RootWriter(path, mass=False) if section.format == "root" else LhcoWriter(path)
        with writer:
            writer.write(events, np.full(len(events), PROCESSES[section.process].label, dtype=np.int8))
    return path


def generate(
    section: PythiaSource | GeneratedObjects,
    folder: Path,
    *,
    map_blocks: Callable[[Callable[[GeneratedBlock], Path], Sequence[GeneratedBlock]], Iterable[Path]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> RootSource | LhcoSource | ObjectFiles:
    """Make what is missing of a sample in a folder of its own.

    Parameters
    ----------
    section
        Section of the card.
    folder
        Where the files lie; one folder for each :func:`cache_key`.
    map_blocks
        Applies a function to blocks, for instance in several processes, and yields the results.
    progress
        Called as ``progress(events done, events in all)`` at the start, if blocks are missing, and after each.

    Returns
    -------
    The section of a card that reads the sample.

    Raises
    ------
    InputError, MissingDependencyError, ComputationError
        As :func:`generate_block_file`.
    """
    missing = missing_blocks(section, folder)
    done = section.events - sum(block.n_events for block in missing)
    if missing and progress is not None:
        progress(done, section.events)
    finished = map_blocks(partial(generate_block_file, section, folder=folder), missing)
    for block, _ in zip(missing, finished, strict=True):
        done += block.n_events
        if progress is not None:
            progress(done, section.events)
    return generated_source_section(section, folder)


def generated_in(
    cache: Path,
    section: PythiaSource | GeneratedObjects,
    mapper: Mapper = serial_mapper,
    progress: Progress = silent,
) -> RootSource | LhcoSource | ObjectFiles:
    """The section of a card that reads a sample; its files are made in the cache first, where they are missing.

    Errors as of :func:`generate`.
    """
    folder = cache / "generated" / cache_key(section)[:20]
    missing = bool(missing_blocks(section, folder))
    what = f"{section.events} events ({section.process})"
    logger.info("generating %s into %s" if missing else "reusing %s generated in %s", what, folder)
    generated = generate(
        section,
        folder,
        map_blocks=mapper,
        progress=lambda done, total: progress(f"{section.process}: generation", done, total),
    )
    if missing:
        # Written by other processes, and on a network disk seen later.
        wait_for_files([Path(file) for file in generated.files])
    return generated


def generated_source_section(
    section: PythiaSource | GeneratedObjects, folder: Path
) -> RootSource | LhcoSource | ObjectFiles:
    """The section of a card that reads the files of a generated sample."""
    files = tuple(str(path.absolute()) for path in block_files(section, folder))
    if isinstance(section, GeneratedObjects):
        return ObjectFiles(kind="adc2021", files=files)
    if section.format == "root":
        return RootSource(kind="root", files=files, tree="Events", label="label")
    return LhcoSource(kind="lhco", files=files)


def _check_marker(section: PythiaSource | GeneratedObjects, folder: Path) -> None:
    marker = folder / _MARKER
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise InputError(
            f"{marker}: cannot be read ({error}); remove the folder to generate again"
        ) from error
    wanted = json.loads(json.dumps(_identity(section)))
    if found != wanted:
        keys = sorted(key for key in wanted if not isinstance(found, dict) or found.get(key) != wanted[key])
        raise InputError(
            f"{marker}: the folder holds events generated with other settings (they differ in {keys}); "
            "expected a folder of its own for each setting: give another one, or remove it"
        )


def _write_marker(section: PythiaSource | GeneratedObjects, folder: Path) -> None:
    """Say what the files of the folder are, once; raises InputError if it says something else already."""
    _check_marker(section, folder)
    marker = folder / _MARKER
    if not marker.exists():
        write_json(marker, _identity(section))
