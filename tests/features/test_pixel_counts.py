"""Non-zero pixels of the images of a sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from features.test_ingest import take_in
from toy_events import write_mixture, write_toys

from hepcs._core.errors import InputError
from hepcs._core.progress import serial_mapper, silent
from hepcs.config.preparation import Images
from hepcs.features.ingest import read_dijets, read_truth
from hepcs.features.pixel_counts import count_nonzero_pixels
from hepcs.images import jet_images


def settings(cache: Path, images: Images | None = None) -> dict[str, object]:
    return {
        "name": "toy",
        "images": images or Images(),
        "cache": cache,
        "mapper": serial_mapper,
        "progress": silent,
    }


def test_every_image_is_counted_with_its_filled_pixels(tmp_path: Path) -> None:
    found = take_in(write_toys(tmp_path / "toys.root", 400, 1), tmp_path)
    counts = count_nonzero_pixels(found, None, **settings(tmp_path))  # type: ignore[arg-type]
    assert counts.shape == (1, 1601)
    images = np.concatenate([jet_images(read_dijets(file).constituents) for file in found.files])
    filled = (images.reshape(len(images), -1) > 0).sum(axis=1)
    np.testing.assert_array_equal(counts[0], np.bincount(filled, minlength=1601))
    assert counts[0, 0] == 0


def test_background_and_signal_are_counted_apart(tmp_path: Path) -> None:
    found = take_in(write_mixture(tmp_path / "mixture.root", 300, 200, 1), tmp_path)
    truth = read_truth(found)
    counts = count_nonzero_pixels(found, truth.inside, **settings(tmp_path))  # type: ignore[arg-type]
    together = count_nonzero_pixels(found, None, **settings(tmp_path))  # type: ignore[arg-type]
    assert counts.sum(axis=1).tolist() == [2 * int((truth.inside == n).sum()) for n in (0, 1)]
    np.testing.assert_array_equal(counts.sum(axis=0), together[0])


def test_the_counts_are_kept_for_the_same_images_alone(tmp_path: Path) -> None:
    found = take_in(write_toys(tmp_path / "toys.root", 200, 1), tmp_path)
    first = count_nonzero_pixels(found, None, **settings(tmp_path))  # type: ignore[arg-type]
    (file,) = (tmp_path / "nonzero_pixels").iterdir()
    written = file.stat().st_mtime_ns
    again = count_nonzero_pixels(found, None, **settings(tmp_path))  # type: ignore[arg-type]
    np.testing.assert_array_equal(again, first)
    assert file.stat().st_mtime_ns == written
    coarse = count_nonzero_pixels(found, None, **settings(tmp_path, Images(pixels=10)))  # type: ignore[arg-type]
    assert coarse.shape == (1, 101)
    assert len(list((tmp_path / "nonzero_pixels").iterdir())) == 2


def test_damaged_counts_are_refused(tmp_path: Path) -> None:
    found = take_in(write_toys(tmp_path / "toys.root", 200, 1), tmp_path)
    count_nonzero_pixels(found, None, **settings(tmp_path))  # type: ignore[arg-type]
    (file,) = (tmp_path / "nonzero_pixels").iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    with pytest.raises(InputError, match=f"{file.name}.*damaged"):
        count_nonzero_pixels(found, None, **settings(tmp_path))  # type: ignore[arg-type]
