"""Are calibrated p-values of many independent data sets uniform, of each search and of all together?

example:
  python analysis/uniformity.py comparison.yaml --parts 200 --null 1000 --output analysis/results

The background is cut into disjoint parts, each searched as if it were data. The parts of one in ``--folds``
events are calibrated by pseudo-experiments of their size from all other events, so no p-value shares an event with
its null sample, and many parts share one null sample. ``comparison.py --uniformity`` puts it on its page.

Writes ``uniformity.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from independent_samples import p_value, searches_on
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats
from script import add_card, ended, parser_of
from study import write_compact

from hepcs._core.errors import ArgumentError
from hepcs._core.progress import serial_mapper
from hepcs.calibration import combine_many
from hepcs.config import LocatedCard, read_card
from hepcs.config.samples import PseudoData
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.loading import Loaded, load
from hepcs.datasets.samples import Sample
from hepcs.datasets.splitting import set_apart
from hepcs.output.summary import plain
from hepcs.running.execution import local_mapper
from hepcs.running.pseudo_experiments import Campaign

# Data sets of a piece of work: a fold is prepared anew for each.
_PIECE = 50


@dataclass(frozen=True)
class Piece:
    """Some data sets of a fold.

    Attributes
    ----------
    fold
        Which.
    parts
        Parts of its events, to be searched as data.
    null
        Numbers of background-only pseudo-experiments.
    """

    fold: int
    parts: tuple[int, ...] = ()
    null: tuple[int, ...] = ()


@dataclass(frozen=True)
class Study:
    """A background sample in folds, ready to be searched in any process."""

    card: LocatedCard
    loaded: Loaded
    n_folds: int
    n_parts: int
    n_null: int

    @property
    def parts_of_fold(self) -> int:
        """Data sets in each fold."""
        return self.n_parts // self.n_folds

    def part(self, fold: int, which: int) -> tuple[Sample, Sample]:
        """The events outside of a fold, and a part of those inside."""
        others, inside = set_apart(self.loaded.pools.background, PseudoData(one_in=self.n_folds, which=fold))
        _, part = set_apart(inside, PseudoData(one_in=self.parts_of_fold, which=which))
        return others, part

    def statistics(self, piece: Piece) -> NDArray[np.float64]:
        """Of each data set by each search, NaN for none, shape (n, s): first of parts, then of the null."""
        others, part = self.part(piece.fold, 0)
        campaign = searches_on(self.card, self.loaded, background=others, data=part)
        rows = []
        for which in piece.parts:
            data = self.part(piece.fold, which)[1].only(campaign.pools.background.features)
            one = replace(campaign, pools=replace(campaign.pools, data=data))
            rows.append(_row(one, Task(Kind.OBSERVED, 0, piece.fold * self.parts_of_fold + which)))
        first = piece.fold * self.n_null
        rows += [_row(campaign, Task(Kind.BACKGROUND_ONLY, 0, first + index)) for index in piece.null]
        return np.array(rows)


def _row(campaign: Campaign, task: Task) -> list[float]:
    found = {
        name: outcome.statistic if outcome.valid else np.nan
        for (name, null, outcome), _ in campaign.run(task, tuple(campaign.wanted))
        if null == "shared"
    }
    return [found[name] for name in campaign.wanted]


def study(card: LocatedCard, n_parts: int, n_folds: int, n_null: int, workers: int) -> dict[str, Any]:
    """p of every part, by every search and by all together.

    Raises ArgumentError unless the folds have the same number of parts, two at least.
    """
    if n_folds < 2 or n_parts % n_folds or n_parts < 2 * n_folds:
        raise ArgumentError(
            f"{n_parts} parts in {n_folds} folds: expected two folds or more, and the same number of parts, two "
            "or more, in each"
        )
    loaded = load(card, serial_mapper)
    wanted = Study(card, loaded, n_folds, n_parts, n_null)
    pieces = [
        piece
        for fold in range(n_folds)
        for piece in (
            *(Piece(fold, parts=one) for one in _cut(wanted.parts_of_fold)),
            *(Piece(fold, null=one) for one in _cut(n_null)),
        )
    ]
    mapper = serial_mapper if workers == 1 else local_mapper(workers)
    found = list(zip(pieces, mapper(wanted.statistics, pieces), strict=True))
    searches = searches_on(card, loaded).searches
    p = np.vstack(
        [
            _p_values(
                np.vstack([rows for piece, rows in found if piece.fold == fold and piece.parts]),
                np.vstack([rows for piece, rows in found if piece.fold == fold and piece.null]),
            )
            for fold in range(n_folds)
        ]
    )
    titles = [*(search.title for search in searches.values()), "all searches together"]
    names = [*searches, "together"]
    return {
        "n_parts": n_parts,
        "n_folds": n_folds,
        "n_null": n_null,
        "n_events": loaded.pools.background.n_events // n_parts,
        "searches": {
            name: {
                "title": title,
                "p": column,
                "kolmogorov_smirnov": float(stats.kstest(column[np.isfinite(column)], "uniform").pvalue),
            }
            for name, title, column in zip(names, titles, p.T, strict=True)
        },
    }


def _cut(n: int) -> list[tuple[int, ...]]:
    """Numbers from 0 to n - 1 in pieces."""
    return [tuple(range(start, min(start + _PIECE, n))) for start in range(0, n, _PIECE)]


def _p_values(observed: NDArray[np.float64], null: NDArray[np.float64]) -> NDArray[np.float64]:
    """p by each search, NaN without a statistic, and in the last column by all together: shape (n, s + 1)."""
    single = [[p_value(t, column) for t, column in zip(row, null.T, strict=True)] for row in observed]
    alone = np.where(np.isfinite(observed), single, np.nan)
    together = [one.p for one in combine_many(observed, null)]
    return np.column_stack([alone, together])


def table(found: Mapping[str, Any]) -> Table:
    """For people."""
    result = Table(title=f"{found['n_parts']} disjoint data sets of some {found['n_events']:,} events")
    for column in ("search", "uniform: KS p", "p <= 5 %", "p <= 1 %"):
        result.add_column(column, justify="left" if column == "search" else "right")
    for entry in found["searches"].values():
        p = np.array(entry["p"], dtype=np.float64)
        sizes = (f"{100 * np.nanmean(p <= alpha):.1f} %" for alpha in (0.05, 0.01))
        result.add_row(entry["title"], f"{entry['kolmogorov_smirnov']:.2g}", *sizes)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the numbers."""
    parser = parser_of(__doc__)
    add_card(parser, "a background sample")
    parser.add_argument("--parts", type=int, default=200, help="disjoint data sets")
    parser.add_argument(
        "--folds", type=int, default=4, help="groups of parts with a null sample of their own"
    )
    parser.add_argument("--null", type=int, default=1000, help="pseudo-experiments of each fold")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--output", type=Path, required=True, help="folder for uniformity.json")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    card = read_card(parsed.card, parsed.set)
    found = study(card, parsed.parts, parsed.folds, parsed.null, parsed.workers)
    write_compact(parsed.output / "uniformity.json", plain(found))
    console.print(table(found))


if __name__ == "__main__":
    sys.exit(main())
