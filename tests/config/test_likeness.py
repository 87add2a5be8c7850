"""Searches that are like others, and kinds that their names tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from hepcs._core.errors import CardError
from hepcs.config import Card, read_card
from hepcs.config.kinds import installed_kinds
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.searches.dijet_fit.section import DijetFitSection

HEAD = "name: x\nsamples: {background: {kind: pythia, events: 1}}\nsearches:\n"


def card_of(folder: Path, searches: str, *overrides: str) -> Card:
    path = folder / "card.yaml"
    path.write_text(HEAD + searches, encoding="utf-8")
    return read_card(path, overrides).card


def problems(folder: Path, searches: str, *overrides: str) -> list[str]:
    with pytest.raises(CardError) as caught:
        card_of(folder, searches, *overrides)
    return str(caught.value).replace(f"{folder}/card.yaml:", "").splitlines()


def scan_of(card: Card, name: str) -> ClusterScanning:
    section = card.searches[name]
    assert isinstance(section, ClusterScanning)
    return section


def test_keys_are_taken_over_and_mappings_merged(tmp_path: Path) -> None:
    card = card_of(
        tmp_path,
        "  cluster_scanning: {k: 20, theta: 2.5, statistic: {local_significance: exact}}\n"
        "  windows: {like: cluster_scanning, windows: {widths: [1, 3], combination: sum}, trend: {degree: 2}}\n"
        "  quadrature: {like: windows, theta: 4, windows: {combination: quadrature}, trend: {guard: 0}}\n",
    )
    found = scan_of(card, "quadrature")
    assert (found.k, found.theta, found.statistic.local_significance) == (20, 4.0, "exact")
    assert found.windows is not None
    assert (found.windows.widths, found.windows.combination) == ((1, 3), "quadrature")
    assert (found.trend.degree, found.trend.guard) == (2, 0)
    # What it is like stays as it was.
    other = scan_of(card, "windows")
    assert other.windows is not None
    assert (other.theta, other.windows.combination, other.trend.guard) == (2.5, "sum", 1)


def test_null_sets_a_key_back_to_nothing(tmp_path: Path) -> None:
    card = card_of(
        tmp_path,
        "  one: {kind: cluster_scanning, windows: {widths: [2]}, training_jets: 500}\n"
        "  two: {like: one, windows: null, training_jets: ~}\n",
    )
    assert (scan_of(card, "two").windows, scan_of(card, "two").training_jets) == (None, None)
    assert scan_of(card, "two") == scan_of(card_of(tmp_path, "  cluster_scanning: {}\n"), "cluster_scanning")


def test_a_title_is_of_one_search_alone(tmp_path: Path) -> None:
    card = card_of(
        tmp_path, "  cwola: {title: hunting}\n  other: {like: cwola}\n  own: {like: cwola, title: x}\n"
    )
    assert [search.title for search in card.searches.values()] == ["hunting", None, "x"]


def test_the_order_on_the_card_does_not_matter(tmp_path: Path) -> None:
    card = card_of(
        tmp_path, "  b: {like: a}\n  a: {like: c, k: 7}\n  c: {kind: cluster_scanning, theta: 2}\n"
    )
    assert list(card.searches) == ["b", "a", "c"]
    assert (scan_of(card, "b").k, scan_of(card, "b").theta) == (7, 2)


def test_a_search_can_be_like_another_by_override(tmp_path: Path) -> None:
    card = card_of(
        tmp_path, "  cluster_scanning: {k: 9}\n", "searches.more={like: cluster_scanning, theta: 5}"
    )
    assert (scan_of(card, "more").k, scan_of(card, "more").theta) == (9, 5)


def test_kind_may_be_left_out_where_the_name_is_one(tmp_path: Path) -> None:
    card = card_of(tmp_path, "  dijet_fit:\n  cwola: {kind: dijet_fit, parameters: 5}\n")
    assert [search.kind for search in card.searches.values()] == ["dijet_fit", "dijet_fit"]
    assert isinstance(card.searches["cwola"], DijetFitSection)


@pytest.mark.parametrize(
    ("searches", "expected"),
    [
        (
            "  a: {like: b}\n  b: {like: c}\n  c: {like: a}\n  d: {like: c}\n",
            ["4: searches.a.like: goes in a circle: a -> b -> c -> a"],
        ),
        (
            "  d: {like: e}\n  e: {like: e}\n",
            ["5: searches.e.like: found 'e', expected another search of the card. Known: d."],
        ),
        (
            "  cwola: {}\n  two: {like: cwolla, folds: 3}\n  three: {like: two}\n",
            [
                "5: searches.two.like: found 'cwolla', expected another search of the card. Did you mean cwola?"
            ],
        ),
        (
            "  cwola: {}\n  two:\n    kind: supervised\n    like: cwola\n",
            [
                "6: searches.two.kind: found 'supervised', and cwola, which it is like, is of kind 'cwola'; "
                "leave one of the two out"
            ],
        ),
        (
            "  cwola: {}\n  two: {like: [cwola]}\n",
            [
                "5: searches.two.like: found ['cwola'], expected another search of the card. Did you mean cwola?",
            ],
        ),
        (
            "  fit: {parameters: 3}\n",
            [
                "4: searches.fit.kind: missing, and 'fit' is no kind of search that is installed. Known: "
                f"{', '.join(sorted(installed_kinds('hepcs.searches')))}. "
                "`hepcs searches` lists them"
            ],
        ),
        (
            "  fit: {kind: djet_fit}\n  more: {like: fit, windows: {}}\n",
            [
                "4: searches.fit.kind: found 'djet_fit', which is no kind of search that is installed. Did you "
                "mean dijet_fit? `hepcs searches` lists them"
            ],
        ),
        ("  cwola: 7\n  more: {like: cwola}\n", ["4: searches.cwola: found 7, expected a section with keys"]),
        (
            "  cwola: {kind: [cwola]}\n",
            [
                "4: searches.cwola.kind: found ['cwola'], which is no kind of search that is installed. Did you "
                "mean cwola? `hepcs searches` lists them"
            ],
        ),
    ],
)
def test_what_cannot_be_spelled_out_is_told_once(tmp_path: Path, searches: str, expected: list[str]) -> None:
    assert problems(tmp_path, searches) == expected


def test_features_are_not_like_others(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, "  cwola: {}\nfeatures:\n  one: {like: two}\n")
    assert line == "6: features.one.like: is for searches; write the keys out"


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("k: fifty", "k: found 'fifty', expected a valid integer"),
        ("ensmble: 3", "ensmble: unknown key. Did you mean ensemble?"),
        ("outlier_fraction: 0.999", "outlier_fraction: 0.999 of k = 50 clusters leaves 0"),
        ("training: [100, 200]", "training: reaches out of regions.evaluation [3000, 4600)"),
        ("windows: {widths: [15]}", "trend: windows up to 15 bins wide"),
        ("features: imges", "features: found 'imges', which is no feature of the card"),
    ],
)
def test_a_problem_is_told_at_the_search_that_has_it(tmp_path: Path, key: str, what: str) -> None:
    searches = f"  base: {{kind: cluster_scanning, {key}}}\n  two: {{like: base, theta: 4}}\n"
    searches += "  three: {like: two}\n"
    (line,) = problems(tmp_path, searches)
    assert line.startswith(f"4: searches.base.{what}")
    # Written anew, it is a problem of its own.
    lines = problems(tmp_path, f"{searches}  four: {{like: two, {key}}}\n")
    if "windows" not in key:  # which is told at `trend`
        assert len(lines) == 2
        assert lines[1].startswith(f"7: searches.four.{what}")


def test_what_only_both_together_make_wrong_is_told_at_the_other(tmp_path: Path) -> None:
    searches = (
        "  base: {kind: cluster_scanning, trend: {guard: 3}}\n  two: {like: base, windows: {widths: [9]}}\n"
    )
    (line,) = problems(tmp_path, searches)
    assert line.startswith(
        "5: searches.two.trend: windows up to 9 bins wide, with 3 more on either side, leave 1"
    )
