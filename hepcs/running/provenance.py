"""Where numbers come from: program, versions, processor, numerical libraries."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from threadpoolctl import threadpool_info

PACKAGE = Path(__file__).resolve().parents[1]
# Extras of hepcs that take no part in a run.
DEVELOPERS = {"docs", "lint", "test"}


def versions() -> dict[str, str]:
    """Versions of Python, of hepcs, and of every installed package that it can call on or that is loaded, by name.

    These are the requirements of hepcs, optional ones included, with their own requirements, and so on, and the
    packages of all modules that this process has imported; what is not installed is left out.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = {"hepcs", *loaded_packages()}
    while waiting := waiting - seen:
        seen.add(name := waiting.pop())
        with suppress(PackageNotFoundError):
            package = distribution(name)
            found[name] = package.version
            waiting |= requirements(package, extras_of_runs() if name == "hepcs" else ())
    return {"python": platform.python_version(), "hepcs": found.pop("hepcs"), **dict(sorted(found.items()))}


def loaded_packages() -> list[str]:
    """Names of the installed packages that the modules in memory come from, but for the tools of developers."""
    owners = packages_distributions()
    loaded = {canonicalize_name(owner) for module in set(sys.modules) for owner in owners.get(module, ())}
    return sorted(loaded - developers_packages())


def extras_of_runs() -> set[str]:
    """The extras of hepcs that a run can make use of."""
    return set(distribution("hepcs").metadata.get_all("Provides-Extra") or ()) - DEVELOPERS


def developers_packages() -> set[str]:
    """Names of the packages that only the developers of hepcs ask for."""
    hepcs = distribution("hepcs")
    return requirements(hepcs, DEVELOPERS) - requirements(hepcs, extras_of_runs()) - {"hepcs"}


def requirements(package: Distribution, extras: Iterable[str] = ()) -> set[str]:
    """Names of the packages that one asks for on this system, with these extras, as registries compare names."""
    names: set[str] = set()
    for text in package.requires or ():
        with suppress(InvalidRequirement):  # of packages older than the rules
            wanted = Requirement(text)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": one}) for one in ("", *extras)):
                names.add(canonicalize_name(wanted.name))
    return names


@cache
def code_digest() -> str:
    """SHA-256 over the program text of hepcs, the same wherever it is installed."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py"), key=lambda path: path.relative_to(PACKAGE).as_posix()):
        text = path.read_bytes()
        digest.update(f"{path.relative_to(PACKAGE).as_posix()}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()


def processor() -> str:
    """Name of the processor, as the system tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def blas_kernels() -> tuple[str, ...]:
    """Numerical libraries in use, with the kernel that each chose for this processor."""
    kernels = {
        f"{library['internal_api']} {library.get('version')} {library.get('architecture', '')}".strip()
        for library in threadpool_info()
    }
    return tuple(sorted(kernels))
