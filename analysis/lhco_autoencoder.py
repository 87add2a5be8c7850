"""Autoencoders on real features of the LHC Olympics: is their signal an outlier of these features?

examples:
  python analysis/lhco_autoencoder.py shared/data/lhco_signal_region --output analysis/results

Dense autoencoders of the four features of :mod:`lhco_signal_region`, of several widths of their bottleneck, are
trained on background of the window: half of it each, and judge the other half and the signal. Beside them, each
feature alone, so that one sees on which side of the background the signal lies. Writes ``lhco_autoencoder.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lhco_signal_region import Samples, folder_of, read_samples
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from script import ended, parser_of
from sklearn.metrics import roc_auc_score

from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import write_json
from hepcs._core.threads import one_thread
from hepcs.neural.autoencoders import Autoencoder, DenseHalves, autoencoders
from hepcs.neural.settings import TrainingSettings
from hepcs.neural.stacking import evaluate
from hepcs.neural.training import fit, split_off, weighted_mean
from hepcs.output.summary import plain

NAME = "lhco_autoencoder"
FEATURES = (
    "mass of the lighter jet",
    "difference of the masses",
    "tau21 of the lighter jet",
    "tau21 of the other",
)
LATENT = (1, 2, 3)
WIDTHS = (64, 32)
SETTINGS = TrainingSettings(epochs=40, batch=256)
BACKGROUND_EFFICIENCIES = (0.1, 0.03, 0.01, 0.003)


def study(samples: Samples, seed: int) -> dict[str, Any]:
    """How well autoencoders, and single features, tell the signal from the background of the window."""
    known, signal = (one.features[:, : len(FEATURES)] for one in (samples.background, samples.signal))
    return {
        "n_background": len(known),
        "n_signal": len(signal),
        "features": {
            name: {
                "median_of_signal": np.median(signal[:, column]),
                "median_of_background": np.median(known[:, column]),
                "background_above_median_of_signal": (known[:, column] > np.median(signal[:, column])).mean(),
            }
            for column, name in enumerate(FEATURES)
        },
        "autoencoders": {
            str(latent): separation(
                *errors(known, signal, latent, generator(seed, Stream.STUDY, NAME, latent))
            )
            for latent in LATENT
        },
    }


def errors(
    background: NDArray[np.float64], signal: NDArray[np.float64], latent: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What an autoencoder fails to give back of background (n,) and signal (m,) that it has not seen."""
    x = np.concatenate([background, signal]).astype(np.float32)
    n = len(background)
    half = rng.permutation(np.arange(len(x)) % 2)
    is_background = np.arange(len(x)) < n
    weights = np.stack([is_background & (half == one) for one in (0, 1)]).astype(np.float64)
    train, held_out = split_off(weights, 0.15, rng)
    models = autoencoders(DenseHalves(x.shape[1], WIDTHS, latent), x, train, rng)
    fitted = fit(models, _loss, x, train, held_out, rng, SETTINGS)
    found = evaluate(fitted.models, Autoencoder.errors, x, groups=1 - half)
    return found[:n], found[n:]


def _loss(model: Any, batch: Any, weights: Any, key: Any) -> Any:  # noqa: ARG001
    return weighted_mean(model.errors(batch), weights)


def separation(background: NDArray[np.float64], signal: NDArray[np.float64]) -> dict[str, Any]:
    """Area under the curve, and eps_S / sqrt(eps_B) at some background efficiencies, of scores."""
    truth = np.repeat([0, 1], [len(background), len(signal)])
    return {
        "auc": roc_auc_score(truth, np.concatenate([background, signal])),
        "sic": {
            f"{kept:g}": (signal > np.quantile(background, 1 - kept)).mean() / np.sqrt(kept)
            for kept in BACKGROUND_EFFICIENCIES
        },
    }


def table(found: Mapping[str, Any]) -> Table:
    """For people."""
    rows = Table(title="SIC of autoencoders of four features of the LHC Olympics")
    for heading in ("latent", "AUC", *(f"eps_B = {kept:g}" for kept in BACKGROUND_EFFICIENCIES)):
        rows.add_column(heading, justify="right")
    for latent, entry in found["autoencoders"].items():
        rows.add_row(latent, f"{entry['auc']:.2f}", *(f"{one:.2f}" for one in entry["sic"].values()))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="with the .npy files of the signal region")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help=f"folder for {NAME}.json")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    with one_thread():
        found = plain(study(read_samples(folder_of(parsed.folder)), parsed.seed))
    write_json(parsed.output / f"{NAME}.json", found)
    console.print(table(found))


if __name__ == "__main__":
    sys.exit(main())
