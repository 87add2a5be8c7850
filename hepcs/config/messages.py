"""Words of the messages about a card: where something is, what was found, what may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: Keys and positions in lists that lead to a value of the card.
Location = tuple[str | int, ...]


def lines_of(problems: Sequence[str]) -> str:
    """One line for each problem, with nothing of the card's in it that would steer a terminal."""
    return "\n".join(
        "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode()
            for character in problem
        )
        for problem in dict.fromkeys(problems)
    )


def dotted(location: Sequence[str | int]) -> str:
    """A location as people write it."""
    return ".".join(str(part) for part in location) or "card"


def place_of(location: Location, places: Mapping[Location, str], path: Path) -> str:
    """Place of a key, or of the nearest section above that is written in the card."""
    for end in range(len(location), -1, -1):
        if location[:end] in places:
            return places[location[:end]]
    return f"{path}:1"


def name_of(location: Location, places: Mapping[Location, str]) -> str:
    """A key as it is told: dotted, and said to be a default where the card has nothing of its section."""
    written = any(location[:end] in places for end in range(1, len(location) + 1))
    default = len(location) > 1 and not written
    return f"{dotted(location)}{' (a default)' if default else ''}"


def shown(value: Any) -> str:
    """What was found, short enough for a line."""
    text = "a section" if isinstance(value, dict) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def did_you_mean(word: str, known: set[str]) -> str:
    """The known word that is nearest; all of them, if none is near."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    if near:
        return f" Did you mean {near[0]}?"
    return f" Known: {', '.join(sorted(known))}." if known else ""


def nearest_choice(word: str, known: Sequence[str]) -> str:
    """The choice that is nearest, if one is near."""
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""
