"""Jet images and their reprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from scipy import ndimage

from hepcs._core.errors import ArgumentError, InputError
from hepcs.config.preparation import Jets
from hepcs.images import (
    dijet_images,
    image_and_reprocess,
    image_mask,
    jet_images,
    nonzero_pixels,
    reprocess,
    require_filled_images,
    smearing_matrix,
    sparse_jet_images,
)
from hepcs.jets import Cutflow, DijetChunk, select_dijets
from hepcs.sources.lhco import LhcoFiles

Particle = tuple[float, float, float]


def jets(*particles: Sequence[Particle]) -> ak.Array:
    """Jets of (pt, eta, phi)."""
    rows = np.array([p for jet in particles for p in jet], dtype=np.float64).reshape(-1, 3)
    flat = ak.zip(dict(zip(("pt", "eta", "phi"), rows.T, strict=True)))
    return ak.unflatten(flat, np.array([len(jet) for jet in particles], dtype=np.int64))


def filled(image: np.ndarray) -> dict[tuple[int, int], float]:
    return {(int(i), int(j)): float(image[i, j]) for i, j in zip(*np.nonzero(image), strict=True)}


# ----------------------------------------------------------------------------------------- by hand


def test_three_particles_pixel_by_pixel() -> None:
    # In the frame of the jet, major axis first, these are 100, 50 and 50 GeV at
    #     A (0.26, 0.03), B (-0.416, 0.07), C (-0.104, -0.13).
    # Their centroid is 0: 100 * 0.26 - 50 * 0.416 - 50 * 0.104 = 0, 100 * 0.03 + 50 * 0.07 - 50 * 0.13 = 0.
    # M_xy is 0: 100 * 0.26 * 0.03 - 50 * 0.416 * 0.07 + 50 * 0.104 * 0.13 = 0.78 - 1.456 + 0.676 = 0;
    # M_xx = 15.95 and M_yy = 1.18: the first axis is the major one. The 100 GeV lie in the (+, +) quadrant.
    # Rotated by the angle with cos = 0.6, sin = 0.8: (0.6 x - 0.8 y, 0.8 x + 0.6 y); then eta + 0.5 and
    # phi + 3.1, which takes A across phi = pi: 3.326 - 2 pi = -2.957185307.
    event = [(50.0, 0.1944, 2.8092), (100.0, 0.632, -2.957185307179586), (50.0, 0.5416, 2.9388)]
    # A pixel is 0.04 wide: A (26.5, 20.75), B (9.6, 21.75), C (17.4, 16.75), each cut to a whole number.
    expected = {(26, 20): 0.5, (9, 21): 0.25, (17, 16): 0.25}
    assert filled(jet_images(jets(event))[0]) == expected
    # The same jet mirrored in phi, and in eta: the flips undo it.
    mirrored = [(pt, eta, -phi) for pt, eta, phi in event]
    backwards = [(pt, -eta, phi) for pt, eta, phi in event]
    for image in jet_images(jets(mirrored, backwards)):
        assert filled(image) == expected


def test_one_particle_and_two_particles() -> None:
    one, two, column = jet_images(
        jets(
            [(70.0, 1.234, -3.1)],
            # 0.33 apart in a diagonal direction, 2 : 1, so 0.11 and -0.22 along the major axis
            [(20.0, 0.4, 3.0), (10.0, 0.4 - 0.33 * 0.6, 3.0 - 0.33 * 0.8)],
            [(1.0, 0.5, 0.5), (1.0, 0.5, 0.6), (2.0, 0.5, 0.7)],
        )
    )
    assert filled(one) == {(20, 20): 1.0}
    assert filled(two) == {(22, 20): pytest.approx(2 / 3), (14, 20): pytest.approx(1 / 3)}
    # centroid 0.625: -0.125, -0.025 and 0.075 along phi, which becomes the first axis
    assert filled(column) == {(16, 20): 0.25, (19, 20): 0.25, (21, 20): 0.5}


def test_isotropic_jet_is_not_rotated() -> None:
    square = [(1.0, 0.31, 0.11), (1.0, -0.29, 0.11), (1.0, 0.01, 0.41), (1.0, 0.01, -0.19)]
    # +-0.3 on both axes: (0.3 + 0.8) / 0.04 = 27.5 and (-0.3 + 0.8) / 0.04 = 12.5
    assert filled(jet_images(jets(square))[0]) == {
        (27, 20): 0.25,
        (12, 20): 0.25,
        (20, 27): 0.25,
        (20, 12): 0.25,
    }


def test_degenerate_jets_do_not_depend_on_rounding() -> None:
    rng = np.random.default_rng(4)
    squares, lines = [], []
    for eta, phi, angle in rng.uniform((-9, -3, 0), (9, 3, 2 * np.pi), size=(200, 3)):
        squares.append([(1.0, eta + x, phi + y) for x, y in ((0.3, 0), (-0.3, 0), (0, 0.3), (0, -0.3))])
        along = ((20.0, 0.0), (10.0, 0.45), (10.0, -0.35))
        lines.append([(pt, eta + r * np.cos(angle), phi + r * np.sin(angle)) for pt, r in along])
    for image in jet_images(jets(*squares)):
        assert set(filled(image)) == {(27, 20), (12, 20), (20, 27), (20, 12)}
    # centroid at 0.025, most pT below it, hence mirrored: 0.025, -0.425 and 0.375 along the first axis
    for image in jet_images(jets(*lines)):
        assert set(filled(image)) == {(20, 20), (9, 20), (29, 20)}


def test_crop_is_half_open_and_normalisation_is_of_what_is_inside() -> None:
    # Collinear, centroid 0: 10 * 0.75 = 7.5 * 1. One is inside; the other, at -1, is not.
    # The one with more pT is put on the positive side.
    (image,) = jet_images(jets([(10.0, 0.75, 0.0), (7.5, -1.0, 0.0)]))
    assert filled(image) == {(38, 20): 1.0}
    # +-0.5 with a half width of 0.5: the window is [-0.5, 0.5)
    pair = jets([(1.0, 0.5, 0.0), (1.0, -0.5, 0.0)])
    assert filled(jet_images(pair, half_width=0.5, pixels=10)[0]) == {(0, 5): 1.0}
    assert image_mask(pair, half_width=0.5).tolist() == [True]
    # The same along the second axis: of a square of four only the two at -0.5 are inside.
    square = jets([(1.0, 0.5, 0.0), (1.0, -0.5, 0.0), (1.0, 0.0, 0.5), (1.0, 0.0, -0.5)])
    assert filled(jet_images(square, half_width=0.5, pixels=10)[0]) == {(0, 5): 0.5, (5, 0): 0.5}


def test_other_sizes() -> None:
    image = jet_images(jets([(2.0, 0.0, 0.2), (1.0, 0.0, -0.4)]), pixels=5, half_width=0.5)[0]
    assert image.shape == (5, 5)
    # pixels of 0.2: (0.2 + 0.5) / 0.2 = 3.5, (-0.4 + 0.5) / 0.2 = 0.5, (0 + 0.5) / 0.2 = 2.5
    assert filled(image) == {(3, 2): pytest.approx(2 / 3), (0, 2): pytest.approx(1 / 3)}


# --------------------------------------------------------------------------------------- invariance


def random_jets(n: int, seed: int = 5) -> list[np.ndarray]:
    """Columns pt, eta, phi around (0, 0), elongated and lopsided, of different lengths."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 120, n)
    return [
        np.stack(
            [
                rng.exponential(20.0, m),
                np.clip(4 * rng.normal(0.1, 0.3, m) ** 3, -0.9, 0.9),
                rng.normal(0, 0.12, m),
            ],
            axis=1,
        )
        for m in lengths
    ]


