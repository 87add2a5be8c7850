"""The arguments of commands that read a card."""

from __future__ import annotations

import argparse


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
