"""Fits that really do not converge: five parameters for some twenty events in 16 bins."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from toy_command import SAMPLES, said, toy_folder

from hepcs.running.checkpoint import read_checkpoint

SECTIONS = """\
features: {image_pca: {kept_variance: 0.8, training: [3000, 4600]}}
searches:
  cluster_scanning: {k: 3, ensemble: 1, training: [3000, 4600]}
  fit_5: {kind: dijet_fit, parameters: 5}
pseudo_experiments: {background_only: 300, doped: 0}
injection: {epsilon: [0]}
execution: {cache: cache}
output: {figures: []}
"""


COMMAND = ("toy.yaml", "--output", "out", "--workers", "1")


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_figures: None) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_too_many_failed_fits_fail_the_run(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_folder(inside, SAMPLES + SECTIONS, 20)
    code, text = said(capsys, *COMMAND)
    assert code == 4
    found = re.search(
        r"5-parameter fit: (\d+) of 300 pseudo-experiments gave no statistic, and more than 1%", text
    )
    assert found, text
    assert "fewer parameters" in text
    assert "Traceback" not in text
    assert not (inside / "out" / "summary.json").exists()
    # The run ended as soon as that was certain, and the checkpoint has what was done: going on from it fails at
    # once, in the same words.
    outcomes = read_checkpoint(inside / "out" / "checkpoint.sqlite").outcomes
    fits = [outcomes["fit_5", null] for null in ("shared", "own")]
    assert int(found[1]) in {sum(not outcome.valid for outcome in one.values()) for one in fits}
    assert int(found[1]) > 3
    assert len(fits[0]) == len(fits[1]) < 300
    assert f"the run ends with {len(fits[0])} of them done" in text
    assert said(capsys, *COMMAND, "--resume") == (code, text)


def test_few_failed_fits_are_counted_and_left_out(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_folder(inside, SAMPLES + SECTIONS, 25)
    code, text = said(capsys, *COMMAND)
    assert code == 0, text
    (fit,) = (
        search
        for search in json.loads((inside / "out" / "summary.json").read_text())["searches"]
        if search["search"] == "fit_5"
    )
    n_invalid = fit["n_invalid"]
    assert 1 <= n_invalid <= 3
    assert {
        "kind": "background-only",
        "epsilon": 0,
        "signal": "",
        "n": 300,
        "n_invalid": n_invalid,
    } in fit["data_sets"]
    assert f"5-parameter fit: {n_invalid} data sets gave no statistic, and were left out" in text
