"""The section of a search by score and cut on the card, and of the boosted trees that several of them train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from hepcs.config.searches import SearchSection
from hepcs.config.values import OneOrMore, PositiveInteger, Problem, SearchName, Section, each_once

if TYPE_CHECKING:
    from hepcs.config.schema import Card
    from hepcs.searches.cut_and_fit.classifier import BoostedTrees, Scorer
    from hepcs.searches.cut_and_fit.training import Training
    from hepcs.searches.kinds import Context

_Efficiency = Annotated[float, Field(strict=True, gt=0, le=1)]
#: Shares of all events.
Efficiencies = Annotated[
    tuple[_Efficiency, ...], Field(min_length=1, max_length=20), OneOrMore, each_once("efficiency")
]


class CutAndFit(SearchSection):
    """Every event gets a score, the highest share is kept, and its m_jj spectrum is fitted, one window left out.

    A kind derives from it, and makes the scorer. By default this is trained on all events of the data set, without
    labels; for another way, a kind makes a `training` of its own, and says in `trained_on` what it is.
    """

    #: What the score is trained on, in words that go on from "trained on".
    trained_on: ClassVar[str] = "all events of the data set, without labels"
    #: Whether the score divides momenta of constituents by that of the jet, and so is not one of m_jj.
    normalises_momenta: ClassVar[bool] = False
    #: Title of a search that has neither a title nor a name of its own; its name, in words, if empty.
    usual_title: ClassVar[str] = ""
    #: Whether training weighs events by any numbers, rather than to count copies.
    weighs_events: ClassVar[bool] = True
    #: The only columns of the features that the score is of, by name; all if empty.
    looks_at: ClassVar[tuple[str, ...]] = ()
    #: What the numbers of :attr:`Scores.numbers` are, by their names, for the report.
    number_titles: ClassVar[Mapping[str, str]] = {}

    features: SearchName = Field("event", description="features that the score is of")
    folds: Annotated[int, Field(strict=True, ge=2, le=1000)] = Field(
        5, description="k of the k-fold training: no event is scored by a model that has seen it"
    )
    window: PositiveInteger = Field(2, description="width of the sliding windows, bins of m_jj")
    sideband: PositiveInteger | None = Field(
        None, description="width of the sideband on each side, bins; as wide as the window if absent"
    )
    efficiencies: Efficiencies = Field(
        (0.01,), description="shares of all events that the cuts keep; the best of them counts"
    )
    fit_parameters: Literal[3, 4, "f_test"] = Field(
        3,
        description="of the dijet function; f_test: 3, or 4 where the bins outside of the window ask for it",
    )
    local_significance: Literal["asymptotic", "exact"] = Field(
        "asymptotic", description="(S - B) / sqrt(B + var(B)), or the Poisson tail with the estimate's error"
    )
    decorrelate: Literal["none", "quantile", "planing"] = Field(
        "none",
        description="of the score from m_jj. quantile: thresholds that follow m_jj, fitted outside of the window, "
        "so that a cut keeps the same share everywhere; planing: training weights that flatten the spectrum",
    )

    background_uncertainty: Annotated[float, Field(strict=True, ge=0, le=1)] | Literal["measured"] = Field(
        0.0,
        description="uncertainty of B, divided by it, beside that of the fit: such as the bias of the report. "
        "`measured`: what the bias of the windows is beyond fluctuations, for each cut, in 20 data sets without "
        "signal that are searched before all others",
    )

    def scorer(self) -> Scorer:
        """What is trained."""
        raise NotImplementedError

    def training(self) -> Training:
        """How the events of a data set come to their scores."""
        from hepcs.searches.cut_and_fit.training import OnData

        return OnData(self.scorer(), self.folds)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features of the score."""
        return (self.features,)

    @property
    def is_trained_once(self) -> bool:
        """Whether one training judges all data sets, so that p is conditional on its models."""
        return False

    @property
    def conditional_on(self) -> str:
        """What was trained once for all data sets, so that p is conditional on it: a sentence, or nothing."""
        once = "One training judges all data sets: p is conditional on these models."
        return once if self.is_trained_once else ""

    @property
    def compares_with_samples(self) -> bool:
        """Whether the training looks at whole samples in each data set, not only before all of them."""
        return False

    def problems_of(self, context: Context) -> Iterator[Problem]:  # noqa: ARG002
        """What the samples do not allow: keys relative to the section, and why."""
        return iter(())

    def _problems(self) -> Iterator[Problem]:
        if self.decorrelate == "planing" and not self.weighs_events:
            yield (
                "decorrelate",
                "planing weighs events, and this score is trained on whole copies of them; take quantile",
            )

    def problems_in(self, card: Card) -> Iterator[Problem]:
        """Whether windows and fits find place in the bins."""
        n_bins, side = card.regions.n_bins, self.sideband or self.window
        needed = self.window + 2 * side
        if needed > n_bins:
            yield (
                "window",
                f"a window of {self.window} bins with sidebands of {side} on both sides needs {needed} bins, and "
                f"there are {n_bins} of m_jj",
            )
        most = 4 if self.fit_parameters == "f_test" else self.fit_parameters
        if n_bins - self.window <= most:
            yield (
                "window",
                f"windows of {self.window} bins leave {n_bins - self.window} of {n_bins} for a fit of {most} "
                f"parameters, expected {most + 1} or more",
            )


class TreesSection(Section):
    """Gradient-boosted trees."""

    rounds: PositiveInteger = Field(25, description="trees of a member")
    leaves: Annotated[int, Field(strict=True, ge=2, le=10_000)] = Field(31, description="leaves of a tree")
    learning_rate: Annotated[float, Field(strict=True, gt=0, le=1)] = Field(
        0.15, description="by which each tree is shrunk"
    )
    min_leaf: PositiveInteger = Field(100, description="least events in a leaf")
    bins: Annotated[int, Field(strict=True, ge=2, le=255)] = Field(63, description="most bins of a feature")
    bagging: Annotated[float, Field(strict=True, gt=0, le=1)] = Field(
        1.0, description="share of the events that each tree is grown on"
    )
    members: PositiveInteger = Field(
        1, description="models whose scores are averaged; they differ by bagging"
    )

    def _problems(self) -> Iterator[Problem]:
        if self.members > 1 and self.bagging == 1:
            yield "members", "without bagging all members are the same; set bagging below 1, or members to 1"

    def classifier(self) -> BoostedTrees:
        """The trees, untrained."""
        from hepcs.searches.cut_and_fit.classifier import BoostedTrees

        return BoostedTrees(**self.model_dump())


class TreesCutAndFit(CutAndFit):
    """A score by boosted trees."""

    trees: TreesSection = Field(TreesSection(), description="the classifier, boosted trees")

    def scorer(self) -> Scorer:
        """The trees."""
        return self.trees.classifier()

    @property
    def packages(self) -> tuple[str, ...]:
        """What grows the trees."""
        return ("lightgbm",)


class SimulationCutAndFit(TreesCutAndFit):
    """A score by boosted trees that look at simulation beside the data of each data set."""

    @property
    def roles(self) -> tuple[str, ...]:
        """What the data are compared with."""
        return ("simulation",)

    @property
    def compares_with_samples(self) -> bool:
        """With the simulation, in each data set."""
        return True

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Whether the simulation is there wherever the data are."""
        from hepcs.searches.cut_and_fit.overlap import simulation_problems

        yield from simulation_problems(context, self.feature_names, self.window, self.sideband)
