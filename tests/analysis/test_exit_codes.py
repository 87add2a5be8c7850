"""Exit codes of every command, as the README lists them: 2 for a place that is wrong, 4 for writing that fails."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_events import write_toys
from toy_run import toy_run

from hepcs.analysis.__main__ import main
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.output import write_run
from hepcs.results import Outcome
from hepcs.running.checkpoint import open_checkpoint

pytestmark = [  # of hepdata_lib and its validator
    pytest.mark.filterwarnings("ignore:jsonschema:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CARD = """\
name: few
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
features: {image_pca: {kept_variance: 0.8}}
searches:
  cluster_scanning: {k: 3, ensemble: 1, training: [3000, 3300]}
  fit_3: {kind: dijet_fit, parameters: 3}
pseudo_experiments: {background_only: 20, doped: 0}
injection: {epsilon: [0]}
execution: {cache: cache}
output: {figures: []}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs, checkpoints of two parts and of another run, events, and places where nothing can be."""
    folder = tmp_path_factory.mktemp("made")
    write_run(toy_run(), folder / "first")
    write_run(toy_run(background_only=50), folder / "other")
    for name, identity, index in (("one", {}, 0), ("two", {}, 1), ("unlike", {"card": {"seed": "3"}}, 2)):
        with open_checkpoint(folder / name / "checkpoint.sqlite", identity) as checkpoint:
            outcome = Outcome(Task(Kind.BACKGROUND_ONLY, 0, index), 1.0, (1.0,), 1)
            checkpoint.record([("scan", "shared", outcome)])
    write_toys(folder / "background.root", 800, 1)
    write_toys(folder / "signal.root", 200, 2, resonance=3500.0)
    (folder / "few.yaml").write_text(CARD)
    (folder / "file").write_text("")
    (folder / "taken" / "checkpoint.sqlite").mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def _inside(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(made)
    yield
    logging.getLogger("hepcs").handlers[:] = []
    logging.getLogger("hepcs").propagate = True


CASES = {
    "verify first": 0,
    "verify one": 3,
    "compare first first": 0,
    "compare first other": 5,
    "compare first one": 3,
    "export first --pyhf pyhf.json": 0,
    "export first": 2,
    "export first --pyhf file": 2,
    "export first --pyhf file/pyhf.json": 2,
    "export first --pyhf taken --overwrite": 2,
    "export one --pyhf never.json": 3,
    "merge one two --output merged": 0,
    "merge one unlike --output never": 2,
    "merge one one --output never": 2,
    "merge one two --output file": 2,
    "merge one two --output file/below": 2,
    "merge one two --output two": 2,
    "merge one two --output taken": 2,
    "merge one nothing --output never": 3,
    "convert signal.root signal.h5": 0,
    "convert signal.root file": 2,
    "convert signal.root file/signal.h5": 2,
    "convert signal.root signal.txt": 2,
    "convert few.yaml few.h5": 2,
    "convert nothing.root never.h5": 3,
    "schema": 0,
    "schema --output schema.json": 0,
    "schema --output file": 2,
    "schema --output file/schema.json": 2,
    "few.yaml --output file": 2,
    "few.yaml --output file/below": 2,
    "few.yaml --output taken": 2,
    "few.yaml --output first": 2,
    "few.yaml --output never --workers 0": 2,
    "few.yaml --output never --set execution.cache=file": 2,
    "few.yaml --output never --set samples.signal.files=file": 3,
    "few.yaml --output never --set samples.signal.files=nothing.root": 3,
}


@pytest.mark.parametrize("command", CASES)
def test_exit_codes(made: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--quiet"]) == CASES[command], capsys.readouterr().err
    said = capsys.readouterr().err
    assert said.startswith("error: ") == bool(CASES[command]), said
    assert not list(made.glob("never*"))
    assert not any((made / "taken" / "checkpoint.sqlite").iterdir())


@pytest.mark.parametrize("place", ["file/below", "one", "taken"])
def test_places_where_no_submission_can_be(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("hepdata_lib")
    assert main(["export", "first", "--hepdata", place, "--quiet"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {place}")


def spoil(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "the disk is gone" if number == errno.EIO else "no permission any more")

    monkeypatch.setattr(name, refuse)


@pytest.mark.parametrize(
    ("command", "spoilt"),
    [
        ("export first --pyhf late.json", "hepcs._core.storage._to_disk"),
        ("export first --hepdata late", "shutil.move"),
        ("merge one two --output late", "hepcs._core.storage._to_disk"),
        ("convert signal.root late.h5", "hepcs._core.storage._to_disk"),
        ("schema --output late.json", "hepcs._core.storage._to_disk"),
    ],
)
def test_writing_that_fails_late(
    made: Path,
    command: str,
    spoilt: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "hepdata" in command:
        pytest.importorskip("hepdata_lib")
    spoil(monkeypatch, spoilt, errno.EIO)
    assert main([*command.split(), "--quiet"]) == 4, capsys.readouterr().err
    assert "cannot be written (the disk is gone)" in " ".join(capsys.readouterr().err.split())
    assert not list(made.glob("late*"))
    assert not list(made.glob(".late*"))


@pytest.mark.slow
def test_results_that_cannot_be_written_after_the_work(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Permission lost, or a disk that fails: no wrong card; the work is kept, and --resume writes the results."""
    command = ["few.yaml", "--output", "run", "--workers", "1", "--quiet"]
    for spoilt, number in (("tempfile.mkdtemp", errno.EACCES), ("write_root", errno.EIO)):
        with monkeypatch.context() as context:
            spoil(context, f"hepcs.output.folder.{spoilt}", number)
            assert main(command) == 4, capsys.readouterr().err
        said = " ".join(capsys.readouterr().err.split())
        assert "run: the results cannot be written, " in said
        assert ("gone" if number == errno.EIO else "no permission any more") in said
        assert "kept in checkpoint.sqlite: go on from there with --resume" in said
        assert [path.name for path in (made / "run").iterdir()] == ["checkpoint.sqlite"]
        command = [*command[:5], "--resume", "--quiet"]
    assert main(command) == 0, capsys.readouterr().err
    assert json.loads((made / "run" / "summary.json").read_text())["digest"]
