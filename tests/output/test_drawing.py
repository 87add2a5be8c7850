"""A run without matplotlib: all but the figures is written, and what is missing is said."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from toy_run import toy_run

from hepcs.output import make_figures, read_run, results_digest, write_run
from hepcs.output.drawing import lacks_figures


def test_nothing_is_said_where_figures_are_drawn() -> None:
    assert lacks_figures() == ""


def test_a_run_without_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = toy_run()
    with caplog.at_level(logging.WARNING):
        write_run(result, tmp_path, make_figures(result))
    said = "no figures are drawn, for want of matplotlib (the extra hepcs[plot])"
    assert said in caplog.text
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert said in report
    assert "pip install &#39;matplotlib&gt;=" in report
    assert not (tmp_path / "figures").exists()
    assert results_digest(read_run(tmp_path).result) == results_digest(result)
