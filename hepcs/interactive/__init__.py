"""hepcs in a notebook: run a card or open a finished run, and look at what was found.

:func:`run` and :func:`open_run` give a :class:`Run`, which a notebook shows as a table; ``run.searches["cwola"]``
is a :class:`SearchView` with its numbers, histograms, tables and figures. The sections of a card, for completion,
are in :mod:`hepcs.interactive.sections`.
"""

from hepcs.interactive import sections
from hepcs.interactive.results import Run, SearchView
from hepcs.interactive.starting import open_run, run

__all__ = ["Run", "SearchView", "open_run", "run", "sections"]
