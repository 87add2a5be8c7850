"""All searches on all data sets: what is drawn once, what is counted, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_searches import TruthSection, by_task, campaign, toy_search
from toys import toy_pools, toy_sample

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs._core.progress import serial_mapper, silent
from hepcs.datasets import bootstrap
from hepcs.datasets.bootstrap import Injection, Kind, Task
from hepcs.running import pseudo_experiments as module
from hepcs.running.checkpoint import open_checkpoint, read_checkpoint
from hepcs.running.pseudo_experiments import Campaign, Outcomes, run_pseudo_experiments


def run(one: Campaign, **options: Any) -> Outcomes:
    return run_pseudo_experiments(one, serial_mapper, silent, **{"workers": 1, **options})


def test_every_search_sees_the_same_data_sets() -> None:
    one, other = toy_search("one"), toy_search("other", bin=5)
    found = run(campaign(one, other))
    assert set(by_task(found, "one")) == set(by_task(found, "other"))
    assert len(by_task(found, "one")) == 45
    sizes = [[outcome.n_events for outcome in by_task(found, name).values()] for name in ("one", "other")]
    assert sizes[0] == sizes[1]


def test_each_data_set_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Task] = []

    def draw(pools: Any, task: Task, *how: Any) -> Any:
        drawn.append(task)
        return bootstrap.draw_data_set(pools, task, *how)

    monkeypatch.setattr(module, "draw_data_set", draw)
    run(campaign(toy_search("one"), toy_search("two"), toy_search("three", toys=True)))
    assert len(drawn) == len(set(drawn)) == 45


def test_searches_with_one_key_share_one_fit() -> None:
    one, two, alone = toy_search("one", shared="k"), toy_search("two", shared="k"), toy_search("alone")
    found = run(campaign(one, two, alone))
    assert (len(one.asked), len(two.asked), len(alone.asked)) == (45, 0, 45)
    for task, outcome in by_task(found, "one").items():
        assert outcome.details["fit"] == by_task(found, "two")[task].details["fit"]
        assert outcome.details["fit"] != by_task(found, "alone")[task].details["fit"], (
            "the key is in the draw"
        )


def test_a_search_is_what_it_is_alone() -> None:
    together = run(campaign(toy_search("one"), toy_search("two", bin=7)))
    assert by_task(run(campaign(toy_search("two", bin=7))), "two") == by_task(together, "two")


@pytest.mark.parametrize("shared", ["", "k"])
@pytest.mark.parametrize("study_first", [True, False])
def test_the_truth_reaches_those_that_need_it_alone(shared: str, study_first: bool) -> None:
    searches = [
        toy_search("blind", shared=shared),
        toy_search("study", section=TruthSection(), shared=shared),
    ]
    found = run(campaign(*(reversed(searches) if study_first else searches)))
    for task, outcome in by_task(found, "blind").items():
        assert outcome.details["injected"] == -1
        assert by_task(found, "study")[task].details["injected"] >= (1 if task.epsilon else 0)


def test_numbers_of_its_own() -> None:
    few = {"few": {"background_only": 15, "doped": 2}}
    found = run(campaign(toy_search("many"), toy_search("few"), own=few))
    assert len(by_task(found, "many")) == 45
    assert len(by_task(found, "few")) == 17
    for task, outcome in by_task(found, "few").items():
        assert outcome.n_events == by_task(found, "many")[task].n_events, "the first ones of the others"


def test_toys_of_its_own_come_beside_the_shared_data_sets() -> None:
    found = run(campaign(toy_search("fit", toys=True), toy_search("other")))
    own, shared = by_task(found, "fit", "own"), by_task(found, "fit")
    assert set(own) == set(shared)
    null = [outcome.statistic for task, outcome in own.items() if task.kind is Kind.BACKGROUND_ONLY]
    assert np.mean(null) == pytest.approx(10, abs=4 * np.sqrt(10 / 40))
    assert ("other", "own") not in found.by_search


def test_data_of_a_real_search_are_observed_as_they_are() -> None:
    pools = replace(toy_pools(600, 300), data=toy_sample(200, np.random.default_rng(2)))
    one = campaign(toy_search("one"), pools=pools)
    assert one.observed_tasks() == (Task(Kind.OBSERVED, 0, 0),)
    assert {task.epsilon for task in one.tasks("one")} == {0, 150}, "signal goes into the doped ones"
    ((name, outcome, observation),) = one.observe(one.observed_tasks()[0])
    assert (name, outcome.n_events) == ("one", 200)
    assert observation.spectrum is not None


def test_nothing_observed_is_run_with_the_pseudo_experiments() -> None:
    search = toy_search("one")
    found = run(campaign(search))
    assert "observe" not in search.asked
    assert Kind.OBSERVED not in {task.kind for task in by_task(found, "one")}


def too_large(data: Any) -> bool:
    return bool(data.n_events > 640)


def test_invalid_data_sets_are_counted_and_left_out() -> None:
    found = run(campaign(toy_search("one", fails=too_large), background_only=600))
    assert 0 < sum(not outcome.valid for outcome in by_task(found, "one").values()) <= 6


def never(_: Any) -> bool:
    return True


def test_too_many_invalid_ones_end_the_run_as_soon_as_that_is_certain(tmp_path: Path) -> None:
    one, path = (
        campaign(toy_search("good"), toy_search("bad", fails=never), background_only=295),
        tmp_path / "c",
    )
    problem = r"^bad: \d+ of 300 pseudo-experiments gave no statistic, and more than 1%"
    with open_checkpoint(path, {}) as checkpoint, pytest.raises(ComputationError, match=problem):
        run(one, checkpoint=checkpoint)
    done = read_checkpoint(path).n_tasks
    assert 0 < done <= 2 * 20, "in chunks of 20"
    with open_checkpoint(path, {}) as checkpoint, pytest.raises(ComputationError, match=problem):
        run(one, checkpoint=checkpoint)
    assert read_checkpoint(path).n_tasks == done, "going on fails at once"


def killed_after(n: int) -> Any:
    def mapper(function: Any, items: Sequence[Any], *, ordered: bool = True) -> Iterator[Any]:
        for done, item in enumerate(items):
            if done == n:
                raise KeyboardInterrupt
            yield function(item)

    return mapper


def test_a_stopped_run_goes_on_to_the_same_outcomes(tmp_path: Path) -> None:
    whole, path = run(campaign(toy_search("one"), toy_search("fit", toys=True))), tmp_path / "checkpoint"
    one = toy_search("one")
    stopped = campaign(one, toy_search("fit", toys=True))
    with open_checkpoint(path, {}) as checkpoint, pytest.raises(KeyboardInterrupt):
        run_pseudo_experiments(stopped, killed_after(3), silent, workers=1, checkpoint=checkpoint)
    before = len(one.asked)
    with open_checkpoint(path, {}) as checkpoint:
        # Another number of workers cuts other chunks.
        resumed = run(stopped, workers=3, checkpoint=checkpoint)
    assert len(one.asked) == 45, "nothing is run twice"
    assert before < 45
    assert resumed.by_search == whole.by_search
    with open_checkpoint(path, {}) as checkpoint:
        again = run(stopped, checkpoint=checkpoint)
    assert len(one.asked) == 45
    assert again.by_search == whole.by_search
    assert np.isnan(again.seconds_of("one"))


def test_parts_are_disjoint_and_complete(tmp_path: Path) -> None:
    one, path = campaign(toy_search("one")), tmp_path / "checkpoint"
    parts = [one.tasks("one", (i, 3)) for i in (1, 2, 3)]
    assert sorted(task for part in parts for task in part) == sorted(one.tasks("one"))
    for part in parts:
        assert sum(task.kind is Kind.DOPED for task in part) in {1, 2}
    for i in (1, 2, 3):
        with open_checkpoint(path, {}) as checkpoint:
            run(one, checkpoint=checkpoint, part=(i, 3))
    assert read_checkpoint(path).n_tasks == 45
    for wrong in ((0, 3), (4, 3), (1, 0)):
        with pytest.raises(ArgumentError, match="expected I/N"):
            one.tasks("one", wrong)


def test_several_signals_have_doped_data_sets_of_their_own() -> None:
    pools = toy_pools(600, 300)
    pools = replace(pools, signals={"near": pools.signals["signal"], "far": pools.signals["signal"]})
    one = replace(
        campaign(toy_search("one"), pools=pools), injections=(Injection(100, "near"), Injection(50, "far"))
    )
    found = by_task(run(one), "one")
    assert {(task.signal, task.epsilon) for task in found if task.kind is Kind.DOPED} == {
        ("near", 100),
        ("far", 50),
    }
