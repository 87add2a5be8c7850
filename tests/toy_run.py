"""A small finished run, put together by the real searches from made-up features and a falling spectrum."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepcs._core.progress import silent
from hepcs.config import read_card
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.features.image_summary import AverageImages
from hepcs.jets import Cutflow, Rejection
from hepcs.running.execution import local_mapper
from hepcs.running.pseudo_experiments import run_family
from hepcs.results import Provenance, RunResult, SampleReport
from hepcs.searches.base import FamilyOfOne
from hepcs.searches.cluster_scanning.search import ClusterScanSearch
from hepcs.searches.dijet_fit.search import fit_search
from hepcs.sources.base import InputFile

CARD = """
name: toy
description: made-up features
seed: 7
samples:
  labelled: {{kind: lhco, files: events.h5}}
cluster_scanning: {{k: {k}, ensemble: {ensemble}}}
fits: {{parameters: {fits}}}
pseudo_experiments: {{background_only: {background_only}, doped: {doped}}}
injection: {{epsilon: {epsilon}}}
output: {{style: {style}}}
"""


@cache
def toy_run(
    *,
    n_background: int = 3000,
    k: int = 8,
    ensemble: int = 2,
    background_only: int = 40,
    doped: int = 5,
    epsilon: tuple[int, ...] = (0, 150),
    fits: tuple[int, ...] = (3, 4),
    style: str = "plain",
) -> RunResult:
    """A run with a labelled sample; the same for the same arguments."""
    text = CARD.format(
        k=k,
        ensemble=ensemble,
        background_only=background_only,
        doped=doped,
        epsilon=list(epsilon),
        fits=list(fits),
        style=style,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "toy.yaml"
        path.write_text(text, encoding="utf-8")
        card = read_card(path)
    sections = card.card
    bins = MassBins(*sections.regions.evaluation, sections.regions.n_bins, sections.regions.training)
    rng = np.random.default_rng(3)
    n_signal = max(2000, 2 * max(epsilon))
    # Exponential with the paper's fall, a factor of 9.4 over the region; the signal is a peak at 3500 GeV.
    share = rng.random(n_background)
    m_jj = 3000 - 1600 / np.log(9.4) * np.log(1 - share * (1 - 1 / 9.4))
    background = sample(m_jj, rng.normal(0.0, 1.0, (n_background, 2, 6)))
    signal_m_jj = rng.normal(3500.0, 70.0, n_signal)
    signal_m_jj = signal_m_jj[(signal_m_jj > 3000) & (signal_m_jj < 4600)]
    signal = sample(signal_m_jj, rng.normal(1.6, 0.7, (len(signal_m_jj), 2, 6)))
    pools = Pools(background, signal, None, bins)
    searches = [ClusterScanSearch(pools, sections.cluster_scanning, sections.statistic, sections.seed)]
    searches += [
        fit_search(pools, n, sections.fits, sections.statistic, sections.seed)
        for n in sections.fits.parameters
    ]
    n_training = int(bins.in_training(m_jj).sum())
    report = SampleReport(
        role="labelled",
        inputs=(InputFile("events.h5", 1234, 3 * n_background, "sha256:00ff"),),
        cutflow=Cutflow(("entries read", "leading jet pT > 1200 GeV"), (3 * n_background, 2 * n_background)),
        rejections=(Rejection("events.h5", 17, "no constituents"),),
        n_selected=2 * n_background,
        n_evaluation=n_background,
        n_training=n_training,
        reused=False,
        averages=(
            AverageImages(n_background, blob(0.0), blob(0.1)),
            AverageImages(n_signal, blob(0.2), blob(0.4)),
        ),
        nonzero_pixels=(pixel_counts(2 * n_background, 40), pixel_counts(2 * n_signal, 60)),
    )
    return RunResult(
        card=card,
        samples=(report,),
        bins=bins,
        compression={"dimension": 6, "kept_variance": 0.97},
        searches=tuple(
            run_family(card, FamilyOfOne(search), local_mapper(1), silent, 1)[0] for search in searches
        ),
        warnings=("a warning",),
        provenance=Provenance(
            started="2024-02-27T12:00:00+00:00",
            versions={"python": "3.11"},
            platform="Linux",
            processor="a processor",
            blas=("openblas",),
            workers=1,
            seconds={"search": 1.5},
        ),
    )


def sample(m_jj: NDArray[np.float64], features: NDArray[np.float64]) -> Sample:
    """A sample whose events all lie inside the evaluation region."""
    return Sample(m_jj, features.astype(np.float32), np.arange(len(m_jj)), len(m_jj))


def blob(distance: float) -> NDArray[np.float64]:
    """Two prongs at a distance along the first axis; empty in the corners."""
    x, y = np.meshgrid((np.arange(40) + 0.5) / 25 - 0.8, (np.arange(40) + 0.5) / 25 - 0.8, indexing="ij")
    image = np.exp(-((x - distance) ** 2 + y**2) / 0.01) + np.exp(-((x + distance) ** 2 + y**2) / 0.02)
    image += 1e-3 * np.exp(-(x**2 + y**2) / 0.2)
    image[x**2 + y**2 > 0.8] = 0
    return np.asarray(image / image.sum())


def pixel_counts(n_jets: int, mean: int) -> NDArray[np.int64]:
    """Jets by the number of non-zero pixels of their images, Poisson distributed."""
    filled = np.random.default_rng(mean).poisson(mean, n_jets)
    return np.bincount(filled, minlength=1601).astype(np.int64)
