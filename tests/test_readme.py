"""The README's Python lines run as they stand, on a small card of the same name, and links lead somewhere."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from toy_events import write_toys

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = ("README.md", "analysis/README.md", "analysis/benchmarks/README.md", "analysis/facilities/README.md")
CARD = """\
name: demo
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
features: {image_pca: {kept_variance: 0.8}}
searches:
  cluster_scanning: {k: 8, ensemble: 2}
injection: {epsilon: [150]}
execution: {cache: cache}
"""


def test_python_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    write_toys(tmp_path / "background.root", 2000, 1)
    write_toys(tmp_path / "signal.root", 900, 2, resonance=3500.0)
    (tmp_path / "demo.yaml").write_text(CARD)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(README), "exec"), {})
    assert "Calibration(observed=" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_links_to_is_there(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert links
    missing = [link for link in links if not (path.parent / link).exists()]
    assert not missing


def test_every_study_is_named() -> None:
    """In the index of ``analysis/``, by its name or by a pattern such as ``paper_figures_*.py``."""
    folder = ROOT / "analysis"
    named = re.findall(r"`([^`/ ]+/?)`", (folder / "README.md").read_text(encoding="utf-8"))
    assert {"sensitivity.py", "results/", "open_a_run.ipynb"} <= set(named)
    entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__", "README"))]
    names = [path.name + ("/" if path.is_dir() else "") for path in entries]
    assert not [name for name in names if not any(fnmatch(name, pattern) for pattern in named)]
