"""The search of a card, step by step from Python; every result is usable by itself.

python analysis/step_by_step.py demo.yaml
"""

from __future__ import annotations

import sys

import awkward as ak

from hepcs.calibration import calibrate
from hepcs.config import read_card
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.loading import cache_folder, load, open_source, search_folders
from hepcs.images import dijet_images
from hepcs.jets import select_dijets
from hepcs.searches.cluster_scanning.search import ClusterScanSearch


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

    pools = load(located).pools
    print(f"features: {pools.background.features.shape}")

    search = ClusterScanSearch(pools, card.cluster_scanning, card.statistic, card.seed)
    epsilon = card.injection.epsilon[-1]
    ensemble = search.scan(Task(Kind.OBSERVED, epsilon, 0))
    print(f"statistics of the ensemble: {ensemble.statistics}")

    null = [search.run(Task(Kind.BACKGROUND_ONLY, 0, index)).statistic for index in range(50)]
    print(calibrate(ensemble.statistic, null))


if __name__ == "__main__":
    main(*sys.argv[1:])
