"""Idealised anomaly detector: trees that tell the data of a window from true background of the same window."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import TreesCutAndFit

if TYPE_CHECKING:
    from hepcs.searches.cut_and_fit.training import AgainstSample


class Idealised(TreesCutAndFit):
    """What a search against sidebands would find if these were exactly the background of the window."""

    trained_on: ClassVar[str] = "the data of each window against its true background"
    usual_title: ClassVar[str] = "idealised anomaly detector"
    kind: Literal["idealised"] = "idealised"

    def training(self) -> AgainstSample:
        """Anew in each window."""
        from hepcs.searches.cut_and_fit.training import AgainstSample

        return AgainstSample(self.scorer(), self.folds, "background")

    @property
    def needs_truth(self) -> bool:
        """It is a bound."""
        return True

    @property
    def compares_with_samples(self) -> bool:
        """With the true background, in each data set."""
        return True


KIND = score_kind(
    Idealised, "in each window, a classifier of the data against true background: a bound", "arXiv:2109.00546"
)
