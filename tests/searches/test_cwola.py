"""CWoLa hunting, on events whose features have nothing to do with m_jj but for the signal's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toy_views import SIGNAL_WINDOW, drawn, observed, pools_of, search_of

from hepcs._core.errors import CardError
from hepcs.datasets.bootstrap import EventView
from hepcs.searches.base import Inputs
from hepcs.searches.cut_and_fit.search import CutResult, ScoreSearch
from hepcs.searches.cut_and_fit.section import TreesSection
from hepcs.searches.cwola import Cwola

POOLS = pools_of(20_000)
QUICK: dict[str, Any] = {"trees": TreesSection(rounds=12, leaves=8), "efficiencies": (0.05, 0.02), "folds": 2}
SEARCH = search_of(Cwola(**QUICK), POOLS)


def found_in(data: EventView, seed: int = 1, search: ScoreSearch = SEARCH) -> CutResult:
    rng = np.random.default_rng(seed)
    return search.judge(search.fit(data, Inputs(), rng), data, Inputs(), rng)


def test_a_signal_that_the_spectrum_hides_is_found_in_its_window() -> None:
    data = observed(POOLS, 250)
    found = found_in(data.view)
    scan = found.scan
    inside = scan.windows.inside[SIGNAL_WINDOW]
    assert 250 / np.sqrt(data.view.spectrum[inside].sum()) < 5, "visible without a cut"
    assert scan.best[0] == SIGNAL_WINDOW
    assert found.statistic > 6
    assert scan.observed[scan.best] - scan.expected[scan.best] > 80
    observation = SEARCH.observe(found, data.view, data.injected)
    assert observation.spectrum is not None
    assert observation.spectrum.window == (3600.0, 3800.0)
    assert observation.spectrum.local_z == found.statistic


def test_without_signal_no_window_stands_out_and_the_share_is_kept() -> None:
    results = [found_in(observed(pools_of(12_000, 10, seed=seed)).view) for seed in (2, 3, 4)]
    for found in results:
        assert np.allclose(found.scan.kept.sum(axis=-1), [[600, 240]], atol=2)
        assert found.scan.n_failed == 0
        assert found.scan.spectrum.sum() == 12_000
    z = np.array([found.scan.local_z for found in results])
    assert abs(z.mean()) < 0.5
    assert 0.7 < z.std() < 1.4


def test_the_same_generator_gives_the_same_scan() -> None:
    data = drawn(POOLS).view
    once, again, other = (found_in(data, seed).scan.kept for seed in (1, 1, 2))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_the_settings_of_the_fit_arrive_and_scores_are_shared() -> None:
    data = observed(POOLS).view
    section = Cwola(**{**QUICK, "fit_parameters": 4})
    exact = section.model_copy(update={"local_significance": "exact", "title": "other words"})
    one, other = search_of(section, POOLS), search_of(exact, POOLS)
    # They look at the same scores, so that one training serves both.
    assert one.fit_key == other.fit_key == SEARCH.fit_key
    assert search_of(section.model_copy(update={"folds": 3}), POOLS).fit_key != one.fit_key
    plain, found = found_in(data, search=one).scan, found_in(data, search=other).scan
    assert (found.n_parameters == 4).all()
    assert np.array_equal(found.kept, plain.kept)
    assert not np.array_equal(found.local_z, plain.local_z)


def test_what_it_says_of_a_data_set_has_the_same_names_always() -> None:
    details = [found_in(data.view).details for data in (drawn(POOLS), drawn(POOLS, 300))]
    assert set(details[0]) == set(details[1])
    assert {"best_window", "best_cut", "bias_0p05", "jsd_0p02"} <= set(details[0])
    assert len(found_in(drawn(POOLS).view).members) == 2


def test_it_knows_neither_truth_nor_samples() -> None:
    section = Cwola()
    assert (section.is_trained_once, section.needs_truth, section.roles) == (False, False, ())
    assert section.packages == ("lightgbm",)
    assert not SEARCH.needs_samples
    assert SEARCH.cost.retrain
    assert SEARCH.prepare(Inputs(), np.random.default_rng(0)) == SEARCH


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (
            {"efficiencies": (0.05, 0.001)},
            r"a cut that keeps 0\.001 of all events leaves about \d\.\d in the window",
        ),
        ({"folds": 900}, "900 folds of 600 events"),
    ],
)
def test_too_few_events_are_refused_before_any_work(keys: dict[str, Any], reason: str) -> None:
    pools = pools_of(600 if "folds" in keys else 20_000, 10)
    with pytest.raises(CardError, match=reason) as refused:
        search_of(Cwola(**keys), pools)
    assert str(refused.value).startswith(f"searches.toy.{next(iter(keys))}: ")
