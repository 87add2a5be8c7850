"""What differs between two nested mappings of plain values, such as cards, as lines for messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Differences that a message lists.
LISTED = 10


def differences(before: Mapping[str, Any], now: Mapping[str, Any], names: tuple[str, str]) -> tuple[str, ...]:
    """Lines ``key: value before, value now`` for all keys that differ; `names` are the words after the values."""
    old, new = dict(_flat(before)), dict(_flat(now))
    return tuple(
        f"{key}: {_shown(old, key)} {names[0]}, {_shown(new, key)} {names[1]}"
        for key in dict.fromkeys((*old, *new))
        if key not in old or key not in new or old[key] != new[key]
    )


def shortened(lines: Sequence[str]) -> str:
    """The first lines, indented, and how many more there are."""
    listed = [f"  {line}" for line in lines[:LISTED]]
    if len(lines) > LISTED:
        listed.append(f"  and {len(lines) - LISTED} more")
    return "\n".join(listed)


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; lists are values, and so are empty mappings."""
    for name, entry in value.items():
        if isinstance(entry, Mapping) and entry:
            yield from _flat(entry, f"{above}{name}.")
        else:
            yield f"{above}{name}", list(entry) if isinstance(entry, tuple) else entry


def _shown(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "absent"
    shown = str(values[key])
    return shown if len(shown) <= 100 else f"{shown[:97]}..."
