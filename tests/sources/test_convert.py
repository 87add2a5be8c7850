"""Converting samples from one format to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toy_command import command

from hepcs._core.errors import ArgumentError, InputError
from hepcs.sources.base import Chunk
from hepcs.sources.convert import convert
from hepcs.sources.lhco import LhcoFiles
from hepcs.sources.parquet import ParquetFiles
from hepcs.sources.root import RootFiles
from hepcs.sources.writing import LhcoWriter


def make_lhco(path: Path, n: int = 50) -> LhcoFiles:
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 9, n)
    columns = {
        f: ak.unflatten(rng.uniform(1, 9, counts.sum()).astype(np.float32), counts)
        for f in ("pt", "eta", "phi")
    }
    with LhcoWriter(path) as writer:
        writer.write(ak.zip(columns), rng.integers(0, 2, n))
    return LhcoFiles((str(path),))


def read_all(source) -> ak.Array:
    return ak.concatenate([source.read(chunk) for chunk in source.chunks()])


def read_labels(source) -> list[int]:
    return np.concatenate([source.read_labels(chunk) for chunk in source.chunks()]).tolist()


def test_round_trip_through_every_format(tmp_path: Path) -> None:
    original = make_lhco(tmp_path / "a.h5")
    events, labels = read_all(original), read_labels(original)
    source = original
    for name, files_of, options in (
        ("b.root", RootFiles, {}),
        ("c.root", RootFiles, {"kind": "rntuple"}),
        ("d.parquet", ParquetFiles, {}),
        ("e.hdf5", LhcoFiles, {}),
    ):
        assert convert(source, tmp_path / name, **options) == 50
        source = files_of((str(tmp_path / name),))
        assert ak.array_equal(read_all(source), events)
        assert read_labels(source) == labels


def test_progress_counts_entries(tmp_path: Path) -> None:
    files = tuple(make_lhco(tmp_path / f"{i}.h5", 10 * (i + 1)).files[0] for i in range(3))
    seen: list[tuple[int, int]] = []
    convert(
        LhcoFiles(files, max_events=45), tmp_path / "a.root", lambda done, total: seen.append((done, total))
    )
    assert seen == [(10, 45), (30, 45), (45, 45)]


def test_unknown_suffix_and_destination_among_the_sources(tmp_path: Path) -> None:
    source = make_lhco(tmp_path / "a.h5")
    with pytest.raises(ArgumentError, match=r"a\.txt.*expected a name in \.root"):
        convert(source, tmp_path / "a.txt")
    with pytest.raises(ArgumentError, match="one of the files that are read"):
        convert(source, tmp_path / "a.h5")
    assert len(read_all(source)) == 50


def test_a_source_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    class Broken(LhcoFiles):
        def chunks(self) -> tuple[Chunk, ...]:
            (chunk,) = super().chunks()
            return (chunk, Chunk(chunk.file, 50, 60))

    source = Broken(make_lhco(tmp_path / "a.h5").files)
    with pytest.raises(InputError):
        convert(source, tmp_path / "b.root")
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_the_organisers_extract_to_root(real_data: Path, tmp_path: Path) -> None:
    source = LhcoFiles((str(real_data / "lhco_rnd_1000_events.h5"),))
    assert convert(source, tmp_path / "a.root") == 1000
    converted = RootFiles((str(tmp_path / "a.root"),))
    # the published values are exact in float32
    assert ak.array_equal(read_all(converted), read_all(source))
    assert sum(read_labels(converted)) == 93


def test_cms_candidates_keep_their_mass(real_data: Path, tmp_path: Path) -> None:
    source = RootFiles((str(real_data / "cms_pfnano.root"),), layout="pfnano")
    events = read_all(source)
    convert(source, tmp_path / "a.parquet")
    assert ak.any(events.mass > 0.1)
    assert ak.array_equal(read_all(ParquetFiles((str(tmp_path / "a.parquet"),))), events)


@pytest.mark.parametrize(
    ("name", "free"), [("a.h5", 0), ("a.h5", 20_000), ("a.root", 20_000), ("a.parquet", 20_000)]
)
def test_a_full_disk(tmp_path: Path, mounted: Callable[[str], Path], name: str, free: int) -> None:
    """Whether the first byte does not fit or a later one: one line that names the file, and nothing is left.

    The command in a process of its own: HDF5 writes what it kept once more at the end, and dies of it.
    """
    make_lhco(tmp_path / "source.h5", 2000)
    disk = mounted("size=2m")
    (disk / name).write_bytes(b"older")
    (disk / "filler").write_bytes(bytes(2**21 - 4096 - free))
    ended = command(tmp_path, "convert", "source.h5", str(disk / name), "--overwrite", "--quiet")
    assert ended.returncode == 4, ended.stderr
    assert ended.stderr.count("\n") == 1
    assert f"{disk / name}: cannot be written" in ended.stderr
    assert "No space left on device" in ended.stderr
    assert "Free some space" in ended.stderr
    assert sorted(path.name for path in disk.iterdir()) == sorted([name, "filler"])
    assert (disk / name).read_bytes() == b"older"


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    source = make_lhco(tmp_path / "source.h5")
    (tmp_path / "folder.h5").mkdir()
    for name, problem in (("folder.h5", "it is a folder"), ("source.h5/a.h5", "File exists|Not a directory")):
        with pytest.raises(ArgumentError, match=rf"{name}: cannot be written \({problem}"):
            convert(source, tmp_path / name)
    assert list((tmp_path / "folder.h5").iterdir()) == []
