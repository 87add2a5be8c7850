"""The section of dijet fits on the card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from hepcs.config.searches import SearchSection, Statistic
from hepcs.config.values import MOST_BINS, OneOrMore, PositiveEnergy, PositiveInteger, Problem, Section

if TYPE_CHECKING:
    from hepcs.config.schema import Card


class BinWindows(Section):
    """Windows of adjacent bins, in place of single ones."""

    widths: Annotated[tuple[PositiveInteger, ...], Field(min_length=1, max_length=MOST_BINS), OneOrMore] = (
        Field((1, 2), description="widths of the windows, bins")
    )


class Template(Section):
    """A signal of given shape at each of a grid of masses, fitted together with the background."""

    shape: Literal["gaussian", "signal"] = Field(
        "gaussian",
        description="a Gaussian of relative width `width`, or m_jj of the card's signal sample, scaled",
    )
    width: Annotated[float, Field(strict=True, gt=0, le=1)] = Field(
        0.02, description="relative width of the Gaussian"
    )
    step: PositiveEnergy = Field(50.0, description="distance of the masses, GeV")
    mass: PositiveEnergy | None = Field(
        None, description="shape signal: mass of the sample, GeV; the median of its m_jj if absent"
    )


class DijetFitSection(SearchSection):
    """A dijet function fitted to the spectrum of all events (Cluster Scanning, eq. 3.1 and appendix A)."""

    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fit_3": {"parameters": 3},
        "fit_4": {"parameters": 4},
    }

    kind: Literal["dijet_fit"] = "dijet_fit"
    parameters: Annotated[int, Field(strict=True, ge=3, le=5)] = Field(4, description="non-zero parameters")
    statistic: Statistic = Field(
        Statistic(), description="of single bins, unless there are windows or a template"
    )
    windows: BinWindows | None = Field(
        None, description="the largest significance of windows of adjacent bins"
    )
    template: Template | None = Field(
        None, description="the largest significance of a signal of given shape, the background profiled"
    )
    toys: bool = Field(
        True,
        description="calibrate by Poisson toys of the fit to the background, as published, rather than by the "
        "data sets that all searches share",
    )

    @property
    def roles(self) -> tuple[str, ...]:
        """The signal sample, for its shape."""
        return ("signal",) if self.template is not None and self.template.shape == "signal" else ()

    def _problems(self) -> Iterator[Problem]:
        own = [key for key in ("windows", "template") if getattr(self, key) is not None]
        if len(own) == 2:
            yield (
                "template",
                "windows and a template are two searches; remove one, or make two of it by `like`",
            )
        if self.template is not None and self.statistic.background_uncertainty:
            yield (
                "statistic.background_uncertainty",
                "is of single bins and windows; a template fits its background",
            )
        if own and self.statistic.kind != "maximum_local_significance":
            yield "statistic.kind", f"{own[0]} have a statistic of their own"

    def problems_in(self, card: Card) -> Iterator[Problem]:
        """Whether the bins are enough."""
        n_bins = card.regions.n_bins
        if self.windows is not None and max(self.windows.widths) > n_bins:
            yield "windows.widths", f"found {max(self.windows.widths)}, and there are {n_bins} bins of m_jj"
        if n_bins <= self.parameters:
            yield "parameters", f"{self.parameters} parameters need more than the {n_bins} bins of m_jj"
        for key, text in self.statistic.problems_in(n_bins, measures=True):
            yield f"statistic.{key}", text
