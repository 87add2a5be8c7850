"""Local p-values of one window and cut without signal: what folds, cuts and fits do to them, apart from trials.

examples:
  python analysis/local_p.py comparison.yaml --only cwola vae --store runs/local_p --output analysis/results

The best of many windows and cuts is often far out without any signal, as it should be. Here each window and cut is
read by itself, in data sets without signal: were its local p-value right, it would be 5 % or less in 5 % of them.
Data sets that are drawn from one pool share its fluctuations, so that the mean Z of each window is off by some
sqrt(events of a data set / events of the pool); the SD from data set to data set is free of that, and should be 1.
A finished data set is a file of ``--store``, by card and search, and is not searched again. Adds to
``local_p.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import norm
from scores import fitted
from script import ended, parser_of

from hepcs._core.errors import ArgumentError
from hepcs._core.storage import read_json, write_json
from hepcs._core.threads import one_thread
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.loading import Loaded, load
from hepcs.output.summary import plain
from hepcs.running.pseudo_experiments import campaign_of
from hepcs.searches.cut_and_fit.search import ScoreSearch
from hepcs.searches.kinds import Context, build_searches

RESULTS = "local_p.json"
SIZES = (0.05, 0.01)


def local_significances(
    card: LocatedCard, loaded: Loaded, n_data_sets: int, store: Path
) -> NDArray[np.float64]:
    """Local Z of the one search of a card in data sets without signal, shape (n, windows, cuts); NaN: no fit.

    Raises
    ------
    ArgumentError
        If it is no search by score and cut.
    """
    (name,) = card.card.searches
    searches = build_searches(Context(card.card, loaded.pools, loaded.columns, card.where))
    if not isinstance(searches[0], ScoreSearch):
        raise ArgumentError(f"{name}: has no windows and cuts; name searches by score and cut")
    same = hashlib.sha256(card.card.model_dump_json(exclude={"execution", "output"}).encode()).hexdigest()[
        :12
    ]
    files = [store / f"{name}-{same}" / f"{index}.json" for index in range(n_data_sets)]
    left = [index for index, file in enumerate(files) if not file.is_file()]
    if left:
        campaign = campaign_of(card.card, loaded.pools, searches)
        search = campaign.searches[name]
        assert isinstance(search, ScoreSearch)
        for index in left:
            with one_thread():
                one = fitted(campaign, name, Task(Kind.BACKGROUND_ONLY, 0, index))
                scan = search.judge(one.fit, one.data.view, one.inputs, one.rng).scan
            write_json(files[index], plain({"local_z": scan.local_z}))
    return np.array([read_json(file)["local_z"] for file in files], dtype=np.float64)


def reading(local_z: NDArray[np.float64]) -> dict[str, Any]:
    """How often a local p of one window and cut is small, and how wide Z is; of Z (n, windows, cuts)."""
    n = len(local_z)
    known = np.isfinite(local_z)
    entry: dict[str, Any] = {
        "n_data_sets": n,
        "n_windows": local_z.shape[1],
        "n_cuts": local_z.shape[2],
        "n_failed": int((~known).sum()),
        "mean": np.nanmean(local_z),
        # From data set to data set, and from one window and cut to the next: what is the same in all data sets.
        "sd": np.sqrt(np.nanmean(np.nanvar(local_z, axis=0, ddof=1))),
        "sd_of_means": np.nanstd(np.nanmean(local_z, axis=0), ddof=1),
    }
    for alpha in SIZES:
        # Windows overlap, data sets do not: the error is that of the mean of n independent shares.
        shares = np.where(known, norm.sf(local_z) <= alpha, np.nan)
        of_each = np.nanmean(shares, axis=(1, 2))
        entry[f"{alpha:g}"] = {"value": of_each.mean(), "error": of_each.std(ddof=1) / np.sqrt(n)}
    return entry


def table(content: dict[str, Any]) -> Table:
    """For people."""
    result = Table(title="local p of one window and cut, without signal")
    for heading in (
        "search",
        "data sets",
        "Z: mean",
        "SD",
        "SD of means",
        *(f"p ≤ {alpha:.0%}" for alpha in SIZES),
    ):
        result.add_column(heading, justify="left" if heading == "search" else "right")
    for name, entry in content.items():
        shares = [f"{entry[f'{a:g}']['value']:.1%} ± {entry[f'{a:g}']['error']:.1%}" for a in SIZES]
        result.add_row(
            name,
            f"{entry['n_data_sets']}",
            *(f"{entry[key]:.2f}" for key in ("mean", "sd", "sd_of_means")),
            *shares,
        )
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Search data sets without signal, and write."""
    parser = parser_of(__doc__)
    parser.add_argument("card", help="data card with searches by score and cut")
    parser.add_argument("--only", nargs="+", required=True, metavar="SEARCH", help="searches of the card")
    parser.add_argument("--data-sets", type=int, default=200)
    parser.add_argument("--store", type=Path, required=True, help="folder for data sets that are finished")
    parser.add_argument("--output", type=Path, required=True, help=f"folder for {RESULTS}")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    card = read_card(parsed.card)
    unknown = [name for name in parsed.only if name not in card.card.searches]
    if unknown or parsed.data_sets < 2:
        raise ArgumentError(
            f"{parsed.card}: expected searches of {', '.join(card.card.searches)} and 2 data sets or more, found "
            f"{', '.join(unknown) or parsed.data_sets}"
        )
    loaded = load(card)
    file = parsed.output / RESULTS
    for name in parsed.only:
        section = card.card.searches[name]
        one = replace(card, card=card.card.model_copy(update={"searches": {name: section}}))
        found = reading(local_significances(one, loaded, parsed.data_sets, parsed.store))
        known = read_json(file) if file.is_file() else {}
        write_json(file, plain({**known, name: found}))
    console.print(table(read_json(file)))


if __name__ == "__main__":
    sys.exit(main())
