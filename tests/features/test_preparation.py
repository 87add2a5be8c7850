"""From dijets on disk to features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from features.test_ingest import take_in
from toy_events import write_mixture, write_toys

from hepcs._core.errors import InputError
from hepcs._core.progress import serial_mapper, silent
from hepcs.config.preparation import Features, Images
from hepcs.features.image_pca import compress
from hepcs.features.ingest import read_dijets, read_truth
from hepcs.features.preparation import PreparedSample, prepare, train_on
from hepcs.images import image_and_reprocess, jet_images

FEATURES = Features(kept_variance=0.8)


def settings(cache: Path) -> dict[str, object]:
    return {
        "images": Images(),
        "features": FEATURES,
        "cache": cache,
        "mapper": serial_mapper,
        "progress": silent,
    }


def test_features_are_the_compressed_images_of_both_jets_in_order(tmp_path: Path) -> None:
    found = take_in(write_toys(tmp_path / "toys.root", 400, 1), tmp_path)
    compression = train_on(found, (3000.0, 3400.0), None, **settings(tmp_path))  # type: ignore[arg-type]
    prepared = prepare(found, None, compression, name="toy", **settings(tmp_path))  # type: ignore[arg-type]
    dijets = read_dijets(found.files[0])
    images = image_and_reprocess(dijets.constituents).reshape(2 * len(dijets.m_jj), -1)
    expected = compress(images, compression[0]).reshape(len(dijets.m_jj), 2, -1)
    np.testing.assert_allclose(prepared.features(), expected, atol=1e-6)
    np.testing.assert_array_equal(prepared.m_jj, dijets.m_jj)
    assert compression[0].kept_variance >= 0.8


def test_average_images_are_those_of_lighter_and_heavier_jets(tmp_path: Path) -> None:
    found = take_in(write_mixture(tmp_path / "mixture.root", 300, 200, 1), tmp_path)
    truth = read_truth(found)
    compression = train_on(found, (3000.0, 3400.0), truth.inside == 0, **settings(tmp_path))  # type: ignore[arg-type]
    prepared = prepare(found, truth.inside, compression, name="toy", **settings(tmp_path))  # type: ignore[arg-type]
    dijets = read_dijets(found.files[0])
    plain = jet_images(dijets.constituents).reshape(-1, 2, 40, 40)
    signal = truth.inside == 1
    rows = np.arange(len(plain))
    heavier = plain[rows, np.argmax(dijets.mass, axis=1)]
    np.testing.assert_allclose(prepared.averages[1].heavier, heavier[signal].mean(axis=0), atol=1e-6)
    assert [one.n_events for one in prepared.averages] == [int((~signal).sum()), int(signal.sum())]
    assert prepared.averages[0].lighter.sum() == pytest.approx(1)


def test_the_label_does_not_change_the_features(tmp_path: Path) -> None:
    found = take_in(write_mixture(tmp_path / "mixture.root", 300, 100, 1), tmp_path)
    compression = train_on(found, (3000.0, 3400.0), None, **settings(tmp_path))  # type: ignore[arg-type]
    labels = read_truth(found).inside
    with_labels = prepare(found, labels, compression, name="a", **settings(tmp_path))  # type: ignore[arg-type]
    without = prepare(found, None, compression, name="b", **settings(tmp_path))  # type: ignore[arg-type]
    np.testing.assert_array_equal(with_labels.features(), without.features())


def test_an_altered_cache_is_refused(tmp_path: Path) -> None:
    found = take_in(write_toys(tmp_path / "toys.root", 200, 1), tmp_path)
    compression = train_on(found, (3000.0, 3400.0), None, **settings(tmp_path))  # type: ignore[arg-type]
    prepared = prepare(found, None, compression, name="toy", **settings(tmp_path))  # type: ignore[arg-type]
    content = bytearray(prepared.features_file.read_bytes())
    content[-5] ^= 1
    prepared.features_file.write_bytes(content)
    with pytest.raises(InputError, match="altered since it was written"):
        prepare(found, None, compression, name="toy", **settings(tmp_path))  # type: ignore[arg-type]


def test_two_jobs_at_once_share_what_the_first_made(tmp_path: Path) -> None:
    """The second job makes the same sample while the first is at it; what the second opened stays as it is."""
    found = take_in(write_toys(tmp_path / "toys.root", 200, 1), tmp_path)
    compression = train_on(found, (3000.0, 3400.0), None, **settings(tmp_path))  # type: ignore[arg-type]
    others: list[PreparedSample] = []

    def overtaken(function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        others.append(prepare(found, None, compression, name="b", **settings(tmp_path)))  # type: ignore[arg-type]
        yield from map(function, items)

    late = {**settings(tmp_path), "mapper": overtaken}
    prepared = prepare(found, None, compression, name="a", **late)  # type: ignore[arg-type]
    inode = prepared.features_file.stat().st_ino
    assert prepared.features_file == others[0].features_file
    np.testing.assert_array_equal(prepared.features(), others[0].features())
    again = prepare(found, None, compression, name="c", **settings(tmp_path))  # type: ignore[arg-type]
    assert again.features_file.stat().st_ino == inode
    assert [path.name for path in (tmp_path / "features").iterdir()] == [prepared.features_file.parent.name]


def test_no_event_in_the_training_region(tmp_path: Path) -> None:
    found = take_in(write_toys(tmp_path / "toys.root", 100, 1), tmp_path)
    with pytest.raises(InputError, match=r"no background event in the training region \[2000, 2100\)"):
        train_on(found, (2000.0, 2100.0), None, **settings(tmp_path))  # type: ignore[arg-type]
