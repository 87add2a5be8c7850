"""What the workers of a Dask cluster are, compared with this process: other numbers must not pass unnoticed."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client
from threadpoolctl import threadpool_info

from hepcs._core.errors import ComputationError, InputError
from hepcs._core.storage import atomic_path
from hepcs.running.provenance import code_digest, processor, versions

# Packages whose version can change a number.
COMPARED = ("numpy", "numba", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Machine:
    """Where a process computes, and with what.

    Attributes
    ----------
    version
        Of hepcs.
    code
        SHA-256 of its program text.
    properties
        By name: versions of the packages that compute, processor, kernels of linear algebra.
    """

    version: str
    code: str
    properties: Mapping[str, str]


def this_machine() -> Machine:
    """The machine of this process."""
    found = versions()
    kernels = {one.get("architecture", "unknown") for one in threadpool_info() if one["user_api"] == "blas"}
    return Machine(
        found.get("hepcs", "unknown"),
        code_digest(),
        {
            **{name: found.get(name, "absent") for name in COMPARED},
            "processor": processor(),
            "kernel of linear algebra": ", ".join(sorted(kernels)),
        },
    )


def compare_workers(client: Client, addresses: Iterable[str]) -> Iterator[str]:
    """Compare workers with this process: a line for each property in which some of them differ.

    Workers that leave meanwhile are passed over.

    Raises
    ------
    ComputationError
        If a worker has no hepcs, or another version of it.
    """
    answers: Mapping[str, Any] = client.run(this_machine, workers=list(addresses), on_error="return")
    here = this_machine()
    found: dict[str, Machine] = {}
    for address, answer in answers.items():
        if isinstance(answer, Machine):
            found[address] = answer
        elif isinstance(answer, ImportError | AttributeError):
            raise ComputationError(
                f"the Dask worker {address} has no hepcs of this version ({type(answer).__name__}: {answer}). "
                f"Install hepcs {here.version} with Python {platform.python_version()} where the workers run"
            ) from answer
    for address, machine in found.items():
        if machine.version != here.version:
            raise ComputationError(
                f"the Dask worker {address} has hepcs {machine.version}, and this process {here.version}. Install "
                "the same version where the workers run"
            )
    others = sum(machine.code != here.code for machine in found.values())
    if others:
        yield (
            f"{others} of {len(found)} Dask workers have another program text of hepcs {here.version} than this "
            "process: results may be those of another state of the program"
        )
    for name, value in here.properties.items():
        theirs = [machine.properties[name] for machine in found.values() if machine.properties[name] != value]
        if theirs:
            yield (
                f"{len(theirs)} of {len(found)} Dask workers have another {name} "
                f"({', '.join(sorted(set(theirs)))}) than this process ({value}): numbers can differ in their "
                "last digits, and float32 labels with them"
            )


def require_shared_folder(client: Client, folder: Path) -> None:
    """Check that all workers see a folder, where samples are prepared, as this process does.

    Raises
    ------
    InputError
        With the workers that do not.
    ComputationError
        If nothing can be written there.
    OSError
        If a worker dies meanwhile.
    """
    token = secrets.token_hex(16)
    probe = folder.absolute() / f"seen_by_workers_{token}"
    with atomic_path(probe) as temporary:
        temporary.write_text(token, encoding="utf-8")
    try:
        seen: Mapping[str, str] = client.run(_read, probe)
    finally:
        probe.unlink(missing_ok=True)
    blind = sorted(address for address, text in seen.items() if text != token)
    if blind:
        raise InputError(
            f"{folder}: {len(blind)} of {len(seen)} Dask workers do not see this folder of prepared samples as "
            f"this process does ({', '.join(blind[:3])}). Name one in execution.cache that lies on a file system "
            "that all of them share, or set execution.transfer: broadcast: then samples are prepared on this "
            "machine, and sent"
        )


def _read(path: Path) -> str:
    """The text of a file as a worker sees it; empty if it is not there."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
