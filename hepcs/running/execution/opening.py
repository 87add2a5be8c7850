"""Opening the engine that a card, an option or the caller names: processes of this machine, or a Dask cluster."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepcs._core.errors import ArgumentError, ComputationError, InputError, MissingDependencyError
from hepcs._core.progress import Mapper
from hepcs._core.requirements import pip_install
from hepcs.config.running import SCHEDULER_ADDRESS, Execution, Tls
from hepcs.running.execution.local import available_cores, ignoring_interrupts, local_mapper
from hepcs.running.identity import Origin

if TYPE_CHECKING:
    from distributed import Client

    from hepcs.running.execution.crew import Crew

# Threads that a Dask cluster may grow to: a batch system starts with one, and the others join as it finds room.
MAY_COME = 64


@dataclass(frozen=True)
class Engine:
    """Where the work of a run is done, as long as it is open.

    Attributes
    ----------
    mapper
        For the searches.
    preparation
        For the samples: the same, unless Dask workers share no file system with this process; then, processes
        of this machine.
    workers
        Processes or threads that share the work when it begins.
    most_workers
        So many as may share it later: to cut it into pieces that are small enough.
    description
        For the provenance.
    notes
        Workers that are unlike this process; it grows as they join.
    origins
        Where the results that came so far were computed, if not by this machine; it grows before the results of
        another one are handed out.
    """

    mapper: Mapper
    preparation: Mapper
    workers: int
    most_workers: int
    description: str
    notes: Sequence[str] = ()
    origins: Sequence[Origin] = ()


@contextmanager
def open_execution(
    section: Execution,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    client: Client | None = None,
    cache: Path | None = None,
) -> Iterator[Engine]:
    """Open the engine of a run; what is opened is closed in the end.

    Parameters
    ----------
    section
        The card's section `execution`.
    workers
        In place of the card's: processes, or Dask workers of a running cluster to wait for.
    scheduler
        Address of a Dask scheduler, ``tcp://host:port`` or ``tls://host:port``, in place of the card's.
    client
        A client of a Dask cluster of the caller's; it is used as it is, and left open.
    cache
        Folder of prepared samples, which all Dask workers must see; not checked if None.

    Raises
    ------
    ArgumentError
        For an address that is none, a client that cannot be used, `tls` without an address, or more Dask workers
        than cores on this machine.
    MissingDependencyError
        If Dask is needed and not installed.
    InputError
        If workers do not share the folder, or the files for TLS are missing.
    ComputationError
        If no scheduler answers, no worker comes, or workers have another version of hepcs.
    """
    workers = workers or section.workers
    if client is None and scheduler is None and section.kind == "local":
        processes = workers or available_cores()
        mapper = local_mapper(processes)
        yield Engine(mapper, mapper, processes, processes, f"{processes} local processes")
        return
    _require_dask()
    from hepcs.running.execution.crew import Crew

    with _opened_client(section, workers, scheduler, client) as opened:
        yield _dask_engine(Crew(opened, section.patience), section.transfer, workers or 1, cache)


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "distributed", "to run on a Dask cluster", pip_install("dask", "distributed")
        ) from error


def _dask_engine(crew: Crew, transfer: str, workers: int, cache: Path | None) -> Engine:
    """The engine of a cluster, once so many workers are there."""
    from hepcs.running.execution.dask import dask_mapper
    from hepcs.running.execution.machines import require_shared_folder

    crew.wait_for(workers)
    threads = sum(crew.threads.values())
    mapper = dask_mapper(crew, transfer)
    if transfer == "path":
        if cache is not None:
            crew.ask_workers(lambda: require_shared_folder(crew.client, cache))
        preparation = mapper
    else:
        preparation = local_mapper(available_cores())
    description = (
        f"Dask cluster at {crew.address}; at the start {len(crew.threads)} workers, {threads} threads"
    )
    return Engine(mapper, preparation, threads, max(threads, MAY_COME), description, crew.notes, crew.origins)


@contextmanager
def _opened_client(
    section: Execution, workers: int | None, scheduler: str | None, client: Client | None
) -> Iterator[Client]:
    """The caller's client, one of the scheduler that is named, or one of a cluster on this machine."""
    from distributed import Client, LocalCluster

    if client is not None:
        if scheduler is not None:
            raise ArgumentError(f"a client and a scheduler ({scheduler}) were given, expected one of the two")
        if not isinstance(client, Client) or client.asynchronous:
            raise ArgumentError(f"expected a distributed.Client that is not asynchronous, found {client!r}")
        yield client
        return
    address = _address(section, scheduler)
    if address is not None:
        with _connected(address, section.tls) as opened:
            yield opened
        return
    if section.tls is not None:
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
        cluster = LocalCluster(
            n_workers=workers or cores,
            threads_per_worker=1,
            memory_limit=None,
            silence_logs=logging.ERROR,
            dashboard_address=":0",
        )
    with cluster, Client(cluster, set_as_default=False) as opened:
        yield opened


def _address(section: Execution, scheduler: str | None) -> str | None:
    """Address of the scheduler: the caller's, the card's, or what Dask is told by its environment."""
    import dask

    if scheduler is not None and re.fullmatch(SCHEDULER_ADDRESS, scheduler) is None:
        raise ArgumentError(f"scheduler: found {scheduler!r}, expected tcp://host:port or tls://host:port")
    environment = os.environ.get("DASK_SCHEDULER_ADDRESS") or dask.config.get("scheduler-address", None)
    return scheduler or section.scheduler or environment


@contextmanager
def _connected(address: str, tls: Tls | None) -> Iterator[Client]:
    """A client of a running scheduler."""
    from distributed import Client

    security = None if tls is None else _security(tls)
    try:
        client = Client(address, security=security, set_as_default=False, name="hepcs")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise ComputationError(
            f"{address}: no Dask scheduler answers ({error}). Is it running, and does a firewall lie between? A "
            "tls:// scheduler needs execution.tls, or its certificates in Dask's configuration"
        ) from error
    with client:
        yield client


def _security(tls: Tls) -> Any:
    """Certificates of the card for Dask; raises InputError if one cannot be read."""
    from distributed.security import Security

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
