"""What this installation can do: each package is imported, and used where that shows more.

A package can be there and not work: compiled against another NumPy, or without its libraries and data.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from hepcs._core.errors import ComputationError, HepcsError
from hepcs._core.requirements import module_of, pip_install
from hepcs.analysis.convert import section_for
from hepcs.jets.backends import Backend, cluster_jets, how_to_install
from hepcs.sources.convert import open_writer
from hepcs.sources.opening import open_files


@dataclass(frozen=True)
class Component:
    """Something that an installation can do or not.

    Attributes
    ----------
    name, purpose
        What it is, and what for.
    packages
        Those that do it, by the names that pip knows them by.
    trial
        Uses them, where an import would not show all; raises anything if it does not work.
    is_core
        Whether nothing works without it.
    how
        How to get it, if pip does not just install the packages.
    """

    name: str
    purpose: str
    packages: tuple[str, ...]
    trial: Callable[[], object] = tuple
    is_core: bool = False
    how: str = ""

    @property
    def install(self) -> str:
        """How to get it."""
        hint = " (what is there and does not work: with --force-reinstall --no-deps)" if self.is_core else ""
        return self.how or f"{pip_install(*self.packages)}{hint}"


@dataclass(frozen=True)
class Finding:
    """What became of a part: whether it works, and what was found, or what is wrong with it."""

    part: Component
    works: bool
    detail: str


def examine(parts: Sequence[Component]) -> Iterator[Finding]:
    """Try the parts one by one."""
    for part in parts:
        try:
            with warnings.catch_warnings():
                # What other packages deprecate of each other is no fault of this installation.
                warnings.simplefilter("ignore")
                for package in part.packages:
                    import_module(module_of(package))
                found = part.trial() or ", ".join(
                    f"{package} {version(package)}" for package in part.packages
                )
            yield Finding(part, True, str(found))
        except Exception as error:  # whatever it is, it is the answer
            yield Finding(part, False, _trouble(error))


def _trouble(error: Exception) -> str:
    """What is wrong, in one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    return first if isinstance(error, HepcsError) else f"{type(error).__name__}: {first}".rstrip(": ")


def all_parts() -> tuple[Component, ...]:
    """Every part of hepcs, what nothing works without first."""
    root, hdf5, parquet = (partial(_write_and_read, suffix) for suffix in (".root", ".h5", ".parquet"))
    fastjet, pyjet = (partial(_recluster, name) for name in ("fastjet", "pyjet"))
    return (
        Component("numba", "compiled kernels: k-means, images", ("numba",), is_core=True),
        Component("fits", "dijet functions", ("iminuit",), is_core=True),
        Component("ROOT files", "read and write, through uproot", ("uproot", "awkward"), root, True),
        Component("HDF5", "read and write", ("h5py",), hdf5, True),
        Component("processes", "share the work on this machine", ("joblib",), is_core=True),
        Component("figures", "PDF and PNG, and those of the report", ("matplotlib", "mplhep", "pillow")),
        Component("hdf5plugin", "LHC Olympics files, which are compressed with Blosc", ("hdf5plugin",)),
        Component("Parquet", "read and write", ("pyarrow",), parquet),
        Component("fastjet", "recluster jets", ("fastjet",), fastjet, how=how_to_install("fastjet")),
        Component("pyjet", "recluster jets, faster", ("pyjet",), pyjet, how=how_to_install("pyjet")),
        Component("lightgbm", "classifiers of searches by score and cut", ("lightgbm",), _classify),
        Component(
            "scikit-learn", "topics (LDA), outliers of PCA, other ways of clustering", ("scikit-learn",)
        ),
        Component("JAX", "searches with neural networks", ("jax", "equinox", "optax"), _differentiate),
        Component("pythia8mc", "generate events", ("pythia8mc",), _generate),
        Component("dask", "share the work between machines", ("distributed", "dask")),
        Component("xrootd", "read root:// files", ("fsspec-xrootd",)),
        Component("https", "read https:// files", ("aiohttp",)),
        Component("hepdata_lib", "export tables to HEPData", ("hepdata-lib", "hepdata-validator")),
        Component("pyhf", "fit exported workspaces", ("pyhf",)),
        Component("ROOT", "open results.root in a TBrowser", (), _find_root, how="https://root.cern/install"),
    )


