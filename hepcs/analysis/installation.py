"""What this installation can do: each part is tried, in a small way, rather than looked up.

A package can be there and not work: compiled against another NumPy, without its libraries, without a licence to
write. So every check uses what it checks.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from hepcs._core.errors import ComputationError, HepcsError
from hepcs._core.requirements import pip_install
from hepcs.jets.backends import Backend, cluster_jets, how_to_install
from hepcs.running.execution import local_mapper
from hepcs.running.provenance import versions
from hepcs.searches.cluster_scanning.kmeans import Engine, assign, train
from hepcs.sources.writing import ParquetWriter, RootWriter

# Seconds that ROOT gets to start: the first time it may have to read a large installation over a network.
_ROOT_SECONDS = 120.0


@dataclass(frozen=True)
class Part:
    """Something that an installation can do or not.

    Attributes
    ----------
    name, purpose
        What it is, and what for.
    check
        Tries it, and says what it found; raises anything if it does not work.
    install
        How to get it.
    is_core
        Whether nothing works without it.
    """

    name: str
    purpose: str
    check: Callable[[], str]
    install: str
    is_core: bool = False


@dataclass(frozen=True)
class Finding:
    """What became of a part: whether it works, and what was found, or what is wrong with it."""

    part: Part
    works: bool
    detail: str


def examine(parts: Sequence[Part]) -> Iterator[Finding]:
    """Try the parts one by one."""
    for part in parts:
        try:
            with warnings.catch_warnings():
                # What other packages deprecate of each other is no fault of this installation.
                warnings.simplefilter("ignore")
                found = part.check()
            yield Finding(part, True, found)
        except Exception as error:  # whatever it is, it is the answer
            yield Finding(part, False, _trouble(error))


def _trouble(error: Exception) -> str:
    """What is wrong, in one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    return first if isinstance(error, HepcsError) else f"{type(error).__name__}: {first}".rstrip(": ")


def all_parts() -> tuple[Part, ...]:
    """Every part of hepcs, what nothing works without first."""
    return (
        Part("k-means", "cluster jets", _compiled_kmeans, _core("numba"), True),
        Part("fits", "dijet functions", _fits, _core("iminuit"), True),
        Part("ROOT files", "read and write, through uproot", _root_files, _core("uproot", "awkward"), True),
        Part("HDF5", "LHC Olympics files, Blosc compressed", _hdf5, _core("h5py", "hdf5plugin"), True),
        Part("Parquet", "read and write", _parquet, _core("pyarrow"), True),
        Part("figures", "PDF and PNG", _figures, _core("matplotlib", "mplhep"), True),
        Part("processes", "share the work on this machine", _processes, _core("joblib"), True),
        Part("fastjet", "recluster jets", lambda: _jets("fastjet"), how_to_install("fastjet")),
        Part("pyjet", "recluster jets, faster", lambda: _jets("pyjet"), how_to_install("pyjet")),
        Part("scikit-learn", "k-means, the reference engine", _sklearn, _core("scikit-learn")),
        Part("pythia8mc", "generate events", _pythia, pip_install("pythia8mc")),
        Part("dask", "share the work between machines", _dask, pip_install("dask", "distributed")),
        Part(
            "xrootd",
            "read root:// files",
            lambda: _remote("root", "fsspec-xrootd"),
            pip_install("fsspec-xrootd"),
        ),
        Part("https", "read https:// files", lambda: _remote("https", "aiohttp"), pip_install("aiohttp")),
        Part("hepdata_lib", "export tables to HEPData", _hepdata, pip_install("hepdata-lib")),
        Part("pyhf", "fit exported workspaces", _pyhf, pip_install("pyhf")),
        Part(
            "ROOT",
            "open results.root in a TBrowser; hepcs does not need it",
            _real_root,
            "https://root.cern/install",
        ),
    )


def _core(*packages: str) -> str:
    """How to get a part that comes with hepcs."""
    return f"{pip_install(*packages)} (what is there and does not work: with --force-reinstall --no-deps)"


def core_works(findings: Sequence[Finding]) -> bool:
    """Whether searches can run: all of the core, and a package that reclusters jets."""
    jets = any(finding.works for finding in findings if finding.part.name in ("pyjet", "fastjet"))
    return jets and all(finding.works for finding in findings if finding.part.is_core)


# ------------------------------------------------------------------------------------------- the checks


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise ComputationError(f"it runs, and {what}")


def _package(name: str) -> str:
    return f"{name} {version(name)}"


def _clumps() -> Any:
    """Jets in three clumps that no clustering can miss, shape (300, 4), float32."""
    rng = np.random.default_rng(1)
    return (rng.normal(size=(300, 4)) * 0.01 + 10.0 * np.repeat(np.eye(3, 4), 100, axis=0)).astype(np.float32)


def _kmeans(engine: Engine) -> None:
    jets = _clumps()
    labels = assign(jets, train(jets, 3, 100, np.random.default_rng(2), engine), engine)
    _expect(len(set(labels[[0, 100, 200]].tolist())) == 3, "finds other clusters than there are")


def _compiled_kmeans() -> str:
    _kmeans("compiled")
    return _package("numba")


