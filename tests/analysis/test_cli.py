"""The command: a real process and real files for a run, and what else it says and does in this process."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import uproot
from toy_command import CARD, Ended, command, command_here, toy_folder

from hepcs import pipeline
from hepcs.analysis.__main__ import main
from hepcs.datasets.loading import Loaded
from hepcs.output import read_histograms

SECTIONS = """\
  fit_3: {kind: dijet_fit, parameters: 3}
pseudo_experiments: {background_only: 20, doped: 2}
execution: {cache: cache}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(tmp_path_factory.mktemp("command"), CARD + SECTIONS)


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def finished(folder: Path) -> Ended:
    return command(folder, "toy.yaml", "--workers", "1")


def test_a_run_ends_with_the_table_and_a_folder(folder: Path, finished: Ended) -> None:
    assert finished.returncode == 0, finished.stderr
    for word in ("Cluster Scanning", "3-parameter fit", "all searches together", "150", "runs/toy"):
        assert word in finished.stdout
    assert "jets" in finished.stderr, "no progress in the log"
    assert re.search(r"pseudo-experiments: \d+ of \d+ done", finished.stderr)
    output = folder / "runs" / "toy"
    summary = json.loads((output / "summary.json").read_text())
    assert summary["digest"]
    assert len(read_histograms(output / "histograms.json")) > 10
    with uproot.open(output / "results.root") as file:
        assert any(key.startswith("cluster_scanning/pseudo_experiments") for key in file.keys(recursive=True))
    assert {path.suffix for path in (output / "figures").iterdir()} == {".pdf", ".png"}


def test_results_are_not_overwritten(folder: Path, finished: Ended) -> None:
    """Exit code and words, as a shell sees them."""
    before = (folder / "runs" / "toy" / "summary.json").read_bytes()
    again = command(folder, "toy.yaml")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert (folder / "runs" / "toy" / "summary.json").read_bytes() == before


@pytest.mark.slow
def test_same_digest_for_two_workers_and_reused_samples(
    inside: Path, finished: Ended, without_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    again = command_here(capsys, "toy.yaml", "--workers", "2", "--output", "other")
    assert again.returncode == 0, again.stderr
    assert "reusing" in again.stderr
    digests = [
        json.loads((inside / name / "summary.json").read_text())["digest"] for name in ("runs/toy", "other")
    ]
    assert digests[0] == digests[1]


def test_dry_run_writes_nothing(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(inside.iterdir())
    dry = command_here(capsys, "toy.yaml", "--dry-run", "--output", "nothing", "--quiet")
    assert dry.returncode == 0, dry.stderr
    assert "24" in dry.stdout, "2 observed + 20 background-only + 2 doped data sets"
    assert "memory" in dry.stdout
    assert not (inside / "nothing").exists()
    assert {path.name for path in set(inside.iterdir()) - before} <= {"cache"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["toy.yaml", "--set", "searches.cluster_scanning.kk=3"], 2, "Did you mean k?"),
        (["toy.yaml", "--set", "searches.cluster_scanning.k=99999"], 2, "clusters from"),
        (["tyo.yaml"], 2, "Did you mean toy.yaml?"),
        (["toy.yaml", "--workers", "0"], 2, "--workers"),
        (["toy.yaml", "--set", "samples.background.files=nowhere.root"], 3, "nowhere.root"),
        (["toy.yaml", "--set", "samples.background.tree=Tree"], 3, "Events"),
        (["toy.yaml", "--set", "jets.leading_pt_min=99999"], 3, "no event passes"),
        (["lhco.yaml"], 3, "629789d55813be3860781b084ae7f1de"),
        (["convert", "background.root", "events.txt"], 2, ".parquet"),
        (["convert", "nothing.root", "events.h5"], 3, "nothing.root"),
    ],
)
def test_exit_codes_and_messages(
    inside: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    ended = command_here(capsys, *arguments, *([] if arguments[0] == "convert" else ["--output", "never"]))
    assert ended.returncode == code, ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (inside / "never").exists(), "a failed run left a folder"


def test_convert(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = command_here(capsys, "convert", "signal.root", "signal.h5", "--quiet")
    assert ended.returncode == 0, ended.stderr
    assert "400 events" in ended.stdout
    assert command_here(capsys, "convert", "signal.root", "signal.h5").returncode == 2
    back = command_here(capsys, "convert", "signal.h5", "again.parquet")
    assert back.returncode == 0, back.stderr
    names = "pt=Particle_pt,eta=Particle_eta,phi=Particle_phi"
    options = ("--branches", names, "--units", "MeV", "--label", "label")
    ended = command_here(capsys, "convert", "signal.root:Events", "named.parquet", *options)
    assert ended.returncode == 0, ended.stderr
    # As four-momenta: those names are asked for in the file.
    momenta = command_here(
        capsys, "convert", "signal.root", "other.h5", "--branches", "px=x,py=y,pz=z,energy=e"
    )
    assert "no branch `x`" in momenta.stderr
    wrong = command_here(capsys, "convert", "signal.root", "other.parquet", "--branches", "pt=a,eta=a,phi=b")
    assert wrong.returncode == 2
    assert "each name once" in wrong.stderr


@pytest.mark.parametrize("other", [[], ["--part", "1/2"]])
def test_a_run_that_ended_there_while_samples_were_prepared(
    inside: Path,
    without_figures: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    other: list[str],
) -> None:
    """Two jobs with one --output, neither of which has begun when the other looks at the folder."""
    output, load = tmp_path / "shared", pipeline.load
    few = ["toy.yaml", "--output", str(output), "--workers", "1", "--quiet"]
    ended: dict[str, bytes] = {}

    def overtaken(*arguments: Any) -> Loaded:
        monkeypatch.setattr(pipeline, "load", load)
        assert main([*few, *other]) == 0
        ended.update((path.name, path.read_bytes()) for path in output.iterdir())
        return load(*arguments)

    monkeypatch.setattr(pipeline, "load", overtaken)
    late = command_here(capsys, *few, "--set", "seed=2")
    assert late.returncode == 2
    there = "33 outcomes of an unfinished run" if other else "a finished run (toy, started"
    assert f"shared: holds {there}" in " ".join(late.stderr.split())
    assert "--overwrite" in late.stderr
    assert ended.keys() >= {"checkpoint.sqlite"}
    assert ended == {path.name: path.read_bytes() for path in output.iterdir()}
    if not other:
        assert main(["verify", str(output)]) == 0, "checkpoint and results are of one run"
