"""A search outside of the package: installed beside it, on the card, calibrated, drawn and reported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toy_command import said
from toy_events import write_toys

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "own_search"
CARD = """\
name: own
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
regions: {evaluation: [3000, 4000]}
searches:
  heavy_jets: {efficiencies: [0.1]}
  fit_3: {kind: dijet_fit, parameters: 3}
pseudo_experiments: {background_only: 20, doped: 2}
injection: {epsilon: [0, 300]}
execution: {cache: cache, workers: 1}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the example is installed."""
    target = tmp_path_factory.mktemp("installed")
    # Of a copy: pip builds where the sources are.
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "own_search")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(target), str(source)],
        check=True, cwd=target, capture_output=True,
    )  # fmt: skip
    path = os.pathsep.join(filter(None, [str(target), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def hepcs(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    found = subprocess.run(
        [sys.executable, "-m", "hepcs.analysis", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_it_is_listed(installed: dict[str, str], tmp_path: Path) -> None:
    listed = hepcs(installed, tmp_path, "searches")
    assert "heavy_jets" in listed
    assert "heavy jets with two prongs" in listed


@pytest.mark.slow
def test_it_runs_calibrated_drawn_and_reported(installed: dict[str, str], tmp_path: Path) -> None:
    write_toys(tmp_path / "background.root", 4000, 1)
    write_toys(tmp_path / "signal.root", 400, 2, resonance=3500.0)
    (tmp_path / "own.yaml").write_text(CARD)
    table = hepcs(installed, tmp_path, "own.yaml", "--quiet")
    assert "heavy jets" in table
    folder = tmp_path / "runs" / "own"
    (row,) = [one for one in json.loads((folder / "summary.json").read_text())["table"] if one["epsilon"] == 300
              and one["search"] == "heavy_jets"]  # fmt: skip
    assert row["p"] <= 0.1, "three hundred two-pronged events among four thousand are seen"
    assert (folder / "figures" / "heavy_jets_bias.png").is_file()
    report = (folder / "report.html").read_text()
    assert "heavy jets" in report
    assert "delta_sys" in report


def test_the_card_of_the_example_is_read(installed: dict[str, str], tmp_path: Path) -> None:
    reading = "from hepcs.config import read_card; import sys; read_card(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", reading, str(EXAMPLE / "own_search.yaml")],
        env=installed,
        cwd=tmp_path,
        check=True,
    )


def test_without_the_package_the_kind_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    code, words = said(capsys, str(EXAMPLE / "own_search.yaml"))
    assert code == 2
    assert "searches.heavy_jets" in words
