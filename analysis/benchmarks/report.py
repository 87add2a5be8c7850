"""Figures with what they are compared with, as a table for the terminal, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """A measured number.

    Attributes
    ----------
    what
        What was measured, with its unit.
    value
        The number.
    shown
        As it is printed.
    beside
        What it is compared with, and how it was taken.
    target
        What is to be reached; empty for none.
    reached
        Whether it is; None without a target.
    key
        Its name at the top of the JSON file, if it has one there.
    """

    what: str
    value: float
    shown: str
    beside: str
    target: str = ""
    reached: bool | None = None
    key: str | None = None


@dataclass(frozen=True)
class Growth:
    """A small table of times against one size."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Measured:
    """What one benchmark found."""

    title: str
    figures: tuple[Figure, ...]
    raw: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[Growth, ...] = ()


COLUMNS = ("what", "measured", "target", "", "beside")


def _rows(part: Measured) -> list[tuple[str, ...]]:
    verdicts = {True: "reached", False: "NOT reached", None: ""}
    return [(one.what, one.shown, one.target, verdicts[one.reached], one.beside) for one in part.figures]


def terminal_tables(parts: Sequence[Measured]) -> list[Table]:
    """The figures, and the tables of growth, for the terminal."""
    figures = Table(*COLUMNS)
    for part in parts:
        if part.figures:
            figures.add_section()
            figures.add_row(f"[bold]{escape(part.title)}[/bold]")
        for row in _rows(part):
            figures.add_row(*map(escape, row))
    tables = [figures]
    for growth in (growth for part in parts for growth in part.tables):
        table = Table(*growth.columns, title=growth.title)
        for row in growth.rows:
            table.add_row(*row)
        tables.append(table)
    return tables


def markdown(parts: Sequence[Measured], heading: Sequence[str]) -> str:
    """The same as Markdown, under a heading that names the machine."""
    lines = [*heading, ""]
    for part in parts:
        lines += [f"## {part.title}", ""]
        if part.figures:
            lines += [*_markdown_table(COLUMNS, _rows(part)), ""]
        for growth in part.tables:
            lines += [f"{growth.title}:", "", *_markdown_table(growth.columns, growth.rows), ""]
    return "\n".join(lines)


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(columns) + " |",
        "| " + " | ".join("---" for _ in columns) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def to_json(parts: Sequence[Measured], about: Mapping[str, Any]) -> dict[str, Any]:
    """The keyed figures at the top, then what the run was, then everything that was measured."""
    keyed = {one.key: one.value for part in parts for one in part.figures if one.key is not None}
    return {
        **keyed,
        **about,
        "figures": {part.title: [asdict(one) for one in part.figures] for part in parts},
        "tables": [asdict(growth) for part in parts for growth in part.tables],
        "raw": {part.title: dict(part.raw) for part in parts},
    }
