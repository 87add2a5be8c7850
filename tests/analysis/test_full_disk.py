"""A disk that is full while samples are prepared: words and an exit code, and nothing half is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from toy_command import CARD, command, toy_folder

SECTIONS = """\
  fit_3: {kind: dijet_fit, parameters: 3}
pseudo_experiments: {background_only: 20, doped: 2}
output: {figures: []}
"""


@pytest.mark.slow
def test_the_cache_is_too_small(tmp_path: Path, mounted: Callable[[str], Path]) -> None:
    folder = toy_folder(tmp_path, CARD + SECTIONS)
    disk = mounted("size=1100k")
    cache = f"execution.cache={disk}"
    ended = command(folder, "toy.yaml", "--set", cache, "--output", "never", "--workers", "1", "--quiet")
    assert ended.returncode == 4, (ended.returncode, ended.stderr)
    assert "Free some space" in ended.stderr
    assert "Traceback" not in ended.stderr
    left = [path.name for path in disk.rglob(".*")]
    assert not left, left
