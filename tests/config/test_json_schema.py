"""The JSON schema of cards: it takes what a run takes, and explains the keys."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from hepcs._core.errors import CardError
from hepcs._core.requirements import pip_install
from hepcs.config import read_card
from hepcs.config.json_schema import card_schema

jsonschema = pytest.importorskip("jsonschema", reason=f"needs jsonschema: {pip_install('jsonschema')}")

# That of `hepcs represent` is another kind of card.
CARDS = sorted(
    path for path in (Path(__file__).parents[2] / "data_cards").glob("*.yaml") if path.stem != "adc2021"
)
LHCO: dict[str, Any] = {
    "name": "x",
    "samples": {"labelled": {"kind": "lhco", "files": "events.h5"}},
}


def problems(card: Any) -> list[str]:
    """What an editor would underline."""
    validator = jsonschema.Draft202012Validator(card_schema())
    plain = json.loads(json.dumps(card))
    return [error.message for error in validator.iter_errors(plain)]


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(card_schema())
    assert json.loads(json.dumps(card_schema(), allow_nan=False)) == card_schema()


def test_every_key_says_what_it_means() -> None:
    """Those of features and searches too; so the card reference of the site has a meaning for each."""
    schema = card_schema()
    bare = [
        f"{name}.{key}"
        for name, section in {"card": schema, **schema["$defs"]}.items()
        for key, of in section.get("properties", {}).items()
        if key != "kind" and not of.get("description", "").strip()
    ]
    assert not bare


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.name)
def test_the_shipped_cards_fit(path: Path) -> None:
    assert problems(read_card(path).given) == []


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.name)
def test_cards_with_all_defaults_fit(path: Path) -> None:
    assert problems(read_card(path).card.model_dump(mode="json")) == []


def changed(section: str, **keys: Any) -> dict[str, Any]:
    card = copy.deepcopy(LHCO)
    card.setdefault(section, {}).update(keys)
    return card


@pytest.mark.parametrize(
    "card",
    [
        LHCO,
        changed("injection", epsilon=800),
        changed("injection", epsilon=[0, 800]),
        changed("searches", cwola={"efficiencies": 0.01}),
        changed("output", figures="png"),
        changed("samples", labelled={"kind": "lhco", "files": ["a.h5", "b.h5"]}),
        changed(
            "samples",
            labelled={"kind": "root", "files": "a.root", "branches": {"pt": "p", "eta": "e", "phi": "f"}},
        ),
        changed(
            "samples",
            labelled={"kind": "root", "files": "a.root", "branches": [{"pt": "p", "eta": "e", "phi": "f"}]},
        ),
    ],
)
def test_one_item_stands_for_a_list_of_one(card: dict[str, Any], tmp_path: Path) -> None:
    read_card(written(tmp_path, card))
    assert problems(card) == []


@pytest.mark.parametrize(
    "card",
    [
        {"name": "x"},
        {**LHCO, "nmae": "y"},
        {**LHCO, "name": "has blanks"},
        changed("searches", cluster_scanning={"kk": 3}),
        changed("searches", cluster_scanning={"k": 2}),
        changed("searches", cluster_scanning={"k": "many"}),
        changed("searches", cluster_scanning={"engine": "fast"}),
        changed("searches", cluster_scanning={}, other={"like": "cluster_scanning", "thta": 3}),
        changed("searches", other={"kind": "cwola", "parameters": 3}),
        changed("searches", other={"parameters": 3}),
        changed("searches", other={"kind": "cwla"}),
        changed("searches", cwola={"kind": "dijet_fit", "folds": 3}),
        changed("searches", **{"two words": {"kind": "cwola"}}),
        changed("searches"),
        changed("features", image_pca={"gama": 1}),
        changed("features", images={"gamma": 1}),
        changed("features", event={}, other={"like": "event"}),
        changed("injection", epsilon=[]),
        changed("injection", epsilon={"wide": -1}),
        changed("injection", epsilon={}),
        changed("samples", labelled={"kind": "hdf5", "files": "a.h5"}),
    ],
)
def test_what_a_run_refuses_is_underlined(card: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CardError):
        read_card(written(tmp_path, card))
    assert problems(card)


@pytest.mark.parametrize(
    "card",
    [
        changed("searches", cwola=None, idealised_fit={}),
        changed("searches", cwola={"folds": 3}, other={"like": "cwola", "folds": 4, "title": "x"}),
        changed("searches", cwola={"kind": "dijet_fit", "parameters": 5}),
        changed("searches", cwola={}, dijet_fit={"like": "cwola"}),
        changed("searches", dijet_fit={"windows": {}}, other={"like": "dijet_fit", "windows": None}),
        changed("features", event=None, images={"kind": "image_pca", "gamma": 1}),
        changed("injection", epsilon={"signal": 3}),
        changed("injection", epsilon={"signal": [0, 3]}),
    ],
)
def test_what_a_run_takes_is_not_underlined(card: dict[str, Any], tmp_path: Path) -> None:
    read_card(written(tmp_path, card))
    assert problems(card) == []


def written(folder: Path, card: dict[str, Any]) -> Path:
    path = folder / "card.yaml"
    path.write_text(json.dumps(card), encoding="utf-8")
    return path


def test_keys_say_what_they_mean_and_what_they_are_without() -> None:
    sections = card_schema()["$defs"]
    k = sections["ClusterScanning"]["properties"]["k"]
    assert (k["default"], k["description"], k["minimum"]) == (50, "number of clusters", 3)
    assert "title" not in k
    assert "paper" in sections["ClusterScanning"]["description"]
    assert "another search" in sections["Cwola"]["properties"]["like"]["description"]
    assert "like" not in sections["EventFeaturesSection"]["properties"]


def test_a_card_with_the_line_for_editors_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    card = "name: x\nsamples: {labelled: {kind: lhco, files: a.h5}}\n"
    path.write_text(card, encoding="utf-8")
    before = read_card(path).card
    text = f"# yaml-language-server: $schema=card.schema.json\n{card}"
    path.write_text(text, encoding="utf-8")
    assert read_card(path).card == before
    path.write_text(text + "kk: 3\n", encoding="utf-8")
    with pytest.raises(CardError, match=r"x\.yaml:4"):
        read_card(path)
