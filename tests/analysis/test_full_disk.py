"""Disks that are full, wherever the command writes: words and an exit code, nothing half and nothing left over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from toy_command import CARD, command, toy_folder

SECTIONS = """\
fits: {parameters: [3]}
pseudo_experiments: {background_only: 20, doped: 2}
output: {figures: []}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(tmp_path_factory.mktemp("full"), CARD + SECTIONS)


@pytest.mark.parametrize("name", ["events.h5", "events.root", "events.parquet"])
def test_converted_events_do_not_fit(folder: Path, mounted: Callable[[str], Path], name: str) -> None:
    """HDF5 writes what it kept once more at the end of the process, and dies of it where there is no space."""
    disk = mounted("size=200k")
    ended = command(folder, "convert", "background.root", str(disk / name), "--quiet")
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
    ended = command(folder, "toy.yaml", "--set", cache, "--output", "never", "--workers", "1", "--quiet")
    assert ended.returncode == 4, (ended.returncode, ended.stderr)
    assert "Free some space" in ended.stderr
    assert "Traceback" not in ended.stderr
    left = [path.name for path in disk.rglob(".*")]
    assert not left, left
