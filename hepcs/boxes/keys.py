"""Keys of boxes: what is in a box, sealed by a hash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from hepcs._core.errors import InputError
from hepcs._core.storage import file_sha256, read_json, write_text


@dataclass(frozen=True)
class Key:
    """What is in a box.

    Attributes
    ----------
    box
        Name of the box.
    signal
        Name of the signal; None for an empty box.
    n_injected
        Signal events in it.
    n_inside
        Those that pass the selection of the card, inside its evaluation region.
    m_jj, resolution
        Median of m_jj of these, and half of the width of their central 68 %, GeV; None without any.
    events
        SHA-256 of the file of events.
    salt
        Random: without it, the hash of a key could be found by trying.
    """

    box: str
    signal: str | None
    n_injected: int
    n_inside: int
    m_jj: float | None
    resolution: float | None
    events: str
    salt: str


def write_key(path: Path, key: Key) -> str:
    """Write a key; returns the SHA-256 of the file, for the box."""
    write_text(path, json.dumps(asdict(key), indent=1) + "\n")
    return file_sha256(path)


def read_key(path: Path, expected: str) -> Key:
    """Read the key of a box that names its SHA-256 `expected`.

    Raises InputError if it is missing, is not that key, or no key at all.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no key; expected the folder of keys that `boxes make` wrote")
    if (found := file_sha256(path)) != expected:
        raise InputError(
            f"{path}: has the SHA-256 {found[:16]}..., and its box was sealed with {expected[:16]}...: the key "
            "or the box was changed, and cannot be judged"
        )
    try:
        return TypeAdapter(Key).validate_python(read_json(path))
    except ValidationError as error:
        raise InputError(f"{path}: is no key of a box: {error}") from error
