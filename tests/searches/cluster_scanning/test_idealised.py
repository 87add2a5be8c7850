"""Idealised cluster spectra: no mass sculpting is left, and nothing else is changed."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.errors import ArgumentError
from hepcs.searches.cluster_scanning.idealised import redistribute


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_sums_and_the_first_bin_are_kept(rng: np.random.Generator) -> None:
    spectra = rng.poisson(np.linspace(500, 50, 16), size=(20, 16))
    redistributed = redistribute(spectra, rng)
    assert redistributed.shape == spectra.shape
    np.testing.assert_array_equal(redistributed[:, 0], spectra[:, 0])
    np.testing.assert_array_equal(redistributed.sum(axis=0), spectra.sum(axis=0))


def test_sculpting_is_gone_and_multinomial_fluctuations_are_left() -> None:
    """Every bin has the fractions of the first one; chi2 of each bin follows k - 1 degrees of freedom."""
    rng = np.random.default_rng(8)
    k, b, n = 20, 16, 200
    slope = np.linspace(-0.8, 0.8, k)[:, np.newaxis] * np.linspace(0, 1, b)
    spectra = rng.poisson(1000 * (1 + slope))
    fractions = spectra[:, 0] / spectra[:, 0].sum()
    expected = fractions[:, np.newaxis] * spectra[:, 1:].sum(axis=0)
    sculpted = (np.square(spectra[:, 1:] - expected) / expected).sum(axis=0)
    assert sculpted[-1] > 100 * (k - 1)
    chi2 = np.array(
        [(np.square(redistribute(spectra, rng)[:, 1:] - expected) / expected).sum(axis=0) for _ in range(n)]
    )
    assert chi2.mean() == pytest.approx(k - 1, abs=5 * np.sqrt(2 * (k - 1) / chi2.size))
    assert chi2.var() == pytest.approx(2 * (k - 1), rel=0.15)


def test_same_generator_same_spectra() -> None:
    spectra = np.random.default_rng(1).poisson(50, size=(5, 4))
    one = redistribute(spectra, np.random.default_rng(2))
    np.testing.assert_array_equal(one, redistribute(spectra, np.random.default_rng(2)))
    assert (one != redistribute(spectra, np.random.default_rng(3))).any()


def test_an_empty_first_bin_is_refused(rng: np.random.Generator) -> None:
    spectra = np.ones((5, 4), dtype=np.int64)
    spectra[:, 0] = 0
    with pytest.raises(ArgumentError, match="first m_jj bin"):
        redistribute(spectra, rng)
