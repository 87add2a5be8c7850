"""The makers of the kinds of features, apart from those of image_pca: what a card's section gives."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toy_card import toy_card
from toy_files import IMAGES, toy_files

from hepcs._core.progress import serial_mapper, silent
from hepcs.config import Card
from hepcs.config.features import FeatureSection
from hepcs.config.kinds import installed_kinds
from hepcs.features.constituents import padded_constituents
from hepcs.features.event import event_features
from hepcs.features.making import PreparedFeature, SampleFiles, Untrained, maker_of, prepare_feature
from hepcs.features.sections import Constituents, EventFeaturesSection, Pixels, Substructure
from hepcs.features.substructure import COLUMNS, SUBSTRUCTURE, jet_substructure
from hepcs.images import image_and_reprocess

CARD: Card = toy_card(searches={"fit": {"kind": "dijet_fit"}}, images=IMAGES)


def prepared(section: FeatureSection, sample: SampleFiles, cache: Path) -> PreparedFeature:
    made = maker_of(section, CARD)
    assert not isinstance(made, Untrained)
    return prepare_feature(made, sample, feature="toy", cache=cache, mapper=serial_mapper, progress=silent)


def test_each_kind_that_is_installed_has_a_maker() -> None:
    for name, kind in installed_kinds("hepcs.features").items():
        made = maker_of(kind.load().section(), CARD)
        assert isinstance(made, Untrained) or len(set(made.columns)) == len(made.columns) > 0, name


def test_pixels(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (5, 3), 1)
    section = Pixels(gamma=0.4, smearing=0.7)
    found = prepared(section, sample, tmp_path).values()
    expected = image_and_reprocess(jets, pixels=12, gamma=0.4, sigma=0.7)
    np.testing.assert_array_equal(found, expected.reshape(8, 2, 144))
    i, j = np.unravel_index(np.argmax(found[0, 0]), (12, 12))
    assert maker_of(section, CARD).columns[int(np.argmax(found[0, 0]))] == f"pixel_{i}_{j}"


def test_pixels_of_an_event_without_both_images(tmp_path: Path) -> None:
    sample, _ = toy_files(tmp_path, (5, 3), 1, without=(12,))
    found = prepared(Pixels(), sample, tmp_path)
    assert found.lacking.tolist() == [6]
    assert np.isnan(found.values()[6]).all()


def test_substructure(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (5, 3), 1, without=(12,))
    found = prepared(Substructure(), sample, tmp_path)
    values = jet_substructure(jets).values.reshape(8, 2, len(COLUMNS))
    np.testing.assert_array_equal(found.values(), values[:, :, : len(SUBSTRUCTURE)])
    assert {"eta", "phi"}.isdisjoint(maker_of(Substructure(), CARD).columns)
    assert len(found.lacking) == 0, "it needs no image"


@pytest.mark.parametrize("divided", [False, True])
def test_event_features(tmp_path: Path, divided: bool) -> None:
    sample, jets = toy_files(tmp_path, (5, 3), 1)
    section = EventFeaturesSection(set="extended", divide_by_m_jj=divided, angles=True)
    found = prepared(section, sample, tmp_path).values()
    m_jj = np.concatenate([np.load(file)["m_jj"] for file in sample.ingested.files])
    values = jet_substructure(jets).values.reshape(8, 2, len(COLUMNS))
    expected = event_features(values, "extended", m_jj=m_jj if divided else None, angles=True)
    np.testing.assert_array_equal(found, expected.values)
    assert maker_of(section, CARD).columns == expected.names


def test_substructure_is_computed_once_for_all_that_is_made_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def counted(constituents: ak.Array) -> object:
        computed.append(len(constituents))
        return jet_substructure(constituents)

    monkeypatch.setattr("hepcs.features.substructure.jet_substructure", counted)
    sample, _ = toy_files(tmp_path, (5, 3), 1)
    for section in (Substructure(), EventFeaturesSection(), EventFeaturesSection(set="all_tau")):
        prepared(section, sample, tmp_path)
    assert sum(computed) == 16


def test_constituents(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (5, 3), 1)
    section = Constituents(most=4)
    found = prepared(section, sample, tmp_path).values()
    expected = padded_constituents(jets, 4).values
    np.testing.assert_array_equal(found.reshape(16, 4, 3), expected)
    assert maker_of(section, CARD).columns[3:6] == ("pt_1", "delta_eta_1", "delta_phi_1")