def as_array(columns: list[np.ndarray]) -> ak.Array:
    return jets(*[[tuple(row) for row in jet] for jet in columns])


@pytest.fixture(scope="module")
def originals() -> list[np.ndarray]:
    return random_jets(150)


def assert_same_images(moved: list[np.ndarray], originals: list[np.ndarray]) -> None:
    images = jet_images(as_array(originals))
    assert nonzero_pixels(images).min() >= 2
    np.testing.assert_allclose(jet_images(as_array(moved)), images, rtol=0, atol=1e-6)


def test_rotation_about_any_point_changes_nothing(originals: list[np.ndarray]) -> None:
    rng = np.random.default_rng(6)
    moved = []
    for jet in originals:
        angle, point = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5, 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved.append(np.column_stack([jet[:, 0], (jet[:, 1:] - point) @ turn.T + point]))
    assert_same_images(moved, originals)


def test_reflection_changes_nothing(originals: list[np.ndarray]) -> None:
    for signs in ((1, -1, 1), (1, 1, -1), (1, -1, -1)):
        assert_same_images([jet * signs for jet in originals], originals)
    assert_same_images([jet[:, [0, 2, 1]] for jet in originals], originals)


def test_translation_also_across_pi_changes_nothing(originals: list[np.ndarray]) -> None:
    rng = np.random.default_rng(7)
    for centre in (np.pi, -np.pi, 3.0, 0.7):
        moved = [jet + np.array([0, rng.uniform(-2, 2), centre]) for jet in originals]
        for jet in moved:
            jet[:, 2] = (jet[:, 2] + np.pi) % (2 * np.pi) - np.pi
        assert_same_images(moved, originals)
        assert np.ptp(moved[0][:, 2]) > 6 or abs(centre) < 3.1
    # phi in [0, 2 pi) is another habit
    turns = [np.array([0, 0, 2 * np.pi * (i % 3)]) for i in range(len(originals))]
    assert_same_images([jet + turn for jet, turn in zip(originals, turns, strict=True)], originals)


