"""Average images and non-zero pixels of a sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_files import toy_files

from hepcs._core.progress import serial_mapper, silent
from hepcs.features.image_summary import ImageSummary, summarise_images
from hepcs.features.ingest import read_mass
from hepcs.features.making import SampleFiles
from hepcs.images import jet_images


def summary(sample: SampleFiles, labels: np.ndarray | None = None) -> ImageSummary:
    return summarise_images(
        sample.ingested, sample.images, labels, name="toy", mapper=serial_mapper, progress=silent
    )


def test_average_images_are_those_of_lighter_and_heavier_jets(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (30, 0, 20), 1)
    mass = np.concatenate([read_mass(file) for file in sample.ingested.files])
    plain = jet_images(jets, pixels=12).reshape(-1, 2, 12, 12)
    rows = np.arange(50)
    (found,) = summary(sample).averages
    np.testing.assert_allclose(found.heavier, plain[rows, mass.argmax(axis=1)].mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(found.lighter, plain[rows, mass.argmin(axis=1)].mean(axis=0), atol=1e-7)
    assert found.n_events == 50
    assert found.lighter.sum() == pytest.approx(1)


def test_every_image_is_counted_with_its_filled_pixels(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (30, 20), 1)
    filled = (jet_images(jets, pixels=12).reshape(100, -1) > 0).sum(axis=1)
    np.testing.assert_array_equal(summary(sample).nonzero_pixels, [np.bincount(filled, minlength=145)])


def test_background_and_signal_are_shown_apart(tmp_path: Path) -> None:
    sample, _ = toy_files(tmp_path, (30, 20), 1)
    labels = np.random.default_rng(1).integers(0, 2, 50).astype(np.int8)
    together, apart = summary(sample), summary(sample, labels)
    n = [one.n_events for one in apart.averages]
    assert n == np.bincount(labels).tolist()
    np.testing.assert_allclose(
        np.average([one.heavier for one in apart.averages], axis=0, weights=n), together.averages[0].heavier
    )
    np.testing.assert_array_equal(apart.nonzero_pixels.sum(axis=0), together.nonzero_pixels[0])
    assert apart.nonzero_pixels.sum(axis=1).tolist() == [2 * number for number in n]
    # Without signal there is nothing to show.
    nothing = summary(sample, np.zeros(50, dtype=np.int8)).averages[1]
    assert (nothing.n_events, nothing.lighter.sum()) == (0, 0)


def test_averages_are_weighted_and_counts_are_not(tmp_path: Path) -> None:
    sample, _ = toy_files(tmp_path, (30, 20), 1)
    labels = np.random.default_rng(1).integers(0, 2, 50).astype(np.int8)
    weights = np.where(labels, 3.0, 0.5)
    of_all = summarise_images(
        sample.ingested, sample.images, None, weights, name="toy", mapper=serial_mapper, progress=silent
    )
    apart, sums = summary(sample, labels), np.bincount(labels, weights=weights)
    expected = np.average([one.heavier for one in apart.averages], axis=0, weights=sums)
    np.testing.assert_allclose(of_all.averages[0].heavier, expected)
    assert of_all.averages[0].n_events == 50
    np.testing.assert_array_equal(of_all.nonzero_pixels, summary(sample).nonzero_pixels)


def test_an_event_without_both_images_is_in_no_average(tmp_path: Path) -> None:
    """The jets 3 and 8 have none: the events 1 and 4 are left out."""
    sample, jets = toy_files(tmp_path, (6,), 2, without=(3, 8))
    found = summary(sample)
    kept = [0, 1, 4, 5, 6, 7, 10, 11]
    plain = jet_images(jets[kept], pixels=12)
    (average,) = found.averages
    assert average.n_events == 4
    np.testing.assert_allclose((average.lighter + average.heavier) / 2, plain.mean(axis=0), atol=1e-7)
    assert found.nonzero_pixels[0, 0] == 0
    assert found.nonzero_pixels.sum() == 8
