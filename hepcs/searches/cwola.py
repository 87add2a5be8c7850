"""CWoLa hunting: in each window, trees that tell it from its sidebands score all events.

If the window holds a signal, it and the sidebands are mixtures of the same two kinds of events in different
proportions, and the best classifier between mixtures is the best one between signal and background (Metodiev,
Nachman, Thaler, JHEP 10 (2017) 174; the search: Collins, Howe, Nachman, PRL 121 (2018) 241803, PRD 99 (2019)
014038).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import TreesCutAndFit

if TYPE_CHECKING:
    from hepcs.searches.cut_and_fit.training import AgainstSidebands


class Cwola(TreesCutAndFit):
    """CWoLa hunting with boosted trees."""

    trained_on: ClassVar[str] = "each window against its sidebands"
    usual_title: ClassVar[str] = "CWoLa hunting"
    kind: Literal["cwola"] = "cwola"

    def training(self) -> AgainstSidebands:
        """Anew in each window."""
        from hepcs.searches.cut_and_fit.training import AgainstSidebands

        return AgainstSidebands(self.scorer(), self.folds)


KIND = score_kind(
    Cwola, "in each window, a classifier of the window against its sidebands", "arXiv:1805.02664"
)
