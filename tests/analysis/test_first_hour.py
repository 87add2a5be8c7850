"""The first hour: what is in a file, a card from it, its keys, completion, and what mends an installation."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from toy_command import command_here
from toy_events import toy_events, write_mixture, write_toys

from hepcs._core.errors import ArgumentError
from hepcs.analysis.__main__ import COMMANDS, parse_arguments
from hepcs.analysis.completion import bash_script
from hepcs.analysis.init import injected, n_clusters
from hepcs.analysis.installation import Component, Finding, what_mends
from hepcs.analysis.proposing import Probe, probe, section_of, section_text
from hepcs.config import read_card
from hepcs.config.key_list import card_keys
from hepcs.sources.convert import open_writer
from hepcs.sources.inspecting import look_into


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with samples, in which the command is called."""
    monkeypatch.chdir(tmp_path)
    write_toys(tmp_path / "background.root", 300, 1)
    write_toys(tmp_path / "signal.root", 60, 2, resonance=3500.0)
    return tmp_path


def foreign(path: Path, names: tuple[str, str, str], *, scale: float = 1.0) -> Path:
    """A file with a tree and branches of other names, and branches that are no constituents."""
    events = toy_events(40, np.random.default_rng(3))
    columns = {
        name: scale ** (key == "pt") * events[key]
        for name, key in zip(names, ("pt", "eta", "phi"), strict=True)
    }
    jets = {f"AK8Jet_{key}": ak.Array([[1.0]] * 40) for key in ("pt", "eta", "phi")}
    with uproot.recreate(path) as file:
        file["analysis/ntuple"] = {**jets, **columns}
        file["meta"] = {"run": np.arange(3)}
    return path


# ---------------------------------------------------------------------------------------------- inspect


def test_branches_of_another_name_are_found(tmp_path: Path) -> None:
    path = foreign(tmp_path / "mine.root", ("cand_pt", "cand_eta", "cand_phi"))
    found = look_into(str(path))
    # TTrees or RNTuples, as this version of uproot writes them.
    assert [text.split(", ")[1] for text in found.tables.values()] == ["40 entries", "3 entries"]
    assert list(found.tables) == ["analysis/ntuple", "meta"]
    (best,) = found.proposals
    branches = {"pt": "cand_pt", "eta": "cand_eta", "phi": "cand_phi"}
    assert best.keys == {"kind": "root", "branches": branches, "tree": "analysis/ntuple"}
    tried = probe(str(path), best, 30)
    assert (tried.n_entries, tried.n_tried, tried.trouble) == (40, 30, "")
    assert tried.n_selected > 20
    assert tried.constituents == 28


def test_megaelectronvolts_are_noticed(tmp_path: Path) -> None:
    path = foreign(tmp_path / "mev.root", ("part_pt", "part_eta", "part_phi"), scale=1000.0)
    tried = probe(str(path), look_into(str(path)).proposals[0], 30)
    assert any("units: MeV" in line or "MeV" in line for line in tried.lines())


def test_an_array_that_awkward_wrote_to_parquet_is_read_as_proposed(tmp_path: Path) -> None:
    """Its only column has no name, unless the array has a record around it."""
    path, events = tmp_path / "events.parquet", toy_events(20, np.random.default_rng(1))
    ak.to_parquet(events, path)
    tried = probe(str(path), look_into(str(path)).proposals[0], 20)
    assert (tried.n_tried, tried.trouble) == (20, "")


@pytest.mark.parametrize("suffix", [".root", ".h5", ".parquet"])
def test_what_was_converted_is_read_as_proposed(tmp_path: Path, suffix: str) -> None:
    path, events = tmp_path / f"events{suffix}", toy_events(20, np.random.default_rng(1))
    with open_writer(path) as writer:
        writer.write(events, np.zeros(20, dtype=int))
    found = look_into(str(path))
    assert found.has_labels
    tried = probe(str(path), found.proposals[0], 20)
    assert (tried.n_tried, tried.trouble) == (20, "")
    assert section_of(str(path), found.proposals[0]).kind == found.proposals[0].keys["kind"]


def test_real_files_have_their_layouts(real_data: Path) -> None:
    layouts = {
        name: look_into(str(real_data / name)).proposals[0].keys.get("layout")
        for name in ("cms_nanoaod_v15.root", "cms_pfnano.root")
    }
    assert layouts == {"cms_nanoaod_v15.root": "nanoaod", "cms_pfnano.root": "pfnano"}


def test_the_command_says_what_is_in_a_file(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = command_here(capsys, "inspect", "background.root").stdout
    assert "Events: TTree, 300 entries" in said
    assert "{kind: root, files: background.root, layout: flat}" in said
    assert "Of the first 300 of 300 events, with 28 constituents in the median" in said
    (files / "notes.txt").write_text("nothing")
    wrong = command_here(capsys, "inspect", "notes.txt")
    assert wrong.returncode == 2
    assert "expected a name in .h5, .hdf5, .root or .parquet" in wrong.stderr


# ------------------------------------------------------------------------------------------------- init


def test_a_card_of_a_dozen_lines_that_is_valid(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = command_here(capsys, "init", "--background", "background.root", "--signal", "signal.root")
    assert said.returncode == 0, said.stderr
    assert "--dry-run" in said.stdout
    text = (files / "mine.yaml").read_text()
    assert len(text.splitlines()) <= 14
    assert text.count("#") >= 4
    card = read_card(files / "mine.yaml").card
    assert set(card.searches) == {"cluster_scanning", "fit_4"}
    # The signal file has 60 events: no more can be injected.
    assert max(card.injection.numbers) <= 30
    again = command_here(capsys, "init", "--background", "background.root", "--signal", "signal.root")
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_real_data_and_labelled_files(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        command_here(capsys, "init", "--data", "background.root", "--background", "signal.root").returncode
        == 0
    )
    card = read_card(files / "mine.yaml").card
    assert card.samples.is_real_search
    assert card.pseudo_experiments.doped == 0
    write_mixture(files / "mixture.root", 200, 20, 4)
    done = command_here(capsys, "init", "--labelled", "mixture.root", "--name", "other")
    assert done.returncode == 0, done.stderr
    assert read_card(files / "other.yaml").card.samples.labelled is not None


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ((), "no files: name --background and --signal"),
        (("--data", "background.root"), "expected --background"),
        (("--labelled", "background.root", "--signal", "signal.root"), "leave the others out"),
        (("--background", "nowhere.root"), "nowhere.root"),
    ],
)
def test_what_init_needs(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], answer: str
) -> None:
    found = command_here(capsys, "init", *arguments)
    assert found.returncode in (2, 3)
    assert answer in found.stderr
    assert not (files / "mine.yaml").exists()


