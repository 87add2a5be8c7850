"""What the recipes share: their arguments, and the run of a card on the cluster that they opened."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distributed import Client, PipInstall
from rich import print as show

from hepcs.datacard import read_card
from hepcs.ledger import LEDGER
from hepcs.output import prepare_folder, render_table, write_run
from hepcs.pipeline import run
from hepcs.plots import make_figures


def arguments_of(
    description: str | None, given: Sequence[str] | None, *, asks_for_workers: bool = True
) -> argparse.Namespace:
    """The arguments that all recipes take, and for some the number of workers."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("card", help="a data card, such as lhco.yaml")
    if asks_for_workers:
        parser.add_argument("--workers", type=int, default=20, help="workers to ask the site for (20)")
    parser.add_argument("--output", type=Path, help="folder for the results (runs/<name>)")
    parser.add_argument("--resume", action="store_true", help="go on from the ledger in the output folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the card")
    return parser.parse_args(given)


def run_on_cluster(cluster: Any, arguments: argparse.Namespace, *, shared_disk: bool) -> None:
    """Keep so many workers on a cluster as long as a card runs there.

    Batch systems end workers at their time limit: `adapt` then asks for others.
    """
    cluster.adapt(minimum=arguments.workers, maximum=arguments.workers)
    with cluster.get_client() as client:
        run_on_client(client, arguments, shared_disk=shared_disk)


def run_on_client(
    client: Client,
    arguments: argparse.Namespace,
    *,
    shared_disk: bool,
    packages: Sequence[str] = (),
) -> None:
    """Run a card on the workers of a client, write its results, and print the table.

    Parameters
    ----------
    client
        Of the cluster.
    arguments
        Of the recipe.
    shared_disk
        Whether workers see this machine's disk, and on it `execution.cache` and the input files. If not, samples
        are prepared on this machine, and their features are sent to the workers.
    packages
        What pip is to install on the workers first, if their image lacks it.
    """
    logging.basicConfig(format="%(message)s")
    logging.getLogger("hepcs").setLevel(logging.INFO)
    if packages:
        client.register_plugin(PipInstall(packages=list(packages)))
    transfer = "path" if shared_disk else "broadcast"
    card = read_card(arguments.card, [f"execution.transfer={transfer}", *arguments.set])
    folder = arguments.output or Path("runs") / card.card.name
    prepare_folder(folder, overwrite=False, resume=arguments.resume)
    # It starts with the first worker; the others join as the site starts them.
    result = run(card, client=client, workers=1, ledger=folder / LEDGER, resume=arguments.resume)
    write_run(result, folder, make_figures(result))
    show(render_table(result))
    for warning in result.warnings:
        show(warning)
