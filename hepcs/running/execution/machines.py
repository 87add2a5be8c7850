"""What the workers of a Dask cluster are, compared with this process: other numbers must not pass unnoticed."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from distributed import Client

from hepcs._core.errors import ComputationError, InputError
from hepcs._core.storage import writing
from hepcs.running.identity import Origin, this_origin

# Packages whose version can change a number.
COMPARED = ("numpy", "numba", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Machine:
    """Where a process computes, and with which versions of the packages, by name."""

    origin: Origin
    versions: Mapping[str, str]

    @property
    def version(self) -> str:
        """Of hepcs."""
        return self.versions.get("hepcs", "unknown")

    @property
    def properties(self) -> dict[str, str]:
        """What can change a number, by name."""
        return {
            "program text of hepcs": self.origin.code[:16],
            **{name: self.versions.get(name, "absent") for name in COMPARED},
            "processor": self.origin.processor,
            "kernel of linear algebra": ", ".join(self.origin.blas),
        }


def versions() -> dict[str, str]:
    """Versions of hepcs and of the compared packages that are installed: a look at all takes a worker long."""
    found = {}
    for name in ("hepcs", *COMPARED):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def this_machine() -> Machine:
    """The machine of this process."""
    return Machine(this_origin(), versions())


def compare_workers(client: Client, addresses: Iterable[str]) -> Iterator[str]:
    """Compare workers with this process: a line for each property in which some of them differ.

    Workers that leave meanwhile are passed over. Raises ComputationError if one has no hepcs, or another version.
    """
    here = this_machine()
    answers: Mapping[str, Any] = client.run(this_machine, workers=list(addresses), on_error="return")
    for address, answer in answers.items():
        if isinstance(answer, ImportError | AttributeError):
            raise ComputationError(
                f"the Dask worker {address} has no hepcs of this version ({type(answer).__name__}: {answer}). "
                f"Install hepcs {here.version} with Python {platform.python_version()} where the workers run"
            ) from answer
        if isinstance(answer, Machine) and answer.version != here.version:
            raise ComputationError(
                f"the Dask worker {address} has hepcs {answer.version}, and this process {here.version}. "
                "Install the same version where the workers run"
            )
    found = [answer for answer in answers.values() if isinstance(answer, Machine)]
    for name, value in here.properties.items():
        theirs = [machine.properties[name] for machine in found if machine.properties[name] != value]
        if theirs:
            yield (
                f"{len(theirs)} of {len(found)} Dask workers have another {name} "
                f"({', '.join(sorted(set(theirs)))}) than this process ({value}): numbers can differ in their "
                "last digits, and float32 labels with them; with another program text, in more"
            )


def require_shared_folder(client: Client, folder: Path) -> None:
    """Check that all workers see a folder, where samples are prepared, as this process does.

    Workers that leave meanwhile are passed over. Raises InputError with those that do not see it, and
    ComputationError if nothing can be written there.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe = tempfile.NamedTemporaryFile(dir=folder.absolute(), prefix="seen_by_workers_")  # noqa: SIM115
    with probe:
        seen: Mapping[str, Any] = client.run(_sees, Path(probe.name), on_error="return")
    blind = sorted(address for address, answer in seen.items() if answer is False)
    if blind:
        raise InputError(
            f"{folder}: {len(blind)} of {len(seen)} Dask workers do not see this folder of prepared samples as "
            f"this process does ({', '.join(blind[:3])}). Name one in execution.cache that lies on a file system "
            "that all of them share, or set execution.transfer: broadcast: then samples are prepared on this "
            "machine, and sent"
        )


def _sees(path: Path) -> bool:
    """Whether a worker sees a file."""
    return path.exists()
