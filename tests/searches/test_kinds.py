"""The searches of a card: built, sharing fits where they can, each the same as alone, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import toy_pools

from hepcs._core.errors import CardError
from hepcs.config import Card, LocatedCard, read_card
from hepcs.datasets.bootstrap import Kind, Task, draw_data_set
from hepcs.running.pseudo_experiments import Campaign, campaign_of
from hepcs.searches.base import Search
from hepcs.searches.kinds import Context, build_searches

CARD = """
name: toy
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
injection: {epsilon: [300]}
searches:
  cluster_scanning: {k: 16, ensemble: 3}
  low_threshold: {like: cluster_scanning, theta: 2.5}
  neighbours: {like: cluster_scanning, neighbours: 2}
  window_scan: {like: cluster_scanning, windows: {}}
  transfer_factor: {like: cluster_scanning, background_estimate: transfer_factor}
  fit_of_sum: {like: cluster_scanning, background_estimate: fit_of_sum}
  fit_of_each: {like: cluster_scanning, background_estimate: fit_of_each}
  bumphunter: {like: cluster_scanning, statistic: {kind: bumphunter}}
  by_the_median: {like: cluster_scanning, title: median, combination: median}
  redistributed: {like: cluster_scanning, idealised: true}
  training_without_signal: {like: cluster_scanning, train_on_injected: false}
  training_above: {like: cluster_scanning, training: [3400, 3600]}
  fit_3: {kind: dijet_fit, parameters: 3}
  idealised_fit: {}
  cwola: {folds: 2, efficiencies: [0.1], trees: {rounds: 5}}
  tighter: {like: cwola, efficiencies: [0.05, 0.1]}
