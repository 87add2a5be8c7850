"""Opening the engine that a card, an option or the caller names: processes of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hepcs._core.errors import MissingDependencyError
from hepcs._core.progress import Mapper
from hepcs._core.requirements import pip_install
from hepcs.config.running import Execution
from hepcs.running.execution.local import available_cores, local_mapper
from hepcs.running.identity import Origin

if TYPE_CHECKING:
    from distributed import Client

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
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "distributed", "to run on a Dask cluster", pip_install("dask", "distributed")
        ) from error
    from hepcs.running.execution.dask_client import open_client

    with open_client(section, workers, scheduler, client) as opened:
        yield _dask_engine(section, opened, workers or 1, cache)


def _dask_engine(section: Execution, client: Client, needed: int, cache: Path | None) -> Engine:
    """The engine of a cluster, once so many workers are there."""
    from hepcs.running.execution.dask import dask_mapper
    from hepcs.running.execution.machines import require_shared_folder
    from hepcs.running.execution.workers import Workers

    workers = Workers(client, section.patience)
    workers.wait_for(needed)
    threads = sum(workers.threads.values())
    mapper = preparation = dask_mapper(workers, section.transfer)
    if section.transfer == "broadcast":
        preparation = local_mapper(available_cores())
    elif cache is not None:
        workers.ask(lambda: require_shared_folder(client, cache))
    description = (
        f"Dask cluster at {workers.address}; at the start {len(workers.threads)} workers, {threads} threads"
    )
    most = max(threads, MAY_COME)
    return Engine(mapper, preparation, threads, most, description, workers.notes, workers.origins)
