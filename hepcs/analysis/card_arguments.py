"""The arguments of commands that read a card, and how a command was called."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

#: Of the commands that texts show.
MODULE = "python -m hepcs.analysis"


def program() -> str:
    """How the command was called: ``hepcs``, or as a module."""
    return "hepcs" if Path(sys.argv[0]).stem == "hepcs" else MODULE


def add_card_arguments(
    parser: argparse.ArgumentParser,
    what: str = "a card, or the name of one in ./data_cards/ or among the installed ones",
) -> None:
    """The card, and changes of its keys."""
    parser.add_argument("card", help=what)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        dest="overrides",
        help="change the card",
    )
