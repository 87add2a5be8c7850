"""``keys``: the keys of a card for people, where ``schema`` has them for editors."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hepcs._core.errors import ArgumentError

if TYPE_CHECKING:
    from rich.console import Console

DESCRIPTION = "List the keys of a card: what each means, which values it takes, and its default."
EXAMPLES = """\
  python -m hepcs.analysis keys
  python -m hepcs.analysis keys cwola"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "section", nargs="?", help="only sections or kinds with this word in them, such as jets"
    )


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:  # noqa: ARG001
    """Print the list.

    Raises
    ------
    ArgumentError
        If no section has the word in it.
    """
    from rich.table import Table
    from rich.text import Text

    from hepcs.config.key_list import card_keys

    found = {
        name: keys for name, keys in card_keys().items() if parsed.section is None or parsed.section in name
    }
    if not found:
        raise ArgumentError(f"{parsed.section}: no section; there are {', '.join(card_keys())}")
    for name, keys in found.items():
        table = Table(title=Text(name), title_justify="left", box=None, pad_edge=False, title_style="bold")
        for heading in ("key", "takes", "default", "meaning"):
            table.add_column(heading, overflow="fold")
        for key in keys:
            table.add_row(*map(Text, (key.name, key.values, key.default, key.meaning)))
        console.print(table)
        console.print()
