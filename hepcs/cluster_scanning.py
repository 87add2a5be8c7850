"""Cluster Scanning of data sets (paper, section 3.2): cluster, take spectra, scan; repeat for the ensemble."""

from __future__ import annotations

from dataclasses import dataclass

import hist
import numpy as np

from hepcs.bootstrap import Task, draw_data_set
from hepcs.clustering import Clustering, cluster_data_set
from hepcs.datacard.schema import ClusterScanning, Statistic
from hepcs.randomness import Stream, generator
from hepcs.samples import MassBins, Pools
from hepcs.scan import ScanResult, scan_spectra
from hepcs.search import NamedHistogram, Observation, Outcome
from hepcs.spectra import mass_histogram, spectra_histogram


@dataclass(frozen=True)
class ScanEnsemble:
    """Scans of one data set by all members of the ensemble, each with its clustering."""

    scans: tuple[ScanResult, ...]
    clusterings: tuple[Clustering, ...]

    @property
    def statistics(self) -> tuple[float, ...]:
        """Maximum local significance of each member."""
        return tuple(scan.statistic for scan in self.scans)

    @property
    def statistic(self) -> float:
        """The ensemble's mean (SPEC, section 3 step 8)."""
        return float(np.mean(self.statistics))

    @property
    def representative(self) -> int:
        """The member whose statistic is nearest to the mean: the one to draw."""
        return int(np.argmin(np.abs(np.array(self.statistics) - self.statistic)))


@dataclass(frozen=True)
class ClusterScanSearch:
    """Cluster Scanning as a search: the statistic is the ensemble's mean of the maximum local significance."""

    pools: Pools
    section: ClusterScanning
    statistic: Statistic
    seed: int
    name: str = "cluster_scanning"
    title: str = "Cluster Scanning"

    def run(self, task: Task) -> Outcome:
        """Scan the data set of a task with every member of the ensemble."""
        return self._outcome(task, self.scan(task))

    def scan(self, task: Task) -> ScanEnsemble:
        """Scans and clusterings of all members of the ensemble."""
        return self.judge(self.cluster(task))

    def cluster(self, task: Task) -> tuple[Clustering, ...]:
        """Clusterings of the data set of a task, one for each member of the ensemble."""
        members = range(self.section.ensemble)
        generators = [generator(self.seed, Stream.SEARCH, *task.key, member) for member in members]
        data_set = draw_data_set(self.pools, task, self.seed)
        return cluster_data_set(data_set, self.pools.bins, self.section, generators)

    def judge(self, clusterings: tuple[Clustering, ...]) -> ScanEnsemble:
        """Standardise, select and compare the spectra of each clustering (SPEC, section 3 steps 4 to 7)."""
        scans = tuple(
            scan_spectra(
                one.spectra,
                outlier_fraction=self.section.outlier_fraction,
                theta=self.section.theta,
                form=self.statistic.local_significance,
            )
            for one in clusterings
        )
        return ScanEnsemble(scans, clusterings)

    def observe(self, task: Task) -> Observation:
        """Scan the data set of a task, with the histograms of every member."""
        ensemble = self.scan(task)
        histograms = tuple(
            named
            for member, scan in enumerate(ensemble.scans)
            for named in _histograms(scan, self.pools.bins, f"member_{member:02d}", self.section.theta)
        )
        summary = {
            "members": [
                {
                    "statistic": scan.statistic,
                    "signal_rich_clusters": np.flatnonzero(scan.signal_rich).tolist(),
                    "largest_deviation": float(scan.deviations.max()),
                    "most_significant_bin": int(np.argmax(scan.local_significance)),
                    "smallest_cluster_bin": int(scan.spectra.min()),
                }
                for scan in ensemble.scans
            ],
            "representative_member": ensemble.representative,
        }
        return Observation(self._outcome(task, ensemble), histograms, summary, ensemble)

    def _outcome(self, task: Task, ensemble: ScanEnsemble) -> Outcome:
        """The ensemble's statistic, with what the tree of pseudo-experiments keeps of the scans."""
        scans = ensemble.scans
        return Outcome(
            task=task,
            statistic=ensemble.statistic,
            members=ensemble.statistics,
            n_events=int(scans[0].spectra.sum()) // 2,
            details={
                "mean_signal_rich_clusters": float(np.mean([scan.n_signal_rich for scan in scans])),
                "smallest_cluster_bin": float(min(scan.spectra.min() for scan in scans)),
            },
        )


def _histograms(scan: ScanResult, bins: MassBins, folder: str, theta: float) -> tuple[NamedHistogram, ...]:
    """Spectra, deviations, both sums and the local significance of one scan."""
    no_error = np.zeros_like(scan.observed)
    poor = scan.spectra[~scan.signal_rich].sum(axis=0)
    scale = np.divide(scan.expected, poor, out=np.zeros_like(scan.expected), where=poor > 0)
    named: tuple[tuple[str, str, hist.Hist], ...] = (
        ("spectra", "jets of each cluster in each m_jj bin", spectra_histogram(scan.spectra, bins)),
        (
            "deviations",
            f"robust standard deviations from the mean over clusters; above {theta:g}: signal-rich",
            spectra_histogram(scan.deviations, bins, "deviation", np.zeros_like(scan.deviations)),
        ),
        ("signal_rich", "jets of the signal-rich clusters", mass_histogram(scan.observed, bins, "jets")),
        (
            "background_estimate",
            "jets of the signal-poor clusters, scaled to the signal-rich ones; errors: their statistics",
            mass_histogram(scan.expected, bins, "jets", scale**2 * poor),
        ),
        (
            "local_significance",
            "local significance of the excess of signal-rich jets",
            mass_histogram(scan.local_significance, bins, "local significance", no_error),
        ),
    )
    return tuple(NamedHistogram(f"{folder}/{path}", title, histogram) for path, title, histogram in named)
