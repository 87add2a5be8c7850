"""The examples of an own feature and an own source: they do what the site says."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toy_events import toy_events, write_toys

from hepcs.sources.convert import convert
from hepcs.sources.parquet import ParquetFiles

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CARD = """\
name: own
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
regions: {evaluation: [3000, 4000]}
features: {groomed: {kind: soft_drop_mass, z_cut: 0.2}}
searches:
  cwola: {features: groomed, efficiencies: [0.1], trees: {min_leaf: 20, rounds: 5}}
pseudo_experiments: {background_only: 10, doped: 0}
injection: {epsilon: [300]}
execution: {cache: cache, workers: 1}
"""


@pytest.mark.slow
def test_the_feature_is_made_and_searched(tmp_path: Path) -> None:
    """Installed beside hepcs, with its values in the cache: signal jets are groomed to the mass of two prongs."""
    source, target = shutil.copytree(DOCS / "own_feature", tmp_path / "source"), tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(target), str(source)],
        check=True, cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    write_toys(tmp_path / "background.root", 2500, 1)
    write_toys(tmp_path / "signal.root", 400, 2, resonance=3500.0)
    (tmp_path / "own.yaml").write_text(CARD)
    path = os.pathsep.join(filter(None, [str(target), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    found = subprocess.run(
        [sys.executable, "-m", "hepcs.analysis", "own.yaml", "--quiet"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    values = {
        len(mass): float(np.median(mass))
        for file in (tmp_path / "cache/features").glob("*/features.npy")
        if (mass := np.load(file)).shape[1:] == (2, 1)
    }
    background, signal = values[max(values)], values[min(values)]
    # Prongs 0.6 apart with some half of the pT of 1.7 TeV each.
    assert 400 < signal < 700
    assert background < signal / 2
    summary = json.loads((tmp_path / "runs/own/summary.json").read_text())
    assert summary["table"][0]["search"] == "cwola"


def test_the_source_is_converted_to_what_a_card_reads(tmp_path: Path) -> None:
    events = toy_events(50, np.random.default_rng(1))
    columns = [ak.to_numpy(events[name]) for name in ("pt", "eta", "phi")]
    padded = np.pad(np.stack(columns, axis=-1), ((0, 0), (0, 3), (0, 0)))
    labels = np.arange(50) % 2
    np.savez(tmp_path / "events.npz", particles=padded, label=labels)
    reader = runpy.run_path(str(DOCS / "own_source/own_source.py"))["NumpyFiles"]
    assert convert(reader((str(tmp_path / "events.npz"),)), tmp_path / "events.parquet") == 50
    written = ParquetFiles((str(tmp_path / "events.parquet"),), label="label")
    (chunk,) = written.chunks()
    back = written.read(chunk)
    assert ak.all(ak.num(back) == ak.num(events)), "the padding is gone"
    np.testing.assert_allclose(ak.flatten(back.pt), ak.flatten(events.pt), rtol=1e-6)
    assert (written.read_labels(chunk) == labels).all()


@pytest.mark.parametrize(
    "example", ["own_feature/own_feature.py", "own_source/own_source.py", "own_search/own_search.py"]
)
def test_an_example_is_short(example: str) -> None:
    """Thirty lines or so, but for imports, words and space."""
    text = re.sub(r'""".*?"""', "", (DOCS / example).read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for line in text.splitlines() if line.strip() and not re.match(r"(from|import) ", line)]
    assert len(lines) <= 30
