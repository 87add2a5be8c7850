"""What the scripts of this folder have in common: their arguments, their console, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from hepcs._core.errors import HepcsError


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """A parser that shows the text of a script as it stands."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_card(parser: argparse.ArgumentParser, what: str) -> None:
    """A data card, and changes of its keys."""
    parser.add_argument("card", help=f"data card with {what}")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the card"
    )


def ended(
    work: Callable[[argparse.Namespace, Console], object],
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    width: int = 120,
) -> int:
    """Do the work of a script on its parsed arguments and its console; its exit code.

    What is wrong with the input is said; `width` is that of a console which is no terminal.
    """
    parsed = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else width)
    try:
        work(parsed, console)
    except HepcsError as error:
        console.print(f"error: {error}", style="bold red", markup=False, highlight=False)
        return error.exit_code
    return 0
