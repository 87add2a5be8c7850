"""Are p-values uniform on disjoint data sets, and what does a bootstrap of the data themselves do to them?

example:
  python analysis/independent_samples.py sensitivity.yaml --one-in 24 --output analysis/results

The background is cut into disjoint parts. Each is searched as if it were data, and calibrated twice: by
pseudo-experiments of its size from all other parts, as in a real search with much simulation, and by bootstraps
of the part itself, as in a study of pseudo-data. The first p-values are to be uniform. The second are not: a
bootstrap fluctuates around a sample that has fluctuated already, so the statistic of a search that measures
deviations grows by up to the square root of two, and p comes out too large.

Writes ``independent_samples.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats
from script import add_card, ended, parser_of

from hepcs._core.progress import serial_mapper
from hepcs._core.storage import write_json
from hepcs.config import LocatedCard, read_card
from hepcs.config.samples import PseudoData
from hepcs.datasets.bootstrap import Kind, Task, whole
from hepcs.datasets.loading import Loaded, load
from hepcs.datasets.samples import Pools, Sample
from hepcs.datasets.splitting import set_apart
from hepcs.output.summary import plain
from hepcs.running.execution import local_mapper
from hepcs.running.pseudo_experiments import Campaign, campaign_of
from hepcs.searches.base import Inputs
from hepcs.searches.cluster_scanning.search import ClusterScanSearch
from hepcs.searches.kinds import Context, build_searches

OBSERVED = Task(Kind.OBSERVED, 0, 0)


@dataclass(frozen=True)
class PartStatistics:
    """Statistics of every search on one part of the background, by name.

    Attributes
    ----------
    observed
        Of the part itself.
    others
        Of pseudo-experiments of its size from all other parts, shape (n,).
    own
        Of bootstraps of the part, shape (n,).
    """

    observed: Mapping[str, float]
    others: Mapping[str, NDArray[np.float64]]
    own: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Study:
    """The parts of a background sample, ready to be searched in any process."""

    card: LocatedCard
    loaded: Loaded
    one_in: int
    n_null: int

    def part(self, which: int) -> PartStatistics:
        """Search one part, and its pseudo-experiments of both kinds."""
        others, part = set_apart(self.loaded.pools.background, PseudoData(one_in=self.one_in, which=which))
        as_data = searches_on(self.card, self.loaded, background=others, data=part)
        alone = searches_on(self.card, self.loaded, background=part, data=None)
        return PartStatistics(
            {name: float(values[0]) for name, values in _statistics(as_data, [OBSERVED]).items()},
            _statistics(as_data, self._tasks(which)),
            _statistics(alone, self._tasks(which)),
        )

    def _tasks(self, which: int) -> list[Task]:
        """Pseudo-experiments of a part, which have their own numbers."""
        first = which * self.n_null
        return [Task(Kind.BACKGROUND_ONLY, 0, index) for index in range(first, first + self.n_null)]


def searches_on(card: LocatedCard, loaded: Loaded, **samples: Sample | None) -> Campaign:
    """The searches of a card without its signals, and with other samples by role."""
    pools = replace(loaded.pools, signals={}, **samples)  # type: ignore[arg-type]
    return campaign_of(card.card, pools, build_searches(Context(card.card, pools, loaded.columns)))


def _statistics(campaign: Campaign, tasks: Sequence[Task]) -> dict[str, NDArray[np.float64]]:
    """Statistics of some data sets by every search, NaN for none; of pseudo-experiments as it is calibrated."""
    found: dict[str, list[float]] = {name: [] for name in campaign.wanted}
    for task in tasks:
        for (name, null, outcome), _ in campaign.run(task, tuple(campaign.wanted)):
            by_toys = campaign.searches[name].is_calibrated_by_toys and task.kind is not Kind.OBSERVED
            if null == ("own" if by_toys else "shared"):
                found[name].append(outcome.statistic if outcome.valid else np.nan)
    return {name: np.array(values) for name, values in found.items()}


def p_value(observed: float, null: NDArray[np.float64]) -> float:
    """(k + 1) / (N + 1) with k of the N null statistics at or above the observed one."""
    valid = null[np.isfinite(null)]
    return float((np.sum(valid >= observed) + 1) / (valid.size + 1))


def facts_of(name: str, title: str, parts: Sequence[PartStatistics]) -> dict[str, Any]:
    """What the parts say about one search."""
    observed = np.array([part.observed[name] for part in parts])
    nulls = {kind: [getattr(part, kind)[name] for part in parts] for kind in ("others", "own")}
    facts: dict[str, Any] = {"title": title, "observed": observed, "mean": observed.mean()}
    for kind, samples in nulls.items():
        p = np.array([p_value(t, null) for t, null in zip(observed, samples, strict=True)])
        means = np.array([np.nanmean(null) for null in samples])
        facts[kind] = {
            "p": p,
            "kolmogorov_smirnov": float(stats.kstest(p, "uniform").pvalue),
            "median_p": float(np.median(p)),
            "mean_statistic": float(means.mean()),
            "sd": float(np.mean([np.nanstd(null, ddof=1) for null in samples])),
            "sd_of_means": float(means.std(ddof=1)),
        }
    facts["inflation"] = facts["own"]["mean_statistic"] / facts["others"]["mean_statistic"]
    return facts


def study(card: LocatedCard, one_in: int, n_null: int, workers: int) -> dict[str, Any]:
    """Search all parts of the background of a card."""
    loaded = load(card, serial_mapper)
    pools = loaded.pools
    wanted = Study(card, loaded, one_in, n_null)
    mapper = serial_mapper if workers == 1 else local_mapper(workers)
    parts = list(mapper(wanted.part, range(one_in)))
    searches = searches_on(card, loaded).searches
    scanning = searches.get("cluster_scanning")
    about = {}
    if isinstance(scanning, ClusterScanSearch):
        section = scanning.section
        about = {"both_jets": both_jets(scanning, pools), "k": section.k, "ensemble": section.ensemble}
    return {
        **about,
        "parts": one_in,
        "n_events": pools.background.n_events // one_in,
        "n_null": n_null,
        "searches": {name: facts_of(name, search.title, parts) for name, search in searches.items()},
    }


def both_jets(search: ClusterScanSearch, pools: Pools) -> dict[str, float]:
    """How much more the signal-rich spectrum of all background events fluctuates than a Poisson count.

    An event counts with both its jets, twice if both are in signal-rich clusters. A sum of n_1 events that count
    once and n_2 that count twice has the variance n_1 + 4 n_2 around a mean of n_1 + 2 n_2.
    """
    data, rng = whole(pools.background, pools.bins), np.random.default_rng(1)
    ensemble = search.judge(search.fit(data, Inputs(), rng), data, Inputs(), rng)
    once, twice = [], []
    features = data.features(search.section.features)
    for scan, clustering in zip(ensemble.scans, ensemble.clusterings, strict=True):
        labels = clustering.model.labels(features.reshape(-1, features.shape[2])).reshape(-1, 2)
        selected = scan.signal_rich[labels].sum(axis=1)
        once.append(int((selected == 1).sum()))
        twice.append(int((selected == 2).sum()))
    n_1, n_2 = np.array(once), np.array(twice)
    counted = n_1 + 2 * n_2
    some = counted > 0
    return {
        "share_of_jets": float(np.mean(counted / (2 * len(features)))),
        "variance_over_mean": float(np.mean((n_1 + 4 * n_2)[some] / counted[some])),
    }


def table(found: Mapping[str, Any]) -> Table:
    """For people."""
    result = Table(title=f"{found['parts']} disjoint data sets of some {found['n_events']:,} events")
    for column in (
        "search",
        "uniform p: from the others",
        "from the data set itself",
        "median p",
        "t grows by",
    ):
        result.add_column(column, justify="left" if column == "search" else "right")
    for entry in found["searches"].values():
        result.add_row(
            entry["title"],
            f"{entry['others']['kolmogorov_smirnov']:.2g}",
            f"{entry['own']['kolmogorov_smirnov']:.2g}",
            f"{entry['own']['median_p']:.2f}",
            f"{entry['inflation']:.2f}",
        )
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the numbers."""
    parser = parser_of(__doc__)
    add_card(parser, "a background sample")
    parser.add_argument("--one-in", type=int, default=24, help="disjoint parts of the background")
    parser.add_argument("--null", type=int, default=200, help="pseudo-experiments of each kind for each part")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--output", type=Path, required=True, help="folder for independent_samples.json")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    found = study(read_card(parsed.card, parsed.set), parsed.one_in, parsed.null, parsed.workers)
    write_json(parsed.output / "independent_samples.json", plain(found))
    console.print(table(found))


if __name__ == "__main__":
    sys.exit(main())
