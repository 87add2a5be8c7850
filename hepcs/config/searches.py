"""The searches on the card: Cluster Scanning, its variants, the fits, and the statistic that judges them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from hepcs.config.values import (
    MOST_BINS,
    OneOrMore,
    PositiveEnergy,
    PositiveInteger,
    PositiveNumber,
    Problem,
    Section,
    Text,
    Window,
    each_once,
)


class Trend(Section):
    """The share of some clusters in all jets as a polynomial in m_jj, fitted outside of each tested window."""

    degree: Annotated[int, Field(strict=True, ge=0, le=3)] = Field(1, description="1: a straight line")
    guard: Annotated[int, Field(strict=True, ge=0, le=MOST_BINS)] = Field(
        1, description="bins on either side of the window that the fit leaves out as well"
    )


class Windows(Section):
    """Scan of each cluster against its own trend, window by window."""

    widths: Annotated[tuple[PositiveInteger, ...], Field(min_length=1, max_length=MOST_BINS), OneOrMore] = (
        Field((1, 2), description="widths of the windows, bins")
    )
    combination: Literal["quadrature", "sum"] = Field(
        "quadrature",
        description="the root of the sum of squares of all clusters' excesses, or the sum of those above theta",
    )


# Clusterers that scikit-learn computes, whatever the engine of k-means is.
BY_SKLEARN = ("gaussian_mixture", "birch")


class ClusterScanning(Section):
    """Cluster Scanning (paper, section 3.2, Table 1, and appendix E)."""

    k: Annotated[int, Field(strict=True, ge=3, le=100_000)] = Field(50, description="number of clusters")
    clusterer: Literal["mini_batch", "lloyd", "gaussian_mixture", "birch"] = Field(
        "mini_batch", description="mini-batch k-means, or another clusterer to compare it with"
    )
    batch_size: PositiveInteger = Field(2048, description="jets in a mini-batch")
    jets: Literal["both", "leading", "subleading"] = Field(
        "both", description="jets of an event that are clustered and counted"
    )
    training_jets: PositiveInteger | None = Field(
        None, description="train on so many jets drawn at random; on all of the training region if absent"
    )
    outlier_fraction: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.2
    theta: PositiveNumber = Field(3.0, description="selection threshold, robust standard deviations")
    neighbours: Annotated[int, Field(strict=True, ge=0, le=100_000)] = Field(
        0, description="nearest clusters that are added to each selected one"
    )
    background_estimate: Literal["signal_poor", "dijet_fit", "dijet_fit_each", "transfer_factor"] = Field(
        "signal_poor",
        description="of the signal-rich clusters: the scaled sum of the others; a dijet fit of their sum, "
        "or of each; the sum of the others times a polynomial",
    )
    fit_parameters: Annotated[int, Field(strict=True, ge=3, le=5)] = Field(
        4, description="of the dijet fits, if they are the background estimate"
    )
    windows: Windows | None = Field(
        None, description="scan each cluster against its own trend, in place of one selection for all bins"
    )
    trend: Trend = Trend()
    ensemble: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        15, description="scans of one data set, combined"
    )
    combination: Literal["mean", "median"] = Field("mean", description="of the ensemble's statistics")
    engine: Literal["compiled", "sklearn"] = Field(
        "compiled",
        description="the k-means: our own compiled one, or scikit-learn's, a reference several times slower",
    )

    def _problems(self) -> Iterator[Problem]:
        left = self.k - round(self.outlier_fraction * self.k)
        if left < 2:
            yield (
                "outlier_fraction",
                f"{self.outlier_fraction:g} of k = {self.k} clusters leaves {left}, expected 2 or more",
            )


class Fits(Section):
    """Dijet functions fitted to the same bins (paper, eq. 3.1 and appendix A)."""

    parameters: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=3, le=5)], ...],
        OneOrMore,
        each_once("number of parameters"),
    ] = Field((3, 4), description="numbers of non-zero parameters, of 3, 4 and 5; [] for no fit")
    sqrt_s: PositiveEnergy = Field(13000.0, description="x = m_jj / sqrt_s, GeV")
    idealised: bool = Field(
        False,
        description="also the idealised fit, whose estimate is the original background; needs its truth",
    )


class Statistic(Section):
    """The test statistic of a spectrum against its background estimate (paper, eqs. 3.2 and 3.3)."""

    kind: Literal["maximum_local_significance", "bumphunter"] = Field(
        "maximum_local_significance",
        description="largest Z of single bins, or -ln p of the most significant window of adjacent bins",
    )
    local_significance: Literal["gaussian", "exact"] = Field(
        "gaussian", description="Z of a bin: (S - B) / sqrt(B), or the normal quantile of its Poisson tail"
    )
    max_width: PositiveInteger | None = Field(
        None, description="bumphunter: bins in the widest window; half of all bins if absent"
    )

    def _problems(self) -> Iterator[Problem]:
        if self.max_width is not None and self.kind != "bumphunter":
            yield "max_width", f"is for kind: bumphunter; the statistic is {self.kind}"


class Variant(Section):
    """Cluster Scanning done otherwise, on the same data sets: what differs from the card's own.

    Variants that differ only in how spectra are judged share their clusterings.
    """

    title: Text | None = Field(None, description="name for people; the variant's name if absent")
    cluster_scanning: dict[str, Any] = Field(
        default_factory=dict, description="keys of `cluster_scanning` that differ"
    )
    statistic: dict[str, Any] = Field(default_factory=dict, description="keys of `statistic` that differ")
    training: Window | None = Field(None, description="training region in m_jj, GeV, [low, high)")
    idealised: bool = Field(
        False, description="background jets redistributed by the fractions of the first bin; needs the truth"
    )
    train_on_injected: bool = Field(
        True, description="false: the training leaves out the injected signal events; needs the truth"
    )

    @property
    def needs_truth(self) -> bool:
        """Whether it is a study that no search of real data can do."""
        return self.idealised or not self.train_on_injected


def judgement_problems(scanning: ClusterScanning, statistic: Statistic, n_bins: int) -> Iterator[Problem]:
    """What does not go together in the way that spectra of so many bins are judged; keys of the card."""
    if scanning.windows is not None and statistic.kind != "maximum_local_significance":
        yield "statistic.kind", "a scan by windows (cluster_scanning.windows) has its own statistic"
    if scanning.neighbours >= scanning.k:
        yield "cluster_scanning.neighbours", f"expected fewer than k = {scanning.k}"
    if scanning.windows is not None:
        yield from _trend_problems(scanning.trend, max(scanning.windows.widths), n_bins)
    elif scanning.background_estimate == "transfer_factor":
        yield from _trend_problems(scanning.trend, 1, n_bins)


def _trend_problems(trend: Trend, widest: int, n_bins: int) -> Iterator[Problem]:
    """Whether the bins outside of the widest window are enough to fit a trend."""
    left, needed = n_bins - widest - 2 * trend.guard, trend.degree + 2
    if left < needed:
        yield (
            "cluster_scanning.trend",
            f"windows up to {widest} bins wide, with {trend.guard} more on either side, leave "
            f"{max(left, 0)} of {n_bins} bins to fit a polynomial of degree {trend.degree}, "
            f"expected {needed} or more",
        )
