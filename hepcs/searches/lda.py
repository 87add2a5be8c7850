"""LDA: jets as texts whose words are splittings, two topics, and the ratio of their likelihoods.

Dillon, Faroughy, Kamenik, PRD 100 (2019) 056002; with Szewc, JHEP 10 (2020) 206 (arXiv:2005.12319). An event is
drawn from a mixture of topics, its words from these, and latent Dirichlet allocation (Blei, Ng, Jordan, JMLR 3
(2003) 993) finds the topics from the events alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hepcs.config.values import PositiveInteger, Problem, SearchName
from hepcs.searches.cut_and_fit.classifier import Scorer
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.outliers import require_copies
from hepcs.searches.cut_and_fit.section import CutAndFit

if TYPE_CHECKING:
    from hepcs.searches.kinds import Context


# Of a step of the training, and of the shares of topics of an event in it.
_BATCH = 500
_MOST_STEPS = 15


class Lda(CutAndFit):
    """Two topics of splittings."""

    trained_on: ClassVar[str] = "splittings of all events, two topics without labels"
    usual_title: ClassVar[str] = "LDA topics"
    weighs_events: ClassVar[bool] = False
    kind: Literal["lda"] = "lda"
    features: SearchName = Field("lund_plane", description="counted words of each event")
    training_events: PositiveInteger = Field(
        5_000, description="most events, drawn at random, that topics are found from in each fold"
    )
    passes: PositiveInteger = Field(3, description="how often the training goes through them")
    prior: Annotated[float, Field(strict=True, gt=0, le=100)] = Field(
        0.5,
        description="Dirichlet parameter of the shares of topics in an event; small: most are of one topic",
    )

    def scorer(self) -> Scorer:
        """The topics."""
        return Topics(self.training_events, self.passes, self.prior)

    @property
    def packages(self) -> tuple[str, ...]:
        """What finds the topics."""
        return ("scikit-learn",)

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Whether the features can be counts of words."""
        searched = context.pools.searched
        some = searched.features[self.features][searched.rows[:1000]]
        if (some < 0).any() or (some != np.floor(some)).any():
            yield (
                "features",
                f"{self.features!r} are not counts of words (there are negative or broken numbers): take counted "
                "splittings, such as `lund_plane`",
            )


@dataclass(frozen=True)
class Topics(Scorer):
    """Log likelihood ratio of two topics.

    Which of them is the signal's nobody knows: the one of which a few events are much more than the others are of
    either, so that the ratio has its longer tail there.
    """

    training_events: int
    passes: int
    prior: float

    def fit(self, x: Any, weights: Any, labels: Any, rng: np.random.Generator) -> WordRatio:  # noqa: ARG002
        """Find the topics of counted words (n, d); weights are multiplicities."""
        from scipy import sparse
        from sklearn.decomposition import LatentDirichletAllocation

        require_copies(weights)
        copies = np.repeat(np.arange(len(x)), np.asarray(weights, dtype=np.int64))
        if copies.size > self.training_events:
            copies = np.sort(rng.choice(copies, self.training_events, replace=False))
        model = LatentDirichletAllocation(
            n_components=2,
            doc_topic_prior=self.prior,
            max_doc_update_iter=_MOST_STEPS,
            total_samples=copies.size,
            random_state=int(rng.integers(2**31 - 1)),
        )
        for _ in range(self.passes):
            order = rng.permutation(copies)
            for start in range(0, order.size, _BATCH):
                batch = order[start : start + _BATCH]
                model.partial_fit(sparse.csr_matrix(x[batch], dtype=np.float64))
        # Of a word that nobody says the prior alone is left, which tells the topics not apart.
        shares = model.components_ / model.components_.sum(axis=1, keepdims=True)
        ratio = WordRatio(np.log(shares[0]) - np.log(shares[1]))
        scores = ratio.score(x[copies])
        longer = np.sign(np.mean((scores - scores.mean()) ** 3))
        return ratio if longer >= 0 else WordRatio(-ratio.logs)


@dataclass(frozen=True)
class WordRatio:
    """``sum_i log p(o_i | topic 1) / p(o_i | topic 2)`` over the words of an event; `logs` has shape (d,)."""

    logs: NDArray[np.float64]

    def score(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Counts (n, d) to (n,)."""
        return np.asarray(x @ self.logs)


KIND = score_kind(Lda, "two topics of splittings, by latent Dirichlet allocation", "arXiv:2005.12319")