"""
POOLS = toy_pools()


def card_of(folder: Path, text: str = CARD) -> LocatedCard:
    (folder / "card.yaml").write_text(text, encoding="utf-8")
    return read_card(str(folder / "card.yaml"))


def built(card: LocatedCard) -> tuple[Search, ...]:
    return build_searches(Context(card.card, POOLS, where=card.where))


def campaign(card: Card) -> Campaign:
    return campaign_of(card, POOLS, build_searches(Context(card, POOLS)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return card_of(tmp_path_factory.mktemp("card")).card


def test_searches_share_fits_where_they_can(whole: Card) -> None:
    names = [[search.name for search in group.searches] for group in campaign(whole).groups]
    assert names == [
        [
            "cluster_scanning",
            "low_threshold",
            "neighbours",
            "window_scan",
            "transfer_factor",
            "fit_of_sum",
            "fit_of_each",
            "bumphunter",
            "by_the_median",
            "redistributed",
        ],
        ["training_without_signal"],
        ["training_above"],
        ["fit_3"],
        ["idealised_fit"],
        ["cwola", "tighter"],
    ]


def test_a_search_has_its_title_or_its_name_in_words(whole: Card) -> None:
    titles = {name: search.title for name, search in campaign(whole).searches.items()}
    assert (titles["by_the_median"], titles["low_threshold"]) == ("median", "low threshold")
    assert (titles["cluster_scanning"], titles["fit_3"]) == ("Cluster Scanning", "3-parameter fit")


def test_searches_are_in_the_order_of_the_card(whole: Card) -> None:
    assert list(campaign(whole).searches) == list(whole.searches)


def test_each_is_what_it_would_be_alone(whole: Card) -> None:
    """And no two of them are the same."""
    together = campaign(whole)
    for task in (Task(Kind.BACKGROUND_ONLY, 0, 3), Task(Kind.DOPED, 300, 1, "signal")):
        rows = [row for row, _ in together.run(task, tuple(whole.searches))]
        for name, section in whole.searches.items():
            alone = campaign(whole.model_copy(update={"searches": {name: section}}))
            assert [row for row, _ in alone.run(task, [name])] == [row for row in rows if row[0] == name], (
                name
            )
    shared = [row[2] for row in rows if row[1] == "shared"]
    assert len(shared) == len({one.statistic for one in shared}) == len(whole.searches)
    assert len({one.n_events for one in shared}) == 1, "all look at one data set"


def test_what_is_observed_is_what_was_found(whole: Card) -> None:
    task = Task(Kind.OBSERVED, 300, 0, "signal")
    observed = {name: outcome for name, outcome, _ in campaign(whole).observe(task)}
    found = {
        row[0]: row[2] for row, _ in campaign(whole).run(task, tuple(whole.searches)) if row[1] == "shared"
    }
    assert observed == found


def test_idealised_clusters_keep_the_signal_and_the_first_bin(whole: Card) -> None:
    """Background shares of a cluster are those of the first bin, within statistics, in every bin."""
    one = campaign(whole)
    task = Task(Kind.DOPED, 300, 0, "signal")
    data, group = draw_data_set(one.pools, task, one.seed), one.groups[0]
    names = [search.name for search in group.searches]
    found: dict[str, Any] = {search.name: judged for search, judged in group.search(data, names, 1, task.key)}
    nominal, idealised = found["cluster_scanning"], found["redistributed"]
    for clustering, real, best in zip(nominal.clusterings, nominal.scans, idealised.scans, strict=True):
        np.testing.assert_array_equal(best.spectra.sum(axis=0), real.spectra.sum(axis=0))
        of_background, of_signal = clustering.by_part
        background = best.spectra - of_signal
        np.testing.assert_array_equal(background[:, 0], of_background[:, 0])
        share = of_background[:, 0] / of_background[:, 0].sum()
        rest = background[:, 1:].sum(axis=1)
        expected = share * rest.sum()
        pulls = (rest - expected) / np.sqrt(np.maximum(expected * (1 - share), 1))
        assert np.abs(pulls).max() < 5


# ---------------------------------------------------------------------------------- what is refused

OF_THRESHOLD = "{like: cluster_scanning, theta: 2.5}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("theta: 2.5", "thta: 2.5", r"searches\.low_threshold\.thta.*Did you mean theta"),
        ("theta: 2.5", "theta: -1", r"searches\.low_threshold\.theta.*greater than 0"),
        ("low_threshold", "fit_3", r"searches\.fit_3: given twice"),
        ("[3400, 3600]", "[2900, 3600]", r"searches\.training_above\.training: reaches out of"),
        ("[3400, 3600]", "[3600, 3400]", r"searches\.training_above\.training.*empty or inverted"),
        (
            OF_THRESHOLD,
            "{like: cluster_scanning, windows: {}, statistic: {kind: bumphunter}}",
            r"searches\.low_threshold\.statistic\.kind: a scan by windows",
        ),
        ("theta: 2.5", "windows: {widths: [9]}, trend: {guard: 3}", "leave 1 of 16 bins to fit"),
        ("theta: 2.5", "neighbours: 16", r"searches\.low_threshold\.neighbours: expected fewer than k = 16"),
        ("idealised: true", "idealized: true", "Did you mean idealised"),
    ],
)
def test_bad_variants(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert CARD.count(old) == 1
    with pytest.raises(CardError, match=message):
        card_of(tmp_path, CARD.replace(old, new))


def test_nobody_knows_the_truth_of_data(tmp_path: Path) -> None:
    """Unlabelled data: studies of the truth are refused, each by its key, and nothing else."""
    real = CARD.replace("signal: {kind", "data: {kind").replace("epsilon: [300]", "epsilon: [0]")
    with pytest.raises(CardError) as refused:
        card_of(tmp_path, real)
    keys = [line.split(": ")[1] for line in str(refused.value).splitlines()]
    assert keys == [
        "searches.redistributed",
        "searches.training_without_signal",
        "searches.idealised_fit",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            OF_THRESHOLD,
            "{like: cluster_scanning, k: 50000}",
            r"searches\.low_threshold\.k: 50000 clusters from \d+ jets in the training region \[3000, 3100\) GeV",
        ),
        (
            OF_THRESHOLD,
            "{like: cluster_scanning, features: event, jets: leading}",
            r"searches\.low_threshold\.jets: 'event' are of events, not of jets",
        ),
        (
            OF_THRESHOLD,
            "{like: cluster_scanning, weights: [1.0, 0.5]}",
            r"searches\.low_threshold\.weights: 2 weights for the 6 columns of 'image_pca'",
        ),
        (
            "efficiencies: [0.05, 0.1]",
            "efficiencies: [0.001, 0.1]",
            r"searches\.tighter\.efficiencies: a cut that keeps 0\.001 of all events leaves about 0\.\d",
        ),
        (
            "{kind: dijet_fit, parameters: 3}",
            "{kind: dijet_fit, template: {step: 1600}}",
            r"searches\.fit_3\.template: no mass fits between 3000 and 4600 GeV in steps of 1600",
        ),
    ],
)
def test_what_the_samples_do_not_allow_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    card = card_of(tmp_path, CARD.replace(old, new))
    line = 1 + CARD[: CARD.index(old)].count("\n")
    with pytest.raises(CardError, match=rf"card\.yaml:{line}: {message}") as refused:
        built(card)
    assert len(str(refused.value).splitlines()) == 1


def test_more_folds_than_a_bootstrap_has_events(tmp_path: Path) -> None:
    few = toy_pools(n_background=800)
    text = CARD[: CARD.index("  cluster_scanning:")] + "  cwola: {folds: 500, efficiencies: [1.0]}\n"
    card = card_of(tmp_path, text)
    with pytest.raises(CardError, match=r"card\.yaml:8: searches\.cwola\.folds: 500 folds of 800 events"):
        build_searches(Context(card.card, few, where=card.where))


def test_all_that_cannot_be_built_is_told_at_once(tmp_path: Path) -> None:
    card = card_of(tmp_path, CARD.replace("k: 16", "k: 50000").replace("[0.05, 0.1]", "[0.0001]"))
    with pytest.raises(CardError) as refused:
        built(card)
    told = [line.split(": ")[1] for line in str(refused.value).splitlines()]
    scans = [name for name in card.card.searches if card.card.searches[name].kind == "cluster_scanning"]
    assert told == [*(f"searches.{name}.k" for name in scans), "searches.tighter.efficiencies"]
