"""Cluster Scanning of data sets (paper, section 3.2): cluster, take spectra, scan; repeat for the ensemble."""

from __future__ import annotations

from dataclasses import dataclass

import hist
import numpy as np

from hepcs.bootstrap import Events, Task, draw_data_set, gather
from hepcs.datacard.schema import ClusterScanning, Statistic
from hepcs.errors import ComputationError
from hepcs.kmeans import ClusterModel, assign, train
from hepcs.randomness import Stream, generator
from hepcs.samples import MassBins, Pools
from hepcs.scan import ScanResult, scan_spectra
from hepcs.search import NamedHistogram, Observation, Outcome
from hepcs.spectra import cluster_spectra, mass_histogram, spectra_histogram


def train_clusters(
    events: Events, bins: MassBins, section: ClusterScanning, rng: np.random.Generator
) -> ClusterModel:
    """k-means on both jets of the training-region events, each as often as it is in the data set.

    Raises
    ------
    ComputationError
        If the training region holds fewer jets than clusters.
    """
    inside = np.flatnonzero(bins.in_training(events.m_jj))
    chosen = np.repeat(inside, events.multiplicity[inside])
    jets = events.features[chosen].reshape(2 * len(chosen), -1)
    if len(jets) < section.k:
        low, high = bins.training
        raise ComputationError(
            f"the training region [{low:g}, {high:g}) GeV holds {len(jets)} jets of the data set, fewer than "
            f"cluster_scanning.k = {section.k}. Lower k, or widen regions.training"
        )
    return train(jets, section.k, section.batch_size, rng, section.engine)


def scan_events(
    events: Events,
    bins: MassBins,
    section: ClusterScanning,
    statistic: Statistic,
    rng: np.random.Generator,
) -> tuple[ScanResult, ClusterModel]:
    """One cluster scan of a data set (SPEC, section 3 steps 1 to 7)."""
    model = train_clusters(events, bins, section, rng)
    n = len(events.m_jj)
    clusters = assign(events.features.reshape(2 * n, -1), model, section.engine).reshape(n, 2)
    spectra = cluster_spectra(clusters, bins.index(events.m_jj), events.multiplicity, section.k, bins.n_bins)
    result = scan_spectra(
        spectra,
        outlier_fraction=section.outlier_fraction,
        theta=section.theta,
        form=statistic.local_significance,
    )
    return result, model


@dataclass(frozen=True)
class ScanEnsemble:
    """Scans of one data set by all members of the ensemble, each with its centroids."""

    scans: tuple[ScanResult, ...]
    models: tuple[ClusterModel, ...]

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
        """Scans and centroids of all members of the ensemble."""
        events = gather(draw_data_set(self.pools, task, self.seed))
        pairs = [
            scan_events(
                events,
                self.pools.bins,
                self.section,
                self.statistic,
                generator(self.seed, Stream.SEARCH, *task.key, member),
            )
            for member in range(self.section.ensemble)
        ]
        return ScanEnsemble(tuple(scan for scan, _ in pairs), tuple(model for _, model in pairs))

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
