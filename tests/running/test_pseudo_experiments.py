"""One search on all data sets: what is counted, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs._core.progress import serial_mapper, silent
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.running.ledger import Ledger, open_ledger, read_ledger
from hepcs.running.pseudo_experiments import RunningP, pseudo_experiments, run_family, run_pseudo_experiments
from hepcs.results import SearchResult
from hepcs.searches.base import FamilyOfOne, SearchFamily
from hepcs.results import Observation, Outcome


@dataclass(frozen=True)
class Counting:
    """A search whose statistic is the index of the data set; every `every`-th gives none. It knows no jets."""

    every: int = 10**9
    name: str = "counting"
    title: str = "counting"

    def run(self, task: Task) -> Outcome:
        value = float(task.index + task.epsilon)
        valid = task.index % self.every != self.every - 1
        return Outcome(task, value if valid else float("nan"), (value,), 0, valid)

    def observe(self, task: Task) -> Observation:
        return Observation(self.run(task), (), {}, None)


def card_in(folder: Path, epsilon: int = 150) -> LocatedCard:
    path = folder / "card.yaml"
    path.write_text(
        "name: x\nsamples:\n  background: {kind: pythia, events: 1}\n"
        "  signal: {kind: pythia, process: zprime, events: 1}\n"
        f"pseudo_experiments: {{background_only: 200, doped: 5}}\ninjection: {{epsilon: [0, {epsilon}]}}\n"
    )
    return read_card(path)


def campaign(folder: Path, search: Counting, epsilon: int = 150) -> SearchResult:
    card = card_in(folder, epsilon)
    (result,) = run_family(card, FamilyOfOne(search), serial_mapper, silent, workers=3)
    return result


def test_any_search_is_calibrated_alike(tmp_path: Path) -> None:
    result = campaign(tmp_path, Counting())
    assert len(result.outcomes) == 2 + 200 + 5
    without, doped = result.observed
    assert without.calibration is not None
    assert doped.calibration is not None
    # Statistics 0 to 199: all are at least 0, and 50 at least 150.
    assert (without.calibration.n_above, without.calibration.bound) == (200, "upper")
    assert (doped.calibration.n_above, doped.calibration.p) == (50, 0.25)
    (summary,) = result.doped
    assert summary.statistic_quartiles == (151, 152, 153)
    assert summary.z.n == 5


def test_invalid_data_sets_are_counted_and_left_out(tmp_path: Path) -> None:
    result = campaign(tmp_path, Counting(every=150))
    assert result.n_invalid == 1
    assert len(result.statistics(Kind.BACKGROUND_ONLY)) == 199


def test_too_many_invalid_ones_fail_the_run(tmp_path: Path) -> None:
    with pytest.raises(ComputationError, match=r"of 205 pseudo-experiments gave no statistic, more than 1%"):
        campaign(tmp_path, Counting(every=20))


@dataclass(frozen=True)
class Failing:
    """Two searches that share a family; the second one gives no statistic for some pseudo-experiments."""

    fails: tuple[int, ...]
    asked: list[Task] = field(default_factory=list)
    searches: tuple[tuple[str, str], ...] = (("one", "one"), ("two", "two"))

    def run(self, task: Task) -> tuple[Outcome, ...]:
        self.asked.append(task)
        valid = task.kind is not Kind.BACKGROUND_ONLY or task.index not in self.fails
        return Outcome(task, 1.0, (1.0,), 7), Outcome(task, 1.0, (1.0,), 7, valid)

    def observe(self, task: Task) -> tuple[Observation, ...]:
        return tuple(Observation(outcome, (), {}, None) for outcome in self.run(task))


def test_a_run_ends_as_soon_as_too_many_are_invalid(tmp_path: Path) -> None:
    """Three of 205 are more than 1 %; the ledger keeps what was done, and going on from it fails at once."""
    card, path = card_in(tmp_path), tmp_path / "ledger.jsonl"
    problem = r"^two: 3 of 205 pseudo-experiments gave no statistic, more than 1%.*ends with 60 of them done"
    family = Failing((3, 27, 58))
    with open_ledger(path, {}) as ledger, pytest.raises(ComputationError, match=problem):
        run_family(card, family, serial_mapper, silent, 1, ledger)
    assert len(family.asked) == 2 + 60, "in chunks of 20"
    assert read_ledger(path).n_tasks == 60
    again = Failing((3, 27, 58))
    with open_ledger(path, {}) as ledger, pytest.raises(ComputationError, match=problem):
        run_family(card, again, serial_mapper, silent, 1, ledger)
    assert len(again.asked) == 2


def test_as_many_invalid_ones_as_may_be_end_nothing(tmp_path: Path) -> None:
    results = run_family(card_in(tmp_path), Failing((3, 27)), serial_mapper, silent, 1)
    assert [result.n_invalid for result in results] == [0, 2]


def test_a_part_ends_when_the_whole_cannot_be_saved(tmp_path: Path) -> None:
    """What other parts will find is not known: it counts against the pseudo-experiments of all."""
    card = card_in(tmp_path)
    part, n_all = pseudo_experiments(card, (1, 4)), len(pseudo_experiments(card))
    few, many = Failing((0, 4)), Failing((0, 4, 8))
    run_pseudo_experiments(few, part, serial_mapper, silent, workers=1, n_all=n_all)
    assert len(few.asked) == len(part)
    with pytest.raises(ComputationError, match=r"^two: 3 of 205 pseudo-experiments gave no statistic"):
        run_pseudo_experiments(many, part, serial_mapper, silent, workers=1, n_all=n_all)
    assert len(many.asked) < len(part)


def test_a_lower_bound_comes_with_an_extrapolation_of_the_tail(tmp_path: Path) -> None:
    result = campaign(tmp_path, Counting(), epsilon=250)
    without, doped = result.observed
    assert doped.calibration is not None
    assert doped.calibration.bound == "lower"
    assert doped.extrapolation is not None
    assert "extrapolation" in doped.extrapolation.method
    # The statistics are uniform below 200: a tail that ends before 250.
    assert not doped.extrapolation.quotable
    assert without.extrapolation is None


@dataclass(frozen=True)
class Watched:
    """Two searches that share a family; it says what it was asked to do, and may die at a task."""

    dies_at: Task | None = None
    asked: list[Task] = field(default_factory=list)
    searches: tuple[tuple[str, str], ...] = (("one", "one"), ("two", "two"))

    def run(self, task: Task) -> tuple[Outcome, ...]:
        if task == self.dies_at:
            raise KeyboardInterrupt
        self.asked.append(task)
        return tuple(Outcome(task, task.index / 3 + i, (1 / 3, i), 7) for i in range(2))

    def observe(self, task: Task) -> tuple[Observation, ...]:
        return tuple(Observation(outcome, (), {}, None) for outcome in self.run(task))


def test_what_is_observed_comes_first_then_pseudo_experiments(tmp_path: Path) -> None:
    """In this order, the progress can say where p is while the pseudo-experiments run."""
    family = Watched()
    run_family(card_in(tmp_path), family, serial_mapper, silent, 1)
    kinds = [task.kind for task in family.asked]
    assert kinds == [Kind.OBSERVED] * 2 + [Kind.BACKGROUND_ONLY] * 200 + [Kind.DOPED] * 5


def notes_of(
    folder: Path, family: SearchFamily, epsilon: int = 150, ledger: Ledger | None = None
) -> list[str]:
    """What the progress of a campaign notes beside its pseudo-experiments."""
    notes: list[str] = []

    def progress(description: str, done: int, total: int, note: str = "") -> None:
        if description.endswith("pseudo-experiments"):
            notes.append(note)

    run_family(card_in(folder, epsilon), family, serial_mapper, progress, 1, ledger)
    return notes


def test_the_progress_says_where_p_is(tmp_path: Path) -> None:
    """Statistics 0, 1, ... in chunks of 20, for observed ones of 0 and 150."""
    notes = notes_of(tmp_path, FamilyOfOne(Counting()))
    assert notes[0] == ""
    assert notes[1] == "p so far 20/20 (epsilon = 0), < 1/20 (epsilon = 150)"
    assert notes[8] == "p so far 160/160 (epsilon = 0), 10/160 (epsilon = 150)"
    # Doped pseudo-experiments come last, and change nothing.
    assert notes[10:] == ["p so far 200/200 (epsilon = 0), 50/200 (epsilon = 150)"] * 2


def test_p_so_far_is_the_calibrated_one_in_the_end(tmp_path: Path) -> None:
    """Also after a resumption, and with pseudo-experiments that gave no statistic."""
    family = FamilyOfOne(Counting(every=150))
    with open_ledger(tmp_path / "ledger.jsonl", {}) as ledger:
        part = pseudo_experiments(card_in(tmp_path), (1, 3))
        run_pseudo_experiments(family, part, serial_mapper, silent, workers=1, ledger=ledger)
        notes = notes_of(tmp_path, family, ledger=ledger)
        (result,) = run_family(card_in(tmp_path), family, serial_mapper, silent, 1, ledger)
    p = [one.calibration for one in result.observed]
    assert p[0] is not None
    assert p[1] is not None
    assert notes[0].startswith("p so far 67/67 (epsilon = 0)"), "the ledger's count from the start"
    assert notes[-1] == (f"p so far {p[0].n_above}/199 (epsilon = 0), {p[1].n_above}/199 (epsilon = 150)")


def test_p_so_far_of_data_and_of_many_epsilons(tmp_path: Path) -> None:
    def observed(*epsilons: int) -> list[Outcome]:
        return [Counting().run(Task(Kind.OBSERVED, epsilon, 0)) for epsilon in epsilons]

    null = [Counting().run(Task(Kind.BACKGROUND_ONLY, 0, index)) for index in range(40)]

    def note(outcomes: list[Outcome]) -> str:
        running = RunningP(outcomes)
        running.count(null)
        return running.note()

    assert note(observed(0)) == "p so far 40/40"
    assert note(observed(*range(0, 70, 10))) == (
        "p so far 40/40 (epsilon = 0), 10/40 (epsilon = 30), < 1/40 (epsilon = 60)"
    )
    invalid = Outcome(Task(Kind.OBSERVED, 0, 0), float("nan"), (), 0, valid=False)
    assert note([invalid]) == ""


def test_a_stopped_campaign_goes_on(tmp_path: Path) -> None:
    """What is in the ledger is not run again, and the result is that of an undisturbed campaign."""
    card, path = card_in(tmp_path), tmp_path / "ledger.jsonl"
    whole = run_family(card, Watched(), serial_mapper, silent, 1)
    with open_ledger(path, {}) as ledger, pytest.raises(KeyboardInterrupt):
        run_family(card, Watched(Task(Kind.BACKGROUND_ONLY, 0, 110)), serial_mapper, silent, 1, ledger)
    recorded = read_ledger(path)
    # Chunks of 20, and the one that died is lost.
    assert recorded.n_tasks == 100
    assert {chunk.searches for chunk in recorded.chunks} == {("one", "two")}
    family = Watched()
    with open_ledger(path, {}) as ledger:
        # Another number of workers cuts other chunks.
        resumed = run_family(card, family, serial_mapper, silent, 7, ledger)
    assert len(family.asked) == 105 + 2
    assert not {task for chunk in recorded.chunks for task in chunk.tasks} & set(family.asked)
    for one, other in zip(whole, resumed, strict=True):
        assert one.outcomes == other.outcomes
        assert one.doped == other.doped
        assert [each.calibration for each in one.observed] == [each.calibration for each in other.observed]
    again = Watched()
    with open_ledger(path, {}) as ledger:
        run_family(card, again, serial_mapper, silent, 1, ledger)
    assert [task.kind for task in again.asked] == [Kind.OBSERVED] * 2


def test_families_keep_apart_in_a_ledger(tmp_path: Path) -> None:
    card = card_in(tmp_path)
    with open_ledger(tmp_path / "ledger.jsonl", {}) as ledger:
        run_family(card, Watched(), serial_mapper, silent, 1, ledger)
        other = Watched(searches=(("one", "one"), ("three", "three")))
        run_family(card, other, serial_mapper, silent, 1, ledger)
    assert len(other.asked) == 205 + 2


def test_parts_are_disjoint_and_complete(tmp_path: Path) -> None:
    card, path = card_in(tmp_path), tmp_path / "ledger.jsonl"
    whole = pseudo_experiments(card)
    parts = [pseudo_experiments(card, (i, 3)) for i in (1, 2, 3)]
    assert sorted(task for part in parts for task in part) == sorted(whole)
    assert len(set(whole)) == 205
    for part in parts:
        assert sum(task.kind is Kind.DOPED for task in part) in {1, 2}
    with open_ledger(path, {}) as ledger:
        for part in parts:
            run_pseudo_experiments(Watched(), part, serial_mapper, silent, workers=1, ledger=ledger)
    family = Watched()
    with open_ledger(path, {}) as ledger:
        run_family(card, family, serial_mapper, silent, 1, ledger)
    assert [task.kind for task in family.asked] == [Kind.OBSERVED] * 2
    for wrong in ((0, 3), (4, 3), (1, 0)):
        with pytest.raises(ArgumentError, match="expected I/N"):
            pseudo_experiments(card, wrong)
