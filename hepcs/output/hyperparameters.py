"""The hyperparameters of a search as a table, in Markdown or LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hepcs.config.schema import Card
from hepcs.searches.kinds import Hyperparameter, kind_of

_HEADINGS = ("Parameter", "Value", "Motivation")
_LATEX = {"&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}"}


def hyperparameters(card: Card, search: str) -> tuple[Hyperparameter, ...]:
    """The hyperparameters of a search of a card, by its name; none where its kind has none."""
    section = card.searches[search]
    return tuple(kind_of(section).hyperparameters(section, card))


def markdown_table(rows: Sequence[Hyperparameter]) -> str:
    """The table in Markdown."""
    cells = [_HEADINGS, *((row.name, row.value, row.motivation) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def latex_table(rows: Sequence[Hyperparameter]) -> str:
    """The table as a LaTeX ``tabular``, with the rules of booktabs."""
    lines = [
        " & ".join(_latex(cell) for cell in (row.name, row.value, row.motivation)) + r" \\" for row in rows
    ]
    head = " & ".join(_HEADINGS) + r" \\"
    return "\n".join(
        [
            r"\begin{tabular}{lll}",
            r"\toprule",
            head,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _latex(text: str) -> str:
    """Special characters escaped outside of mathematics."""
    parts = re.split(r"(\$[^$]*\$)", text)
    escaped = [
        part if part.startswith("$") else "".join(_LATEX.get(letter, letter) for letter in part)
        for part in parts
    ]
    return "".join(escaped).replace(" x ", r" $\times$ ")
