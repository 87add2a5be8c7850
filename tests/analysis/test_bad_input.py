"""Bad files and bad events through the command and the pipeline: counted, listed, and never used in silence."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toy_command import command_here
from toy_events import toy_events, write_toys

from hepcs.config import read_card
from hepcs.output import write_run
from hepcs.pipeline import Where, run
from hepcs.sources.writing import LhcoWriter, RootWriter

CARD = """\
name: toy
samples:
  background: {kind: root, files: [%s], on_bad_file: %s, max_lost: %s}
features: {image_pca: {kept_variance: 0.8}}
regions: {evaluation: [3000, 4600]}
searches:
  cluster_scanning: {k: 6, ensemble: 1}
injection: {epsilon: [0]}
pseudo_experiments: {background_only: 10, doped: 0}
output: {figures: [png]}
execution: {cache: cache}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good files; one that was cut, one of zero bytes, one with zeros in its data."""
    folder = tmp_path_factory.mktemp("bad")
    for seed in (1, 2):
        write_toys(folder / f"good{seed}.root", 1500, seed)
    cut = write_toys(folder / "cut.root", 300, 3)
    cut.write_bytes(cut.read_bytes()[:-5000])
    (folder / "empty.root").touch()
    damaged = write_toys(folder / "damaged.root", 300, 4)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    damaged.write_bytes(content)
    good, all_files = "good1.root, good2.root", "cut.root, good1.root, empty.root, damaged.root, good2.root"
    (folder / "good.yaml").write_text(CARD % (good, "fail", 0.05))
    (folder / "skip.yaml").write_text(CARD % (all_files, "skip", 0.7))
    (folder / "opened.yaml").write_text(CARD % ("cut.root, good1.root, empty.root, good2.root", "skip", 0.7))
    (folder / "strict.yaml").write_text(CARD % (all_files, "skip", 0.05))
    (folder / "fail.yaml").write_text(CARD % (all_files, "fail", 0.05))
    return folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.slow
def test_skipped_files_are_listed_and_the_results_are_those_of_the_good_ones(
    inside: Path, without_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("skip", "good"):
        ended = command_here(capsys, f"{name}.yaml", "--output", name, "--workers", "1")
        assert ended.returncode == 0, ended.stderr
    summary, good = (json.loads((inside / name / "summary.json").read_text()) for name in ("skip", "good"))
    assert summary["digest"] == good["digest"]
    skipped = summary["samples"]["background"]["skipped"]
    assert {Path(one["path"]).name: one["n_entries"] for one in skipped} == {
        "cut.root": None,
        "empty.root": None,
        "damaged.root": 300,
    }
    assert good["samples"]["background"]["skipped"] == []
    (warning,) = (text for text in summary["warnings"] if "skipped" in text)
    assert "3 of 5 files were skipped, with 300 events and those of 2" in warning
    report = (inside / "skip" / "report.html").read_text()
    for one in skipped:
        assert one["path"] in report
        assert one["path"] in warning
    assert "cannot be read and were skipped" in report


@pytest.mark.parametrize(
    ("card", "message"), [("strict", "max_lost allows 5.0%"), ("fail", "cut.root: truncated")]
)
def test_too_many_bad_files_end_the_run(
    inside: Path, capsys: pytest.CaptureFixture[str], card: str, message: str
) -> None:
    ended = command_here(capsys, f"{card}.yaml", "--output", "never", "--workers", "1")
    assert ended.returncode == 3, ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (inside / "never").exists()


def test_a_dry_run_leaves_out_what_cannot_be_opened(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = command_here(capsys, "opened.yaml", "--dry-run", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    assert "3,000" in ended.stdout


# ------------------------------------------------------------------------------------------------ events

GOOD = 600


def particles(*rows: tuple[float, float, float]) -> ak.Array:
    """One event."""
    values = np.array(rows, dtype=float).reshape(-1, 3)
    columns = dict(zip(("pt", "eta", "phi"), values.T, strict=True))
    return ak.unflatten(ak.zip({**columns, "mass": np.zeros(len(values))}), [len(values)])


HARD = ((1700.0, 0.1, 0.0), (1700.0, -0.1, 3.0))
# Two jets of two particles each, all of them 0.45 from the axis of their jet, where the crop ends at 0.3.
WIDE = tuple((850.0, eta, phi) for eta in (-0.45, 0.45) for phi in (0.0, 3.0))
BAD = {
    "not finite: pt = nan": particles((np.nan, 0.0, 0.0), *HARD),
    "not finite: pt = inf": particles((np.inf, 0.0, 0.0), *HARD),
    "negative pT": particles(*HARD, (-3.0, 0.0, 0.0)),
    "energy above 50000 GeV": particles(*HARD, (1e38, 0.0, 0.0)),
    "|phi| above 7": particles(*HARD, (1.0, 0.0, 70.0)),
    "|eta| above 20": particles(*HARD, (1e-6, 21.0, 0.0)),
    "no constituents": particles(),
    "expected at least two": particles(HARD[0]),
}


@pytest.fixture(scope="module")
def bad_events(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object], str]:
    """Summary and report of a run over good events with one of each defect after every tenth of them."""
    folder = tmp_path_factory.mktemp("events")
    rng = np.random.default_rng(1)
    good = toy_events(GOOD, rng)
    parts = []
    for i, event in enumerate((*BAD.values(), particles(*WIDE))):
        parts += [good[10 * i : 10 * i + 10], event]
    crowd = toy_events(1, rng)
    soft = particles(*((0.01, eta, phi) for eta, phi in rng.uniform(-2, 2, (10_000 - 28, 2))))
    crowded = ak.concatenate([crowd, soft], axis=1)
    with RootWriter(folder / "events.root") as writer:
        for part in (*parts, good[10 * len(BAD) + 10 :], crowded):
            writer.write(part)
    (folder / "toy.yaml").write_text(CARD % ("events.root", "fail", 0.05))
    card = read_card(folder / "toy.yaml", [f"execution.cache={folder / 'cache'}", "images.half_width=0.3"])
    write_run(run(card, Where(workers=1)), folder / "out")
    summary = json.loads((folder / "out" / "summary.json").read_text())
    return folder, summary["samples"]["background"], (folder / "out" / "report.html").read_text()


def test_every_kind_of_bad_event_is_counted_and_listed(bad_events) -> None:
    folder, sample, report = bad_events
    cutflow = {step["step"]: step["events"] for step in sample["cutflow"]}
    n = GOOD + len(BAD) + 2
    assert cutflow["entries read"] == n
    assert cutflow["readable constituents"] == n - 7
    assert cutflow["at least two jets"] == n - 8 == GOOD + 2, "an event with 10,000 particles is an event"
    assert (sample["n_unusable"], sample["n_rejections_not_listed"]) == (8, 0)
    listed = sample["rejections"]
    assert [one["entry"] for one in listed] == [11 * i + 10 for i in range(len(BAD))]
    for reason, one in zip(BAD, listed, strict=True):
        assert reason in one["reason"]
        assert one["file"] == str(folder / "events.root")
        assert one["reason"] in report.replace("&gt;", ">")
    assert "Events that could not be used: 8 in all" in report


def test_an_event_without_an_image_is_left_out_and_counted(bad_events) -> None:
    _, sample, report = bad_events
    assert sample["lacking"] == {"image_pca": 1}
    inside = {step["step"]: step["events"] for step in sample["cutflow"]}["m_jj in [3000, 4600) GeV"]
    assert sample["n_evaluation"] == inside - 1
    assert "left out there, without image_pca" in report


def test_the_lhco_layout_says_what_it_leaves_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    soft = particles(*((1.0 + i / 1e4, 0.0, 0.0) for i in range(10_000)))
    with LhcoWriter(tmp_path / "a.h5") as writer:
        writer.write(ak.concatenate([soft, soft[:, :700], soft[:, :701]]))
    assert (writer.n_truncated, writer.n_dropped) == (2, 9301)
    assert "2 events had more than 700 particles" in caplog.text
    assert "9301 particles are left out" in caplog.text
