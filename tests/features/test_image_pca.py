"""Compression of images by principal components."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from threadpoolctl import threadpool_limits
from toy_card import toy_card
from toy_files import IMAGES, toy_files

from hepcs._core.errors import ArgumentError, InputError
from hepcs._core.progress import serial_mapper, silent
from hepcs.features.image_pca import ImagePcaMaker, compress, image_moments, maker, train_compression
from hepcs.features.making import PreparedFeature, SampleFiles, prepare_feature, train
from hepcs.features.sections import ImagePca
from hepcs.images import image_and_reprocess


def clumpy(n: int, p: int, rng: np.random.Generator) -> np.ndarray:
    """n points of p dimensions with three strong directions and noise."""
    directions = np.linalg.qr(rng.normal(size=(p, 3)))[0]
    strong = rng.normal(size=(n, 3)) * [5.0, 3.0, 2.0]
    return (strong @ directions.T + 0.1 * rng.normal(size=(n, p)) + 4).astype(np.float32)


def test_components_are_those_of_a_singular_value_decomposition() -> None:
    rng = np.random.default_rng(1)
    images = clumpy(500, 30, rng)
    compression = train_compression(image_moments(images), 0.99)
    assert compression.components.shape == (30, 3)
    centred = images.astype(np.float64) - images.mean(axis=0)
    singular, axes = np.linalg.svd(centred, full_matrices=False)[1:]
    assert compression.kept_variance == pytest.approx(
        (singular[:3] ** 2).sum() / (singular**2).sum(), rel=1e-6
    )
    overlap = np.abs(axes[:3] @ compression.components)
    np.testing.assert_allclose(overlap, np.eye(3), atol=1e-4)


def test_moments_add_up_over_chunks() -> None:
    images = clumpy(300, 20, np.random.default_rng(2))
    whole = image_moments(images)
    parts = image_moments(images[:100]) + image_moments(images[100:])
    assert parts.n == 300
    np.testing.assert_allclose(parts.products, whole.products, rtol=1e-12)
    a, b = train_compression(whole, 0.9), train_compression(parts, 0.9)
    np.testing.assert_allclose(a.components, b.components, atol=1e-6)


def test_distances_survive_up_to_the_dropped_variance() -> None:
    rng = np.random.default_rng(3)
    images = clumpy(400, 30, rng)
    features = compress(images, train_compression(image_moments(images), 0.99))
    assert features.dtype == np.float32
    full = np.linalg.norm(images[:50, None] - images[None, :50], axis=-1)
    small = np.linalg.norm(features[:50, None] - features[None, :50], axis=-1)
    assert (small <= full + 1e-4).all()
    assert np.corrcoef(full.ravel(), small.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("pixels", [28, 30, 33])
def test_features_are_the_product(pixels: int) -> None:
    """Also of a last group of jets or pixels that is not full."""
    images = clumpy(203, pixels, np.random.default_rng(7))
    images[50:90, 3:25] = 0
    compression = train_compression(image_moments(images), 0.999)
    exact = (images.astype(np.float64) - compression.mean) @ compression.components.astype(np.float64)
    features = compress(images, compression)
    np.testing.assert_allclose(features, exact, atol=3e-6 * np.abs(exact).max())
    np.testing.assert_array_equal(compress(images[77:130], compression), features[77:130])
    assert compress(images[:0], compression).shape == (0, features.shape[1])


def test_more_kept_variance_takes_more_components() -> None:
    moments = image_moments(clumpy(500, 30, np.random.default_rng(4)))
    dimensions = [train_compression(moments, kept).components.shape[1] for kept in (0.6, 0.9, 0.9999)]
    assert dimensions == sorted(dimensions)
    assert dimensions[0] == 1
    assert dimensions[-1] > 20


def test_components_do_not_depend_on_the_number_of_threads() -> None:
    moments = image_moments(clumpy(2000, 900, np.random.default_rng(4)))

    def trained(threads: int) -> bytes:
        with threadpool_limits(limits=threads):
            return train_compression(moments, 0.999).components.tobytes()

    assert trained(1) == trained(2)


def test_nothing_to_train_on() -> None:
    with pytest.raises(InputError, match="too few to train"):
        train_compression(image_moments(np.zeros((1, 4), dtype=np.float32)), 0.9)
    with pytest.raises(InputError, match="same image"):
        train_compression(image_moments(np.ones((9, 4), dtype=np.float32)), 0.9)
    with pytest.raises(ArgumentError, match="kept_variance"):
        train_compression(image_moments(clumpy(10, 4, np.random.default_rng(5))), 1.0)


def test_other_images_are_refused() -> None:
    compression = train_compression(image_moments(clumpy(100, 20, np.random.default_rng(6))), 0.9)
    with pytest.raises(ArgumentError, match="20"):
        compress(np.zeros((2, 21), dtype=np.float32), compression)


SECTION = ImagePca(kept_variance=0.8, training=(3000.0, 4000.0), gamma=0.7, smearing=0.8)


def trained(sample: SampleFiles, cache: Path, section: ImagePca = SECTION) -> ImagePcaMaker:
    untrained = maker(section, toy_card(searches={"fit": {"kind": "dijet_fit"}}, images=IMAGES))
    made = train(untrained, sample, where="", cache=cache, mapper=serial_mapper, progress=silent)
    assert isinstance(made, ImagePcaMaker)
    return made


def prepared(made: ImagePcaMaker, sample: SampleFiles, cache: Path) -> PreparedFeature:
    return prepare_feature(made, sample, feature="images", cache=cache, mapper=serial_mapper, progress=silent)


def flat_images(jets: ak.Array) -> np.ndarray:
    return image_and_reprocess(jets, pixels=12, gamma=0.7, sigma=0.8).reshape(len(jets), -1)


def test_features_are_the_compressed_images_of_both_jets_in_order(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (40, 0, 23), 1)
    made = trained(sample, tmp_path)
    found = prepared(made, sample, tmp_path).values()
    expected = compress(flat_images(jets), made.compression)
    np.testing.assert_array_equal(found, expected.reshape(63, 2, -1))
    assert len(made.columns) == found.shape[2]
    assert made.about["kept_variance"] >= 0.8


def test_components_are_found_in_the_training_region_alone(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (40,), 1)
    m_jj = np.load(sample.ingested.files[0])["m_jj"]
    training = np.repeat((m_jj >= 3000) & (m_jj < 4000), 2)
    assert 10 < training.sum() < 70
    expected = train_compression(image_moments(flat_images(ak.to_packed(jets[training]))), 0.8)
    np.testing.assert_array_equal(trained(sample, tmp_path).compression.components, expected.components)


def test_weights_are_as_good_as_copies(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (25, 15), 1)
    copies = np.random.default_rng(2).integers(0, 4, 40)
    m_jj = np.concatenate([np.load(file)["m_jj"] for file in sample.ingested.files])
    copies[(m_jj < 3000) | (m_jj >= 4000)] = 0
    plain, weighted = (trained(replace(sample, weights=one), tmp_path) for one in (None, 0.5 * copies))
    images = np.repeat(flat_images(jets).reshape(40, -1), copies, axis=0).reshape(2 * copies.sum(), -1)
    expected = train_compression(image_moments(images), 0.8)
    assert weighted.compression.kept_variance == pytest.approx(expected.kept_variance)
    assert plain.compression.kept_variance != pytest.approx(expected.kept_variance)
    np.testing.assert_allclose(weighted.compression.mean, expected.mean, rtol=1e-5, atol=1e-7)


def test_an_event_without_both_images_lacks_the_feature_and_trains_nothing(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (40,), 2, without=(3, 10, 11))
    everywhere = SECTION.model_copy(update={"training": (3000.0, 4600.0)})
    made = trained(sample, tmp_path, everywhere)
    found = prepared(made, sample, tmp_path)
    assert found.lacking.tolist() == [1, 5]
    assert np.isnan(found.values()[[1, 5]]).all()
    kept = np.repeat(~np.isin(np.arange(40), [1, 5]), 2)
    images = flat_images(ak.to_packed(jets[kept]))
    expected = train_compression(image_moments(images), 0.8)
    np.testing.assert_array_equal(made.compression.components, expected.components)
    np.testing.assert_array_equal(
        found.values()[kept[::2]].reshape(len(images), -1), compress(images, expected)
    )


def test_other_settings_are_other_features(tmp_path: Path) -> None:
    sample, _ = toy_files(tmp_path, (40,), 1)
    other, _ = toy_files(tmp_path, (30,), 3)
    changes = [{}, {"gamma": 0.6}, {"smearing": 0.0}, {"kept_variance": 0.7}, {"training": (3000.0, 4500.0)}]
    makers = [trained(sample, tmp_path, SECTION.model_copy(update=change)) for change in changes]
    makers.append(trained(other, tmp_path))
    assert len({prepared(made, sample, tmp_path).file for made in makers}) == 6
