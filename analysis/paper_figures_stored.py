"""What the figures of the paper are made from, and what comes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from study import Study

from hepcs.output.reading import StoredRun
from hepcs.searches.cluster_scanning.section import ClusterScanning

#: The search that the figures of single scans show.
MAIN = "cluster_scanning"


class LackingError(Exception):
    """The stored results do not hold what a figure needs; the text says what, and how to get it."""


@dataclass(frozen=True)
class Stored:
    """What the figures are made from.

    Attributes
    ----------
    run
        A finished run; None if there are only the statistics of its pseudo-experiments.
    study
        Statistics of the pseudo-experiments; None without doped ones.
    epsilon
        Injected events of the data set whose scan is drawn; the largest number of the run if None.
    training
        Statistics of another run with the trainings of Fig. 11; None to take them from `study`.
    best
        A further search in the figure of limits, such as the best realistic one.
    """

    run: StoredRun | None
    study: Study | None
    epsilon: int | None
    training: Study | None = None
    best: str | None = None

    def need_run(self) -> StoredRun:
        """The run, or LackingError."""
        if self.run is None:
            raise LackingError("the file holds statistics alone. Give the folder of the run")
        return self.run

    def need_study(self) -> Study:
        """The statistics of doped pseudo-experiments, or LackingError."""
        if self.study is None:
            raise LackingError(
                "no doped pseudo-experiments. Set pseudo_experiments.doped and injection.epsilon, and run again"
            )
        return self.study

    def need_section(self) -> ClusterScanning:
        """What the card says of the search of single scans, or LackingError."""
        run = self.need_run()
        section = run.card.searches.get(MAIN)
        if not isinstance(section, ClusterScanning):
            raise LackingError(f"the run has no search {MAIN}")
        return section


@dataclass(frozen=True)
class Drawn:
    """A figure, and what is not in it although the paper has it."""

    figure: Figure
    remark: str = ""


def require(study: Study, names: Sequence[str]) -> None:
    """Raise LackingError for searches that the study does not have."""
    missing = [name for name in names if name not in study.titles]
    if missing:
        raise LackingError(
            f"the run has no search {' and no '.join(missing)}. data_cards/sensitivity.yaml shows how to "
            "ask for it"
        )