def test_named_branches(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign(files / "odd.root", ("x_one", "x_two", "x_three"))
    found = command_here(capsys, "init", "--background", "odd.root:analysis/ntuple")
    assert found.returncode == 2
    assert "--branches pt=NAME,eta=NAME,phi=NAME" in found.stderr


def test_numbers_that_a_card_begins_with() -> None:
    # 26,000 of 100,000 events: 24 clusters, as in the demonstration; never more than published, nor fewer than 5.
    assert n_clusters(Probe(n_entries=100_000, n_tried=100, n_selected=26)) == 23
    assert n_clusters(Probe(n_entries=10**7, n_tried=100, n_selected=50)) == 50
    assert n_clusters(Probe(n_entries=1000, n_tried=100, n_selected=50)) == 5
    assert injected(Probe(n_entries=60, n_tried=60, n_selected=60), labelled=False) == (15, 30)
    assert injected(Probe(n_entries=10**6, n_tried=10, n_selected=5), labelled=False) == (500, 1000)


def test_sections_are_yaml(tmp_path: Path) -> None:
    path = foreign(tmp_path / "my file.root", ("p#t", "eta", "phi"))
    section = look_into(str(foreign(tmp_path / "a.root", ("pt", "eta", "phi")))).proposals[0]
    text = section_text([str(path), "1.root"], section)
    (tmp_path / "card.yaml").write_text(f"name: a\nsamples: {{labelled: {text}}}\n")
    source = read_card(tmp_path / "card.yaml").card.samples.labelled
    assert source is not None
    assert getattr(source, "files", ()) == (str(path), "1.root")


# ---------------------------------------------------------------------------------- keys and completion


def test_every_key_has_its_place() -> None:
    found = card_keys()
    assert {"card", "jets", "samples", "samples.* (kind: root)", "searches.* (kind: cwola)"} <= set(found)
    cwola = {key.name: key for key in found["searches.* (kind: cwola)"]}
    assert cwola["folds"].default == "5"
    assert cwola["trees.rounds"].values == "integer"
    assert cwola["fit_parameters"].values == "3 | 4 | f_test"
    assert found["jets"][2].meaning == "leading jet pT must be above, GeV"
    files = next(key for key in found["samples.* (kind: root)"] if key.name == "files")
    assert (files.values, files.default) == ("list of text", "required")


def test_the_keys_of_a_section_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    said = command_here(capsys, "keys", "jets").stdout
    assert "leading_pt_min" in said
    assert "folds" not in said
    assert "no section; there are card" in command_here(capsys, "keys", "nothing").stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "hepcs.sh"
    script.write_text(command_here(capsys, "completion", "bash").stdout)

    def completed(*words: str) -> set[str]:
        line = " ".join(words)
        text = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _hepcs; echo ${{COMPREPLY[@]}}"
        return set(
            subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True).stdout.split()
        )

    assert completed("hepcs", "ins") == {"inspect"}
    assert completed("hepcs", "dem") == {"demo.yaml"}
    assert completed("hepcs", "run", "--dry") == {"--dry-run"}
    assert completed("hepcs", "init", "--sig") == {"--signal"}


def test_other_shells_know_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    fish, zsh = (command_here(capsys, "completion", shell).stdout for shell in ("fish", "zsh"))
    assert all(f"-a {name} " in fish for name in COMMANDS)
    assert zsh.startswith("autoload -U +X bashcompinit")
    assert "complete -o filenames -F _hepcs hepcs" in zsh
    assert "init) words=--a ;;" in bash_script({"init": ""}, {"init": ["--a"], "run": []}, [])


# ----------------------------------------------------------------------------------------------- doctor


def test_one_command_mends_what_is_missing() -> None:
    def finding(name: str, *packages: str, works: bool = False, core: bool = False, how: str = "") -> Finding:
        return Finding(Component(name, "", packages, is_core=core, how=how), works, "")

    assert what_mends([finding("numba", "numba", works=True, core=True)]) == ""
    missing = [
        finding("a", "one"),
        finding("b", "two", "three"),
        finding("pyjet", "pyjet", how="a command"),
        finding("fastjet", "fastjet", works=True),
        finding("ROOT", how="https://root.cern/install"),
    ]
    assert what_mends(missing) == "pip install one two three"
    assert what_mends([finding("c", "core", core=True)]) == "pip install --force-reinstall --no-deps core"


def test_arguments_of_all_commands_are_parsed() -> None:
    assert parse_arguments(["completion", "zsh"]).shell == "zsh"
    assert isinstance(parse_arguments(["init"]), argparse.Namespace)
    with pytest.raises(ArgumentError):
        look_into("events.txt")
