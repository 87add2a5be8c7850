"""Average images of groups of jets, from images on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_files import toy_files

from hepcs._core.errors import ArgumentError
from hepcs._core.progress import serial_mapper, silent
from hepcs.features.image_files import JetImages
from hepcs.images import jet_images
from hepcs.results import JetGroup
from hepcs.running.average_images import average_images


def averages(groups: list[JetGroup], images: dict[int, JetImages]) -> np.ndarray:
    return average_images(groups, images, serial_mapper, silent)


def group(*jets: int) -> JetGroup:
    return JetGroup("path", "title", np.array(jets, dtype=np.int64))


def test_each_group_is_averaged_over_its_jets(tmp_path: Path) -> None:
    """Across files and samples, with jets that are in two groups, and twice in one."""
    background, of_background = toy_files(tmp_path, (7, 0, 5), 1)
    signal, of_signal = toy_files(tmp_path, (4,), 2)
    # The events of the signal begin with number 20: its jets with 40.
    groups = [group(0, 3, 14, 47, 23, 3), group(23, 13), group()]
    found = averages(groups, {0: background.images, 20: signal.images})
    plain, other = jet_images(of_background, pixels=12), jet_images(of_signal, pixels=12)
    wanted = np.concatenate([plain[[0, 3, 14, 23, 3]], other[[7]]]).mean(axis=0)
    np.testing.assert_allclose(found[0], wanted, atol=1e-7)
    np.testing.assert_allclose(found[1], plain[[23, 13]].mean(axis=0), atol=1e-7)
    assert found[:2].sum(axis=(1, 2)) == pytest.approx(1, abs=1e-6)
    assert not found[2].any()


def test_a_jet_without_image_is_left_out(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (6,), 2, without=(3,))
    plain = jet_images(jets[[2, 4]], pixels=12)
    found = averages([group(2, 3, 4), group(3)], {0: sample.images})
    np.testing.assert_allclose(found[0], plain.mean(axis=0), atol=1e-7)
    assert not found[1].any()


@pytest.mark.parametrize("jet", [-1, 24, 39, 48])
def test_a_jet_that_no_sample_has_is_refused(tmp_path: Path, jet: int) -> None:
    background, _ = toy_files(tmp_path, (7, 5), 1)
    signal, _ = toy_files(tmp_path, (4,), 2)
    with pytest.raises(ArgumentError, match="1 jets of a group are in none of the samples"):
        averages([group(3, jet)], {0: background.images, 20: signal.images})
