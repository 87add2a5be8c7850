"""Background estimates of signal-rich clusters, against numbers worked out independently."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import curve_fit

from hepcs._core.errors import ArgumentError
from hepcs.background import dijet_function, fit_dijet
from hepcs.searches.cluster_scanning.estimates import (
    TrendExcess,
    cluster_excess,
    fit_of_rich,
    signal_poor,
    transfer_factor,
    trend,
    window_excess,
    windows_of,
)

B = 16
CENTRES = 3050.0 + 100.0 * np.arange(B)
# Published parameters (SPEC, section 1), p1 scaled to 40,000 jets in the first bin.
DIJET = dijet_function(CENTRES, [0.15239691 * 40000 / 56366, 0.85218256, -14.17770188, -3.57107481], 13000.0)
MASS = np.linspace(-1, 1, B)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def sculpted(rng: np.random.Generator, k: int = 30, slope: float = 0.3) -> np.ndarray:
    """Clusters whose shares rise or fall with m_jj along straight lines."""
    slopes = np.linspace(-slope, slope, k)
    shares = (1 + slopes[:, np.newaxis] * MASS) / k
    return rng.poisson(shares * DIJET)


def marks(*clusters: int, k: int = 30) -> np.ndarray:
    signal_rich = np.zeros(k, dtype=bool)
    signal_rich[list(clusters)] = True
    return signal_rich


def test_signal_poor_by_hand() -> None:
    spectra = np.array([[10, 20], [30, 10], [50, 30]])
    estimate = signal_poor(spectra, np.array([True, False, False]))
    np.testing.assert_allclose(estimate.expected, [80 * 30 / 120, 40 * 30 / 120])
    np.testing.assert_allclose(estimate.variance, [80 / 16, 40 / 16])


@pytest.mark.parametrize("selected", [[], range(30)])
def test_nothing_or_everything_selected_is_no_estimate(selected: list[int], rng: np.random.Generator) -> None:
    spectra = sculpted(rng)
    signal_rich = marks(*selected)
    for estimate in (signal_poor(spectra, signal_rich), transfer_factor(spectra, signal_rich)):
        np.testing.assert_array_equal(estimate.expected, 0)


def test_dijet_fit_of_the_sum_is_the_fit_of_iminuit(rng: np.random.Generator) -> None:
    spectra = sculpted(rng)
    chosen = marks(3, 20, 21)
    estimate = fit_of_rich(spectra, chosen, CENTRES, n_parameters=4, sqrt_s=13000.0)
    fit = fit_dijet(spectra[chosen].sum(axis=0), CENTRES, 4, sqrt_s=13000.0)
    np.testing.assert_allclose(estimate.expected, fit.expected, rtol=1e-4)
    np.testing.assert_allclose(estimate.variance, fit.expected_error**2, rtol=1e-2)


def test_dijet_fit_of_each_is_the_sum_of_fits(rng: np.random.Generator) -> None:
    spectra = sculpted(rng)
    estimate = fit_of_rich(spectra, marks(3, 20), CENTRES, of="each", n_parameters=3)
    fits = [fit_dijet(spectra[i], CENTRES, 3, sqrt_s=13000.0) for i in (3, 20)]
    np.testing.assert_allclose(estimate.expected, sum(fit.expected for fit in fits), rtol=1e-4)
    np.testing.assert_allclose(estimate.variance, sum(fit.expected_error**2 for fit in fits), rtol=1e-2)


def test_a_fit_that_the_data_do_not_determine_gives_way_to_the_signal_poor_spectrum(
    rng: np.random.Generator,
) -> None:
    spectra = sculpted(rng)
    spectra[7] = 0
    spectra[7, 4] = 12
    estimate = fit_of_rich(spectra, marks(7), CENTRES, of="each")
    np.testing.assert_allclose(estimate.expected, signal_poor(spectra, marks(7)).expected)
    nothing = fit_of_rich(spectra, marks(), CENTRES)
    np.testing.assert_array_equal(nothing.expected, 0)


def test_transfer_factor_against_scipy(rng: np.random.Generator) -> None:
    """In each bin, a weighted straight line through the ratios of the bins two or more away."""
    spectra = sculpted(rng)
    chosen = marks(28, 29)
    rich = spectra[chosen].sum(axis=0)
    poor = spectra.sum(axis=0) - rich
    estimate = transfer_factor(spectra, chosen, degree=1, guard=1)
    ratio = rich.sum() / poor.sum()
    for tested in range(B):
        away = np.abs(np.arange(B) - tested) > 1
        sigma = np.sqrt(ratio * (1 + ratio) / poor[away])
        line, covariance = curve_fit(
            lambda x, a, c: a + c * x,
            MASS[away],
            (rich / poor)[away],
            sigma=sigma,
            absolute_sigma=True,
        )
        direction = np.array([1, MASS[tested]])
        assert estimate.expected[tested] == pytest.approx(poor[tested] * direction @ line, rel=1e-6)
        of_line = poor[tested] ** 2 * direction @ covariance @ direction
        assert estimate.variance[tested] == pytest.approx(of_line + ratio**2 * poor[tested], rel=1e-4)


def test_a_transfer_factor_takes_mass_sculpting_away_where_the_signal_poor_spectrum_does_not(
    rng: np.random.Generator,
) -> None:
    spectra = sculpted(rng, slope=0.5)
    rising = marks(28, 29)
    rich = spectra[rising].sum(axis=0)
    plain = signal_poor(spectra, rising).expected
    repaired = transfer_factor(spectra, rising).expected
    assert np.abs((rich - plain) / np.sqrt(plain)).max() > 8
    assert np.abs((rich - repaired) / np.sqrt(repaired)).max() < 4.5


def test_a_signal_does_not_move_its_own_estimate(rng: np.random.Generator) -> None:
    spectra = sculpted(rng)
    with_signal = spectra.copy()
    with_signal[5, 4] += 500
    with_signal[5, 5] += 500
    before = transfer_factor(spectra, marks(5), guard=1).expected
    after = transfer_factor(with_signal, marks(5), guard=1).expected
    np.testing.assert_allclose(after[[4, 5]], before[[4, 5]], rtol=1e-12)
    assert after[9] > 1.01 * before[9]


def test_windows() -> None:
    windows = windows_of(4, (1, 3))
    np.testing.assert_array_equal(windows, [[0, 1], [1, 2], [2, 3], [3, 4], [0, 3], [1, 4]])
    with pytest.raises(ArgumentError, match="1 to 4"):
        windows_of(4, (5,))
    with pytest.raises(ArgumentError, match="1 to 4"):
        windows_of(4, ())


def test_an_exact_polynomial_leaves_no_excess() -> None:
    reference = np.linspace(900, 100, B)
    for degree in (0, 1, 2):
        share = np.polynomial.polynomial.polyval(MASS, [0.2, 0.1, -0.05][: degree + 1])
        result = window_excess(share * reference, reference, widths=(1, 2, 3), degree=degree)
        np.testing.assert_allclose(result.excess, 0, atol=1e-9)
        bump = share * reference
        bump[6] += 40
        excess = window_excess(bump, reference, widths=(1, 2, 3), degree=degree, guard=1)
        inside = (excess.windows[:, 0] <= 6) & (excess.windows[:, 1] > 6)
        np.testing.assert_allclose(excess.excess[inside], 40)


def test_the_trend_is_what_the_excess_is_above(rng: np.random.Generator) -> None:
    spectra = sculpted(rng)
    result = cluster_excess(spectra, widths=(2,))
    counts, total = spectra[4].astype(float), spectra.sum(axis=0).astype(float)
    for (low, high), excess in zip(result.windows, result.excess[4], strict=True):
        curve = trend(counts, total, (low, high))
        assert (counts - curve)[low:high].sum() == pytest.approx(excess, abs=1e-8)
    np.testing.assert_array_equal(trend(np.zeros(B), np.zeros(B), (3, 5)), 0)


def test_significance_of_a_cluster_is_a_standard_normal_without_signal() -> None:
    """Multinomial clusters with shares on straight lines: mean 0, standard deviation 1, in every window."""
    rng = np.random.default_rng(4)
    shares = (1 + np.linspace(-0.3, 0.3, 20)[:, np.newaxis] * MASS) / 20
    total = rng.poisson(DIJET)
    z = []
    for _ in range(400):
        spectra = rng.multinomial(total, shares.T).T
        z.append(cluster_excess(spectra, widths=(1, 2)).significance)
    clusters = np.array(z)
    n = clusters.shape[0] * clusters.shape[1]
    assert np.abs(clusters.mean(axis=(0, 1))).max() < 5 / np.sqrt(n)
    # The variance takes a cluster's mean share for its share in the window, 0.7 to 1.3 times that at the ends.
    np.testing.assert_allclose(clusters.std(axis=(0, 1)), 1, atol=0.03)
    # All excesses of a window sum to zero: the shares do.
    one = cluster_excess(spectra, widths=(1, 2))
    np.testing.assert_allclose(one.excess.sum(axis=0), 0, atol=1e-6)


def test_empty_clusters_and_empty_spectra_have_no_significance(rng: np.random.Generator) -> None:
    spectra = sculpted(rng)
    spectra[3] = 0
    result = cluster_excess(spectra)
    np.testing.assert_array_equal(result.significance[3], 0)
    np.testing.assert_array_equal(cluster_excess(np.zeros((5, B), dtype=int)).significance, 0)
    alone = np.zeros((5, B), dtype=int)
    alone[:, 8] = 10
    np.testing.assert_array_equal(cluster_excess(alone, widths=(1,)).significance[:, 8], 0)


def test_arguments_are_checked(rng: np.random.Generator) -> None:
    spectra = sculpted(rng)
    with pytest.raises(ArgumentError, match="leave 2 of 16 bins"):
        cluster_excess(spectra, widths=(4,), guard=5)
    with pytest.raises(ArgumentError, match="must not be negative"):
        cluster_excess(spectra, guard=-1)
    with pytest.raises(ArgumentError, match="k marks"):
        signal_poor(spectra, marks(0, k=29))
    with pytest.raises(ArgumentError, match='"sum" or of "each"'):
        fit_of_rich(spectra, marks(0), CENTRES, of="all")  # type: ignore[arg-type]


def test_the_likelihood_knows_how_few_jets_fluctuate() -> None:
    """Both significances agree for many jets; for a few, only that of the likelihood is normal in its tail."""
    rng = np.random.default_rng(3)
    falling = 20_000 * np.exp(-np.arange(16) / 5.6)
    shares = np.append(np.full(400, 1e-3), 0.6)
    spectra = rng.poisson(shares[:, np.newaxis] * falling)
    found = cluster_excess(spectra, widths=(2,), degree=0)
    few = found.significance[:-1].ravel(), found.likelihood_significance[:-1].ravel()
    assert stats.skew(few[0]) > 0.2 > 2 * abs(stats.skew(few[1]))
    assert few[1].std() == pytest.approx(1.0, abs=0.1)
    many = cluster_excess(rng.poisson(1000 * shares[:400, np.newaxis] * falling), widths=(2,), degree=0)
    np.testing.assert_allclose(many.likelihood_significance, many.significance, atol=0.15)
    # By hand: 30 jets over 10 with an error of 2, so 10 / 0.4 jets off the window.
    one = TrendExcess(
        np.array([[0, 1]]), np.array([20.0]), np.array([14.0]), np.array([30.0]), np.array([4.0])
    )
    on, off, alpha = 30.0, 25.0, 0.4
    by_hand = np.sqrt(
        2
        * (on * np.log((1 + alpha) / alpha * on / (on + off)) + off * np.log((1 + alpha) * off / (on + off)))
    )
    assert one.likelihood_significance[0] == pytest.approx(by_hand)
