"""The commands for finished runs and for the installation."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from toy_command import Ended, command, command_here
from toy_run import toy_run

from hepcs._core.requirements import pip_install
from hepcs.output import results_digest, write_run

Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    write_run(toy_run(), folder / "first")
    write_run(toy_run(), folder / "again")
    write_run(toy_run(background_only=50), folder / "other")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in the folder of the runs."""
    monkeypatch.chdir(folder)
    return partial(command_here, capsys)


def test_verify_says_whether_a_folder_is_whole(folder: Path, run: Run) -> None:
    good = run("verify", "first")
    assert good.returncode == 0, good.stderr
    assert results_digest(toy_run()) in good.stdout
    (folder / "again" / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "again" / "report.html").unlink()
    with (folder / "again" / "results.root").open("ab") as file:
        file.write(b"more")
    bad = run("verify", "again")
    assert bad.returncode == 3
    assert "again/report.html: missing" in bad.stderr
    assert "again/results.root: altered" in bad.stderr
    assert "notes.txt: not written by the run" in bad.stdout
    nothing = run("verify", "nowhere")
    assert nothing.returncode == 3
    assert "summary.json" in nothing.stderr


def test_compare_says_what_differs(run: Run) -> None:
    same = run("compare", "first", "first")
    assert same.returncode == 0, same.stderr
    assert "agree in every result" in same.stdout
    other = run("compare", "first", "other")
    assert other.returncode == 5
    assert "pseudo_experiments.background_only: 40 in the first, 50 in the second" in other.stdout
    assert "first and other differ" in other.stderr
    assert "Traceback" not in other.stderr
    assert run("compare", "first", "nowhere").returncode == 3


def test_export_writes_what_is_asked_for(folder: Path, run: Run) -> None:
    done = run("export", "first", "--pyhf", "workspace.json", "--epsilon", "150")
    assert done.returncode == 0, done.stderr
    workspace = json.loads((folder / "workspace.json").read_text(encoding="utf-8"))
    assert workspace["channels"][0]["name"] == "spectrum"
    which = ("--search", "fit_3", "--epsilon", "150", "--signal", "signal")
    of_fit = run("export", "first", "--pyhf", "fit.json", *which)
    assert of_fit.returncode == 0, of_fit.stderr
    assert "fit_3, 150 signal events" in of_fit.stdout
    alone = run("export", "first", "--pyhf", "other.json", "--signal", "signal")
    assert alone.returncode == 2
    assert "--epsilon" in alone.stderr
    assert "not the calibrated significance" in done.stdout
    assert run("export", "first", "--pyhf", "workspace.json").returncode == 2
    nothing = run("export", "first")
    assert nothing.returncode == 2
    assert "--hepdata" in nothing.stderr


def test_export_to_hepdata(folder: Path) -> None:
    """In a process of its own: hepdata_validator leaves files open."""
    pytest.importorskip("hepdata_lib", reason=f"needs hepdata_lib: {pip_install('hepdata-lib')}")
    done = command(folder, "export", "first", "--hepdata", "submission")
    assert done.returncode == 0, done.stderr
    assert (folder / "submission" / "submission.tar.gz").is_file()
    assert not (folder / "submission.tar.gz").exists(), "the archive belongs into the folder that was named"


def test_doctor_looks_at_every_part(folder: Path) -> None:
    """In a process where nothing has been imported yet."""
    done = command(folder, "doctor")
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


def test_schema_goes_to_a_file_or_to_standard_output(folder: Path, run: Run) -> None:
    shown = run("schema")
    assert shown.returncode == 0, shown.stderr
    schema = json.loads(shown.stdout)
    assert schema["title"] == "hepcs card"
    done = run("schema", "--output", "card.schema.json")
    assert "# yaml-language-server: $schema=card.schema.json" in done.stdout
    assert json.loads((folder / "card.schema.json").read_text(encoding="utf-8")) == schema
