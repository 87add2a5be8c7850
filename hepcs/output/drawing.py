"""The figures of a run, if there is what draws them: a run goes without, rather than being lost after hours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hepcs._core.progress import Progress, silent
from hepcs._core.requirements import module_of, pip_install
from hepcs.results import RunResult
from hepcs.searches.kinds import Drawing

if TYPE_CHECKING:
    from hepcs.plots.style import ExperimentLabel

logger = logging.getLogger(__name__)

_PACKAGES = ("matplotlib", "mplhep", "pillow")


def lacks_figures() -> str:
    """Why no figures are drawn, and what to do; nothing where they are."""
    missing = [name for name in _PACKAGES if find_spec(module_of(name)) is None]
    if not missing:
        return ""
    return (
        f"no figures are drawn, for want of {', '.join(missing)} (the extra hepcs[plot]). Install with "
        f"`{pip_install(*missing)}`; of a finished run, the same command with --resume --overwrite draws them"
    )


def make_figures(
    result: RunResult, *, label: ExperimentLabel | None = None, progress: Progress = silent
) -> Iterator[Drawing]:
    """As :func:`hepcs.output.figures.draw_figures`; none, and a warning, where matplotlib is not installed."""
    lacking = lacks_figures()
    if lacking:
        logger.warning(lacking)
        return iter(())
    from hepcs.output.figures import draw_figures

    return draw_figures(result, label=label, progress=progress)
