"""Images of jets on disk."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toy_files import IMAGES, toy_dijets, toy_files

from hepcs._core.errors import InputError
from hepcs._core.progress import serial_mapper, silent
from hepcs.config.preparation import Images
from hepcs.features.image_files import JetImages, draw_images, filled_jets, read_images
from hepcs.features.ingest import Ingested
from hepcs.images import jet_images


def draw(ingested: Ingested, cache: Path, images: Images = IMAGES) -> JetImages:
    return draw_images(ingested, images, name="toy", cache=cache, mapper=serial_mapper, progress=silent)


def test_images_come_back_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of files that are drawn in several blocks, the last of them not full, and of empty ones."""
    monkeypatch.setattr("hepcs.features.image_files.BLOCK", 6)
    sample, jets = toy_files(tmp_path, (7, 0, 5), 1)
    found = [read_images(file, 12) for file in sample.images.files]
    assert [one.shape for one in found] == [(14, 144), (0, 144), (10, 144)]
    together = np.concatenate([one.toarray() for one in found]).reshape(-1, 12, 12)
    np.testing.assert_array_equal(together, jet_images(jets, pixels=12))


def test_a_jet_without_image_is_empty_and_no_error(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (6,), 2, without=(3, 8))
    images = read_images(sample.images.files[0], 12)
    assert np.flatnonzero(~filled_jets(images)).tolist() == [3, 8]
    others = np.flatnonzero(filled_jets(images))
    np.testing.assert_array_equal(
        images[others].toarray().reshape(-1, 12, 12), jet_images(ak.to_packed(jets[others]), pixels=12)
    )


def test_each_image_is_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def counted(jets: ak.Array, **sizes: float) -> object:
        drawn.append(len(jets))
        return original(jets, **sizes)

    from hepcs.features import image_files

    original = image_files.sparse_jet_images
    monkeypatch.setattr(image_files, "sparse_jet_images", counted)
    ingested, _ = toy_dijets(tmp_path, (7, 5), 1)
    first, again = draw(ingested, tmp_path), draw(ingested, tmp_path)
    assert sum(drawn) == 24
    assert (first.reused, again.reused, first.files) == (False, True, again.files)
    # A file that is lost, or a new one, is work for that file alone.
    first.files[1].unlink()
    assert not draw(ingested, tmp_path).reused
    assert sum(drawn) == 24 + 10
    assert draw(ingested, tmp_path, Images(pixels=12, half_width=0.7)).files != first.files


def test_damaged_images_are_refused(tmp_path: Path) -> None:
    sample, _ = toy_files(tmp_path, (50,), 1)
    (file,) = sample.images.files
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    with pytest.raises(InputError, match=f"{file.name}.*damaged"):
        read_images(file, 12)
