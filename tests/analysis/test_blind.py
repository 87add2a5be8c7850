"""Blind runs: nothing of them depends on what is in the data; opened, they are the run that was not blind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from toy_command import Ended, command_here, said, toy_folder
from toy_events import toy_events

from hepcs.analysis.__main__ import main
from hepcs.config import read_card
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.output import read_histograms, read_run
from hepcs.pipeline import Where, run
from hepcs.running.checkpoint import read_checkpoint
from hepcs.running.pseudo_experiments import Campaign
from hepcs.sources.writing import RootWriter

CARD = """\
name: toy
samples:
  data: {kind: root, files: data.root}
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
features: {image_pca: {kept_variance: 0.8}}
injection: {epsilon: [150]}
searches:
  cluster_scanning: {k: 8, ensemble: 2}
  fit_3: {kind: dijet_fit, parameters: 3}
pseudo_experiments: {background_only: 20, doped: 3}
execution: {cache: cache, workers: 1}
output: {figures: [png]}
"""
OTHER_DATA = ["--set", "samples.data.files=other.root"]
N_OUTCOMES = 3 * (20 + 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of as many events twice: with a resonance at 3500 GeV, and with one at 4000 GeV."""
    folder, rng = toy_folder(tmp_path_factory.mktemp("blind"), CARD), np.random.default_rng(7)
    background = toy_events(1500, rng)
    for name, mass in (("data", 3500.0), ("other", 4000.0)):
        with RootWriter(folder / f"{name}.root") as writer:
            writer.write(ak.concatenate([background, toy_events(100, rng, resonance=mass)]))
    return folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def summary_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return content


@pytest.fixture(scope="module")
def blind(folder: Path) -> tuple[Path, ...]:
    """Folders of blind runs of both data; what they said is beside them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for name, changes in (("blind", []), ("other", OTHER_DATA)):
            assert main(["run", "toy.yaml", "--blind", "--output", name, "--quiet", *changes]) == 0
    return folder / "blind", folder / "other"


def numbers_in(path: Path) -> Any:
    """All numbers of a file of a run folder, but for its input files and times."""
    if path.name == "summary.json":
        content = summary_of(path.parent)
        for key in ("card", "provenance", "files", "checksum"):
            del content[key]
        del content["samples"]["data"]["inputs"]
        for search in content["searches"]:
            del search["seconds"]
        for sample in content["samples"].values():
            del sample["reused_from_cache"]
        return content
    if path.name == "results.root":
        with uproot.open(path) as file:
            trees = {key: file[key] for key in file.keys(filter_classname="TTree")}
            return {key: tree.arrays(library="ak").to_list() for key, tree in trees.items()}
    return {key: np.asarray(one.values(flow=True)).tolist() for key, one in read_histograms(path).items()}


def test_a_blind_run_does_not_depend_on_what_is_in_the_data(blind: tuple[Path, ...]) -> None:
    """Whatever it writes is the same for other data of as many events."""
    for name in ("summary.json", "results.root", "histograms.json"):
        mine, others = (numbers_in(folder / name) for folder in blind)
        np.testing.assert_equal(mine, others)
    mine, others = ([*read_checkpoint(folder / "checkpoint.sqlite").rows()] for folder in blind)
    assert mine == others
    names, other_names = ({path.name for path in (folder / "figures").iterdir()} for folder in blind)
    assert names == other_names
    for name in names:
        assert (blind[0] / "figures" / name).read_bytes() == (blind[1] / "figures" / name).read_bytes()


def test_a_blind_run_says_what_may_be_expected(blind: tuple[Path, ...]) -> None:
    summary = summary_of(blind[0])
    assert summary["blind"] is True
    assert summary["table"] == []
    assert [(one["search"], one["epsilon"], one["n_used"]) for one in summary["doped"]] == [
        ("cluster_scanning", 150, 3),
        ("fit_3", 150, 3),
    ]
    assert all(one["combination"] is None for one in summary["combined"])
    assert any(one["doped"] for one in summary["combined"])
    assert summary["provenance"]["openings"] == []
    assert all(search["observed"] == [] for search in summary["searches"])
    kinds = {one["kind"] for search in summary["searches"] for one in search["data_sets"]}
    assert kinds == {"background-only", "doped"}
    recorded = read_checkpoint(blind[0] / "checkpoint.sqlite")
    assert recorded.n_tasks == N_OUTCOMES
    assert recorded.openings == ()
    assert read_run(blind[0]).result.is_blind
    assert "the observed data were not looked at" in (blind[0] / "report.html").read_text().lower()


def test_words_and_log_of_a_blind_run(
    inside: Path, blind: tuple[Path, ...], without_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Again from the checkpoint, and in the same words for both data, but for the time that it took."""
    texts = []
    for name, changes in (("blind", []), ("other", OTHER_DATA)):
        again = ["--blind", "--resume", "--overwrite", "-v"]
        ended = command_here(capsys, "toy.yaml", *again, "--output", name, *changes)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("blind: not looked at") == 3, "each search, and all together"
        assert "--resume" in ended.stdout
        # Where data are read or taken from the cache they have their files' names.
        said_of_it = re.sub(r"in \d+ s|data\.root|other\.root", "", ended.stdout + ended.stderr)
        texts.append(re.sub(r"\b(blind|other)\b(?=[/\s])", "", said_of_it))
    assert "observed data:" not in texts[0], "progress"
    mine, others = (
        [line for line in text.splitlines() if "cache" not in line and "Results are in" not in line]
        for text in texts
    )
    assert mine == others


