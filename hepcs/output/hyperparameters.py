"""The hyperparameters of a card as a table (paper, Table 1), in Markdown or LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hepcs.config.schema import Card
from hepcs.statistics.significance import z_to_p

_HEADINGS = ("Parameter", "Value", "Motivation")
_CLUSTERERS = {
    "mini_batch": "mini-batch k-means",
    "lloyd": "Lloyd's k-means",
    "gaussian_mixture": "Gaussian mixture",
    "birch": "Birch",
}
_LATEX = {"&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}"}


@dataclass(frozen=True)
class Hyperparameter:
    """One row: a name with its symbol, the value with its unit, and why it is chosen; $...$ is mathematics."""

    name: str
    value: str
    motivation: str


def hyperparameters(card: Card) -> tuple[Hyperparameter, ...]:
    """The hyperparameters of Cluster Scanning in the order of the paper, with what it does not list after them.

    The motivations are those of the paper's appendix C; they do not depend on the values of the card.
    """
    section, regions, features = card.cluster_scanning, card.regions, card.features
    rows = (
        ("$k$", f"{section.k}", "most clusters whose smallest cluster-bin keeps some 50 jets"),
        ("clusterer", _CLUSTERERS[section.clusterer], "simple and fast: calibration repeats it often"),
        ("mini-batch", f"{section.batch_size} jets", "much larger than $k$"),
        ("training region", _window(regions.training), "narrow in mass, with high statistics"),
        (
            "evaluation region",
            _window(regions.evaluation),
            "the dijet function describes it, and no bin is poor in events",
        ),
        ("bin width", f"{regions.bin_width:g} GeV", "enough events in each bin"),
        ("outlier fraction $f$", f"{section.outlier_fraction:g}", "most clusters that can hold signal"),
        (
            r"cluster selection threshold $\theta$",
            rf"{section.theta:g} $\sigma$",
            f"lets signal through, and some {_false_positives(card):.2g} clusters of background a scan",
        ),
        ("test statistic", _statistic(card), "simple, and made for local excesses"),
        ("default statistic", "0", "the smallest there is, for a scan that selects nothing"),
        ("ensemble size", f"{section.ensemble}", "as large as computing allows"),
        ("jet radius", f"{card.jets.radius:g}", "that of the trigger's jets"),
        ("image", f"{card.images.pixels} x {card.images.pixels} pixels", "substructure of a boosted jet"),
        (r"pixel scaling $\gamma$", f"{features.gamma:g}", "soft constituents count"),
        (
            r"smearing $\sigma_k$",
            f"{features.smearing:g} pixel" + ("" if features.smearing == 1 else "s"),
            "images are sparse",
        ),
    )
    return tuple(Hyperparameter(*row) for row in rows)


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


def _window(window: tuple[float, float]) -> str:
    return f"[{window[0] / 1000:g}, {window[1] / 1000:g}) TeV"


def _statistic(card: Card) -> str:
    kind = card.statistic.kind
    return "maximum local significance" if kind == "maximum_local_significance" else "BumpHunter"


def _false_positives(card: Card) -> float:
    """Background clusters above the threshold, k n_bins (1 - Phi(theta)) (paper, appendix C)."""
    return card.cluster_scanning.k * card.regions.n_bins * float(z_to_p(card.cluster_scanning.theta))


def _latex(text: str) -> str:
    """Special characters escaped outside of mathematics."""
    parts = re.split(r"(\$[^$]*\$)", text)
    escaped = [
        part if part.startswith("$") else "".join(_LATEX.get(letter, letter) for letter in part)
        for part in parts
    ]
    return "".join(escaped).replace(" x ", r" $\times$ ")