def what_mends(findings: Sequence[Finding]) -> str:
    """The one command that installs all that pip can install of what does not work; nothing if all works."""
    missing = [one.part for one in findings if not one.works]
    # Either of the two packages reclusters; pyjet is built by a command of its own.
    reclusters = any(one.works for one in findings if one.part.name in {"fastjet", "pyjet"})
    packages = [
        package
        for part in missing
        if part.packages and part.name != "pyjet" and not (part.name == "fastjet" and reclusters)
        for package in part.packages
    ]
    # What is there and does not work is not replaced otherwise.
    again = ("--force-reinstall", "--no-deps") if any(part.is_core for part in missing) else ()
    return pip_install(*again, *packages) if packages else ""


def core_works(findings: Sequence[Finding]) -> bool:
    """Whether searches can run: all of the core, and a package that reclusters jets."""
    jets = any(finding.works for finding in findings if finding.part.name in ("pyjet", "fastjet"))
    return jets and all(finding.works for finding in findings if finding.part.is_core)


def describe() -> str:
    """One line about what is examined: hepcs, Python and where it runs."""
    return f"hepcs {version('hepcs')}, Python {platform.python_version()} in {sys.prefix}"


# ------------------------------------------------------------------------------------------- the trials


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise ComputationError(what)


def _events() -> Any:
    """One event: two jets of three particles each, back to back."""
    pt = [500.0, 400.0, 300.0] * 2
    phi = [0.0, 0.05, -0.05, 3.0, 3.05, 2.95]
    eta = [0.0, 0.05, 0.1, 0.2, 0.25, 0.1]
    return ak.unflatten(ak.zip({"pt": pt, "eta": eta, "phi": phi, "mass": [0.0] * 6}), [6])


def _recluster(backend: Backend) -> None:
    jets = cluster_jets(_events(), backend=backend, radius=1.0)
    _expect(
        ak.to_list(ak.num(jets.constituents, axis=2)) == [[3, 3]],
        "it runs, and finds other jets than there are",
    )


def _write_and_read(suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"events{suffix}"
        with open_writer(path) as writer:
            writer.write(_events())
        source = open_files(section_for(str(path), None, "flat", None), [])
        found = ak.concatenate([source.read(chunk) for chunk in source.chunks()])
    _expect(ak.to_list(ak.num(found)) == [6], "what it wrote cannot be read")


def _classify() -> None:
    import lightgbm

    x = np.linspace(0, 1, 200)[:, None]
    trees = lightgbm.train(
        {"objective": "binary", "num_threads": 1, "verbosity": -1}, lightgbm.Dataset(x, x[:, 0] > 0.5), 5
    )
    low, high = np.asarray(trees.predict(np.array([[0.1], [0.9]])))
    _expect(low < high, "it runs, and learns nothing")


def _differentiate() -> None:
    import jax

    slope = float(jax.grad(lambda x: x**2)(3.0))
    _expect(slope == 6, f"it runs, and takes {slope:g} for the derivative of x^2 at 3")


def _generate() -> None:
    from hepcs.config.sources import PythiaSource
    from hepcs.generation.pythia_events import start_pythia

    _expect(start_pythia(PythiaSource(kind="pythia", events=1), 1).next(), "it runs, and generates no event")


def _find_root() -> str:
    program = shutil.which("root") or (importlib.util.find_spec("ROOT") and sys.executable)
    _expect(program is not None, "neither a program root nor a Python module ROOT is there")
    return str(program)
