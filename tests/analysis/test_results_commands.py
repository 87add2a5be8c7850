"""The commands for finished runs and for the installation, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy_run import toy_run

from hepcs.output import results_digest, write_run
from hepcs.requirements import pip_install


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hepcs.analysis", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100", "OMP_NUM_THREADS": "1"},
        timeout=300,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    write_run(toy_run(), folder / "first")
    write_run(toy_run(), folder / "again")
    write_run(toy_run(background_only=50), folder / "other")
    return folder


def test_verify_says_whether_a_folder_is_whole(folder: Path) -> None:
    good = run(folder, "verify", "first")
    assert good.returncode == 0, good.stderr
    assert results_digest(toy_run()) in good.stdout
    (folder / "again" / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "again" / "report.html").unlink()
    with (folder / "again" / "results.root").open("ab") as file:
        file.write(b"more")
    bad = run(folder, "verify", "again")
    assert bad.returncode == 3
    assert "again/report.html: missing" in bad.stderr
    assert "again/results.root: altered" in bad.stderr
    assert "notes.txt: not written by the run" in bad.stdout
    nothing = run(folder, "verify", "nowhere")
    assert nothing.returncode == 3
    assert "summary.json" in nothing.stderr


def test_compare_says_what_differs(folder: Path) -> None:
    same = run(folder, "compare", "first", "first")
    assert same.returncode == 0, same.stderr
    assert "agree in every result" in same.stdout
    other = run(folder, "compare", "first", "other")
    assert other.returncode == 5
    assert "pseudo_experiments.background_only: 40 in the first, 50 in the second" in other.stdout
    assert "first and other differ" in other.stderr
    assert "Traceback" not in other.stderr
    assert run(folder, "compare", "first", "nowhere").returncode == 3


def test_export_writes_what_is_asked_for(folder: Path) -> None:
    done = run(folder, "export", "first", "--pyhf", "workspace.json", "--epsilon", "150")
    assert done.returncode == 0, done.stderr
    workspace = json.loads((folder / "workspace.json").read_text(encoding="utf-8"))
    assert workspace["channels"][0]["name"] == "signal_rich"
    assert run(folder, "export", "first", "--pyhf", "workspace.json").returncode == 2
    nothing = run(folder, "export", "first")
    assert nothing.returncode == 2
    assert "--hepdata" in nothing.stderr


def test_export_to_hepdata(folder: Path) -> None:
    pytest.importorskip("hepdata_lib", reason=f"needs hepdata_lib: {pip_install('hepdata-lib')}")
    done = run(folder, "export", "first", "--hepdata", "submission")
    assert done.returncode == 0, done.stderr
    assert (folder / "submission" / "submission.tar.gz").is_file()
    assert not (folder / "submission.tar.gz").exists(), "the archive belongs into the folder that was named"


def test_doctor_looks_at_every_part(folder: Path) -> None:
    done = run(folder, "doctor")
    assert done.returncode == 0, done.stderr
    for part in (
        "k-means",
        "pyjet",
        "fastjet",
        "pythia8mc",
        "dask",
        "xrootd",
        "https",
        "hepdata_lib",
        "pyhf",
        "ROOT",
    ):
        assert part in done.stdout
    assert "Searches can run." in done.stdout
    missing = [line for line in done.stdout.splitlines() if line.startswith("no ")]
    assert done.stdout.count("get it: ") == len(missing)


def test_schema_goes_to_a_file_or_to_standard_output(folder: Path) -> None:
    shown = run(folder, "schema")
    assert shown.returncode == 0, shown.stderr
    schema = json.loads(shown.stdout)
    assert schema["title"] == "hepcs card"
    done = run(folder, "schema", "--output", "card.schema.json")
    assert "# yaml-language-server: $schema=card.schema.json" in done.stdout
    assert json.loads((folder / "card.schema.json").read_text(encoding="utf-8")) == schema


@pytest.mark.parametrize("command", ["verify", "compare", "export", "doctor", "schema"])
def test_help_has_an_example(folder: Path, command: str) -> None:
    shown = run(folder, command, "--help")
    assert shown.returncode == 0
    assert f"python -m hepcs.analysis {command}" in shown.stdout.partition("examples:")[2]
