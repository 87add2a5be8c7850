"""``summary.json`` as a file: it lists all files of a finished run, and carries a checksum of its own.

Only a folder with this file holds a finished run, so it is the last one to be written, and the first one to go
where another run takes the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepcs._core.errors import InputError
from hepcs._core.storage import digest_of, read_json, write_json
from hepcs.output.summary import FORMAT
from hepcs.running.checkpoint import CHECKPOINT

SUMMARY, HISTOGRAMS, TREES = "summary.json", "histograms.json", "results.root"
#: The summary of an older run, while the files of a new one take their places.
REPLACED = ".replaced-summary.json"
#: Key of the summary with the checksum of all its other keys.
CHECKSUM = "checksum"


@dataclass(frozen=True)
class SummaryFile:
    """What a summary says, and whether that is what the run wrote.

    Attributes
    ----------
    content
        All keys of :func:`hepcs.output.summary.summarise`, ``files`` and ``checksum``.
    files
        Checksums of the files of the run, by their names relative to the folder.
    is_sound
        Whether the content is the one that the checksum is of.
    """

    content: Mapping[str, Any]
    files: Mapping[str, str]
    is_sound: bool


def write_summary(path: Path, content: Mapping[str, Any]) -> None:
    """Write a summary with its checksum, whole or not at all."""
    write_json(path, {**content, CHECKSUM: _checksum(content)})


def load_summary(path: Path) -> SummaryFile:
    """A summary, sound or not.

    Raises
    ------
    InputError
        If it is not there, or is no summary of a run; numbers that are none in JSON, such as NaN, are refused.
    """
    if not path.is_file():
        raise InputError(_nothing_there(path))
    try:
        found = read_json(path)
        files = found.get("files") if isinstance(found, dict) else None
        if not isinstance(files, dict) or not all(isinstance(checksum, str) for checksum in files.values()):
            raise ValueError("no summary of a run: it lists no files with their checksums")
        content = {key: value for key, value in found.items() if key != CHECKSUM}
        return SummaryFile(found, files, found.get(CHECKSUM) == _checksum(content))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Restore it, or run the card again") from error


def read_summary(folder: Path) -> SummaryFile:
    """The summary of a finished run, as the run wrote it.

    Raises
    ------
    InputError
        If there is none, or if it was altered, is damaged, or is of another version.
    """
    path = folder / SUMMARY
    found = load_summary(path)
    version = found.content.get("format")
    # First, since another version may take the checksum in another way.
    if version != FORMAT:
        raise InputError(
            f"{path}: found format {version}, and this version of hepcs reads {FORMAT}. Run the card again"
        )
    if not found.is_sound:
        raise InputError(
            f"{path}: altered or damaged since the run wrote it, its checksum is not that of its content. "
            "Restore it, or run the card again"
        )
    return found


def _checksum(content: Mapping[str, Any]) -> str:
    return f"sha256:{digest_of(content)}"


def _nothing_there(path: Path) -> str:
    """What may have become of a run without a summary, and what to do."""
    folder, none = path.parent, f"{path.parent}: no finished run there, {path.name} is missing"
    has_checkpoint = (folder / CHECKPOINT).is_file()
    if (folder / REPLACED).exists():
        how = "The same command with --resume writes all of them" if has_checkpoint else "Run the card again"
        return (
            f"{none}: a run was stopped as its files took the places of older ones, and they are mixed. {how}"
        )
    if has_checkpoint:
        return (
            f"{none}: a run was stopped, or is under way. The same command with --resume goes on from there"
        )
    return f"{none}. Give the folder that a run named when it ended, or run its card again"
