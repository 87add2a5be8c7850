"""Disks that are full, wherever the command writes: words and an exit code, nothing half and nothing left over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_events import write_toys

CARD = """\
name: toy
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
features: {kept_variance: 0.8}
cluster_scanning: {k: 8, ensemble: 2}
fits: {parameters: [3]}
pseudo_experiments: {background_only: 20, doped: 2}
injection: {epsilon: [0, 150]}
output: {figures: []}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    write_toys(folder / "background.root", 3000, 1)
    write_toys(folder / "signal.root", 400, 2, resonance=3500.0)
    (folder / "toy.yaml").write_text(CARD)
    return folder


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


@pytest.mark.parametrize("name", ["events.h5", "events.root", "events.parquet"])
def test_converted_events_do_not_fit(folder: Path, mounted: Callable[[str], Path], name: str) -> None:
    """HDF5 writes what it kept once more at the end of the process, and dies of it where there is no space."""
    disk = mounted("size=200k")
    ended = run(folder, "convert", "background.root", str(disk / name), "--quiet")
    assert ended.returncode == 4, ended.stderr
    assert f"{name}: cannot be written (" in ended.stderr
    assert "No space left on device" in ended.stderr
    assert "Free some space" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(disk.iterdir())


@pytest.mark.slow
def test_the_cache_is_too_small(folder: Path, mounted: Callable[[str], Path]) -> None:
    disk = mounted("size=1100k")
    cache = f"execution.cache={disk}"
    ended = run(folder, "toy.yaml", "--set", cache, "--output", "never", "--workers", "1", "--quiet")
    assert ended.returncode == 4, (ended.returncode, ended.stderr)
    assert "Free some space" in ended.stderr
    assert "Traceback" not in ended.stderr
    left = [path.name for path in disk.rglob(".*")]
    assert not left, left
