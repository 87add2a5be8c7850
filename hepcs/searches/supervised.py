"""Supervised: trees that tell true signal from true background. With these features, no more is possible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hepcs.config.values import Problem, SearchName
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.cut_and_fit.section import TreesCutAndFit

if TYPE_CHECKING:
    from hepcs.config.schema import Card
    from hepcs.searches.cut_and_fit.training import Once


class Supervised(TreesCutAndFit):
    """The supervised bound, trained once, k-fold, on the samples that data sets are drawn from."""

    trained_on: ClassVar[str] = "true signal against true background, once for all data sets"
    usual_title: ClassVar[str] = "supervised"
    kind: Literal["supervised"] = "supervised"
    signal: SearchName | None = Field(
        None, description="the one of several signals that it is trained on; all of them if absent"
    )

    def training(self) -> Once:
        """Once for all data sets."""
        from hepcs.searches.cut_and_fit.training import Once

        role = "signal" if self.signal is None else f"signal.{self.signal}"
        return Once(self.scorer(), self.folds, signal=role)

    def problems_in(self, card: Card) -> Iterator[Problem]:
        """Whether there is that signal."""
        yield from super().problems_in(card)
        there = card.samples.signal_names
        if self.signal is not None and there and self.signal not in there:
            yield "signal", f"found {self.signal!r}, expected one of the signals: {', '.join(there)}"

    @property
    def needs_truth(self) -> bool:
        """It is a bound."""
        return True

    @property
    def roles(self) -> tuple[str, ...]:
        """What it is trained on."""
        return ("signal",)

    @property
    def is_trained_once(self) -> bool:
        """The truth is the same for all data sets."""
        return True


KIND = score_kind(
    Supervised,
    "a classifier of true signal against true background: a bound",
    "arXiv:2109.00546, section III",
)