def _sklearn() -> str:
    _kmeans("sklearn")
    return _package("scikit-learn")


def _fits() -> str:
    from hepcs.background import fit_dijet

    centres = np.arange(3050.0, 4600.0, 100.0)
    fit = fit_dijet(np.round(1e4 * np.exp(-(centres - 3000) / 700)), centres, 3, sqrt_s=13000.0)
    _expect(fit.converged, "a simple fit does not converge")
    return _package("iminuit")


def _events() -> Any:
    """One event: two jets of three particles each, back to back."""
    pt = [500.0, 400.0, 300.0] * 2
    phi = [0.0, 0.05, -0.05, 3.0, 3.05, 2.95]
    eta = [0.0, 0.05, 0.1, 0.2, 0.25, 0.1]
    one = ak.zip({"pt": pt, "eta": eta, "phi": phi, "mass": [0.0] * 6})
    return ak.unflatten(one, [6])


def _jets(backend: Backend) -> str:
    importlib.import_module(backend)
    jets = cluster_jets(_events(), backend=backend, radius=1.0)
    _expect(ak.to_list(ak.num(jets.constituents, axis=2)) == [[3, 3]], "finds other jets than there are")
    return _package(backend)


def _root_files() -> str:
    import uproot

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.root"
        with RootWriter(path) as writer:
            writer.write(_events(), None)
        with uproot.open(path) as file:
            _expect(file["Events"].num_entries == 1, "what it wrote cannot be read")
    return _package("uproot")


def _hdf5() -> str:
    import h5py
    import hdf5plugin

    with h5py.File(io.BytesIO(), "w") as file:
        file.create_dataset("x", data=np.arange(1000.0), **hdf5plugin.Blosc())
        _expect(float(file["x"][-1]) == 999.0, "what it compressed cannot be read")
    return f"{_package('h5py')}, {_package('hdf5plugin')}"


def _parquet() -> str:
    import pyarrow.parquet

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        with ParquetWriter(path) as writer:
            writer.write(_events(), None)
        _expect(pyarrow.parquet.read_metadata(path).num_rows == 1, "what it wrote cannot be read")
    return _package("pyarrow")


def _figures() -> str:
    import mplhep  # noqa: F401 - the figures' styles
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([0, 1], label="$m_{jj}$")
    for kind in ("png", "pdf"):
        figure.savefig(io.BytesIO(), format=kind)
    return f"{_package('matplotlib')}, {_package('mplhep')}"


def _processes() -> str:
    roots = list(local_mapper(2)(np.sqrt, [1.0, 4.0]))
    _expect(roots == [1.0, 2.0], "two processes do not give what one does")
    return _package("joblib")


def _pythia() -> str:
    from hepcs.config.sources import PythiaSource
    from hepcs.generation.pythia_events import start_pythia

    pythia = start_pythia(PythiaSource(kind="pythia", events=1), 1)
    _expect(pythia.next(), "generates no event")
    return _package("pythia8mc")


def _dask() -> str:
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        _expect(client.submit(len, [1, 2, 3]).result(timeout=60) == 3, "a worker does not answer")
    return _package("distributed")


def _remote(scheme: str, package: str) -> str:
    import fsspec

    importlib.import_module(package.replace("-", "_"))
    fsspec.get_filesystem_class(scheme)
    return _package(package)


def _hepdata() -> str:
    import hepdata_lib
    from hepdata_validator.full_submission_validator import FullSubmissionValidator

    table = hepdata_lib.Table("check")
    axis = hepdata_lib.Variable("x", is_independent=True, is_binned=False)
    axis.values = [1.0]
    table.add_variable(axis)
    with tempfile.TemporaryDirectory() as folder:
        table.write_output(folder)
    FullSubmissionValidator()
    return _package("hepdata-lib")


def _pyhf() -> str:
    import pyhf

    model = pyhf.simplemodels.uncorrelated_background([5.0], [50.0], [7.0], validate=False)
    pyhf.infer.mle.fit([52.0, *model.config.auxdata], model)
    return _package("pyhf")


def _real_root() -> str:
    """ROOT in a process of its own: its libraries should not meet ours."""
    script = "import ROOT; ROOT.TH1D('h', 'h', 2, 0, 1).Fill(0.5); print(ROOT.gROOT.GetVersion())"
    if importlib.util.find_spec("ROOT") is not None:
        command = [sys.executable, "-W", "ignore", "-c", script]
    elif (program := shutil.which("root")) is not None:
        command = [program, "-b", "-l", "-q", "-e", "std::cout << gROOT->GetVersion() << std::endl"]
    else:
        raise ComputationError("neither a Python module ROOT nor a program root was found")
    done = subprocess.run(command, capture_output=True, text=True, timeout=_ROOT_SECONDS, check=False)
    if done.returncode != 0:
        raise ComputationError(f"ROOT does not start: {done.stderr.strip().splitlines()[-1:]}")
    return f"ROOT {done.stdout.strip().splitlines()[-1]}"


def describe() -> str:
    """One line about what is examined: hepcs, Python and where it runs."""
    found = versions()
    return f"hepcs {found.get('hepcs', 'not installed')}, Python {found['python']} in {sys.prefix}"
