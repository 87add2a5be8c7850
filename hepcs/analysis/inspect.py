"""``inspect``: what is in a file, and which section of a card reads it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from hepcs.sources.inspecting import FileContents

DESCRIPTION = """\
Say what is in a file of events, which section of a card reads it, and how many of its first events are
selected."""
EXAMPLES = "  python -m hepcs.analysis inspect events.root"

# Columns and proposals that are shown.
LISTED = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("file", help="ROOT (`file.root:tree` names a tree), HDF5 or Parquet")
    parser.add_argument("--events", type=int, default=500, help="events that are tried (500)")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:  # noqa: ARG001
    """Print what is in the file.

    Raises
    ------
    ArgumentError, InputError
        If the file is of no kind that is read, or cannot be read.
    """
    from hepcs.analysis.proposing import probe, section_text
    from hepcs.sources.inspecting import look_into

    contents = look_into(parsed.file)

    def say(text: str = "") -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    for line in _contents_lines(contents):
        say(line)
    if not contents.proposals:
        say(
            "\nNothing in it looks like constituents with pt, eta and phi: "
            + (
                "HDF5 is read as rows of 700 x (pt, eta, phi) with or without a label (`kind: lhco`), or as Aspen "
                "Open Jets (`kind: aspen`). Other layouts: write ROOT or Parquet, or a source of your own."
                if contents.format == "HDF5"
                else "name them in the card by `branches`."
            )
        )
        return
    best, others = contents.proposals[0], contents.proposals[1:]
    say(f"\nA card reads it by ({best.reason}):\n")
    say(f"  {section_text(contents.path, best)}\n")
    for other in others[:LISTED]:
        say(f"or, as {other.reason}:\n  {section_text(contents.path, other)}")
    for line in probe(contents.path, best, parsed.events).lines():
        say(line)
    say(
        f"\nNext: hepcs init --background {contents.path} ... writes a card; hepcs init --help says what it takes."
    )


def _contents_lines(contents: FileContents) -> list[str]:
    lines = [f"{contents.path}: {contents.format}"]
    lines += [f"  {name}: {what}" for name, what in list(contents.tables.items())[:LISTED]]
    if contents.columns:
        more = len(contents.columns) - LISTED
        lines.append(
            f"  collections: {', '.join(contents.columns[:LISTED])}"
            + (f" and {more} more" if more > 0 else "")
        )
    lines.append(f"  truth label: {'yes' if contents.has_labels else 'no'}")
    return lines
