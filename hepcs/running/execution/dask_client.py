"""The client of a Dask cluster: the caller's, of a scheduler that runs, or of workers started on this machine."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
from distributed import Client
from distributed.security import Security

from hepcs._core.errors import ArgumentError, ComputationError, InputError
from hepcs.config.running import SCHEDULER_ADDRESS, Execution, Tls
from hepcs.running.execution.local import available_cores, ignoring_interrupts


@contextmanager
def open_client(
    section: Execution, workers: int | None, scheduler: str | None, client: Client | None
) -> Iterator[Client]:
    """The caller's client, one of the scheduler that is named, or one of a cluster on this machine.

    Raises
    ------
    ArgumentError, InputError, ComputationError
        As :func:`hepcs.running.execution.open_execution` says.
    """
    if client is not None:
        if scheduler is not None:
            raise ArgumentError(f"a client and a scheduler ({scheduler}) were given, expected one of the two")
        if not isinstance(client, Client) or client.asynchronous:
            raise ArgumentError(f"expected a distributed.Client that is not asynchronous, found {client!r}")
        yield client
        return
    address = _address(section, scheduler)
    with _started(section.tls, workers) if address is None else _connected(address, section.tls) as opened:
        yield opened


def _address(section: Execution, scheduler: str | None) -> str | None:
    """Address of the scheduler: the caller's, the card's, or what Dask is told by its environment."""
    if scheduler is not None and re.fullmatch(SCHEDULER_ADDRESS, scheduler) is None:
        raise ArgumentError(f"scheduler: found {scheduler!r}, expected tcp://host:port or tls://host:port")
    environment = os.environ.get("DASK_SCHEDULER_ADDRESS") or dask.config.get("scheduler-address", None)
    return scheduler or section.scheduler or environment


def _started(tls: Tls | None, workers: int | None) -> Client:
    """A client of workers that are started on this machine, and end with it."""
    if tls is not None:
        raise ArgumentError(
            "execution.tls: is for a tls:// scheduler, and there is no address of one; set execution.scheduler, "
            "--scheduler or $DASK_SCHEDULER_ADDRESS, or leave tls out"
        )
    cores = available_cores()
    if workers is not None and workers > cores:
        raise ArgumentError(
            f"{workers} Dask workers are asked for, and there is no address of a cluster: all would start on this "
            f"machine, which has {cores} cores. Name the cluster by --scheduler, execution.scheduler or "
            f"$DASK_SCHEDULER_ADDRESS, or ask for at most {cores} by --workers or execution.workers"
        )
    with ignoring_interrupts():
        # Memory-mapped features count in full in each worker that maps them: no limit, as for local processes.
        return Client(
            n_workers=workers or cores,
            threads_per_worker=1,
            memory_limit=None,
            silence_logs=logging.ERROR,
            dashboard_address=":0",
            set_as_default=False,
        )


def _connected(address: str, tls: Tls | None) -> Client:
    """A client of a running scheduler."""
    security = None if tls is None else _security(tls)
    try:
        return Client(address, security=security, set_as_default=False, name="hepcs")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise ComputationError(
            f"{address}: no Dask scheduler answers ({error}). Is it running, and does a firewall lie between? A "
            "tls:// scheduler needs execution.tls, or its certificates in Dask's configuration"
        ) from error


def _security(tls: Tls) -> Security:
    """Certificates of the card for Dask; raises InputError if one cannot be read."""
    files = {name: Path(getattr(tls, name)).expanduser() for name in ("ca", "certificate", "key")}
    for name, path in files.items():
        if not path.is_file():
            raise InputError(f"execution.tls.{name}: there is no file {path}")
    return Security(
        tls_ca_file=str(files["ca"]),
        tls_client_cert=str(files["certificate"]),
        tls_client_key=str(files["key"]),
        require_encryption=True,
    )
