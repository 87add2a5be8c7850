"""From events to their dijets, on the card: jets, images, and regions of m_jj."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from hepcs.config.binnings import BINNINGS, BinningName, edges_inside, nearest_edges
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
    delta_eta_min: PositiveNumber | None = Field(
        None,
        description="difference in eta of the two leading jets must be above, for a control region; none",
    )
    m_jj_min: Energy | None = Field(
        None,
        description="m_jj must be above, GeV: where the triggers have turned on; none if absent",
    )

    def _problems(self) -> Iterator[Problem]:
        low, high = self.delta_eta_min, self.delta_eta_max
        if low is not None and high is not None and low >= high:
            yield (
                "delta_eta_min",
                f"found {low:g}, expected less than delta_eta_max = {high:g}: no event passes",
            )


class Images(Section):
    """Jet images (paper, section 2.1)."""

    pixels: Annotated[int, Field(strict=True, ge=2, le=200)] = Field(
        40, description="along eta and along phi"
    )
    half_width: Annotated[float, Field(strict=True, gt=0, le=10)] = Field(
        0.8, description="the crop is [-half_width, half_width) squared"
    )


_EVALUATION = (3000.0, 4600.0)
_BIN_WIDTH = 100.0


def _how_binned(value: Any) -> str:
    return "by name" if isinstance(value, str) else "by edges"


class Regions(Section):
    """The region of m_jj, GeV, [low, high), that is searched, and its bins (paper, sections 3.1.1 and 3.2)."""

    evaluation: Window = Field(
        _EVALUATION,
        description="of `bins`, from their first edge to the last; must be edges of a named binning",
    )
    bin_width: PositiveEnergy = Field(_BIN_WIDTH, description="GeV, of bins of one width")
    bins: (
        Annotated[
            Annotated[BinningName, Tag("by name")]
            | Annotated[
                tuple[PositiveEnergy, ...], Field(min_length=3, max_length=MOST_BINS + 1), Tag("by edges")
            ],
            Discriminator(_how_binned),
        ]
        | None
    ) = Field(
        None,
        description="bins of different widths: a list of edges, GeV, or the name of a binning, whose bins inside "
        "`evaluation` are taken",
    )
    sqrt_s: PositiveEnergy = Field(
        13000.0, description="energy of the collisions, GeV; x = m_jj / sqrt_s of fits"
    )

    @model_validator(mode="before")
    @classmethod
    def _region_of_bins(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "evaluation" in value:
            return value
        edges = value.get("bins")
        if isinstance(edges, str):
            edges = edges_inside(edges, *_EVALUATION) if edges in BINNINGS else None
        return (
            {**value, "evaluation": (edges[0], edges[-1])}
            if isinstance(edges, list | tuple) and edges
            else value
        )

    def _problems(self) -> Iterator[Problem]:
        low, high = self.evaluation
        evaluation = f"the evaluation region [{low:g}, {high:g})"
        if high > self.sqrt_s:
            yield "evaluation", f"ends above sqrt_s = {self.sqrt_s:g} GeV"
        if self.bins is not None:
            yield from self._problems_of_edges(self.bins)
            return
        width, bins = f"{self.bin_width:g} GeV", (high - low) / self.bin_width
        if bins > MOST_BINS:
            yield "bin_width", f"{width} makes {bins:.4g} bins of {evaluation}, expected {MOST_BINS} or fewer"
        elif abs(bins - round(bins)) > 1e-9 * max(1.0, bins) or round(bins) < 2:
            yield "bin_width", f"{width} does not divide {evaluation}: {bins:.4g} bins"

    def _problems_of_edges(self, bins: str | tuple[float, ...]) -> Iterator[Problem]:
        if self.bin_width != _BIN_WIDTH:
            yield "bin_width", "is for bins of one width, and there are `bins`; remove one of the two"
        if not isinstance(bins, str):
            if any(low >= high for low, high in pairwise(bins)):
                yield "bins", f"expected rising edges, found {list(bins)}"
            elif self.evaluation != (bins[0], bins[-1]):
                yield (
                    "evaluation",
                    f"expected [{bins[0]:g}, {bins[-1]:g}), from the first edge of `bins` to the last",
                )
            return
        for mass in self.evaluation:
            nearest = nearest_edges(bins, mass)
            if mass not in nearest:
                named = " and ".join(f"{edge:g}" for edge in nearest)
                yield "evaluation", f"{mass:g} GeV is no edge of {bins}; the nearest are {named}"
        if not self.edges or len(self.edges) < 3:
            yield "evaluation", f"holds fewer than two bins of {bins}"

    def holds(self, window: tuple[float, float]) -> bool:
        """Whether a window in m_jj lies inside the evaluation region."""
        return self.evaluation[0] <= window[0] < window[1] <= self.evaluation[1]

    @property
    def n_bins(self) -> int:
        """Number b of m_jj bins."""
        if self.edges is not None:
            return len(self.edges) - 1
        return round((self.evaluation[1] - self.evaluation[0]) / self.bin_width)

    @property
    def edges(self) -> tuple[float, ...] | None:
        """Edges of bins that the card names, GeV; None for bins of one width."""
        return edges_inside(self.bins, *self.evaluation) if isinstance(self.bins, str) else self.bins

    def width_text(self, n_bins: int = 1) -> str:
        """Width of so many adjacent bins: ``100 GeV``, or ``128 to 177 GeV``."""
        if self.edges is None:
            return f"{n_bins * self.bin_width:g} GeV"
        widths = [high - low for low, high in zip(self.edges, self.edges[n_bins:], strict=False)]
        least, most = (f"{width:g}" for width in (min(widths, default=0.0), max(widths, default=0.0)))
        return f"{least} GeV" if least == most else f"{least} to {most} GeV"
