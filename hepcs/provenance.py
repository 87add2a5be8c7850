"""Where numbers come from: versions, processor, numerical libraries."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from threadpoolctl import threadpool_info

PACKAGES = (
    "hepcs",
    "awkward",
    "boost-histogram",
    "fastjet",
    "h5py",
    "hdf5plugin",
    "hist",
    "iminuit",
    "joblib",
    "matplotlib",
    "mplhep",
    "numba",
    "numpy",
    "pyarrow",
    "pyjet",
    "pythia8mc",
    "scikit-learn",
    "scipy",
    "uproot",
)


def versions() -> dict[str, str]:
    """Versions of Python and of every package that takes part; absent ones are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


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