def test_scale_and_order_of_constituents_change_nothing(originals: list[np.ndarray]) -> None:
    assert_same_images([jet[::-1] * [1e-3, 1, 1] for jet in originals], originals)


def test_what_the_frame_promises(originals: list[np.ndarray]) -> None:
    images = jet_images(as_array(originals)).astype(np.float64)
    np.testing.assert_allclose(images.sum(axis=(1, 2)), 1.0, atol=1e-6)
    axis = (np.arange(40) + 0.5) * 0.04 - 0.8
    for columns, image in zip(originals, images, strict=True):
        if not (
            np.abs(columns[:, 1:] - np.average(columns[:, 1:], axis=0, weights=columns[:, 0])) < 0.7
        ).all():
            continue  # something may be outside of the crop
        profile = image.sum(axis=1), image.sum(axis=0)
        mean = [float(p @ axis) for p in profile]
        variance = [float(p @ axis**2) - m**2 for p, m in zip(profile, mean, strict=True)]
        assert np.abs(mean).max() < 0.02 + 1e-9  # half a pixel
        assert variance[0] > variance[1] - 1e-3
        quadrants = [
            image[a, b].sum() for a in (slice(20, 40), slice(0, 20)) for b in (slice(20, 40), slice(0, 20))
        ]
        assert np.argmax(quadrants) == 0 or max(quadrants) - quadrants[0] < 1e-6


# ------------------------------------------------------------------------------------- reprocessing


def test_smearing_of_one_pixel_by_hand() -> None:
    image = np.zeros((2, 40, 40), np.float32)
    image[0, 20, 20] = image[1, 0, 39] = 0.7
    middle, corner = reprocess(image)
    # Weights exp(-k^2 / 2), |k| <= 4, over their sum 2.5066208282: 0.3989434694, 0.2419714457, 0.0539911227, ...
    assert middle[20, 20] == pytest.approx(0.3989434694**2, rel=1e-6)
    assert middle[20, 21] == pytest.approx(0.3989434694 * 0.2419714457, rel=1e-6)
    assert middle[19, 22] == pytest.approx(0.2419714457 * 0.0539911227, rel=1e-6)
    assert middle[20, 24] > 0
    assert middle[20, 25] == 0
    assert corner[0, 39] == pytest.approx((0.3989434694 + 0.2419714457) ** 2, rel=1e-6)
    assert corner[0, 38] == pytest.approx(
        (0.3989434694 + 0.2419714457) * (0.2419714457 + 0.0539911227), rel=1e-6
    )


