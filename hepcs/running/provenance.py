"""Where numbers come from: program, versions, processor, numerical libraries."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from threadpoolctl import threadpool_info

PACKAGE = Path(__file__).resolve().parents[1]
# Extras of hepcs that take no part in a run.
DEVELOPERS = ("test", "lint")


def versions() -> dict[str, str]:
    """Versions of Python, of hepcs, and of every installed package that it can call on or that is loaded, by name.

    These are the requirements of hepcs, optional ones included, with their own requirements, and so on, and the
    packages of all modules that this process has imported; what is not installed is left out.
    """
    found: dict[str, str] = {}
    waiting = ["hepcs", *loaded_packages()]
    while waiting:
        name = normalised(waiting.pop())
        if name in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = package.version
        waiting += requirements(package)
    hepcs = {"hepcs": found.pop("hepcs")} if "hepcs" in found else {}
    return {"python": platform.python_version(), **hepcs, **dict(sorted(found.items()))}


def loaded_packages() -> list[str]:
    """Names of the installed packages that the modules in memory come from, but for the tools of developers."""
    owners = packages_distributions()
    loaded = {normalised(owner) for module in set(sys.modules) for owner in owners.get(module, ())}
    return sorted(loaded - developers_packages())


def developers_packages() -> set[str]:
    """Names of the packages that only the developers of hepcs ask for."""
    asked = (
        re.match(r"([\w.-]+).*\bextra\s*==\s*['\"]([^'\"]+)", text)
        for text in distribution("hepcs").requires or ()
    )
    return {normalised(found[1]) for found in asked if found is not None and found[2] in DEVELOPERS}


def requirements(package: Distribution) -> list[str]:
    """Names of the packages that one asks for: of hepcs the optional ones too, but for those of its developers.

    What other packages can do besides is left out: whether it is installed has other reasons.
    """
    skipped = DEVELOPERS if normalised(package.name) == "hepcs" else None
    names = []
    for requirement in package.requires or ():
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
        extra = re.search(r"\bextra\s*==\s*['\"]([^'\"]+)", requirement)
        optional = extra is not None and (skipped is None or extra.group(1) in skipped)
        if name and not optional:
            names.append(name.group())
    return names


def normalised(name: str) -> str:
    """The name of a package as registries compare it: ``scikit-learn`` for ``Scikit_Learn``."""
    return re.sub(r"[-_.]+", "-", name).lower()


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
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def blas_kernels() -> tuple[str, ...]:
    """Numerical libraries in use, with the kernel that each chose for this processor."""
    return tuple(
        sorted(
            {
                f"{library['internal_api']} {library.get('version')} {library.get('architecture', '')}".strip()
                for library in threadpool_info()
            }
        )
    )
