"""Model-independent searches in dijet data; its heart is Cluster Scanning.

In a notebook, ``import hepcs`` is all that is needed; each name is loaded when it is first used::

    run = hepcs.run("demo.yaml")            # or hepcs.run(hepcs.Card(name=..., samples=..., searches=...))
    run = hepcs.open_run("runs/demo")       # a finished run
    run.searches["cwola"].p                 # numbers, histograms, tables and figures: hepcs.interactive
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hepcs.config import Card, read_card
    from hepcs.interactive import Run, SearchView, open_run, run, sections

    __version__: str

# What an analyst needs, and the module that has it.
_PUBLIC = {
    "Card": "hepcs.config",
    "Run": "hepcs.interactive",
    "SearchView": "hepcs.interactive",
    "open_run": "hepcs.interactive",
    "read_card": "hepcs.config",
    "run": "hepcs.interactive",
    "sections": "hepcs.interactive",
}

__all__ = ["Card", "Run", "SearchView", "__version__", "open_run", "read_card", "run", "sections"]


def __getattr__(name: str) -> Any:
    """A public name, loaded now; importing the package alone loads nothing."""
    from importlib import import_module, metadata

    if name == "__version__":
        found: Any = metadata.version("hepcs")
    elif name in _PUBLIC:
        found = getattr(import_module(_PUBLIC[name]), name)
    else:
        raise AttributeError(f"module 'hepcs' has no attribute {name!r}; there are {', '.join(__all__)}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
