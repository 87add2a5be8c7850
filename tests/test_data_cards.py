"""The cards that the README runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from hepcs.config import read_card
from hepcs.config.schema import Card
from hepcs.config.sources import LhcoSource

CARDS = sorted((Path(__file__).parents[1] / "data_cards").glob("*.yaml"))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.name)
def test_every_card_is_valid_and_named_after_its_file(path: Path) -> None:
    card = read_card(path).card
    assert card.name == path.stem
    assert card.description


def test_lhco_is_table_1_of_the_paper() -> None:
    card = read_card("lhco.yaml").card
    assert isinstance(card.samples.labelled, LhcoSource)
    section = card.cluster_scanning
    assert (section.k, section.batch_size, section.outlier_fraction, section.theta, section.ensemble) == (
        50,
        2048,
        0.2,
        3,
        15,
    )
    assert (card.regions.training, card.regions.evaluation, card.regions.bin_width) == (
        (3000, 3100),
        (3000, 4600),
        100,
    )
    assert (card.pseudo_experiments.background_only, card.pseudo_experiments.doped) == (3900, 100)
    assert (card.features.gamma, card.features.smearing) == (0.5, 1)
    assert (card.images.pixels, card.images.half_width) == (40, 0.8)
    assert (card.jets.radius, card.jets.leading_pt_min, card.jets.abs_eta_max) == (1, 1200, 2.5)
    assert card.statistic.local_significance == "gaussian"


def test_the_lhco_card_says_nothing_but_the_defaults() -> None:
    """The defaults of the schema are the paper's: the card only writes them out."""
    card = read_card("lhco.yaml").card
    bare = Card(name="lhco", samples=card.samples)
    for section in ("jets", "images", "features", "regions", "cluster_scanning", "fits", "statistic"):
        assert getattr(card, section) == getattr(bare, section)