@pytest.mark.parametrize(("gamma", "sigma"), [(0.5, 1.0), (1.0, 0.7), (0.3, 2.3), (0.5, 0.0)])
def test_reprocessing_agrees_with_scipy(originals: list[np.ndarray], gamma: float, sigma: float) -> None:
    images = jet_images(as_array(originals))
    ours = reprocess(images, gamma=gamma, sigma=sigma)
    assert ours.dtype == np.float32
    for image, result in zip(images, ours, strict=True):
        expected = image.astype(np.float64) ** gamma
        if sigma:
            expected = ndimage.gaussian_filter(expected, sigma)
        np.testing.assert_allclose(result, expected / expected.sum(), rtol=2e-7, atol=1e-12)
    np.testing.assert_allclose(ours.sum(axis=(1, 2), dtype=np.float64), 1.0, atol=1e-6)


def test_smearing_matrix_keeps_the_sum() -> None:
    for pixels, sigma in ((40, 1.0), (5, 3.0), (2, 1.0), (40, 0.0)):
        matrix = smearing_matrix(pixels, sigma)
        np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-12)
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-15)
    np.testing.assert_array_equal(smearing_matrix(4, 0.0), np.eye(4))
    with pytest.raises(ArgumentError, match="sigma"):
        smearing_matrix(4, -1.0)


def test_both_steps_in_one(originals: list[np.ndarray]) -> None:
    array = as_array(originals)
    together = image_and_reprocess(array, pixels=30, half_width=0.9, gamma=0.4, sigma=1.3)
    apart = reprocess(jet_images(array, pixels=30, half_width=0.9), gamma=0.4, sigma=1.3)
    np.testing.assert_array_equal(together, apart)


def test_any_leading_shape_and_nonzero_pixels() -> None:
    images = jet_images(jets([(1.0, 0.0, 0.0)], [(3.0, 0.0, 0.0), (1.0, 0.3, 0.0)])).reshape(1, 2, 40, 40)
    assert nonzero_pixels(images).tolist() == [[1, 2]]
    assert reprocess(images).shape == (1, 2, 40, 40)
    assert nonzero_pixels(reprocess(images))[0, 0] == 81
    assert reprocess(np.empty((0, 40, 40), np.float32)).shape == (0, 40, 40)


@pytest.mark.parametrize("bad", [0.0, np.nan, -1.0, np.inf])
def test_reprocessing_refuses_bad_images(bad: float) -> None:
    images = np.full((3, 4, 4), 0.1, np.float32)
    images[1] = 0
    images[1, 2, 2] = bad
    with pytest.raises(ArgumentError, match="image 1"):
        reprocess(images)


def test_reprocessing_refuses_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match=r"\(2, 3\)"):
        reprocess(np.ones((2, 3), np.float32))
    with pytest.raises(ArgumentError, match="exponent"):
        reprocess(np.ones((3, 3), np.float32), gamma=0.0)


# ---------------------------------------------------------------------------------------- empty jets

# Two equal particles 2 apart: each is 1 from the centroid, and the image is empty.
EMPTY = [(1.0, 0.0, 0.0), (1.0, 2.0, 0.0)]
GOOD = [(5.0, 0.0, 0.0), (1.0, 0.2, 0.1)]


def test_sparse_images_are_the_same_ones(originals: list[np.ndarray]) -> None:
    array = as_array(originals)
    sparse = sparse_jet_images(array, pixels=30, half_width=0.7)
    assert sparse.shape == (len(originals), 900)
    np.testing.assert_array_equal(
        sparse.toarray().reshape(-1, 30, 30), jet_images(array, pixels=30, half_width=0.7)
    )
    assert (sparse.data > 0).all()


def test_a_jet_outside_of_the_crop_has_no_pixel() -> None:
    far, near = [(1.0, -2.0, 0.0), (1.0, 2.0, 0.0)], [(1.0, 0.0, 0.0)]
    sparse = sparse_jet_images(jets(near, far, [], near))
    assert np.diff(sparse.indptr).tolist() == [1, 0, 0, 1]
    np.testing.assert_array_equal(sparse[[3]].toarray().reshape(40, 40), jet_images(jets(near))[0])
    assert sparse_jet_images(jets(near)[:0]).shape == (0, 1600)


