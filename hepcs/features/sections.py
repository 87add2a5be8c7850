"""The sections of features on the card, and their kinds; the makers stand beside, and are imported when needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hepcs._core.deferring import deferred
from hepcs.config.features import FeatureSection
from hepcs.config.values import PositiveInteger, Problem, Window
from hepcs.features.kinds import FeatureKind

if TYPE_CHECKING:
    from hepcs.config.schema import Card


class Pixels(FeatureSection):
    """All pixels of the reprocessed images (Cluster Scanning, section 2.1)."""

    kind: Literal["pixels"] = "pixels"
    gamma: Annotated[float, Field(strict=True, gt=0, le=100)] = Field(
        0.5, description="exponent of the pixel scaling"
    )
    smearing: Annotated[float, Field(strict=True, ge=0, le=200)] = Field(
        1.0, description="sigma of the Gaussian smearing, pixels"
    )


class ImagePca(FeatureSection):
    """Principal components of the reprocessed images, found from the background or all labelled events."""

    kind: Literal["image_pca"] = "image_pca"
    kept_variance: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(
        0.95, description="share of the variance that the principal components keep"
    )
    training: Window = Field(
        (3000.0, 3100.0),
        description="m_jj [low, high), GeV, of the events that the components are found from",
    )
    gamma: Annotated[float, Field(strict=True, gt=0, le=100)] = Field(
        0.5, description="exponent of the pixel scaling"
    )
    smearing: Annotated[float, Field(strict=True, ge=0, le=200)] = Field(
        1.0, description="sigma of the Gaussian smearing, pixels"
    )

    def problems_in(self, card: Card) -> Iterator[Problem]:
        """Whether its training region is one of the card's events."""
        if not card.regions.holds(self.training):
            low, high = card.regions.evaluation
            yield "training", f"reaches out of regions.evaluation [{low:g}, {high:g})"


class Substructure(FeatureSection):
    """Of each jet: mass, pT, N-subjettiness, multiplicity, soft drop, by fastjet."""

    kind: Literal["substructure"] = "substructure"

    @property
    def packages(self) -> tuple[str, ...]:
        """What computes N-subjettiness and soft drop."""
        return ("fastjet",)


class Constituents(FeatureSection):
    """Of each jet: its hardest constituents, (pT, eta, phi) relative to its axis, zero padded."""

    kind: Literal["constituents"] = "constituents"
    most: PositiveInteger = Field(100, description="constituents that are kept of a jet, the hardest ones")


class EventFeaturesSection(FeatureSection):
    """Of each event: substructure of the lighter and the heavier jet."""

    kind: Literal["event"] = "event"
    set: Literal["standard", "extended", "all_tau"] = Field(
        "standard",
        description="standard: lighter mass, mass difference, tau21 of both; extended: with further ratios of "
        "tau; all_tau: masses and tau_1 to tau_5",
    )
    divide_by_m_jj: bool = Field(False, description="masses in units of m_jj, which then tell it less")
    angles: bool = Field(False, description="also Delta R and Delta eta of the two jets")

    @property
    def packages(self) -> tuple[str, ...]:
        """What computes N-subjettiness and soft drop."""
        return ("fastjet",)


class LundPlane(FeatureSection):
    """Of the lighter and the heavier jet: how often each kind of splitting comes along the harder branch."""

    kind: Literal["lund_plane"] = "lund_plane"
    angles: PositiveInteger = Field(5, le=50, description="bins of the logarithm of the angle")
    kts: PositiveInteger = Field(5, le=50, description="bins of the logarithm of the relative k_T")
    masses: PositiveInteger = Field(4, le=50, description="bins of the logarithm of the relative mass")

    @property
    def packages(self) -> tuple[str, ...]:
        """What declusters."""
        return ("fastjet",)


IMAGE_PCA = FeatureKind(
    ImagePca, "principal components of jet images", deferred("hepcs.features.image_pca", "maker")
)
PIXELS = FeatureKind(Pixels, "all pixels of jet images", deferred("hepcs.features.pixels", "maker"))
SUBSTRUCTURE = FeatureKind(
    Substructure,
    "mass, N-subjettiness, multiplicity, soft drop",
    deferred("hepcs.features.substructure", "maker"),
)
CONSTITUENTS = FeatureKind(
    Constituents, "padded constituents of jets", deferred("hepcs.features.constituents", "maker")
)
EVENT = FeatureKind(
    EventFeaturesSection, "masses and N-subjettiness of both jets", deferred("hepcs.features.event", "maker")
)
LUND_PLANE = FeatureKind(
    LundPlane, "counted splittings of both jets (Lund plane)", deferred("hepcs.features.lund_plane", "maker")
)
