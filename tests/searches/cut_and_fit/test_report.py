"""What the report says of a search by score and cut, beyond its bias."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from toy_card import toy_card
from toy_pairs import pairs_of, search_of
from toy_views import drawn, observed

from hepcs.datasets.bootstrap import Injection, Kind, Task
from hepcs.searches.base import Inputs, outcome_of
from hepcs.searches.cut_and_fit.report import hyperparameters, report
from hepcs.searches.cwola import Cwola
from hepcs.searches.factorised_topics import FactorisedTopics

POOLS = pairs_of(6000, 200)
SECTION = FactorisedTopics(
    features="jets", efficiencies=(0.1,), folds=2, mass_bins=8, starts=1, decorrelate="quantile"
)


def reported() -> Any:
    """The block of a search of two pseudo-experiments and an observed data set."""
    search, outcomes = search_of(SECTION, POOLS), []
    for index in (0, 1):
        data, rng = drawn(POOLS, index=index).view, np.random.default_rng(index)
        found = search.judge(search.fit(data, Inputs(), rng), data, Inputs(), rng)
        outcomes.append(outcome_of(Task(Kind.BACKGROUND_ONLY, 0, index), found, data.n_events))
    view, rng = observed(POOLS, 100).view, np.random.default_rng(3)
    found = search.judge(search.fit(view, Inputs(), rng), view, Inputs(), rng)
    seen = SimpleNamespace(observation=search.observe(found, view, None), injection=Injection(100, "signal"))
    result = SimpleNamespace(name="toy", title="topics", outcomes=outcomes, observed=[seen])
    card = toy_card(searches={"toy": SECTION}, features={"jets": {"kind": "substructure"}})
    run: Any = SimpleNamespace(card=SimpleNamespace(card=card))
    (block,) = report(run, [result])  # type: ignore[list-item]
    return block, outcomes, found


def test_numbers_of_the_training_and_decorrelation_are_told() -> None:
    block, outcomes, found = reported()
    assert any("thresholds follow m_jj" in text for text in block.paragraphs)
    bias, numbers, windows = block.tables
    assert "delta_sys" in bias.headings
    assert windows.headings[0] == "window [GeV]"
    assert [row[0] for row in numbers.rows] == [*SECTION.number_titles.values()]
    mean = np.mean([one.details["topic_share"] for one in outcomes])
    assert numbers.rows[0][1].startswith(f"{mean:.3g} ± ")
    assert numbers.rows[0][2] == f"{found.numbers['topic_share']:.3g}"


def test_hyperparameters_name_the_decorrelation() -> None:
    card = toy_card(searches={"toy": Cwola()})
    rows = {row.name: row.value for row in hyperparameters(Cwola(decorrelate="planing"), card)}
    assert rows["decorrelation"].startswith("training weights")
    assert "decorrelation" not in {row.name for row in hyperparameters(Cwola(), card)}
