"""The search of a card, step by step from Python; every result is usable by itself.

python analysis/step_by_step.py demo.yaml
"""

from __future__ import annotations

import sys

import awkward as ak
import numpy as np

from hepcs.calibration import calibrate
from hepcs.config import read_card
from hepcs.config.samples import SIGNAL
from hepcs.datasets.bootstrap import Kind, Task, draw_data_set
from hepcs.datasets.cached_sources import cache_folder, open_source
from hepcs.datasets.loading import load
from hepcs.images import dijet_images
from hepcs.jets import select_dijets
from hepcs.searches.base import Inputs
from hepcs.searches.kinds import Context, build_searches
from hepcs.sources.files import search_folders


def main(name: str) -> None:
    """Print what each step gives."""
    located = read_card(name)
    card = located.card
    section = card.samples.labelled or card.samples.background
    assert section is not None
    source = open_source(section, search_folders(located), cache_folder(located))
    chunk = source.chunks()[0]
    constituents = source.read(chunk)
    print(f"constituents: {ak.type(constituents)}")

    dijets = select_dijets(constituents, card.jets, file=chunk.file, first_entry=chunk.start)
    print(f"{dijets.cutflow}\nm_jj: {dijets.m_jj[:3]} GeV")

    images = dijet_images(dijets)
    print(f"images: {images.shape}, each sums to {images[0, 0].sum():.3f}")

    loaded = load(located)
    for feature, values in loaded.pools.background.features.items():
        print(f"{feature}: {values.shape}")

    search = build_searches(Context(card, loaded.pools, loaded.columns))[0]

    def found_in(task: Task) -> float:
        data, rng = draw_data_set(loaded.pools, task, card.seed).view, np.random.default_rng(task.index)
        fit = search.fit(data, Inputs(), rng)
        return search.judge(fit, data, Inputs(), rng).statistic

    epsilon = card.injection.of(SIGNAL)[-1]
    observed = found_in(Task(Kind.OBSERVED, epsilon, 0, SIGNAL))
    print(f"{search.title}: {observed:.2f}")
    null = [found_in(Task(Kind.BACKGROUND_ONLY, 0, index)) for index in range(50)]
    print(calibrate(observed, null))


if __name__ == "__main__":
    main(*sys.argv[1:])
