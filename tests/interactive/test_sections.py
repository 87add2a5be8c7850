"""Sections of a card by kind, and cards made in Python."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import hepcs
from hepcs._core.errors import CardError
from hepcs.config import located, read_card
from hepcs.config.kinds import installed_kinds
from hepcs.config.sources import RootSource

SAMPLES = {"background": {"kind": "root", "files": "b.root"}, "signal": {"kind": "root", "files": "s.root"}}


def test_kinds_complete_themselves() -> None:
    assert dir(hepcs.sections.searches) == list(installed_kinds("hepcs.searches"))
    source = hepcs.sections.sources.root(files="a.root")
    assert source == RootSource(kind="root", files=("a.root",))
    assert "folds" in inspect.signature(hepcs.sections.searches.cwola).parameters
    with pytest.raises(AttributeError, match=r"no kind 'cwolla'; there are .*cluster_scanning"):
        hepcs.sections.searches.cwolla  # noqa: B018


def test_a_card_made_in_python_is_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\n"
        "samples: {background: {kind: root, files: b.root}, signal: {kind: root, files: s.root}}\n"
        "searches: {cwola: {folds: 3}, fit: {kind: dijet_fit}, other: {like: fit, parameters: 4}}\n"
        "injection: {epsilon: [0, 100]}\n"
    )
    made = hepcs.Card(
        name="mine",
        samples={**SAMPLES, "signal": hepcs.sections.sources.root(files=["s.root"])},
        searches={
            "cwola": hepcs.sections.searches.cwola(folds=3),
            "fit": {"kind": "dijet_fit"},
            "other": {"like": "fit", "parameters": 4},
        },
        injection={"epsilon": [0, 100]},
    )
    assert made == read_card(path).card
    assert located(made).card is made
    assert located(made, ["seed=7"]).card.seed == 7


def test_its_keys_are_those_of_the_schema() -> None:
    assert set(inspect.signature(hepcs.Card).parameters) == set(hepcs.Card.model_fields)


def test_all_that_is_wrong_in_one_message() -> None:
    with pytest.raises(CardError) as wrong:
        hepcs.Card(name="a b", samples={"datta": {}}, searches={"cwola": {"foldz": 3}})
    assert str(wrong.value).splitlines() == [
        r"Card: name: found 'a b', string should match pattern '^[A-Za-z0-9][A-Za-z0-9_.\-]*$'",
        "Card: samples.datta: unknown key. Did you mean data?",
        "Card: searches.cwola.foldz: unknown key. Did you mean folds?",
    ]
