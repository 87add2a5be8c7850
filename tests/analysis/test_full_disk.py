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
    assert f"{name}: cannot be written (No space left on device" in ended.stderr
    assert "Free some space" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(disk.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("size", ["1100k", "1400k"])
def test_the_cache_is_too_small(folder: Path, mounted: Callable[[str], Path], size: str) -> None:
    disk = mounted(f"size={size}")
    cache = f"execution.cache={disk}"
    ended = run(folder, "toy.yaml", "--set", cache, "--output", f"never{size}", "--workers", "1", "--quiet")
    assert ended.returncode == 4, (ended.returncode, ended.stderr)
    assert "Free some space" in ended.stderr
    assert "Traceback" not in ended.stderr
    left = [path.name for path in disk.rglob(".*")]
    assert not left, left


@pytest.mark.slow
def test_the_ledger_fills_the_disk_and_the_run_goes_on_with_more_space(
    folder: Path, mounted: Callable[[str], Path]
) -> None:
    wanted = ("toy.yaml", "--set", "execution.cache=cache", "--workers", "1", "--quiet")
    whole = run(folder, *wanted, "--output", "whole")
    assert whole.returncode == 0, whole.stderr
    ledger = (folder / "whole" / "ledger.jsonl").stat().st_size
    room = 1_100_000  # what is tried before the work
    disk = mounted(f"size={room + 8192}")
    (disk / "filler").write_bytes(bytes(room - 4096 - ledger // 2))
    output = disk / "out"
    ended = run(folder, *wanted, "--output", str(output))
    if ended.returncode == 2:
        assert "cannot be written there" in ended.stderr  # known before the work
    else:
        assert ended.returncode == 4, ended.stderr
        assert "--resume" in ended.stderr
    assert "Traceback" not in ended.stderr
    (disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    resumed = run(folder, *wanted, "--output", str(output), "--resume")
    assert resumed.returncode == 0, resumed.stderr
    compared = run(folder, "compare", "whole", str(output), "--quiet")
    assert compared.returncode == 0, compared.stdout + compared.stderr
