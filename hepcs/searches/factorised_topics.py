"""Factorised topics: the two jet masses as a mixture of products of mass distributions of kinds of jets.

Jets of QCD are of the same kinds whether leading or second, and independent of each other; a resonance decays to a
jet X and a jet Y. So the matrix of events in bins of both masses is

    sum_ij f_ij p_i(m_1) p_j(m_2)        over kinds i, j of QCD, and (i, j) = (X, Y), (Y, X)

and is factorised without labels (Metodiev, Thaler, PRL 120 (2018) 241602; as a search, arXiv:2101.08320). The
score is the ratio of both parts, of which the sWeight of an event (Pivk, Le Diberder, NIM A 555 (2005) 356) is a
monotonic function where there are two yields: the cuts are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hepcs.config.values import PositiveInteger, Problem, SearchName
from hepcs.datasets.folds import assign_folds
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import CutAndFit
from hepcs.searches.cut_and_fit.training import Events, Scores, Training

if TYPE_CHECKING:
    from hepcs.searches.cut_and_fit.windows import SlidingWindows
    from hepcs.searches.kinds import Context

_STEPS = 1000
# Of the log likelihood in units of one event: the fit is where it is.
_PRECISION = 0.01


class FactorisedTopics(CutAndFit):
    """Topics of the two jet masses."""

    trained_on: ClassVar[str] = "the masses of both jets of all events, as a mixture of products"
    usual_title: ClassVar[str] = "factorised topics"
    looks_at: ClassVar[tuple[str, ...]] = ("mass",)
    number_titles: ClassVar[Mapping[str, str]] = {
        "topic_share": "share of the events in the topics (X, Y) and (Y, X)",
        "topic_heavier": "median of the heavier topic's mass",
        "topic_lighter": "median of the lighter topic's mass",
    }
    kind: Literal["factorised_topics"] = "factorised_topics"
    features: SearchName = Field("substructure", description="features of jets with a column `mass`")
    divide_by_m_jj: bool = Field(True, description="masses in units of m_jj, which then tell it less")
    mass_bins: Annotated[int, Field(strict=True, ge=4, le=200)] = Field(
        25, description="bins of the logarithm of each mass"
    )
    background_kinds: Annotated[int, Field(strict=True, ge=1, le=5)] = Field(
        2, description="kinds of background jets, such as of quarks and of gluons"
    )
    starts: PositiveInteger = Field(
        5,
        description="beginnings of each fit, at the largest excesses over independent masses; the likeliest end "
        "counts",
    )

    def training(self) -> MassTopics:
        """Once a data set."""
        return MassTopics(
            self.folds, self.mass_bins, self.background_kinds, self.starts, over_m_jj=self.divide_by_m_jj
        )

    def problems_of(self, context: Context) -> Iterator[Problem]:
        """Whether there are two jets."""
        values = context.pools.searched.features[self.features]
        if values.ndim != 3:
            yield (
                "features",
                f"{self.features!r} are of events; expected features of each jet, as `substructure`",
            )


@dataclass(frozen=True)
class MassTopics(Training):
    """By topics of the events of the other folds."""

    folds: int
    bins: int
    background_kinds: int
    starts: int
    over_m_jj: bool

    def scores(
        self,
        data: Events,
        windows: SlidingWindows,  # noqa: ARG002
        samples: Mapping[str, Events],  # noqa: ARG002
        rng: np.random.Generator,
    ) -> Scores:
        """See :meth:`Training.scores`."""
        masses = data.features()[..., 0].astype(np.float64)
        if self.over_m_jj:
            masses = masses / data.m_jj[:, np.newaxis]
        logs = np.log(np.maximum(masses, 1e-12))
        folds = assign_folds(data.event, self.folds, rng)
        values, found = np.empty(len(data)), []
        for fold in range(self.folds):
            seen, asked = folds != fold, folds == fold
            low, high = np.quantile(logs[seen], (0.005, 0.995))
            inner = np.linspace(low, high, self.bins - 1)
            place = np.searchsorted(inner, logs)
            counts = np.zeros((self.bins, self.bins))
            np.add.at(counts, tuple(place[seen].T), data.weights[seen])
            topics = factorise(counts, self.background_kinds, self.starts, rng)
            values[asked] = topics.log_ratio[tuple(place[asked].T)]
            medians = np.sort([inner[min(topics.median(kind), inner.size - 1)] for kind in (-2, -1)])
            found.append((topics.signal_share, *np.exp(medians[::-1])))
        names = ("topic_share", "topic_heavier", "topic_lighter")
        return Scores(
            values[np.newaxis], folds, numbers=dict(zip(names, np.mean(found, axis=0), strict=True))
        )


@dataclass(frozen=True)
class FactorisedMatrix:
    """A matrix of events as a mixture of products of t kinds of jets, the last two of which are the signal's.

    Attributes
    ----------
    shares
        f, shape (t, t), with the sum 1.
    shapes
        p of each kind, shape (t, b), each with the sum 1.
    log_likelihood
        Of the counts that it was fitted to, up to what does not depend on the fit.
    """

    shares: NDArray[np.float64]
    shapes: NDArray[np.float64]
    log_likelihood: float

    @property
    def signal_share(self) -> float:
        """Share of the events in (X, Y) and (Y, X)."""
        return float(self.shares[-2:, -2:].sum())

    @property
    def log_ratio(self) -> NDArray[np.float64]:
        """log of signal over background in each bin, shape (b, b)."""
        signal, background = (
            self.shapes.T @ np.where(here, self.shares, 0.0) @ self.shapes
            for here in (_signal(len(self.shares)), ~_signal(len(self.shares)))
        )
        return np.asarray(np.log(signal + 1e-12) - np.log(background + 1e-12))

    def median(self, kind: int) -> int:
        """Bin of the median of a kind."""
        return int(np.searchsorted(np.cumsum(self.shapes[kind]), 0.5))


def factorise(
    counts: NDArray[np.float64], background_kinds: int, starts: int, rng: np.random.Generator
) -> FactorisedMatrix:
    """The likeliest factorisation of a matrix of counts, by expectation maximisation from several beginnings.

    Parameters
    ----------
    counts
        Events in bins of the masses of the leading and the second jet, shape (b, b).
    background_kinds
        Kinds of background jets.
    starts
        Beginnings: the background's kinds near the mean spectrum, those of the signal where most events are above
        what independent masses would give, at the second most, and so on.
    rng
        For the kinds of background at the beginning.
    """
    both = counts + counts.T
    independent = np.outer(both.sum(axis=0), both.sum(axis=0)) / both.sum()
    excess = np.triu((both - independent) / np.sqrt(independent + 1))
    places = np.argsort(-excess, axis=None)[:starts]
    found = [_climb(counts, background_kinds, np.divmod(place, len(counts)), rng) for place in places]
    return max(found, key=lambda one: one.log_likelihood)


def _climb(
    counts: NDArray[np.float64], background_kinds: int, place: tuple[int, int], rng: np.random.Generator
) -> FactorisedMatrix:
    n_kinds, n_bins, total = background_kinds + 2, len(counts), counts.sum()
    mean = (counts.sum(axis=0) + counts.sum(axis=1) + 1) / (2 * total + n_bins)
    near = mean * rng.uniform(0.5, 1.5, (background_kinds, n_bins))
    distance = np.arange(n_bins) - np.array(place)[:, np.newaxis]
    bumps = np.exp(-((distance / (0.06 * n_bins)) ** 2) / 2) + 1e-3
    shapes = np.concatenate([near, bumps])
    shapes /= shapes.sum(axis=1, keepdims=True)
    of_signal = _signal(n_kinds)
    allowed = of_signal.copy()
    allowed[:background_kinds, :background_kinds] = True
    shares = np.where(of_signal, 0.01, np.where(allowed, rng.uniform(0.5, 1.5, allowed.shape), 0.0))
    shares /= shares.sum()
    before = -np.inf
    for _ in range(_STEPS):
        model = shapes.T @ shares @ shapes
        likelihood = float((counts * np.log(np.maximum(model, 1e-300))).sum())
        ratio = counts / np.maximum(model, 1e-300)
        leading, second = shares @ shapes @ ratio.T, shares.T @ shapes @ ratio
        shares, shapes = shares * (shapes @ ratio @ shapes.T) / total, shapes * (leading + second)
        shapes = shapes / np.maximum(shapes.sum(axis=1, keepdims=True), 1e-300)
        if likelihood - before < _PRECISION:
            break
        before = likelihood
    return FactorisedMatrix(shares, shapes, likelihood)


def _signal(n_kinds: int) -> NDArray[np.bool_]:
    """Which pairs of kinds are the signal's, shape (t, t)."""
    result = np.zeros((n_kinds, n_kinds), dtype=np.bool_)
    result[-2, -1] = result[-1, -2] = True
    return result


KIND = score_kind(
    FactorisedTopics, "both jet masses as a mixture of products of topics", "arXiv:2101.08320, section 3"
)
