"""The Lund plane: splittings by hand, against fastjet's own declustering, and as a feature of events."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toy_card import toy_card
from toy_files import IMAGES, toy_files
from toy_jets import fastjet_sequence, jets_of, toy_jets

from hepcs._core.errors import ArgumentError
from hepcs._core.progress import serial_mapper, silent
from hepcs.features.lund_plane import ANGLE, KT, LundBins, lund_plane
from hepcs.features.making import Untrained, maker_of, prepare_feature
from hepcs.features.sections import LundPlane

BINS = LundBins(7, 6, 4)


def words(jet: list[tuple[float, float, float]], bins: LundBins = BINS) -> list[str]:
    """The words of one jet, each as often as it comes."""
    (counts,) = lund_plane(jets_of(jet), bins)
    return [name for name, n in zip(bins.columns, counts, strict=True) for _ in range(int(n))]


def test_one_splitting_by_hand() -> None:
    # ln(1/0.4) = 0.92 of 3.5 in 7 bins; kT / pT = 0.08, its logarithm -2.53; m / pT = 0.16, -1.83.
    assert words([(800.0, 0.0, 0.0), (200.0, 0.4, 0.0)]) == ["splitting_1_3_2"]


def test_the_softer_branch_is_not_followed() -> None:
    soft = [(300.0, 0.5, 0.0), (200.0, 0.5, 0.1)]
    hard = [(1000.0, 0.0, 0.0), (300.0, 0.0, 0.15)]
    assert len(words([*soft, *hard])) == 2
    # The angle of the splitting of the harder one, ln(1/0.15) = 1.90, not of the other.
    assert sorted(word.split("_")[1] for word in words([*soft, *hard])) == ["1", "3"]


def test_soft_and_collinear_splittings_are_left_out() -> None:
    assert words([(1000.0, 0.0, 0.0), (2.0, 0.4, 0.0)]) == []
    assert words([(1000.0, 0.0, 0.0), (900.0, 0.02, 0.0)]) == []
    assert words([(1000.0, 0.0, 0.0), (500.0, 1.4, 0.0)])[0].startswith("splitting_0_5")


def test_fastjet_says_the_same() -> None:
    jets = toy_jets(60, np.random.default_rng(1))
    theirs = fastjet_sequence(jets, "cambridge").exclusive_jets_lund_declusterings(njets=1)
    counts = lund_plane(jets, BINS).reshape(60, 7, 6, 4).sum(axis=3)
    pt = [np.hypot(*(ak.sum(one["pt"] * trig(one["phi"])) for trig in (np.cos, np.sin))) for one in jets]
    for found, jet, total in zip(counts, theirs, pt, strict=True):
        (planes,) = jet if len(jet) == 1 and jet.ndim > 1 else (jet,)
        angle = -np.log(ak.to_numpy(planes.Delta).ravel())
        kt = np.log(ak.to_numpy(planes.kt).ravel() / total)
        used = (angle < ANGLE[1]) & (kt >= KT[0])
        a = np.clip(np.floor(angle[used] / 0.5), 0, 6).astype(int)
        k = np.clip(np.floor(kt[used] + 6.5), 0, 5).astype(int)
        expected = np.zeros((7, 6))
        np.add.at(expected, (a, k), 1)
        np.testing.assert_array_equal(found, expected)


def test_it_knows_neither_direction_nor_scale_nor_order() -> None:
    jets = toy_jets(40, np.random.default_rng(2))
    counts = lund_plane(jets, BINS)
    assert counts.sum(axis=1).min() > 2
    scaled = ak.with_field(
        ak.with_field(jets[:, ::-1], 3 * jets["pt"][:, ::-1], "pt"), jets["phi"][:, ::-1] + 1, "phi"
    )
    assert (lund_plane(scaled, BINS) != counts).mean() < 1e-3


def test_jets_that_do_not_split_say_nothing() -> None:
    found = lund_plane(jets_of([], [(500.0, 0.0, 0.0)], [(0.0, 0.0, 0.0)]), BINS)
    assert found.shape == (3, len(BINS.columns))
    assert not found.any()
    with pytest.raises(ArgumentError, match="a bin at least"):
        LundBins(0, 1, 1)


def test_a_feature_of_events_has_the_lighter_jet_first(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (5, 3), 1)
    card = toy_card(searches={"fit": {"kind": "dijet_fit"}}, images=IMAGES)
    made = maker_of(LundPlane(angles=4, kts=3, masses=2), card)
    assert not isinstance(made, Untrained)
    assert len(made.columns) == 48
    assert made.columns[-1] == "splitting_3_2_1_heavier"
    found = prepare_feature(
        made, sample, feature="toy", cache=tmp_path, mapper=serial_mapper, progress=silent
    )
    counts = lund_plane(jets, LundBins(4, 3, 2)).reshape(8, 2, 24)
    masses = np.concatenate([np.load(file)["mass"] for file in sample.ingested.files])
    order = np.argsort(masses, axis=1)
    expected = np.take_along_axis(counts, order[:, :, np.newaxis], axis=1).reshape(8, 48)
    np.testing.assert_array_equal(found.values(), expected)
    assert len(found.lacking) == 0
