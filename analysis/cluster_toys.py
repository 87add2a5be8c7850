"""What clusters of real sizes do without signal: selected clusters, normality, and data that are sculpted more.

example:
  python analysis/cluster_toys.py sensitivity.yaml --output analysis/results

The background sample of a card is clustered by its ensemble of Cluster Scanning. Toys are multinomial spectra of
clusters of the same sizes: *flat* with the m_jj spectrum of all jets, *sculpted* with that times the trend of the
cluster, a parabola in m_jj. They say how many clusters are selected without signal, with one standard deviation a
bin and with each cluster's own, and count the p-values of the tests of normality. A last study takes data that are
sculpted by more than the simulation that calibrates them, along parabolas or straight lines, and counts what
passes at 1 %: of single scans, since toys of spectra know no correlation between the scans of an ensemble.

Writes ``cluster_toys.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from script import add_card, ended, parser_of

from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import write_json
from hepcs.calibration.counting import ONE_SIGMA_TAIL, clopper_pearson
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.bootstrap import whole
from hepcs.datasets.loading import load
from hepcs.datasets.samples import Pools
from hepcs.output.summary import plain
from hepcs.searches.base import Inputs
from hepcs.searches.cluster_scanning.scan import scan_spectra, standardise
from hepcs.searches.cluster_scanning.search import ClusterScanSearch
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.searches.kinds import Context, build_searches
from hepcs.studies.normality import cluster_toys, normality_by_toys

SCULPTING = (1.0, 1.25, 1.5, 2.0)
N_FLAT, N_NORMALITY, N_NULL, N_DATA = 60, 100, 200, 100
ALPHA = 0.01


def shapes(spectra: NDArray[np.int64], factor: float, degree: int = 2) -> NDArray[np.float64]:
    """Probabilities of the bins of each cluster, shape (k, b): its trend in m_jj, times `factor`, on all jets'.

    The trend is a polynomial of a `degree`.
    """
    total = spectra.sum(axis=0)
    expected = spectra.sum(axis=1, keepdims=True) * (total / total.sum())
    x = np.linspace(-1, 1, total.size)
    trends = np.array(
        [
            np.polyval(np.polyfit(x, one / mean, degree, w=np.sqrt(np.maximum(mean, 1))), x) - 1
            for one, mean in zip(spectra, expected, strict=True)
        ]
    )
    found = np.maximum(1 + factor * trends, 0.05) * total
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def study(card: LocatedCard, pools: Pools) -> dict[str, Any]:
    """What ``cluster_toys.json`` says."""
    searches = {one.name: one for one in build_searches(Context(card.card, pools))}
    search, windows = searches["cluster_scanning"], searches["window_scan"]
    assert isinstance(search, ClusterScanSearch) and isinstance(windows, ClusterScanSearch)
    rng, data = generator(1, Stream.STUDY, "cluster_toys"), whole(pools.background, pools.bins)
    ensemble = search.judge(search.fit(data, Inputs(), rng), data, Inputs(), rng)
    spectra = [scan.spectra for scan in ensemble.scans]
    content = plain(
        {
            "k": search.section.k,
            "n_scans": len(spectra),
            "sizes": [np.quantile(one.sum(axis=1), (0, 0.25, 0.5, 0.75, 1)) for one in spectra],
            "selected": _selected(spectra, search.section, rng),
            "normality": _normality(spectra, search.section, rng),
            **{
                sculpting: {
                    name: _passing(spectra, one.section, pools.bins.centres, degree, rng)
                    for name, one in (("cluster_scanning", search), ("window_scan", windows))
                }
                for sculpting, degree in (("sculpting", 2), ("straight_sculpting", 1))
            },
        }
    )
    assert isinstance(content, dict)
    return content


def _selected(
    spectra: Sequence[NDArray[np.int64]], section: ClusterScanning, rng: np.random.Generator
) -> dict[str, Any]:
    """Mean number of selected clusters: of the sample, of flat and of sculpted toys; by either deviation."""
    found = {}
    for kind in ("common", "own"):

        def count(one: NDArray[np.int64], kind: str = kind) -> int:
            deviations = standardise(one, section.outlier_fraction, own=kind == "own")
            return int((deviations.max(axis=1) > section.theta).sum())

        found[kind] = {
            "sample": np.mean([count(one) for one in spectra]),
            "flat": np.mean([count(toy) for one in spectra for toy in cluster_toys(one, rng, N_FLAT)]),
            "sculpted": np.mean(
                [
                    count(rng.multinomial(one.sum(axis=1), shape))
                    for one in spectra
                    for shape in [shapes(one, 1.0)] * N_FLAT
                ]
            ),
        }
    return found


def _normality(
    spectra: Sequence[NDArray[np.int64]], section: ClusterScanning, rng: np.random.Generator
) -> dict[str, list[float]]:
    """p of each test of normality, by toys, of each scan."""

    def select(one: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        deviations = standardise(one, section.outlier_fraction)
        return deviations, deviations.max(axis=1) > section.theta

    found = [normality_by_toys(one, select, rng, N_NORMALITY) for one in spectra]
    return {name: [one[name] for one in found] for name in found[0]}


def _passing(
    spectra: Sequence[NDArray[np.int64]],
    section: ClusterScanning,
    centres: NDArray[np.float64],
    degree: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """How often single scans of data that are sculpted by more pass at 1 %."""

    def statistics(factor: float, n: int) -> NDArray[np.float64]:
        return np.array(
            [
                scan_spectra(rng.multinomial(one.sum(axis=1), shape), section, centres=centres).statistic
                for one in spectra
                for shape in [shapes(one, factor, degree)] * n
            ]
        )

    null, rows = np.sort(statistics(1.0, N_NULL)), []
    threshold = null[-int(ALPHA * (null.size + 1))]
    for factor in SCULPTING:
        values = statistics(factor, N_DATA)
        passing = np.array([(values > threshold).sum()])
        low, high = clopper_pearson(passing, values.size, ONE_SIGMA_TAIL)
        rows.append(
            {
                "factor": factor,
                "share": passing[0] / values.size,
                "low": low[0],
                "high": high[0],
                "n": values.size,
            }
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the numbers."""
    parser = parser_of(__doc__)
    add_card(parser, "a background sample, cluster_scanning and window_scan")
    parser.add_argument("--output", type=Path, required=True, help="folder for cluster_toys.json")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    card = read_card(parsed.card, parsed.set)
    found = study(card, replace(load(card).pools, signals={}))
    write_json(parsed.output / "cluster_toys.json", found)
    console.print_json(data=_short(found))


def _short(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in ("selected", "sculpting", "straight_sculpting")}


if __name__ == "__main__":
    sys.exit(main())
