"""Idealised anomaly detector: trees that tell the data of a window from true background of the same window."""

from __future__ import annotations

from typing import ClassVar, Literal

from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import TrainedOn, TreesCutAndFit


class Idealised(TreesCutAndFit):
    """What a search against sidebands would find if these were exactly the background of the window."""

    trained_on: ClassVar[TrainedOn] = "background"
    usual_title: ClassVar[str] = "idealised anomaly detector"
    kind: Literal["idealised"] = "idealised"


KIND = score_kind(
    Idealised, "in each window, a classifier of the data against true background: a bound", "arXiv:2109.00546"
)
