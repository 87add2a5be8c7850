"""One search on all data sets: what is counted, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from hepcs.bootstrap import Kind, Task
from hepcs.campaign import run_family
from hepcs.datacard import LocatedCard, read_card
from hepcs.errors import ComputationError
from hepcs.progress import serial_mapper, silent
from hepcs.results import SearchResult
from hepcs.search import FamilyOfOne, Observation, Outcome


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


def campaign(folder: Path, search: Counting, epsilon: int = 150) -> SearchResult:
    path = folder / "card.yaml"
    path.write_text(
        "name: x\nsamples:\n  background: {kind: pythia, events: 1}\n"
        "  signal: {kind: pythia, process: zprime, events: 1}\n"
        f"pseudo_experiments: {{background_only: 200, doped: 5}}\ninjection: {{epsilon: [0, {epsilon}]}}\n"
    )
    card: LocatedCard = read_card(path)
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
