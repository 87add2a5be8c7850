"""Writers of ROOT, the LHC Olympics layout and Parquet."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from hepcs._core.errors import ArgumentError, ComputationError, InputError
from hepcs.sources.lhco import LhcoFiles
from hepcs.sources.parquet import ParquetFiles
from hepcs.sources.root import RootFiles
from hepcs.sources.writing import EventWriter, LhcoWriter, ParquetWriter, RootWriter

KINDS = {
    "ttree": ("a.root", RootWriter, RootFiles),
    "rntuple": ("a.root", lambda path, **o: RootWriter(path, kind="rntuple", **o), RootFiles),
    "lhco": ("a.h5", LhcoWriter, LhcoFiles),
    "parquet": ("a.parquet", ParquetWriter, ParquetFiles),
}


def make_events(counts, fields=("pt", "eta", "phi"), seed: int = 1) -> ak.Array:
    """Values exact in float32."""
    rng = np.random.default_rng(seed)
    n = int(np.sum(counts))
    return ak.zip(
        {f: ak.unflatten(rng.uniform(0.5, 9, n).astype(np.float32).astype(float), counts) for f in fields}
    )


COUNTS = np.random.default_rng(9).integers(0, 12, 100)


def read_all(source) -> ak.Array:
    return ak.concatenate([source.read(chunk) for chunk in source.chunks()])


def read_labels(source) -> list[int]:
    return np.concatenate([source.read_labels(chunk) for chunk in source.chunks()]).tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labelled", [True, False])
def test_what_is_written_is_read_back(tmp_path: Path, kind: str, labelled: bool) -> None:
    name, writer_of, files_of = KINDS[kind]
    events, labels = make_events(COUNTS), np.arange(100) % 2
    with writer_of(tmp_path / "new" / name) as writer:
        for start in range(0, 100, 30):
            part = slice(start, start + 30)
            writer.write(events[part], labels[part] if labelled else None)
        assert not (tmp_path / "new" / name).exists()
    assert writer.n_written == 100
    assert [p.name for p in (tmp_path / "new").iterdir()] == [name]
    source = files_of((str(tmp_path / "new" / name),))
    read = read_all(source)
    assert ak.array_equal(read[["pt", "eta", "phi"]], events)
    assert not ak.any(read.mass)
    assert source.has_labels == labelled
    if labelled:
        assert read_labels(source) == labels.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_smaller_than_the_chunks(tmp_path: Path, kind: str, monkeypatch) -> None:
    name, writer_of, files_of = KINDS[kind]
    monkeypatch.setattr(EventWriter, "block_particles", 90)
    events = make_events(COUNTS)
    with writer_of(tmp_path / name) as writer:
        for i in range(100):
            writer.write(events[i : i + 1], [i % 2])
    source = files_of((str(tmp_path / name),))
    assert ak.array_equal(read_all(source)[["pt", "eta", "phi"]], events)
    assert read_labels(source) == [0, 1] * 50
    if name.endswith(".root"):
        with uproot.open(tmp_path / name) as file:
            assert file["Events"]["event"].array().to_list() == list(range(100))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_a_failure(tmp_path: Path, kind: str) -> None:
    name, writer_of, _ = KINDS[kind]
    (tmp_path / name).write_text("old")
    with pytest.raises(RuntimeError, match="broke off"), writer_of(tmp_path / name) as writer:
        writer.write(make_events(COUNTS))
        raise RuntimeError("broke off")
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "old"


@pytest.mark.parametrize("kind", KINDS)
def test_no_events_make_a_file_without_entries(tmp_path: Path, kind: str) -> None:
    name, writer_of, files_of = KINDS[kind]
    with writer_of(tmp_path / name):
        pass
    with pytest.raises(InputError, match=r"no (entries|rows)"):
        files_of((str(tmp_path / name),)).chunks()


@pytest.mark.parametrize("kind", KINDS)
def test_labels_for_all_or_none(tmp_path: Path, kind: str) -> None:
    name, writer_of, _ = KINDS[kind]
    events = make_events(COUNTS)
    with pytest.raises(ArgumentError, match="some chunks only"), writer_of(tmp_path / name) as writer:
        writer.write(events, np.zeros(100))
        writer.write(events)
    with pytest.raises(ArgumentError, match=r"shape \(99,\) for 100"), writer_of(tmp_path / name) as writer:
        writer.write(events, np.zeros(99))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["ttree", "rntuple", "parquet"])
def test_masses_are_kept_if_there_are_any(tmp_path: Path, kind: str) -> None:
    name, writer_of, files_of = KINDS[kind]
    events = make_events(COUNTS, ("pt", "eta", "phi", "mass"))
    with writer_of(tmp_path / name) as writer:
        writer.write(events)
    assert ak.array_equal(read_all(files_of((str(tmp_path / name),))), events)


@pytest.mark.parametrize("kind", ["ttree", "rntuple", "parquet"])
def test_masses_are_never_lost_in_silence(tmp_path: Path, kind: str, monkeypatch) -> None:
    name, writer_of, files_of = KINDS[kind]
    monkeypatch.setattr(EventWriter, "block_particles", 300)
    light, heavy = make_events(COUNTS), make_events(COUNTS, ("pt", "eta", "phi", "mass"))
    with (
        pytest.raises(ArgumentError, match=r"after 100 events.*mass=True"),
        writer_of(tmp_path / name) as writer,
    ):
        writer.write(light)
        writer.write(heavy)
    with writer_of(tmp_path / name, mass=True) as writer:
        writer.write(light)
        writer.write(heavy)
    read = read_all(files_of((str(tmp_path / name),)))
    assert ak.array_equal(read.mass[100:], heavy.mass)
    assert not ak.any(read.mass[:100])


def test_the_700_hardest_in_their_order(tmp_path: Path, caplog) -> None:
    rng = np.random.default_rng(4)
    pt = [rng.permutation(np.arange(1.0, n + 1)) for n in (700, 701, 900, 3)]
    events = ak.zip({"pt": ak.Array(pt), "eta": ak.Array(pt), "phi": -ak.Array(pt)})
    with LhcoWriter(tmp_path / "a.h5") as writer:
        writer.write(events)
    assert writer.n_truncated == 2
    assert "2 events had more than 700" in caplog.text
    read = read_all(LhcoFiles((str(tmp_path / "a.h5"),)))
    expected = [[x for x in row if x > len(row) - 700] for row in pt]
    assert read.pt.to_list() == expected
    assert read.phi.to_list() == [[-x for x in row] for row in expected]


def test_masses_are_counted_for_the_lhco_layout(tmp_path: Path, caplog) -> None:
    events = make_events([2, 3], ("pt", "eta", "phi", "mass"))
    with LhcoWriter(tmp_path / "a.h5") as writer:
        writer.write(events)
    assert writer.n_massive == 5
    assert "5 particles lose their mass" in caplog.text


def test_the_lhco_file_is_laid_out_as_the_published_one(tmp_path: Path) -> None:
    with LhcoWriter(tmp_path / "a.h5") as writer:
        writer.write(make_events(COUNTS), np.ones(100))
    with h5py.File(tmp_path / "a.h5") as file:
        table = file["df/block0_values"]
        assert (table.shape, table.dtype, table.chunks) == ((100, 2101), np.float64, (7, 2101))
        assert "32001" in table._filters
        assert table.fletcher32
        assert file["df"].attrs["pandas_type"] == b"frame"
        np.testing.assert_array_equal(file["df/axis0"][:], np.arange(2101))
        np.testing.assert_array_equal(file["df/axis1"][:], np.arange(100))
        assert table[:, 2100].tolist() == [1.0] * 100
        row = table[int(np.argmax(COUNTS)), : 3 * COUNTS.max()]
        assert np.all(row > 0)


def test_pandas_attributes_are_those_of_the_published_file(real_data: Path, tmp_path: Path) -> None:
    with LhcoWriter(tmp_path / "a.h5") as writer:
        writer.write(make_events(COUNTS), np.ones(100))
    with h5py.File(tmp_path / "a.h5") as ours, h5py.File(real_data / "lhco_rnd_1000_events.h5") as published:
        assert set(ours["df"]) == set(published["df"])
        assert {k: str(v) for k, v in ours["df"].attrs.items()} == {
            k: str(v) for k, v in published["df"].attrs.items()
        }


def test_root_branches(tmp_path: Path) -> None:
    with RootWriter(tmp_path / "a.root") as writer:
        writer.write(make_events(COUNTS), np.ones(100))
    with uproot.open(tmp_path / "a.root") as file:
        types = {name: branch.typename for name, branch in file["Events"].items()}
    assert types == {
        "nParticle": "int32_t",
        "Particle_pt": "float[]",
        "Particle_eta": "float[]",
        "Particle_phi": "float[]",
        "event": "int64_t",
        "label": "int32_t",
    }


def test_tree_and_ntuple_hold_the_same(tmp_path: Path) -> None:
    events = make_events(COUNTS)
    for kind in ("ttree", "rntuple"):
        with RootWriter(tmp_path / f"{kind}.root", kind=kind) as writer:
            writer.write(events)
    tree, ntuple = (read_all(RootFiles((str(tmp_path / f"{kind}.root"),))) for kind in ("ttree", "rntuple"))
    assert ak.array_equal(tree, ntuple)
    with pytest.raises(ArgumentError, match="expected 'ttree' or 'rntuple'"):
        RootWriter(tmp_path / "a.root", kind="tree")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ComputationError, match="cannot be written"), RootWriter(tmp_path / "file" / "a.root"):
        pass
