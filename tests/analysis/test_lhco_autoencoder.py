"""Autoencoders of features: an outlier is found, and a signal where the background is dense is not."""

from __future__ import annotations

import lhco_autoencoder
import numpy as np
import pytest


@pytest.mark.slow  # Compiles a training.
@pytest.mark.parametrize(("at", "least", "most"), [(6.0, 2.5, 3.2), (0.0, 0.0, 0.8)])
def test_only_a_signal_outside_of_the_background_is_an_outlier(at: float, least: float, most: float) -> None:
    """Features of the background lie on a line: a signal beside it is not given back, one in its middle is."""
    rng = np.random.default_rng(1)
    along = rng.normal(size=(2500, 1))
    background = along * [1.0, -1.0, 0.5, 2.0] + 0.1 * rng.normal(size=(2500, 4))
    signal = 0.1 * rng.normal(size=(1000, 4)) + [at, at, 0.0, 0.0]
    found = lhco_autoencoder.separation(*lhco_autoencoder.errors(background, signal, 1, rng))
    assert least <= found["sic"]["0.1"] <= most
    assert set(found["sic"]) == {"0.1", "0.03", "0.01", "0.003"}


def test_a_score_that_knows_all() -> None:
    found = lhco_autoencoder.separation(np.arange(1000.0), np.arange(2000.0, 2100.0))
    assert found["auc"] == 1
    assert found["sic"]["0.01"] == pytest.approx(10)
