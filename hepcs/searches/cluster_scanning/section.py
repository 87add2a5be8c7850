"""The section of Cluster Scanning on the card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from hepcs.config.searches import SearchSection, Statistic
from hepcs.config.values import (
    MOST_BINS,
    OneOrMore,
    PositiveInteger,
    PositiveNumber,
    Problem,
    SearchName,
    Section,
    Window,
)

if TYPE_CHECKING:
    from hepcs.config.schema import Card


class Trend(Section):
    """The share of some clusters in all jets as a polynomial in m_jj, fitted outside of each tested window."""

    degree: Annotated[int, Field(strict=True, ge=0, le=3)] = Field(1, description="1: a straight line")
    guard: Annotated[int, Field(strict=True, ge=0, le=MOST_BINS)] = Field(
        1, description="bins on either side of the window that the fit leaves out as well"
    )


class TrendWindows(Section):
    """Scan of each cluster against its own trend, window by window."""

    widths: Annotated[tuple[PositiveInteger, ...], Field(min_length=1, max_length=MOST_BINS), OneOrMore] = (
        Field((1, 2), description="widths of the windows, bins")
    )
    combination: Literal["quadrature", "sum", "largest"] = Field(
        "quadrature",
        description="the root of the sum of squares of all clusters' excesses; the sum of those above theta; or "
        "the largest one, for many clusters of which a signal is in a few",
    )
    significance: Literal["gaussian", "likelihood"] = Field(
        "gaussian", description="of a cluster in a window; likelihood: right for clusters of few jets too"
    )


# Clusterers that scikit-learn computes, whatever the engine of k-means is.
BY_SKLEARN = ("gaussian_mixture", "birch")


class ClusterScanning(SearchSection):
    """Cluster Scanning (paper, section 3.2, Table 1, and appendix E)."""

    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {"cluster_scanning": {}}

    kind: Literal["cluster_scanning"] = "cluster_scanning"
    features: SearchName = Field(
        "image_pca", description="features of jets, or of events, that are clustered"
    )
    training: Window = Field((3000.0, 3100.0), description="training region in m_jj, GeV, [low, high)")

    k: Annotated[int, Field(strict=True, ge=3, le=100_000)] = Field(50, description="number of clusters")
    clusterer: Literal["mini_batch", "lloyd", "gaussian_mixture", "birch"] = Field(
        "mini_batch", description="mini-batch k-means, or another clusterer to compare it with"
    )
    batch_size: PositiveInteger = Field(2048, description="jets in a mini-batch")
    scale: Literal["none", "each", "local"] = Field(
        "none",
        description="each: every column in units of its standard deviation in the training region of the "
        "background sample, as for quantities of different units; local: from its mean and in units of its "
        "deviation at the event's m_jj, so that clusters share the background alike at all masses; none: as they "
        "are, as for images",
    )
    weights: Annotated[tuple[PositiveNumber, ...], OneOrMore] | None = Field(
        None,
        description="by which the columns are multiplied then: clusters are finer along one of a larger weight",
    )
    jets: Literal["both", "leading", "subleading"] = Field(
        "both", description="jets of an event that are clustered and counted; both for features of events"
    )
    training_jets: PositiveInteger | None = Field(
        None, description="train on so many jets drawn at random; on all of the training region if absent"
    )
    retrain: bool = Field(
        True,
        description="false: clusters are found once, of the background sample, and p is conditional on them; a "
        "data set is then only counted",
    )
    outlier_fraction: Annotated[float, Field(strict=True, ge=0, lt=1)] = Field(
        0.2,
        description="share of the clusters, the farthest ones, that mean and standard deviation of a bin leave "
        "out: the most that can hold signal",
    )
    theta: PositiveNumber = Field(3.0, description="selection threshold, robust standard deviations")
    deviations: Literal["common", "own"] = Field(
        "common",
        description="standardised by one robust standard deviation a bin, as published; or by each cluster's own "
        "multinomial one, times what the clusters of a bin scatter more than that",
    )
    neighbours: Annotated[int, Field(strict=True, ge=0, le=100_000)] = Field(
        0, description="nearest clusters that are added to each selected one"
    )
    background_estimate: Literal["signal_poor", "fit_of_sum", "fit_of_each", "transfer_factor"] = Field(
        "signal_poor",
        description="of the signal-rich clusters: the scaled sum of the others; a dijet fit of their sum, "
        "or of each; the sum of the others times a polynomial",
    )
    fit_parameters: Annotated[int, Field(strict=True, ge=3, le=5)] = Field(
        4, description="of the dijet fits, if they are the background estimate"
    )
    windows: TrendWindows | None = Field(
        None, description="scan each cluster against its own trend, in place of one selection for all bins"
    )
    trend: Trend = Field(Trend(), description="polynomial of `windows`, and of `transfer_factor`")
    ensemble: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        15, description="scans of one data set, combined"
    )
    combination: Literal["mean", "median", "by_window"] = Field(
        "mean",
        description="of the ensemble's statistics; by_window, of a scan by windows: the largest of the means of "
        "each window",
    )
    engine: Literal["compiled", "sklearn"] = Field(
        "compiled",
        description="the k-means: our own compiled one, or scikit-learn's, a reference several times slower",
    )

    statistic: Statistic = Field(
        Statistic(), description="of the spectrum of the selected clusters against its estimate"
    )
    idealised: bool = Field(
        False, description="background jets redistributed by the fractions of the first bin; needs the truth"
    )
    train_on_injected: bool = Field(
        True, description="false: the training leaves out the injected signal events; needs the truth"
    )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features of its jets or events."""
        return (self.features,)

    @property
    def needs_truth(self) -> bool:
        """Whether it is a study that no search of real data can do."""
        return self.idealised or not self.train_on_injected

    @property
    def roles(self) -> tuple[str, ...]:
        """The background sample, where clusters are found in it once."""
        return () if self.retrain else ("background",)

    @property
    def packages(self) -> tuple[str, ...]:
        """scikit-learn, where it clusters."""
        return ("scikit-learn",) if self.engine == "sklearn" or self.clusterer in BY_SKLEARN else ()

    def problems_in(self, card: Card) -> Iterator[Problem]:
        """What does not go together with the region and the bins of the card."""
        n_bins = card.regions.n_bins
        if not card.regions.holds(self.training):
            low, high = card.regions.evaluation
            yield "training", f"reaches out of regions.evaluation [{low:g}, {high:g})"
        for key, text in self.statistic.problems_in(n_bins):
            yield f"statistic.{key}", text
        if self.windows is not None:
            yield from _trend_problems(self.trend, max(self.windows.widths), n_bins)
        elif self.background_estimate == "transfer_factor":
            yield from _trend_problems(self.trend, 1, n_bins)

    def _problems(self) -> Iterator[Problem]:
        if self.windows is not None and self.statistic.kind != "maximum_local_significance":
            yield "statistic.kind", "a scan by windows has its own statistic"
        if self.windows is not None and self.statistic.background_uncertainty:
            yield (
                "statistic.background_uncertainty",
                "is of single bins; windows know the error of their trend",
            )
        if self.combination == "by_window" and self.windows is None:
            yield "combination", "by_window is of a scan by `windows`, which there are none"
        if not self.retrain and not self.train_on_injected:
            yield "train_on_injected", "clusters that are found once know no injected events; remove it"
        if self.neighbours >= self.k:
            yield "neighbours", f"expected fewer than k = {self.k}"
        left = self.k - round(self.outlier_fraction * self.k)
        if left < 2:
            yield (
                "outlier_fraction",
                f"{self.outlier_fraction:g} of k = {self.k} clusters leaves {left}, expected 2 or more",
            )


def _trend_problems(trend: Trend, widest: int, n_bins: int) -> Iterator[Problem]:
    """Whether the bins outside of the widest window are enough to fit a trend."""
    left, needed = n_bins - widest - 2 * trend.guard, trend.degree + 2
    if left < needed:
        yield (
            "trend",
            f"windows up to {widest} bins wide, with {trend.guard} more on either side, leave "
            f"{max(left, 0)} of {n_bins} bins to fit a polynomial of degree {trend.degree}, "
            f"expected {needed} or more",
        )
