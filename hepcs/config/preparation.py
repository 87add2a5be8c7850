"""From events to what the clustering sees, on the card: jets, images, features and regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hepcs.config.values import MOST_BINS, Energy, PositiveEnergy, PositiveNumber, Problem, Section, Window


class Jets(Section):
    """Reclustering and selection (paper, section 2)."""

    backend: Literal["auto", "pyjet", "fastjet"] = Field("auto", description="auto: pyjet if it is installed")
    radius: Annotated[float, Field(strict=True, gt=0, le=10)] = Field(1.0, description="anti-kT radius")
    leading_pt_min: Energy = Field(1200.0, description="leading jet pT must be above, GeV")
    abs_eta_max: PositiveNumber = Field(2.5, description="|eta| of both leading jets must be below")


class Images(Section):
    """Jet images (paper, section 2.1)."""

    pixels: Annotated[int, Field(strict=True, ge=2, le=200)] = 40
    half_width: Annotated[float, Field(strict=True, gt=0, le=10)] = Field(
        0.8, description="the crop is [-half_width, half_width) squared"
    )


class Features(Section):
    """What the clustering sees: reprocessed images, compressed by PCA or pixel by pixel."""

    kind: Literal["pca", "pixels"] = "pca"
    kept_variance: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(
        0.95, description="share of the variance that the principal components keep"
    )
    gamma: Annotated[float, Field(strict=True, gt=0, le=100)] = Field(
        0.5, description="exponent of the pixel scaling"
    )
    smearing: Annotated[float, Field(strict=True, ge=0, le=200)] = Field(
        1.0, description="sigma of the Gaussian smearing, pixels"
    )


class Regions(Section):
    """Windows in m_jj, GeV, each [low, high) (paper, sections 3.1.1 and 3.2)."""

    evaluation: Window = (3000.0, 4600.0)
    training: Window = (3000.0, 3100.0)
    bin_width: PositiveEnergy = 100.0

    def _problems(self) -> Iterator[Problem]:
        (low, high), (train_low, train_high) = self.evaluation, self.training
        evaluation = f"the evaluation region [{low:g}, {high:g})"
        if train_low < low or train_high > high:
            yield "training", f"[{train_low:g}, {train_high:g}) is not inside {evaluation}"
        width, bins = f"{self.bin_width:g} GeV", (high - low) / self.bin_width
        if bins > MOST_BINS:
            yield "bin_width", f"{width} makes {bins:.4g} bins of {evaluation}, expected {MOST_BINS} or fewer"
        elif abs(bins - round(bins)) > 1e-9 * max(1.0, bins) or round(bins) < 2:
            yield "bin_width", f"{width} does not divide {evaluation}: {bins:.4g} bins"

    @property
    def n_bins(self) -> int:
        """Number b of m_jj bins."""
        return round((self.evaluation[1] - self.evaluation[0]) / self.bin_width)
