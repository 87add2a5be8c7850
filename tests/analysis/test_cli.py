"""The command, as a user runs it: real processes, real files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import uproot
from toy_events import write_toys

from hepcs.output import read_histograms

CARD = """\
name: toy
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
features: {kept_variance: 0.8}
cluster_scanning:
  k: 8
  ensemble: 2
fits: {parameters: [3, 4]}
pseudo_experiments: {background_only: 20, doped: 2}
injection: {epsilon: [0, 150]}
execution: {cache: cache}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command")
    write_toys(folder / "background.root", 3000, 1)
    write_toys(folder / "signal.root", 400, 2, resonance=3500.0)
    (folder / "toy.yaml").write_text(CARD)
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:hepcs", "-m", "hepcs.analysis", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100", "OMP_NUM_THREADS": "1"},
        timeout=300,
    )


@pytest.fixture(scope="module")
def finished(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(folder, "toy.yaml", "--workers", "1")


def test_a_run_ends_with_the_table_and_a_folder(
    folder: Path, finished: subprocess.CompletedProcess[str]
) -> None:
    assert finished.returncode == 0, finished.stderr
    for word in ("Cluster Scanning", "3-parameter fit", "4-parameter fit", "150", "runs/toy"):
        assert word in finished.stdout
    assert "jets" in finished.stderr, "no progress in the log"
    assert re.search(
        r"p so far \S+/20 \(epsilon = 0\), .*/20 \(epsilon = 150\)", " ".join(finished.stderr.split())
    )
    output = folder / "runs" / "toy"
    summary = json.loads((output / "summary.json").read_text())
    assert summary["digest"]
    assert len(read_histograms(output / "histograms.json")) > 10
    with uproot.open(output / "results.root") as file:
        assert any(key.startswith("cluster_scanning/pseudo_experiments") for key in file.keys(recursive=True))
    assert {path.suffix for path in (output / "figures").iterdir()} == {".pdf", ".png"}


def test_results_are_not_overwritten(folder: Path, finished: subprocess.CompletedProcess[str]) -> None:
    before = (folder / "runs" / "toy" / "summary.json").read_bytes()
    again = run(folder, "toy.yaml")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert (folder / "runs" / "toy" / "summary.json").read_bytes() == before


@pytest.mark.slow
def test_same_digest_for_two_workers_and_reused_samples(
    folder: Path, finished: subprocess.CompletedProcess[str]
) -> None:
    again = run(folder, "toy.yaml", "--workers", "2", "--output", "other")
    assert again.returncode == 0, again.stderr
    assert "reusing" in again.stderr
    digests = [
        json.loads((folder / name / "summary.json").read_text())["digest"] for name in ("runs/toy", "other")
    ]
    assert digests[0] == digests[1]


def test_dry_run_writes_nothing(folder: Path) -> None:
    before = set(folder.iterdir())
    dry = run(folder, "toy.yaml", "--dry-run", "--output", "nothing", "--quiet")
    assert dry.returncode == 0, dry.stderr
    assert "24" in dry.stdout, "2 observed + 20 background-only + 2 doped data sets"
    assert "memory" in dry.stdout
    assert not (folder / "nothing").exists()
    assert {path.name for path in set(folder.iterdir()) - before} <= {"cache"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["toy.yaml", "--set", "cluster_scanning.kk=3"], 2, "Did you mean k?"),
        (["toy.yaml", "--set", "cluster_scanning.k=99999"], 2, "clusters from"),
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
def test_exit_codes_and_messages(folder: Path, arguments: list[str], code: int, message: str) -> None:
    ended = run(folder, *arguments, *([] if arguments[0] == "convert" else ["--output", "never"]))
    assert ended.returncode == code, ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (folder / "never").exists(), "a failed run left a folder"


def test_convert(folder: Path) -> None:
    ended = run(folder, "convert", "signal.root", "signal.h5", "--quiet")
    assert ended.returncode == 0, ended.stderr
    assert "400 events" in ended.stdout
    assert run(folder, "convert", "signal.root", "signal.h5").returncode == 2
    back = run(folder, "convert", "signal.h5", "again.parquet")
    assert back.returncode == 0, back.stderr


def test_help_has_examples(folder: Path) -> None:
    for arguments in (["--help"], ["convert", "--help"]):
        shown = run(folder, *arguments)
        assert shown.returncode == 0
        assert "example" in shown.stdout


@pytest.mark.slow
def test_control_c_stops_cleanly(folder: Path) -> None:
    many = ["--set", "pseudo_experiments.background_only=20000"]
    with subprocess.Popen(
        [sys.executable, "-m", "hepcs.analysis", "toy.yaml", "--output", "stopped", "--workers", "2", *many],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that a shell runs in the background inherit a Ctrl-C that is ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        try:
            time.sleep(12)
            os.killpg(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, errors
    assert "stopped" in errors
    assert "Traceback" not in errors, errors
    assert not (folder / "stopped" / "summary.json").exists()
