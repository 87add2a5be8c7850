"""``schema``: the JSON schema of cards.

With the line ``# yaml-language-server: $schema=card.schema.json`` at the top of a card, editors that know YAML
schemas complete its keys, show what they mean, and underline what a run would refuse.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from hepcs._core.errors import ArgumentError

DESCRIPTION = """\
Write the JSON schema of cards, for editors. With it beside the cards, and

  # yaml-language-server: $schema=card.schema.json

as the first line of a card, editors such as VS Code (YAML extension), Neovim and Emacs complete its keys and
underline mistakes. Numbers with _ in them need the editor's YAML version set to 1.1."""
EXAMPLES = "  python -m hepcs.analysis schema --output card.schema.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--output", type=Path, help="file to write (standard output)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:  # noqa: ARG001
    """Write the schema to a file or to standard output.

    Raises
    ------
    ArgumentError
        If the file exists already, or none can be there.
    """
    if parsed.output is not None and parsed.output.exists() and not parsed.overwrite:
        raise ArgumentError(f"{parsed.output}: exists already; give another name, or --overwrite")

    from hepcs._core.storage import check_place, write_json
    from hepcs.config.json_schema import card_schema

    if parsed.output is not None:
        check_place(parsed.output)
        write_json(parsed.output, card_schema())
        first_line = f"# yaml-language-server: $schema={parsed.output}"
        console.print(
            f"The schema is in {parsed.output}. First line of a card: {first_line}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        return
    console.file.write(json.dumps(card_schema(), indent=2) + "\n")
