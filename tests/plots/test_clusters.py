"""Centres of clusters as images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toy_run import blob, toy_run

from hepcs.errors import ArgumentError
from hepcs.features import Compression, compress, image_moments, restore, train_compression
from hepcs.plots.clusters import MOST, centre_images, draw_clusters, selected_clusters
from hepcs.plots.style import style_context


def images(n: int, rng: np.random.Generator) -> np.ndarray:
    """Images of jets with two prongs at various distances, shape (n, 1600), float32."""
    made = np.stack([blob(distance) for distance in rng.uniform(0.1, 0.6, n)])
    return made.reshape(n, -1).astype(np.float32)


@pytest.fixture(scope="module")
def compression() -> tuple[np.ndarray, Compression]:
    jets = images(300, np.random.default_rng(5))
    return jets, train_compression(image_moments(jets), 0.999)


def test_the_mean_of_features_is_the_mean_of_images(compression: tuple[np.ndarray, Compression]) -> None:
    """What makes a cluster's centre its average image: within the variance that the components drop."""
    jets, basis = compression
    chosen = jets[:40]
    centre = compress(chosen, basis).mean(axis=0, keepdims=True)
    image = restore(centre, basis)[0]
    spread = np.linalg.norm(jets - jets.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(image - chosen.mean(axis=0)) < 0.05 * spread
    assert image.sum() == pytest.approx(1, abs=0.01)


def test_features_without_images_are_left_alone(compression: tuple[np.ndarray, Compression]) -> None:
    jets, basis = compression
    found = centre_images(compress(jets[:3], basis), basis, 40)
    assert found is not None
    assert found.shape == (3, 40, 40)
    pixels = centre_images(jets[:3], None, 40)
    np.testing.assert_array_equal(pixels, jets[:3].reshape(3, 40, 40))
    assert centre_images(np.zeros((3, 6)), None, 40) is None
    with pytest.raises(ArgumentError, match="components"):
        restore(np.zeros((2, 3)), basis)


def test_the_first_axis_is_drawn_to_the_right() -> None:
    image = np.zeros((1, 40, 40))
    image[0, 30, 20] = 1.0
    with style_context("plain"):
        figure = selected_clusters(image, np.full((40, 40), 1 / 1600), ["a"], 0.8, "a title")
    drawn = figure.axes[0].images[0]
    row, column = np.unravel_index(int(np.argmax(drawn.get_array())), (40, 40))
    assert (row, column) == (20, 30)
    assert list(drawn.get_extent()) == [-0.8, 0.8, -0.8, 0.8]
    # In per cent, and the difference below.
    assert drawn.get_array().max() == pytest.approx(100)
    below = next(axes for axes in figure.axes[1:] if axes.images).images[0]
    assert below.get_array().max() == pytest.approx(100 * (1 - 1 / 1600))


def test_at_most_so_many_clusters_and_at_least_one() -> None:
    many = np.stack([blob(0.1 + 0.05 * i) for i in range(MOST + 2)])
    with style_context("CMS"):
        figure = selected_clusters(many, many.mean(axis=0), [str(i) for i in range(MOST + 2)], 0.8)
        titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
        with pytest.raises(ArgumentError, match="no image"):
            selected_clusters(many[:0], many[0], [], 0.8)
    assert titles == [str(i) for i in range(MOST)]


def test_the_most_deviating_cluster_comes_first() -> None:
    result = toy_run()
    ensemble = result.searches[0].observed[1].observation.result
    scan = ensemble.scans[ensemble.representative]
    rich = np.array([False, True, False, True, False, True, False, False])
    deviations = np.zeros_like(scan.deviations)
    deviations[[1, 3, 5], 4] = 3.5, 9.0, 4.0
    chosen = dataclasses.replace(scan, signal_rich=rich, deviations=deviations)
    centres = np.stack([blob(0.1 + 0.05 * i).ravel() for i in range(8)])
    with style_context("plain"):
        ((name, figure),) = draw_clusters(result, "cluster_scanning", chosen, centres, "")
        nothing = dataclasses.replace(scan, signal_rich=np.zeros(8, dtype=bool))
        assert list(draw_clusters(result, "cluster_scanning", nothing, centres, "")) == []
        assert list(draw_clusters(result, "cluster_scanning", chosen, np.zeros((8, 6)), "")) == []
    assert name == "cluster_scanning_selected_clusters"
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert [title.partition(",")[0] for title in titles] == ["cluster 3", "cluster 5", "cluster 1"]