def test_nothing_looks_at_the_data(
    inside: Path, blind: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def observed(*_: object) -> None:
        raise AssertionError("the data are looked at")

    draw = Campaign.run

    def drawn(campaign: Campaign, task: Task, names: Any) -> Any:
        assert task.kind is not Kind.OBSERVED
        return draw(campaign, task, names)

    monkeypatch.setattr(Campaign, "observe", observed)
    monkeypatch.setattr(Campaign, "run", drawn)
    assert run(read_card("toy.yaml"), Where(workers=1), blind=True).is_blind


def test_a_blind_run_is_opened(
    inside: Path, blind: tuple[Path, ...], without_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(capsys, "toy.yaml", "--output", "blind")
    assert code == 2
    assert "blind: holds a finished run" in text
    assert "It is blind: --resume opens the observed data." in text
    before = [*read_checkpoint(inside / "blind" / "checkpoint.sqlite").rows()]
    opened = command_here(capsys, "toy.yaml", "--output", "blind", "--resume")
    assert opened.returncode == 0, opened.stderr
    assert f"{N_OUTCOMES} outcomes of pseudo-experiments are there, and not run again" in opened.stderr
    assert "blind" not in opened.stdout.replace("Results are in blind", "")
    summary = summary_of(inside / "blind")
    assert summary["blind"] is False
    assert [one["search"] for one in summary["table"]] == ["cluster_scanning", "fit_3"]
    recorded = read_checkpoint(inside / "blind" / "checkpoint.sqlite")
    assert [*recorded.rows()] == before, "what was observed is not in the checkpoint"
    ((when, what),) = recorded.openings
    assert summary["provenance"]["openings"] == [f"{when}: {what}"]
    assert what == "data"
    assert summary["provenance"]["started"] <= when <= summary["provenance"]["finished"]
    assert f"{when}: data" in (inside / "blind" / "report.html").read_text()
    # It is the run that never was blind.
    assert said(capsys, "run", "toy.yaml", "--output", "open")[0] == 0
    assert summary["digest"] == summary_of(inside / "open")["digest"]
    assert summary["digest"] != summary_of(inside / "other")["digest"]
    # What was looked at once remains known, even to a run that looks no more.
    assert said(capsys, "toy.yaml", "--output", "blind", "--blind", "--resume", "--overwrite")[0] == 0
    again = summary_of(inside / "blind")
    assert again["blind"] is True
    assert again["provenance"]["openings"] == summary["provenance"]["openings"]


def test_data_are_looked_at_last_and_the_time_is_written_down_before(
    inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, observe, seen = tmp_path / "checkpoint.sqlite", Campaign.observe, []

    def watched(campaign: Campaign, task: Task) -> Any:
        found = read_checkpoint(checkpoint)
        seen.append((task.kind, found.n_tasks, len(found.openings)))
        return observe(campaign, task)

    monkeypatch.setattr(Campaign, "observe", watched)
    result = run(read_card("toy.yaml"), Where(workers=1, checkpoint=checkpoint))
    assert seen == [(Kind.OBSERVED, N_OUTCOMES, 1)]
    assert len(result.provenance.openings) == 1


def test_a_part_and_an_estimate_look_at_no_data_anyway(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option, words in (("--part=1/2", "leave out --blind"), ("--dry-run", "leave out --part, --blind")):
        code, text = said(capsys, "toy.yaml", "--blind", option, "--output", "never")
        assert code == 2
        assert words in text


def test_pseudo_data_are_opened_too(
    inside: Path, without_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without data the observed data sets are the background with injected events: blind all the same."""
    card = ["toy.yaml", "--set", "samples.data=null", "--output", "pseudo"]
    ended: Ended = command_here(capsys, *card, "--blind")
    assert ended.returncode == 0, ended.stderr
    assert "150  observed" not in ended.stdout
    assert summary_of(inside / "pseudo")["blind"] is True
    assert said(capsys, *card, "--resume")[0] == 0
    (opening,) = summary_of(inside / "pseudo")["provenance"]["openings"]
    assert opening.endswith(": pseudo-data")
