"""A small finished run, put together by the real searches from made-up features and a falling spectrum."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepcs._core.progress import serial_mapper, silent
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.loading import mass_bins
from hepcs.datasets.reports import SampleReport
from hepcs.datasets.samples import Pools, Sample
from hepcs.features.image_summary import AverageImages
from hepcs.jets import Cutflow, Rejection
from hepcs.results import Observation, Outcome, Provenance, RunResult
from hepcs.running.calibrating import Observations, combined_results, search_results
from hepcs.running.pseudo_experiments import Campaign, campaign_of, run_pseudo_experiments
from hepcs.searches.kinds import Context, build_searches
from hepcs.sources.base import InputFile

CARD = """
name: toy
description: made-up features
seed: 7
samples: {samples}
searches: {searches}
pseudo_experiments: {{background_only: {background_only}, doped: {doped}}}
injection: {{epsilon: {epsilon}}}
output: {{style: {style}}}
regions: {regions}
"""
SAMPLES = "{labelled: {kind: lhco, files: events.h5}}"
SCAN = "cluster_scanning: {k: 8, ensemble: 2}"
FITS = "fit_3: {kind: dijet_fit, parameters: 3}, fit_4: {kind: dijet_fit, parameters: 4}"
SEARCHES = f"{{{SCAN}, {FITS}}}"
EVENTS = 3000


@cache
def toy_run(
    *,
    searches: str = SEARCHES,
    samples: str = SAMPLES,
    background_only: int = 40,
    doped: int = 5,
    epsilon: str = "[0, 150]",
    style: str = "plain",
    regions: str = "{}",
    blind: bool = False,
) -> RunResult:
    """A run; the same for the same arguments, which are sections of the card."""
    card = card_of(
        CARD.format(
            searches=searches,
            samples=samples,
            background_only=background_only,
            doped=doped,
            epsilon=epsilon,
            style=style,
            regions=regions,
        )
    )
    campaign = toy_campaign(card)
    outcomes = run_pseudo_experiments(campaign, serial_mapper, silent, workers=1)
    results = search_results(campaign, outcomes, {} if blind else observe(campaign))
    n_signal = next(iter(campaign.pools.signals.values())).n_events
    report = SampleReport(
        role="labelled",
        inputs=(InputFile("events.h5", 1234, 3 * EVENTS, "sha256:00ff"),),
        cutflow=Cutflow(("entries read", "leading jet pT > 1200 GeV"), (3 * EVENTS, 2 * EVENTS)),
        rejections=(Rejection("events.h5", 17, "no constituents"),),
        n_selected=2 * EVENTS,
        n_evaluation=EVENTS,
        reused=False,
        averages=(
            AverageImages(EVENTS, blob(0.0), blob(0.1)),
            AverageImages(n_signal, blob(0.2), blob(0.4)),
        ),
        nonzero_pixels=(pixel_counts(2 * EVENTS, 40), pixel_counts(2 * n_signal, 60)),
        lacking={"image_pca": 3},
        n_weightless=7,
        n_repeated=2,
        energy_spectra={
            shift: np.full(campaign.pools.bins.n_bins, n)
            for shift, n in (("nominal", 5.0), ("up", 6.0), ("down", 4.0))
        },
    )
    return RunResult(
        card=card,
        samples=(report,),
        bins=campaign.pools.bins,
        features={"image_pca": {"dimension": 6, "kept_variance": 0.97}},
        searches=results,
        combined=combined_results(campaign, results),
        warnings=("a warning",),
        provenance=Provenance(
            started="2024-02-27T12:00:00+00:00",
            versions={"python": "3.11"},
            platform="Linux",
            processor="a processor",
            blas=("openblas",),
            workers=1,
            seconds={"search": 1.5},
            openings=() if blind else ("2024-02-27T12:30:00+00:00: pseudo-data",),
        ),
    )


def real_search() -> RunResult:
    """The toy run as if it were one of real data."""
    result = toy_run()
    card = result.card.card
    samples = card.samples.model_copy(update={"data": card.samples.labelled})
    located = replace(result.card, card=card.model_copy(update={"samples": samples}))
    return replace(result, card=located)


def card_of(text: str) -> LocatedCard:
    """A card from its text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "toy.yaml"
        path.write_text(text, encoding="utf-8")
        return read_card(path)


def toy_campaign(card: LocatedCard) -> Campaign:
    """The searches of a card on toys: jets in one clump, those of signals in another and at 3500 GeV."""
    bins = mass_bins(card)
    rng = np.random.default_rng(3)
    # Exponential with the paper's fall, a factor of 9.4 over the region.
    m_jj = 3000 - 1600 / np.log(9.4) * np.log(1 - rng.random(EVENTS) * (1 - 1 / 9.4))
    inside = (m_jj >= bins.low) & (m_jj < bins.high)
    background = toy_sample(m_jj[inside], rng.normal(0.0, 1.0, (EVENTS, 2, 6))[inside])
    signals = {}
    for name in card.card.samples.signal_names:
        peak = rng.normal(3500.0, 70.0, 2000)
        peak = peak[(peak > bins.low) & (peak < bins.high)]
        signals[name] = toy_sample(peak, rng.normal(1.6, 0.7, (len(peak), 2, 6)), EVENTS * (1 + len(signals)))
    pools = Pools(background, bins, signals)
    return campaign_of(card.card, pools, build_searches(Context(card.card, pools)))


def observe(campaign: Campaign) -> Observations:
    """What each search observes."""
    found: dict[object, Mapping[str, tuple[Outcome, Observation]]] = {
        task: {name: (outcome, seen) for name, outcome, seen in campaign.observe(task)}
        for task in campaign.observed_tasks()
    }
    return found  # type: ignore[return-value]


def toy_sample(m_jj: NDArray[np.float64], jets: NDArray[np.float64], first_event: int = 0) -> Sample:
    """A sample whose events all lie inside the evaluation region."""
    values = jets.astype(np.float32)
    features = {"image_pca": values, "event": values.reshape(len(values), -1)}
    return Sample(m_jj, features, np.arange(len(m_jj)), len(m_jj), "toys", first_event)


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
