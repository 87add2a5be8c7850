"""What to do next."""

from __future__ import annotations

import dataclasses

from toy_run import toy_run

from hepcs.output.advice import next_steps
from hepcs.results import RunResult


def test_bounds_ask_for_more_pseudo_experiments_and_the_largest_excess_for_a_look() -> None:
    steps = next_steps(toy_run())
    assert steps[0].startswith("More pseudo-experiments, since Z is only a bound (Cluster Scanning")
    # Phi^-1(1 - 1/400) = 2.81.
    assert "pseudo_experiments.background_only: 400, which resolves Z up to 2.8" in steps[0]
    assert steps[-1].startswith("Look at the spectrum of Cluster Scanning")
    assert "epsilon_0150" in steps[-1]
    assert not any("doped" in step for step in steps)


def test_without_doped_ones_there_is_no_sensitivity() -> None:
    assert any("pseudo_experiments.doped: 20" in step for step in next_steps(toy_run(doped=0)))


def test_a_blind_run_is_to_be_opened() -> None:
    (first, *others) = next_steps(toy_run(blind=True))
    assert "--resume in place of --blind" in first
    assert others == []


def test_a_small_background_sample_of_a_real_search() -> None:
    result = toy_run()
    card = result.card.card
    samples = card.samples.model_copy(update={"data": card.samples.labelled})
    located = dataclasses.replace(result.card, card=card.model_copy(update={"samples": samples}))
    reports = [
        dataclasses.replace(result.samples[0], role=role, n_evaluation=n)
        for role, n in (("data", 1000), ("background", 3000))
    ]

    def of(background: int) -> RunResult:
        sizes = (reports[0], dataclasses.replace(reports[1], n_evaluation=background))
        return dataclasses.replace(result, card=located, samples=sizes)

    assert any(step.startswith("A larger background sample: it has 3,000") for step in next_steps(of(3000)))
    assert not any(step.startswith("A larger background") for step in next_steps(of(10_000)))
