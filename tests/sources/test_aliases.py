"""Aliases of a TTree."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from real_root import run_root
from uproot.behaviors.TTree import TTree

from hepcs._core.errors import InputError
from hepcs.config.sources import RootSource
from hepcs.sources.aliases import Alias, parse_alias
from hepcs.sources.opening import open_files
from hepcs.sources.root import RootFiles
from hepcs.sources.skipping import list_files

# As ROOT writes them with SetAlias: a tree of uproot has none.
ALIASES = {
    "pt": "sqrt(px*px + py^2)",
    "eta": "TMath::ASinH(pz/pt)",
    "phi": "atan2(py, px)",
    "mass": "m",
    "fired": "hlt > 0 && run >= 2",
    "first": "px[0]",
    "loop": "-other",
    "other": "loop + 1",
    "gone": "qx * 2",
    "code": "(0).__class__",
}
WRITE = """
import sys
import ROOT
file = ROOT.TFile(sys.argv[1], "RECREATE")
tree = ROOT.TTree("Events", "")
columns = {name: ROOT.std.vector("double")() for name in ("px", "py", "pz", "m")}
for name, column in columns.items():
    tree.Branch(name, column)
from array import array
numbers = {name: array("i", [0]) for name in ("hlt", "run")}
for name, number in numbers.items():
    tree.Branch(name, number, name + "/I")
for event in range(4):
    for name, column in columns.items():
        column.clear()
        for i in range(3):
            column.push_back((1.0 + i + event) * (len(name) + ord(name[-1]) % 5))
    numbers["hlt"][0], numbers["run"][0] = event % 2, event
    tree.Fill()
for line in sys.argv[2:]:
    assert tree.SetAlias(*line.split("=", 1))
tree.Write()
file.Close()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four events of three particles."""
    rng = np.random.default_rng(1)
    columns = {name: ak.Array(rng.normal(0, 100, (4, 3)).tolist()) for name in ("px", "py", "pz", "m")}
    numbers = {"hlt": np.array([0, 1, 0, 1]), "run": np.arange(4)}
    with uproot.recreate(tmp_path / "a.root") as file:
        types = dict.fromkeys(columns, "var * float64") | {name: one.dtype for name, one in numbers.items()}
        file.mktree("Events", types).extend(columns | numbers)
    monkeypatch.setattr(TTree, "aliases", property(lambda tree: ALIASES))
    return tmp_path


def opened(path: Path, **names: str) -> RootFiles:
    keys = {
        "branches": {"pt": "pt", "eta": "eta", "phi": "phi", "mass": "mass", **names},
        "triggers": "fired",
    }
    section = RootSource.model_validate({"kind": "root", "files": [str(path)], **keys})
    source = open_files(section, [path.parent])
    assert isinstance(source, RootFiles)
    return source


def check(path: Path) -> None:
    """That events are those of the momenta."""
    source = opened(path)
    (chunk,) = source.chunks()
    block, particles = source.read_block(chunk), source.read(chunk)
    with uproot.open(path) as file:
        raw = file["Events"].arrays(["px", "py", "pz", "m"])
    for name in ("px", "py", "pz"):
        pt, eta, phi = (particles[one] for one in ("pt", "eta", "phi"))
        found = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}[name]
        np.testing.assert_allclose(ak.to_numpy(found), ak.to_numpy(raw[name]))
    np.testing.assert_array_equal(particles.mass, raw.m)
    assert block.entry.tolist() == [3]
    listing = list_files(source, skip=False, checksums={}, memo=path.parent / "memo.json")
    assert next(iter(listing.inputs.values()))[0].protected == source.input_files()[0].protected


def test_an_alias_is_read_as_its_expression(folder: Path) -> None:
    check(folder / "a.root")


def test_aliases_that_root_writes(tmp_path: Path) -> None:
    named = ("pt", "eta", "phi", "mass", "fired")
    run_root(WRITE, str(tmp_path / "a.root"), *(f"{name}={ALIASES[name]}" for name in named))
    check(tmp_path / "a.root")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("first", r"the alias `first` is `px\[0\]`, which cannot be read: `px\[0\]` has no meaning"),
        ("loop", r"the alias `loop` is one of itself: loop -> other -> loop"),
        ("gone", r"no branch `qx`; it has: .*px"),
        ("code", r"the alias `code`.*is no name"),
        ("mas", r"no branch `mas`; it has: mass"),
    ],
)
def test_what_is_no_expression_of_branches_is_told(folder: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        opened(folder / "a.root", pt=name).chunks()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("-x^2", -9),
        ("2*x + y/4", 7),
        ("max(x, y) - min(x, y)", 1),
        ("x > 2 || y > 9", True),
        ("TMath::Abs(-y)", 4),
    ],
)
def test_expressions_mean_what_root_means(expression: str, value: float) -> None:
    formula, names = parse_alias("a", expression, "a.root")
    assert set(names) <= {"x", "y"}
    assert Alias("a", formula, {}).of({"x": 3, "y": 4}) == value
