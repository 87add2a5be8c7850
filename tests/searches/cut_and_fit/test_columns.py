"""A score does not know m_jj, whatever its features hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from toy_card import toy_card
from toy_views import BINS, SIGNAL_WINDOW, inputs_of, observed, pools_of

from hepcs._core.errors import CardError
from hepcs.datasets.samples import Pools, Sample
from hepcs.searches.cut_and_fit.columns import columns_left_out, gives_m_jj_away, left_out_on_card
from hepcs.searches.cut_and_fit.report import hyperparameters
from hepcs.searches.cut_and_fit.search import ScoreSearch, build
from hepcs.searches.cut_and_fit.section import CutAndFit, Trees
from hepcs.searches.cwola import Cwola
from hepcs.searches.idealised import Idealised
from hepcs.searches.kinds import Context
from hepcs.searches.supervised import Supervised

QUICK: dict[str, Any] = {
    "features": "substructure",
    "folds": 2,
    "efficiencies": (0.1,),
    "trees": Trees(rounds=8),
}
COLUMNS = ("mass", "pt", "multiplicity")


def with_jets(sample: Sample, seed: int) -> Sample:
    """With features of jets: back to back, so that pT is half of m_jj, to a per mille; the others know nothing."""
    rng = np.random.default_rng(seed)
    jets = rng.normal(size=(sample.n_events, 2, 3))
    jets[:, :, 1] = sample.m_jj[:, np.newaxis] / 2 * rng.normal(1, 1e-3, size=(sample.n_events, 2))
    return replace(sample, features={"substructure": jets.astype(np.float32)})


@pytest.fixture(scope="module")
def pools() -> Pools:
    plain = pools_of(6000, 300)
    signals = {name: with_jets(sample, 2) for name, sample in plain.signals.items()}
    return replace(plain, background=with_jets(plain.background, 1), signals=signals)


def search(section: CutAndFit, pools: Pools, **columns: tuple[str, ...]) -> ScoreSearch:
    card = toy_card(searches={"toy": section})
    return build("toy", section, Context(card, pools, columns, "card.yaml:7: {}".format))


def area(one: ScoreSearch, pools: Pools) -> float:
    """Of the ROC curve by which a score tells a window from its sidebands."""
    data = observed(pools).view
    ready = one.prepare(inputs_of(pools), np.random.default_rng(2))
    scores = ready.fit(data, inputs_of(pools), np.random.default_rng(1)).values
    windows, bins = one.windows, BINS.index(data.m_jj)
    inside = windows.inside[SIGNAL_WINDOW][bins]
    near = inside | (windows.lower | windows.upper)[SIGNAL_WINDOW][bins]
    return float(roc_auc_score(inside[near], scores[-1 if len(scores) == 1 else SIGNAL_WINDOW][near]))


def test_a_score_is_not_given_the_transverse_momenta(pools: Pools) -> None:
    assert area(search(Cwola(**QUICK), pools), pools) > 0.95, "with pT, a classifier finds the window itself"
    assert area(search(Cwola(**QUICK), pools, substructure=COLUMNS), pools) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("section", [Cwola, Supervised, Idealised])
def test_whatever_it_is_trained_on(section: type[CutAndFit], pools: Pools) -> None:
    one = search(section(**QUICK), pools, substructure=COLUMNS)
    blank = {
        name: replace(sample, features={"substructure": sample.features["substructure"][:, :, [0, 2]]})
        for name, sample in {"background": pools.background, **pools.signals}.items()
    }
    without = replace(pools, background=blank["background"], signals={"signal": blank["signal"]})
    plain = search(section(**QUICK), without, substructure=("mass", "multiplicity"))
    scores = [
        searching.prepare(inputs_of(of), np.random.default_rng(2))
        .fit(observed(of, 100).view, inputs_of(of), np.random.default_rng(1))
        .values
        for searching, of in ((one, pools), (plain, without))
    ]
    np.testing.assert_array_equal(*scores)


def test_it_is_said(pools: Pools, caplog: pytest.LogCaptureFixture) -> None:
    section = Cwola(**QUICK)
    with caplog.at_level("INFO", logger="hepcs"):
        search(section, pools, substructure=COLUMNS)
    assert "toy: the score is not given `pt` of the features 'substructure'" in caplog.text
    rows = {row.name: row.value for row in hyperparameters(section, toy_card(searches={"toy": section}))}
    assert rows["features"] == "substructure, without pt"


def test_constituents_are_refused(pools: Pools) -> None:
    columns = ("pt_0", "eta_0", "phi_0")
    with pytest.raises(
        CardError, match=r"card\.yaml:7: searches\.toy\.features: 'substructure' holds the pT of"
    ):
        search(Cwola(**QUICK), pools, substructure=columns)


def test_what_is_left_out_of_the_features_of_a_card() -> None:
    features = {"mine": {"kind": "substructure"}}
    card = toy_card(
        features=features,
        searches={
            name: {"kind": "cwola", "features": name}
            for name in ("mine", "event", "image_pca", "constituents")
        },
    )
    assert left_out_on_card("mine", card) == ("pt",)
    assert left_out_on_card("event", card) == left_out_on_card("image_pca", card) == ()
    assert columns_left_out(("m_jj", "mass")) == ("m_jj",)
    assert not gives_m_jj_away(("pt", "ptd", "tau_1"))