def test_empty_jet_is_an_error_that_names_it() -> None:
    array = jets(GOOD, GOOD, EMPTY, GOOD, EMPTY)
    for function in (jet_images, image_and_reprocess):
        with pytest.raises(InputError, match="jet 2 has no constituent"):
            function(array)
    assert image_mask(array).tolist() == [True, True, False, True, False]
    assert image_mask(array, half_width=1.1).all()
    with pytest.raises(InputError, match="jet 1 "):
        jet_images(jets(GOOD, []))
    assert image_mask(jets(GOOD, [], [(0.0, 0.0, 0.0)])).tolist() == [True, False, False]


@pytest.mark.parametrize(
    "particle", [(np.nan, 0.0, 0.0), (1.0, np.inf, 0.0), (1.0, 0.0, np.nan), (-1.0, 0.0, 0.0)]
)
def test_bad_constituents_are_refused(particle: Particle) -> None:
    with pytest.raises(ArgumentError, match="finite"):
        jet_images(jets([*GOOD, particle]))


def test_other_input_is_refused() -> None:
    with pytest.raises(ArgumentError, match="pt, eta, phi"):
        jet_images(ak.Array([[{"pt": 1.0}]]))
    with pytest.raises(ArgumentError, match="half width"):
        jet_images(jets(GOOD), half_width=0.0)
    with pytest.raises(ArgumentError, match="pixel"):
        jet_images(jets(GOOD), pixels=0)
    assert jet_images(jets()).shape == (0, 40, 40)


def dijets() -> DijetChunk:
    both = ak.unflatten(jets(GOOD, GOOD, GOOD, EMPTY, [(9.0, 0.0, 0.0)], GOOD), 2)
    fields = {name: np.ones((3, 2)) for name in ("pt", "eta", "phi", "mass")}
    records = ak.zip(fields | {"constituents": both}, depth_limit=2)
    return DijetChunk(
        "file.root", np.array([1.0, 2.0, 3.0]), records, np.array([7, 8, 9]), Cutflow(("read",), (3,)), (), 0
    )


def test_dijets_with_empty_images_are_counted_and_listed() -> None:
    chunk = dijets()
    with pytest.raises(InputError, match=r"file.root: entry 8: the second jet .*1 such event"):
        dijet_images(chunk)
    kept = require_filled_images(chunk)
    assert kept.cutflow.counts == (3, 2)
    assert kept.entry.tolist() == [7, 9]
    assert kept.n_rejected == 1
    assert [(r.entry, "second" in r.reason) for r in kept.rejections] == [(8, True)]
    images = dijet_images(kept)
    assert images.shape == (2, 2, 40, 40)
    assert filled(images[1, 0]) == {(20, 20): 1.0}


# ----------------------------------------------------------------------------------------- real data


def test_extract_of_the_organisers(real_data: Path) -> None:
    source = LhcoFiles((str(real_data / "lhco_rnd_1000_events.h5"),))
    (chunk,) = source.chunks()
    labels = source.read_labels(chunk)
    selected = select_dijets(source.read(chunk), Jets(), file=chunk.file, first_entry=0)
    assert require_filled_images(selected).n_events == 1000
    images = dijet_images(selected)
    assert images.shape == (1000, 2, 40, 40)
    np.testing.assert_allclose(images.sum(axis=(2, 3)), 1.0, atol=1e-6)
    # Fig. 6 of the paper: mostly fewer than 100 of 1600 pixels
    assert np.mean(nonzero_pixels(images) < 100) > 0.95
    # Fig. 1: the heavier jet of the signal has two prongs along the major axis, so it is wider there
    axis = (np.arange(40) + 0.5) * 0.04 - 0.8
    heavy = np.argmax(selected.jets.mass, axis=1)
    width = np.sqrt(images.sum(axis=3) @ axis**2)[np.arange(1000), heavy]
    assert np.median(width[labels == 1]) > 1.5 * np.median(width[labels == 0])
