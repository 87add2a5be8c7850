"""From events to their dijets, on the card: jets, images, and regions of m_jj."""

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
    second_pt_min: Energy | None = Field(
        None, description="second jet's pT must be above, GeV; none if absent"
    )
    delta_eta_max: PositiveNumber | None = Field(
        None, description="difference in eta of the two leading jets must be below; none if absent"
    )
    m_jj_min: Energy | None = Field(
        None,
        description="m_jj must be above, GeV: where the triggers have turned on; none if absent",
    )


class Images(Section):
    """Jet images (paper, section 2.1)."""

    pixels: Annotated[int, Field(strict=True, ge=2, le=200)] = 40
    half_width: Annotated[float, Field(strict=True, gt=0, le=10)] = Field(
        0.8, description="the crop is [-half_width, half_width) squared"
    )


class Regions(Section):
    """The region of m_jj, GeV, [low, high), that is searched, and its bins (paper, sections 3.1.1 and 3.2)."""

    evaluation: Window = (3000.0, 4600.0)
    bin_width: PositiveEnergy = 100.0
    sqrt_s: PositiveEnergy = Field(
        13000.0, description="energy of the collisions, GeV; x = m_jj / sqrt_s of fits"
    )

    def _problems(self) -> Iterator[Problem]:
        low, high = self.evaluation
        evaluation = f"the evaluation region [{low:g}, {high:g})"
        if high > self.sqrt_s:
            yield "evaluation", f"ends above sqrt_s = {self.sqrt_s:g} GeV"
        width, bins = f"{self.bin_width:g} GeV", (high - low) / self.bin_width
        if bins > MOST_BINS:
            yield "bin_width", f"{width} makes {bins:.4g} bins of {evaluation}, expected {MOST_BINS} or fewer"
        elif abs(bins - round(bins)) > 1e-9 * max(1.0, bins) or round(bins) < 2:
            yield "bin_width", f"{width} does not divide {evaluation}: {bins:.4g} bins"

    def holds(self, window: tuple[float, float]) -> bool:
        """Whether a window in m_jj lies inside the evaluation region."""
        return self.evaluation[0] <= window[0] < window[1] <= self.evaluation[1]

    @property
    def n_bins(self) -> int:
        """Number b of m_jj bins."""
        return round((self.evaluation[1] - self.evaluation[0]) / self.bin_width)
