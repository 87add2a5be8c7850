"""A search on samples, without the rest of a run."""

from __future__ import annotations

from dataclasses import dataclass

from hepcs._core.randomness import Stream, generator
from hepcs.config.running import PseudoExperiments
from hepcs.datasets.bootstrap import Injection, Task, draw_data_set
from hepcs.datasets.samples import Pools
from hepcs.running.pseudo_experiments import Campaign, FitGroup
from hepcs.searches.base import Inputs
from hepcs.searches.cluster_scanning.search import ClusterScanSearch
from hepcs.searches.cluster_scanning.section import ClusterScanning

from .sample import FEATURES, SEED


@dataclass(frozen=True)
class ScanOn:
    """Cluster Scanning of data sets that are drawn from some samples."""

    pools: Pools
    section: ClusterScanning

    @property
    def search(self) -> ClusterScanSearch:
        """The search."""
        return ClusterScanSearch("cluster_scanning", "Cluster Scanning", self.section)

    def run(self, task: Task) -> float:
        """Statistic of the data set of a task, as a run finds it."""
        data, search = draw_data_set(self.pools, task, SEED).view, self.search
        fit = search.fit(data, Inputs(), generator(SEED, Stream.SEARCH, *task.key))
        return search.judge(fit, data, Inputs(), generator(SEED, Stream.JUDGE, *task.key)).statistic

    def campaign(self, background_only: int) -> Campaign:
        """The same as a run does it, with so many pseudo-experiments."""
        return Campaign(
            self.pools,
            SEED,
            (FitGroup((self.search,), {}),),
            {self.search.name: PseudoExperiments.model_construct(background_only=background_only, doped=0)},
            (Injection(),),
        )


def section_of(k: int, ensemble: int) -> ClusterScanning:
    """Cluster Scanning of the features of the sample."""
    return ClusterScanning(features=FEATURES, k=k, ensemble=ensemble)
