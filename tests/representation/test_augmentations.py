"""Augmentations: what each must keep, and what it must change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toy_objects import events

from hepcs.config.event_objects import ELECTRON, JET, MET, MUON, OBJECT_TYPES, TRIGGER_PT
from hepcs.neural.backend import jax
from hepcs.representation import augmentations

EVENTS = events(400)
NAMES = ("rotated", "smeared", "jets_smeared", "added", "split", "shifted")
FOUND: dict[str, Any] = {}


def augmented(name: str) -> Any:
    if name not in FOUND:
        FOUND[name] = np.asarray(jax.jit(getattr(augmentations, name))(jax.random.key(1), EVENTS))
    return FOUND[name]


def vector_sum(those: np.ndarray) -> np.ndarray:
    return np.stack([(those[..., 0] * f(those[..., 2])).sum(axis=1) for f in (np.cos, np.sin)], axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_each_keeps_trigger_limits_and_format(name: str) -> None:
    found = augmented(name)
    assert found.shape == EVENTS.shape
    assert np.isfinite(found).all()
    there = found[..., 3] > 0
    assert not found[~there].any()
    assert ((found[..., 2] > -np.pi) & (found[..., 2] <= np.pi)).all()
    for kind in OBJECT_TYPES:
        rows = found[:, kind.first : kind.last]
        here = rows[..., 3] > 0
        assert (rows[here][:, 3] == kind.code).all()
        assert (np.abs(rows[..., 1]) <= kind.abs_eta_max).all()
        assert (rows[here][:, 0] >= kind.pt_min * (1 - 1e-6)).all()
        # No gap: what is new follows what was there.
        assert (np.diff(here.astype(int), axis=1) <= 0).all()
    leptons = found[:, ELECTRON.first : MUON.last, 0].max(axis=1)
    assert (leptons > TRIGGER_PT).all()


@pytest.mark.parametrize("name", ["rotated", "smeared", "jets_smeared", "shifted"])
def test_these_keep_all_objects(name: str) -> None:
    np.testing.assert_array_equal(augmented(name)[..., 3], EVENTS[..., 3])


def test_a_rotation_keeps_all_but_one_angle() -> None:
    found = augmented("rotated")
    np.testing.assert_array_equal(found[..., :2], EVENTS[..., :2])
    there = EVENTS[..., 3] > 0
    turned = np.where(there, found[..., 2] - EVENTS[..., 2], np.nan)
    turned = (turned - turned[:, :1] + np.pi) % (2 * np.pi) - np.pi
    assert np.nanmax(np.abs(turned)) < 1e-5
    angle = (found[:, 0, 2] - EVENTS[:, 0, 2]) % (2 * np.pi)
    assert np.std(angle) > 1.5


def test_directions_are_smeared_by_their_variance() -> None:
    found = augmented("smeared")
    np.testing.assert_array_equal(found[..., 0], EVENTS[..., 0])
    there = (EVENTS[..., 3] > 0) & (np.abs(EVENTS[..., 2]) < 2.5)
    pull = (found[..., 2] - EVENTS[..., 2])[there] / np.sqrt(0.1 / np.maximum(EVENTS[..., 0][there], 1.0))
    assert np.std(pull) == pytest.approx(1, abs=0.08)
    assert not found[:, MET.first, 1].any()


def test_only_jets_get_another_momentum() -> None:
    found = augmented("jets_smeared")
    np.testing.assert_array_equal(found[:, : JET.first], EVENTS[:, : JET.first])
    np.testing.assert_array_equal(found[..., 1:], EVENTS[..., 1:])
    pt = EVENTS[:, JET.first :, 0]
    # Far enough from the limit.
    hard = pt > 60
    pull = (found[:, JET.first :, 0] - pt)[hard] / np.sqrt(0.052 * pt[hard] ** 2 + 1.502 * pt[hard])
    assert len(pull) > 30
    assert np.std(pull) == pytest.approx(1, abs=0.25)


def test_added_objects_are_balanced_and_what_was_there_stays() -> None:
    found = augmented("added")
    old = EVENTS[..., 3] > 0
    old[:, MET.first] = False
    np.testing.assert_array_equal(found[old], EVENTS[old])
    np.testing.assert_allclose(vector_sum(found), vector_sum(EVENTS), atol=2e-3)
    n_before, n_after = ((one[..., 3] > 0).sum(axis=1) for one in (EVENTS, found))
    assert (n_after > n_before).all()
    new = (found[..., 3] > 0) & (EVENTS[..., 3] == 0)
    assert (found[..., 0] * new).max(axis=1).max() <= EVENTS[:, 1:, 0].max()


def test_split_objects_keep_their_sums() -> None:
    found = augmented("split")
    n_before, n_after = ((one[..., 3] > 0).sum(axis=1) for one in (EVENTS, found))
    assert (n_after > n_before).all()
    # Those that could be split: of the others something was added.
    same = np.isclose(found[:, MET.first, 0], EVENTS[:, MET.first, 0], rtol=1e-6)
    assert same.mean() > 0.7
    np.testing.assert_allclose(found[same, MET.first], EVENTS[same, MET.first], rtol=1e-6)
    for kind in (ELECTRON, MUON, JET):
        rows = slice(kind.first, kind.last)
        found_sum, sum_before = (one[same][:, rows, 0].sum(axis=1) for one in (found, EVENTS))
        np.testing.assert_allclose(found_sum, sum_before, rtol=1e-5)
    # Two parts of one object are near each other.
    np.testing.assert_allclose(vector_sum(found[same]), vector_sum(EVENTS[same]), atol=40)


def test_shifts_are_one_factor_for_objects_and_one_for_what_is_missing() -> None:
    found = augmented("shifted")
    np.testing.assert_array_equal(found[..., 1:], EVENTS[..., 1:])
    met = found[:, 0, 0] / EVENTS[:, 0, 0]
    with np.errstate(invalid="ignore"):
        factors = found[:, 1:, 0] / EVENTS[:, 1:, 0]
    factor = np.nanmean(factors, axis=1)
    np.testing.assert_allclose(
        np.where(np.isnan(factors), factor[:, np.newaxis], factors).std(axis=1), 0, atol=1e-4
    )
    assert (met.min() >= 0.5) & (met.max() <= 5) & (factor.min() >= 1 - 1e-6) & (factor.max() <= 5)
    only_met, only_objects = np.isclose(factor, 1), np.isclose(met, 1)
    both = ~only_met & ~only_objects
    assert not (only_met & only_objects).any()
    for mode in (only_met, only_objects, both):
        assert 0.2 < mode.mean() < 0.5


def test_each_event_gets_one_anomaly_of_those_that_are_asked_for() -> None:
    found = np.asarray(jax.jit(augmentations.OneAnomaly(("split", "shift")))(jax.random.key(2), EVENTS))
    n_before, n_after = ((one[..., 3] > 0).sum(axis=1) for one in (EVENTS, found))
    assert 0.35 < (n_before == n_after).mean() < 0.65
