"""A base installation: what needs a package of an extra says which file, which package, and the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from toy_events import toy_events, write_toys

from hepcs._core.errors import MissingDependencyError
from hepcs.sources import hdf5
from hepcs.sources.convert import open_writer
from hepcs.sources.event_objects import KEY
from hepcs.sources.inspecting import look_into
from hepcs.sources.lhco import LhcoFiles
from hepcs.sources.parquet import ParquetFiles

TABLE = np.zeros((14, 2101))
TABLE[:, :6] = 500, 0.1, 0.2, 400, -0.1, 3.0
# Each test of Blosc in a process of its own: HDF5 keeps a filter that was once registered.
WITHOUT_BLOSC = "import sys; sys.modules['hdf5plugin'] = None; "


def save(path: Path, **options) -> str:
    with h5py.File(path, "w") as file:
        file.create_dataset("df/block0_values", data=TABLE, chunks=(7, 2101), **options)
    return str(path)


def without_blosc(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_BLOSC + program], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    "read", ["lhco.LhcoFiles(sys.argv[1]).chunks()", "inspecting.look_into(sys.argv[1])"]
)
def test_blosc_needs_hdf5plugin(tmp_path: Path, read: str) -> None:
    path = save(tmp_path / "blosc.h5", **hdf5plugin.Blosc())
    said = without_blosc(
        f"sys.argv.append({path!r})\n"
        "from hepcs.sources import inspecting, lhco\n"
        f"try: {read}\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    assert said.startswith("MissingDependencyError hdf5plugin (the extra hepcs[hdf5]) is needed to read ")
    assert f"{path}, whose `/df/block0_values` is compressed with blosc" in said
    assert "pip install 'hdf5plugin>=" in said


def test_blosc_of_event_objects_needs_hdf5plugin(tmp_path: Path) -> None:
    path = str(tmp_path / "objects.h5")
    with h5py.File(path, "w") as file:
        file.create_dataset(KEY, data=np.zeros((8, 19, 4)), chunks=(4, 19, 4), **hdf5plugin.Blosc())
    said = without_blosc(
        "from pathlib import Path\n"
        "from hepcs.sources.event_objects import chunks_of\n"
        f"try: next(chunks_of(Path({path!r})))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    assert said.startswith("MissingDependencyError hdf5plugin (the extra hepcs[hdf5]) is needed to read ")
    assert f"{path}, whose `/{KEY}` is compressed with blosc" in said


def test_gzip_needs_nothing_and_is_what_is_written_instead(tmp_path: Path) -> None:
    """What is converted without hdf5plugin is read without it."""
    write_toys(tmp_path / "toys.root", 30, 1)
    without_blosc(
        "from pathlib import Path\n"
        "from hepcs.analysis.convert import section_for\n"
        "from hepcs.sources.convert import convert\n"
        "from hepcs.sources.opening import open_files\n"
        f"path = {str(tmp_path)!r}\n"
        "source = open_files(section_for(path + '/toys.root', None, 'flat', None), [])\n"
        "convert(source, Path(path + '/toys.h5'))\n"
    )
    with h5py.File(tmp_path / "toys.h5") as file:
        hdf5.require_filters(file["df/block0_values"], "toys.h5")
        assert file["df/block0_values"].compression == "gzip"
    source = LhcoFiles(str(tmp_path / "toys.h5"))
    assert sum(len(source.read(chunk)) for chunk in source.chunks()) == 30


def test_parquet_needs_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "events.parquet"
    path.write_bytes(b"PAR1")
    for read in (ParquetFiles(str(path)).chunks, lambda: look_into(str(path))):
        with pytest.raises(
            MissingDependencyError, match=rf"hepcs\[parquet\]\) is needed to read {path}.*'pyarrow>="
        ):
            read()
    with pytest.raises(MissingDependencyError, match=rf"to write {path}"), open_writer(path) as writer:
        writer.write(toy_events(3, np.random.default_rng(1)))
