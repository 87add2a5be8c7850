"""Progress where results are looked at: bars of plain HTML in a notebook, of text in a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from markupsafe import Markup
from rich.console import Console

from hepcs._core.progress import Progress, silent
from hepcs._core.terminal import BarProgress, terminal_bars

# Seconds between two pictures of the bars: each is a message to the browser.
_PAUSE = 0.2
_BAR = Markup(
    '<div style="font: 0.9em monospace"><span style="display: inline-block; min-width: 16em">{}</span>'
    '<progress value="{}" max="{}" style="width: 14em; vertical-align: middle"></progress> {} of {}{}</div>'
)


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Progress]:
    """A Progress for whoever waits: bars in a notebook or in a terminal, else nothing."""
    if quiet:
        yield silent
    elif in_notebook():
        bars = NotebookBars()
        try:
            yield bars
        finally:
            bars.close()
    elif sys.stderr.isatty():
        with terminal_bars(Console(stderr=True)) as shown:
            yield BarProgress(shown)
    else:
        yield silent


def in_notebook() -> bool:
    """Whether a kernel with a front end runs this."""
    # Not imported: where nobody has, there is no notebook.
    ipython = sys.modules.get("IPython")
    shell: Any = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class NotebookBars:
    """One bar for each description, in one output of the cell; they need no widgets."""

    def __init__(self) -> None:
        front: Any = import_module("IPython.display")
        self._html = front.HTML
        self._bars: dict[str, tuple[int, int, float, float]] = {}
        self._drawn = 0.0
        self._handle = front.display(front.HTML(""), display_id=True)

    def __call__(self, description: str, done: int, total: int) -> None:
        """Show how far the work is, now and then."""
        now = time.monotonic()
        _, _, start, _ = self._bars.get(description, (0, 0, now, now))
        self._bars[description] = (done, total, start, now)
        if now - self._drawn > _PAUSE or done >= total:
            self._draw(now)

    def close(self) -> None:
        """The bars as they are in the end."""
        self._draw(time.monotonic())

    def _draw(self, now: float) -> None:
        self._drawn = now
        self._handle.update(self._html(str(self.html())))

    def html(self) -> Markup:
        """The bars, with the seconds that each took."""
        return Markup("").join(
            _BAR.format(description, done, total, done, total, f", {last - start:.0f} s")
            for description, (done, total, start, last) in self._bars.items()
        )
