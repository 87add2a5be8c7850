"""What the recipes share: the command, on the cluster that they opened."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from distributed import Client, PipInstall

from hepcs.analysis.__main__ import main

# Seconds to wait for workers where there are none: jobs may stand in a queue for days.
PATIENCE = 7 * 86400


def arguments_of(
    description: str | None, given: Sequence[str] | None, *, asks_for_workers: bool = True
) -> argparse.Namespace:
    """The arguments of a recipe; those of the command are left as they are, in `command`."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog="All other arguments are those of `python -m hepcs.analysis`: a card, --output, --resume, ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if asks_for_workers:
        parser.add_argument("--workers", type=int, default=20, help="workers to ask the site for (20)")
    arguments, command = parser.parse_known_args(given)
    arguments.command = command
    return arguments


def run_on_cluster(cluster: Any, arguments: argparse.Namespace, *, shared_disk: bool) -> int:
    """Keep so many workers on a cluster as long as the command runs there; returns its exit code.

    Batch systems end workers at their time limit: `adapt` then asks for others.
    """
    cluster.adapt(minimum=arguments.workers, maximum=arguments.workers)
    with cluster.get_client() as client:
        return run_on_client(client, arguments, shared_disk=shared_disk, patience=PATIENCE)


def run_on_client(
    client: Client,
    arguments: argparse.Namespace,
    *,
    shared_disk: bool,
    patience: float | None = None,
    packages: Sequence[str] = (),
) -> int:
    """Run the command on the workers of a client; returns its exit code.

    Parameters
    ----------
    client
        Of the cluster.
    arguments
        Of the recipe.
    shared_disk
        Whether workers see this machine's disk, and on it `execution.cache` and the input files. If not, samples
        are prepared on this machine, and their features are sent to the workers.
    patience
        Seconds to wait for workers where there are none; the card's, if None.
    packages
        What pip is to install on the workers first, if their image lacks it.
    """
    if packages:
        client.register_plugin(PipInstall(packages=list(packages)))
    settings = [f"execution.transfer={'path' if shared_disk else 'broadcast'}"]
    settings += [] if patience is None else [f"execution.patience={patience}"]
    changes = [argument for setting in settings for argument in ("--set", setting)]
    # It starts with the first worker; the others join as the site starts them. What is given comes last, and wins.
    return main(["--workers", "1", *changes, *arguments.command], client)
