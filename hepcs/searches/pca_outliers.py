"""PCA outliers: events far out on the principal components in which events hardly differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import CutAndFit

if TYPE_CHECKING:
    from hepcs.searches.cut_and_fit.classifier import Scorer


class PcaOutliers(CutAndFit):
    """Squared distance on the components of smallest variance, after each feature was made normal."""

    usual_title: ClassVar[str] = "PCA outliers"
    weighs_events: ClassVar[bool] = False
    kind: Literal["pca_outliers"] = "pca_outliers"
    kept_variance: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(
        0.9, description="share of the variance of the large components, which are left out"
    )

    def scorer(self) -> Scorer:
        """The score."""
        from hepcs.searches.cut_and_fit.outliers import PcaScorer

        return PcaScorer(self.kept_variance)

    @property
    def packages(self) -> tuple[str, ...]:
        """What transforms the features."""
        return ("scikit-learn",)


KIND = score_kind(PcaOutliers, "distance on the principal components of small variance", "arXiv:2101.08320")
