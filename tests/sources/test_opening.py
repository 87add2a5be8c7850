"""From a section of the card to the source that reads it."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepcs._core.errors import InputError
from hepcs.config.sources import Branches, LhcoSource, ParquetSource, RootSource
from hepcs.sources.files import resolve_files
from hepcs.sources.lhco import LhcoFiles
from hepcs.sources.opening import open_files
from hepcs.sources.parquet import ParquetFiles
from hepcs.sources.root import RootFiles
from hepcs.sources.writing import LhcoWriter, ParquetWriter, RootWriter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same ten events in three formats."""
    path = tmp_path_factory.mktemp("samples")
    values = ak.unflatten(np.arange(1.0, 41.0), 4)
    events = ak.zip({"pt": values, "eta": values, "phi": values})
    for writer in (LhcoWriter(path / "a.h5"), RootWriter(path / "a.root"), ParquetWriter(path / "a.parquet")):
        with writer:
            writer.write(events)
    return path


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        (LhcoSource(kind="lhco", files="a.h5", max_events=6), LhcoFiles),
        (RootSource(kind="root", files="*.root", max_events=6), RootFiles),
        (ParquetSource(kind="parquet", files="a.parquet", max_events=6), ParquetFiles),
    ],
    ids=["lhco", "root", "parquet"],
)
def test_each_kind_and_its_limit(folder: Path, section, kind) -> None:
    source = open_files(section, [folder])
    assert isinstance(source, kind)
    (chunk,) = source.chunks()
    assert source.read(chunk).pt.to_list() == [[4.0 * i + j for j in range(1, 5)] for i in range(6)]


def test_every_key_of_the_root_section_arrives(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("hepcs.sources.files._SETTLED_AFTER", -1.0)
    section = RootSource(
        kind="root",
        files="a.root",
        tree="Events",
        layout="nanoaod",
        branches={"pt": "Particle_pt", "eta": "Particle_eta", "phi": "Particle_phi"},
        label="event",
        max_events=3,
        units="MeV",
    )
    source = open_files(section, [tmp_path, folder], tmp_path / "memo.json")
    names = (Branches(pt="Particle_pt", eta="Particle_eta", phi="Particle_phi"),)
    assert source == RootFiles((str(folder / "a.root"),), "nanoaod", "Events", names, "event", 3, units="MeV")
    assert source.read_labels(source.chunks()[0]).tolist() == [0, 1, 2]
    source.input_files()
    assert (tmp_path / "memo.json").exists()


def test_every_key_of_the_parquet_section_arrives(folder: Path) -> None:
    names = {"pt": "phi", "eta": "eta", "phi": "pt"}
    section = ParquetSource(kind="parquet", files="a.parquet", branches=names, label="event")
    assert open_files(section, [folder]) == ParquetFiles(
        (str(folder / "a.parquet"),), Branches(**names), None, "event", None
    )


@pytest.mark.parametrize(
    ("kind", "name"), [(LhcoFiles, "a.h5"), (RootFiles, "a.root"), (ParquetFiles, "a.parquet")]
)
def test_one_path_of_any_kind(folder: Path, kind, name: str) -> None:
    path = folder / name
    for files in (path, str(path), [path], (str(path),)):
        source = kind(files)
        assert source == kind((str(path),))
        assert len(source.read(source.chunks()[0])) == 10
    assert open_files(RootSource(kind="root", files="a.root"), [str(folder)]).files == (
        str(folder / "a.root"),
    )


def test_label_files_are_looked_for_as_well(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("0\n1\n" * 5)
    section = LhcoSource(kind="lhco", files="a.h5", label_files="key.txt")
    source = open_files(section, [folder, tmp_path])
    assert source.read_labels(source.chunks()[0]).tolist() == [0, 1] * 5
    with pytest.raises(InputError, match=r"key\.txt"):
        open_files(section, [folder])


def test_a_tree_behind_a_colon_as_uproot_has_it(folder: Path, tmp_path: Path) -> None:
    def opened(*files: str, **keys: str) -> RootFiles:
        source = open_files(RootSource(kind="root", files=files, **keys), [tmp_path, folder])
        assert isinstance(source, RootFiles)
        return source

    source = opened("a.root:Events")
    assert (source.files, source.trees) == ((str(folder / "a.root"),), ("Events",))
    assert len(source.read(source.chunks()[0])) == 10
    assert opened("*.root:dir/T").trees == ("dir/T",)
    (tmp_path / "list.txt").write_text("a.root:Events\n")
    assert (opened("@list.txt").files, opened("@list.txt").trees) == (source.files, ("Events",))
    # So a command finds them too, before it begins.
    assert resolve_files(RootSource(kind="root", files="a.root:Events"), [folder]) == (
        str(folder / "a.root"),
    )
    url = "root://host.example:1094//store/a.root"
    assert opened(f"{url}:Events", tree="Events").files == (url,)
    assert (opened(url).files, opened(url).trees) == ((url,), ())
    with pytest.raises(InputError, match=r"there is no file `b\.root`"):
        opened("b.root:Events")
    (folder / "a.root").rename(tmp_path / "strange.root:Events")
    source = opened("strange.root:Events")
    assert (source.files, source.tree) == ((str(tmp_path / "strange.root:Events"),), None)
    (tmp_path / "strange.root:Events").rename(folder / "a.root")


def test_files_with_trees_of_their_own(folder: Path, tmp_path: Path) -> None:
    names = [f"Particle_{name}" for name in ("pt", "eta", "phi")]
    with uproot.open(folder / "a.root") as file, uproot.recreate(tmp_path / "b.root") as other:
        columns = file["Events"].arrays(names)[:4]
        for tree in ("nominal", "up"):
            other.mktree(tree, dict.fromkeys(names, "var * float32")).extend({n: columns[n] for n in names})
    section = RootSource(kind="root", files=("a.root", "b.root:up"))
    source = open_files(section, [tmp_path, folder])
    assert [chunk.n_entries for chunk in source.chunks()] == [10, 4]
    (last,) = source.only([str(tmp_path / "b.root")]).chunks()
    assert source.read(last).pt.tolist() == columns["Particle_pt"].tolist()
    with pytest.raises(InputError, match="`hepcs convert file"):
        open_files(RootSource(kind="root", files=("b.root:up", "b.root:nominal")), [tmp_path])
