"""Pseudo-experiments of another run in place of own ones: one calibration for several data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hepcs._core.differences import differences, shortened
from hepcs._core.errors import CardError
from hepcs.config import LocatedCard
from hepcs.datasets.bootstrap import Kind
from hepcs.datasets.reports import SampleReport
from hepcs.results import RunResult
from hepcs.running.identity import card_identity
from hepcs.running.pseudo_experiments import Outcomes

# By how much two data sets may differ in size: significances, and so their nulls, hardly depend on it.
SIZE_TOLERANCE = 0.1
# What belongs to the data alone.
_OF_THE_DATA = ("card.name:", "card.samples.data.")


def borrowed_outcomes(card: LocatedCard, reports: Sequence[SampleReport], other: RunResult) -> Outcomes:
    """The pseudo-experiments of another run, as those of this card.

    Parameters
    ----------
    card, reports
        What is run, and its samples as they were prepared.
    other
        The run whose pseudo-experiments are taken.

    Raises
    ------
    CardError
        If either searches no real data, or they differ in more than the data: the card, the files of other
        samples, the versions of what computes, or the number of events by more than 10 %.
    """
    if not (card.card.samples.is_real_search and other.is_real_search):
        raise CardError(
            f"{card.path}: pseudo-experiments of another run stand for those of a search of real `data`, in which "
            "they are drawn from `background` alone"
        )
    if unlike := (*_unlike(card, other), *_other_files(reports, other.samples)):
        raise CardError(
            f"{card.path}: its pseudo-experiments are not those of {other.card.card.name}, since not only the "
            f"data differ:\n{shortened(unlike)}"
        )
    outcomes = Outcomes()
    for search in other.searches:
        for null, found in (("shared", search.shared), ("own", search.outcomes)):
            kept = {one.task: one for one in found if one.task.kind is not Kind.OBSERVED}
            outcomes.by_search[search.name, null] = kept  # type: ignore[index]
    return outcomes


def _unlike(card: LocatedCard, other: RunResult) -> tuple[str, ...]:
    found = differences(card_identity(other.card), card_identity(card), ("there", "here"))
    return tuple(line for line in found if not line.startswith(_OF_THE_DATA))


def _other_files(here: Sequence[SampleReport], there: Sequence[SampleReport]) -> Iterator[str]:
    known = {report.role: report for report in there}
    for report in here:
        before = known.get(report.role)
        if before is None:
            continue  # which the cards say
        if report.role == "data":
            one, two = before.n_evaluation, report.n_evaluation
            if abs(one - two) > SIZE_TOLERANCE * max(one, two):
                yield (
                    f"events of the data in the evaluation region: {one} there, {two} here, more than "
                    f"{SIZE_TOLERANCE:.0%} apart"
                )
        elif [file.digest for file in before.inputs] != [file.digest for file in report.inputs]:
            yield f"samples.{report.role}: other files"
