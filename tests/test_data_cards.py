"""The cards that the README runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from hepcs.config import read_card
from hepcs.config.schema import Card
from hepcs.config.sources import LhcoSource
from hepcs.searches.cluster_scanning.section import ClusterScanning

# That of `hepcs represent` is another kind of card.
CARDS = sorted(
    path for path in (Path(__file__).parents[1] / "data_cards").glob("*.yaml") if path.stem != "adc2021"
)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.name)
def test_every_card_is_valid_and_named_after_its_file(path: Path) -> None:
    card = read_card(path).card
    assert card.name == path.stem
    assert card.description


def test_the_lhco_card_says_nothing_but_the_defaults() -> None:
    """The defaults of the schema are the paper's (tests/config/test_reading.py): the card writes them out."""
    card = read_card("lhco.yaml").card
    assert isinstance(card.samples.labelled, LhcoSource)
    bare = Card(name="lhco", samples=card.samples)
    for section in ("jets", "images", "used_features", "regions", "searches"):
        assert getattr(card, section) == getattr(bare, section)
    assert (card.pseudo_experiments.background_only, card.pseudo_experiments.doped) == (3900, 100)


def test_the_searches_of_the_sensitivity_card_differ() -> None:
    """Each as it was found best or worse: no two are the same search under another title."""
    card = read_card("sensitivity.yaml").card
    sections = [search.model_dump_json(exclude={"title"}) for search in card.searches.values()]
    assert len(set(sections)) == len(sections) == 21
    scan = card.searches["idealised_window_scan"]
    assert isinstance(scan, ClusterScanning)
    assert scan.windows is not None
    assert (scan.windows.widths, scan.windows.combination, scan.idealised) == ((2,), "quadrature", True)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.name)
def test_a_card_is_what_it_was_resolved_to(path: Path) -> None:
    """As run folders keep it."""
    card = read_card(path).card
    assert Card.model_validate(card.model_dump(mode="json")) == card
    assert Card.model_validate_json(card.model_dump_json()) == card
