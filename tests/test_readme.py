"""The README's Python lines run as they stand, on a small card of the same name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from toy_events import write_toys

README = Path(__file__).parents[1] / "README.md"
CARD = """\
name: demo
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
features: {kept_variance: 0.8}
cluster_scanning: {k: 8, ensemble: 2}
injection: {epsilon: [150]}
execution: {cache: cache}
"""


def test_python_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    write_toys(tmp_path / "background.root", 2000, 1)
    write_toys(tmp_path / "signal.root", 300, 2, resonance=3500.0)
    (tmp_path / "demo.yaml").write_text(CARD)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(README), "exec"), {})
    assert "Calibration(observed=" in capsys.readouterr().out


def test_every_file_that_it_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert links
    missing = [link for link in links if not (README.parent / link).exists()]
    assert not missing
