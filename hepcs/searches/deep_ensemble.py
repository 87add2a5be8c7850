"""Deep ensemble: models of substructure and of jet images, trained on signals that one thinks of, and averaged.

A supervised search of the LHC Olympics (Community paper, arXiv:2101.08320, section 5; trees on observables and a
network on images). It knows no truth: its signals are hypotheses, and it finds what resembles them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from hepcs.config.values import Problem, SearchName
from hepcs.datasets.folds import assign_folds
from hepcs.searches.cut_and_fit.classifier import Scorer
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import TreesCutAndFit
from hepcs.searches.cut_and_fit.training import Events, FoldModels, Scores, Training, train_by_fold

if TYPE_CHECKING:
    from hepcs.searches.cut_and_fit.windows import SlidingWindows


class DeepEnsemble(TreesCutAndFit):
    """Trees on two sorts of features, averaged."""

    trained_on: ClassVar[str] = "signal hypotheses against background, once for all data sets"
    usual_title: ClassVar[str] = "deep ensemble"
    kind: Literal["deep_ensemble"] = "deep_ensemble"
    features: SearchName = Field("substructure", description="features of the first models")
    images: SearchName = Field("image_pca", description="features of the second ones, such as of jet images")

    def training(self) -> PriorEnsemble:
        """Once for all data sets."""
        return PriorEnsemble(self.scorer(), self.folds, self.feature_names)

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if self.images == self.features:
            yield "images", f"are {self.features!r}, as the other features: take another sort of them"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Both sorts."""
        return (self.features, self.images)

    @property
    def roles(self) -> tuple[str, ...]:
        """What it is trained on."""
        return ("priors", "background")

    @property
    def is_trained_once(self) -> bool:
        """The hypotheses are the same for all data sets."""
        return True


@dataclass(frozen=True)
class PriorEnsemble(Training):
    """By models of each feature, of which the mean log odds count; trained once, k-fold, on priors and background.

    Each prior has the same share of the weight of all of them.
    """

    scorer: Scorer
    folds: int
    features: tuple[str, ...]
    models: tuple[FoldModels, ...] = ()

    def prepare(self, samples: Mapping[str, Events], rng: np.random.Generator) -> Self:
        """Train on the samples."""
        used = [one for role, one in samples.items() if role.split(".")[0] in {"background", "priors"}]
        is_prior = [
            role != "background" for role in samples if role.split(".")[0] in {"background", "priors"}
        ]
        events = np.concatenate([one.event for one in used])
        labels = np.concatenate([np.full(len(one), prior) for one, prior in zip(used, is_prior, strict=True)])
        weights = np.concatenate([one.weights / one.weights.sum() for one in used])
        folds = assign_folds(events, self.folds, rng)
        models = []
        for feature in self.features:
            x = np.concatenate([replace(one, feature=feature).x for one in used])
            models.append(train_by_fold(self.scorer, x, events, labels, folds, rng, weights=weights))
        return replace(self, models=tuple(models))

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,  # noqa: ARG002
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Scores:
        """See :meth:`Training.scores`."""
        found = [
            models.scores(replace(data, feature=feature))
            for feature, models in zip(self.features, self.models, strict=True)
        ]
        return Scores(np.mean([one.values for one in found], axis=0), found[0].folds)


KIND = score_kind(
    DeepEnsemble,
    "classifiers of signal hypotheses on substructure and images, averaged",
    "arXiv:2101.08320, section 5",
)
