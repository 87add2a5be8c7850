"""The commands, with the first example of each."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from hepcs.analysis.__main__ import COMMANDS


def commands_table() -> Iterator[str]:
    """A line for each command."""
    yield "| command | what | such as |\n|---|---|---|"
    for name, what in COMMANDS.items():
        first = import_module(f"hepcs.analysis.{name}").EXAMPLES.strip().splitlines()[0].strip()
        example = first.replace("python -m hepcs.analysis", "hepcs").replace("|", "\\|")
        yield f"| `hepcs {name}` | {what} | `{example}` |"
