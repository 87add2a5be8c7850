"""Bars in a notebook."""

from __future__ import annotations

from typing import Any

import pytest

from hepcs._core.progress import silent
from hepcs.interactive.progress import NotebookBars, in_notebook, shown_progress


class Handle:
    """The output of a cell."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, page: Any) -> None:
        self.shown.append(page.data)


def test_bars_show_how_far_each_step_is(monkeypatch: pytest.MonkeyPatch) -> None:
    display = pytest.importorskip("IPython.display")
    handle = Handle()
    monkeypatch.setattr(display, "display", lambda page, display_id: handle)
    bars = NotebookBars()
    for done in range(1001):
        bars("<b>samples</b>", done, 1000)
    bars("searches", 1, 4)
    bars.close()
    # Not one message for each call, but the end is always shown.
    assert 2 <= len(handle.shown) < 50
    last = handle.shown[-1]
    assert 'value="1000" max="1000"' in last
    assert "1 of 4" in last
    assert "<b>" not in last, "a description is no markup"


def test_nothing_is_shown_where_nobody_looks() -> None:
    assert not in_notebook()
    with shown_progress(quiet=True) as progress:
        assert progress is silent
