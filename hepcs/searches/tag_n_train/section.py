"""The section of Tag N' Train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationError

from hepcs.config.kinds import installed_kinds, load_kind
from hepcs.config.values import Problem, SearchName
from hepcs.searches.cut_and_fit.section import CutAndFit, TreesCutAndFit

if TYPE_CHECKING:
    from hepcs.searches.kinds import Context
    from hepcs.searches.tag_n_train.training import TaggedJets

_Share = Annotated[float, Field(strict=True, gt=0, lt=1)]


def _section(value: Any) -> Any:
    """The section of a search from a mapping with its kind."""
    if not isinstance(value, Mapping):
        return value
    kind = value.get("kind")
    if kind not in installed_kinds("hepcs.searches"):
        known = ", ".join(installed_kinds("hepcs.searches"))
        raise ValueError(f"expected the `kind` of a search, one of {known}; found {kind!r}")
    try:
        return load_kind("hepcs.searches", str(kind)).section.model_validate(dict(value))
    except ValidationError as error:
        reasons = (f"{'.'.join(map(str, one['loc'])) or kind}: {one['msg']}" for one in error.errors())
        raise ValueError("; ".join(reasons)) from error


def _keys(section: CutAndFit | None) -> Any:
    """A section with its kind and what differs from its defaults, from which it can be made again."""
    return section and {"kind": section.kind, **section.model_dump(mode="json", exclude_defaults=True)}


class TagNTrain(TreesCutAndFit):
    """Classifiers of each jet, trained on events that the other jet tags."""

    trained_on: ClassVar[str] = (
        "jets of events that the other jet tags as signal-like against background-like"
    )
    usual_title: ClassVar[str] = "Tag N' Train"
    number_titles: ClassVar[Mapping[str, str]] = {
        "lift_first": "events with both jets tagged, over those expected of independent jets: first score",
        "lift_last": "the same, last score",
    }
    kind: Literal["tag_n_train"] = "tag_n_train"
    features: SearchName = Field("substructure", description="features of each jet that classifiers are of")
    folds: Annotated[int, Field(strict=True, ge=3, le=1000)] = Field(
        5, description="k of the k-fold training; inside of the k - 1 others, tags are k-fold again"
    )
    first: Annotated[CutAndFit | None, BeforeValidator(_section), PlainSerializer(_keys)] = Field(
        None,
        description="the first score of a jet: a search with its `kind` whose score needs no labels, "
        "pca_outliers or lda, on features of jets; a distance on small principal components if absent",
    )
    iterations: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(
        2, description="how often classifiers are trained, each time on tags of the last ones"
    )
    signal_like: _Share = Field(
        0.2, description="share of events of highest score that are tagged signal-like"
    )
    background_like: _Share = Field(0.4, description="share of lowest score that are tagged background-like")
    in_window: bool = Field(
        False,
        description="whether signal-like events are those of a window alone, and classifiers are trained in each "
        "(background-like: of the window and its sidebands)",
    )
    order: Literal["random", "mass"] = Field(
        "random",
        description="of the two jets, by which classifiers differ: drawn for each event, or the heavier one first",
    )

    def training(self) -> TaggedJets:
        """Chains of trainings, once a data set or in each window."""
        from hepcs.searches.cut_and_fit.outliers import PcaScorer
        from hepcs.searches.tag_n_train.training import TaggedJets

        return TaggedJets(
            scorer=self.scorer(),
            folds=self.folds,
            first=PcaScorer(0.9) if self.first is None else self.first.scorer(),
            first_feature=self.first_feature,
            iterations=self.iterations,
            shares=(self.background_like, self.signal_like),
            in_window=self.in_window,
            by_mass=self.order == "mass",
        )

    @property
    def first_feature(self) -> str:
        """What the first score is of."""
        if self.first is None or "features" not in self.first.model_fields_set:
            return self.features
        return self.first.features

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Those of the classifiers, and of the first score."""
        return tuple(dict.fromkeys((self.features, self.first_feature)))

    @property
    def packages(self) -> tuple[str, ...]:
        """What grows the trees, and what computes the first score."""
        first = ("scikit-learn",) if self.first is None else self.first.packages
        return tuple(dict.fromkeys((*super().packages, *first)))

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if self.signal_like + self.background_like > 1:
            yield "signal_like", "and background_like are more than all events together"
        if self.first is None:
            return
        from hepcs.searches.cut_and_fit.training import OnData

        if type(self.first).training is not CutAndFit.training or not isinstance(
            self.first.training(), OnData
        ):
            yield (
                "first",
                f"the score of {self.first.kind!r} is not one of jets that is trained without labels in each data "
                "set; expected pca_outliers or lda",
            )

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Whether features are of each jet, and tell which is heavier where that is asked for."""
        for key, name in (("features", self.features), ("first", self.first_feature)):
            if context.pools.searched.features[name].ndim != 3:
                yield (
                    key,
                    f"{name!r} are features of events; expected features of each jet, as `substructure`",
                )
        if self.first is not None:
            first = self.first.model_copy(update={"features": self.first_feature})
            for key, problem in first.problems_of(context):
                yield f"first.{key}" if key else "first", problem
        if self.order == "mass" and "mass" not in context.columns.get(self.features, ()):
            yield "order", f"is by mass, and {self.features!r} have no column `mass`; take random"
        elif self.order == "mass" and context.columns[self.features].index("mass") != 0:
            yield "order", f"is by mass, which has to be the first column of {self.features!r}; take random"
