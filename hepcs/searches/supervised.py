"""Supervised: trees that tell true signal from true background. With these features, no more is possible."""

from __future__ import annotations

from typing import ClassVar, Literal

from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import TrainedOn, TreesCutAndFit


class Supervised(TreesCutAndFit):
    """The supervised bound, trained once, k-fold, on the samples that data sets are drawn from."""

    trained_on: ClassVar[TrainedOn] = "signal"
    usual_title: ClassVar[str] = "supervised"
    kind: Literal["supervised"] = "supervised"


KIND = score_kind(
    Supervised,
    "a classifier of true signal against true background: a bound",
    "arXiv:2109.00546, section III",
)
