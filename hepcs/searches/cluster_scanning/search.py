"""Cluster Scanning as a search (paper, section 3.2): cluster, take spectra, scan; repeat for the ensemble."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import hist
import numpy as np

from hepcs._core.randomness import Stream, generator
from hepcs.config.searches import ClusterScanning, Statistic
from hepcs.datasets.bootstrap import Task, draw_data_set
from hepcs.datasets.samples import MassBins, Pools
from hepcs.datasets.spectra import mass_histogram, spectra_histogram
from hepcs.searches.base import JetGroup, NamedHistogram, Observation, Outcome
from hepcs.searches.cluster_scanning.clustering import Clustering, cluster_data_set, jets_of_clusters
from hepcs.searches.cluster_scanning.enrichment import signal_fraction_improvement
from hepcs.searches.cluster_scanning.idealised import redistribute
from hepcs.searches.cluster_scanning.scan import ScanResult, cluster_significance, scan_spectra


@dataclass(frozen=True)
class ScanEnsemble:
    """Scans of one data set by all members of the ensemble, each with its clustering.

    `statistic` is their mean (SPEC, section 3 step 8), or what the card wants in its place.
    """

    scans: tuple[ScanResult, ...]
    clusterings: tuple[Clustering, ...]
    statistic: float

    @property
    def statistics(self) -> tuple[float, ...]:
        """Maximum local significance of each member."""
        return tuple(scan.statistic for scan in self.scans)

    @property
    def representative(self) -> int:
        """The member whose statistic is nearest to that of the ensemble: the one to draw."""
        return int(np.argmin(np.abs(np.array(self.statistics) - self.statistic)))


@dataclass(frozen=True)
class ClusterScanSearch:
    """Cluster Scanning as a search: the statistic is the ensemble's mean of the maximum local significance.

    Two studies need the truth: `idealised` redistributes the background jets over the clusters by the fractions of
    the first bin (SPEC, section 5), and without `train_on_injected` the training leaves out the injected signal
    events.
    """

    pools: Pools
    section: ClusterScanning
    statistic: Statistic
    seed: int
    name: str = "cluster_scanning"
    title: str = "Cluster Scanning"
    idealised: bool = False
    train_on_injected: bool = True

    @property
    def clustering_key(self) -> tuple[object, ...]:
        """What decides the clusterings: searches with the same key can share them."""
        section = self.section
        method = (section.clusterer, section.k, section.batch_size, section.training_jets, section.engine)
        return (*method, section.jets, section.ensemble, self.pools.bins.training, self.train_on_injected)

    def run(self, task: Task) -> Outcome:
        """Scan the data set of a task with every member of the ensemble."""
        return self.outcome(task, self.scan(task))

    def scan(self, task: Task) -> ScanEnsemble:
        """Scans and clusterings of all members of the ensemble."""
        return self.judge(task, self.cluster(task))

    def cluster(self, task: Task) -> tuple[Clustering, ...]:
        """Clusterings of the data set of a task, one for each member of the ensemble."""
        members = range(self.section.ensemble)
        generators = [generator(self.seed, Stream.SEARCH, *task.key, member) for member in members]
        data_set = draw_data_set(self.pools, task, self.seed)
        return cluster_data_set(
            data_set, self.pools.bins, self.section, generators, train_on_injected=self.train_on_injected
        )

    def judge(self, task: Task, clusterings: tuple[Clustering, ...]) -> ScanEnsemble:
        """Standardise, select and compare the spectra of each clustering (SPEC, section 3 steps 4 to 8)."""
        scans = []
        for member, clustering in enumerate(clusterings):
            spectra = clustering.spectra
            if self.idealised:
                rng = generator(self.seed, Stream.IDEALISED, *task.key, member)
                spectra = redistribute(clustering.background, rng) + clustering.injected
            centres, centroids = self.pools.bins.centres, clustering.model.centres
            scans.append(
                scan_spectra(spectra, self.section, self.statistic, centres=centres, centroids=centroids)
            )
        combine = np.median if self.section.combination == "median" else np.mean
        statistic = float(combine([scan.statistic for scan in scans]))
        return ScanEnsemble(tuple(scans), clusterings, statistic)

    def observe(self, task: Task) -> Observation:
        """Scan the data set of a task, with the histograms of every member."""
        return self.observation(task, self.scan(task))

    def observation(self, task: Task, ensemble: ScanEnsemble) -> Observation:
        """What collaborators want to see of a scanned data set."""
        bins, n = self.pools.bins, len(ensemble.scans)

        def which(member: int) -> str:
            return f"scan {member + 1} of {n}"

        histograms = tuple(
            named
            for member, scan in enumerate(ensemble.scans)
            for named in _histograms(scan, bins, f"member_{member:02d}", which(member), self.section.theta)
        )
        if task.epsilon > 0:
            histograms += tuple(
                NamedHistogram(
                    f"member_{member:02d}/signal_spectra",
                    f"{which(member)}: jets of the injected signal events in each cluster and m_jj bin",
                    spectra_histogram(clustering.injected, bins),
                )
                for member, clustering in enumerate(ensemble.clusterings)
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
            "selected_clusters": self._selected_clusters(ensemble),
        }
        return Observation(
            self.outcome(task, ensemble), histograms, summary, ensemble, self._groups(task, ensemble)
        )

    def _selected_clusters(self, ensemble: ScanEnsemble) -> list[dict[str, Any]]:
        """The signal-rich clusters of the representative scan in numbers, the most deviating one first."""
        member = ensemble.representative
        scan, injected = ensemble.scans[member], ensemble.clusterings[member].injected.sum(axis=1)
        jets, largest = scan.spectra.sum(axis=1), scan.deviations.max(axis=1)
        significance = cluster_significance(scan, self.statistic)
        known = injected.any() and (jets > injected).any()
        sfi = signal_fraction_improvement(injected, jets - injected) if known else np.full(len(jets), np.nan)
        chosen = np.flatnonzero(scan.signal_rich)
        return [
            {
                "cluster": int(cluster),
                "jets": int(jets[cluster]),
                "largest_deviation": float(largest[cluster]),
                "most_deviating_bin": int(np.argmax(scan.deviations[cluster])),
                "local_significance": float(significance[cluster].max()),
                "most_significant_bin": int(np.argmax(significance[cluster])),
                # By the truth; nothing without it, or without background.
                "sfi": float(sfi[cluster]) if np.isfinite(sfi[cluster]) else None,
            }
            for cluster in chosen[np.argsort(-largest[chosen], kind="stable")]
        ]

    def _groups(self, task: Task, ensemble: ScanEnsemble) -> tuple[JetGroup, ...]:
        """The jets of each signal-rich cluster of the representative scan, to be seen as average images."""
        member = ensemble.representative
        clusters = [int(cluster) for cluster in np.flatnonzero(ensemble.scans[member].signal_rich)]
        data_set, model = draw_data_set(self.pools, task, self.seed), ensemble.clusterings[member].model
        held = jets_of_clusters(data_set, model, clusters, self.section.jets) if clusters else ()
        return tuple(
            JetGroup(
                f"member_{member:02d}/average_images/cluster_{cluster:02d}",
                f"cluster {cluster}: average image of its {n} jets",
                jets,
            )
            for cluster, jets in zip(clusters, held, strict=True)
            if (n := sum(len(some) for some in jets.values())) > 0
        )

    def outcome(self, task: Task, ensemble: ScanEnsemble) -> Outcome:
        """The ensemble's statistic, with what the tree of pseudo-experiments keeps of the scans."""
        scans = ensemble.scans
        return Outcome(
            task=task,
            statistic=ensemble.statistic,
            members=ensemble.statistics,
            n_events=int(scans[0].spectra.sum()) // (2 if self.section.jets == "both" else 1),
            details={
                "mean_signal_rich_clusters": float(np.mean([scan.n_signal_rich for scan in scans])),
                "smallest_cluster_bin": float(min(scan.spectra.min() for scan in scans)),
            },
        )


@dataclass(frozen=True)
class ClusterScanFamily:
    """Cluster Scannings that judge the same clusterings differently; each is what it would be alone.

    All histograms and scans of an observed data set are kept of the first one; of the others the statistics, and
    of their representative scans the signal-rich spectrum, its background estimate and the local significance.
    """

    scans: tuple[ClusterScanSearch, ...]

    @property
    def searches(self) -> tuple[tuple[str, str], ...]:
        """Name and title of each."""
        return tuple((search.name, search.title) for search in self.scans)

    def run(self, task: Task) -> tuple[Outcome, ...]:
        """Scan the data set of a task, each search in turn."""
        clusterings = self.scans[0].cluster(task)
        return tuple(search.outcome(task, search.judge(task, clusterings)) for search in self.scans)

    def observe(self, task: Task) -> tuple[Observation, ...]:
        """Scan the data set of a task, and keep everything about the first search, essentials of the others."""
        clusterings = self.scans[0].cluster(task)
        first, *others = (search.observation(task, search.judge(task, clusterings)) for search in self.scans)
        return (first, *map(_essentials, others))


def _essentials(observation: Observation) -> Observation:
    """What the signal-rich clusters of the representative scan show: with many variants, all is too much."""
    folder = f"member_{observation.summary['representative_member']:02d}"
    wanted = {f"{folder}/{name}" for name in ("signal_rich", "background_estimate", "local_significance")}
    kept = tuple(named for named in observation.histograms if named.path in wanted)
    return replace(observation, histograms=kept, result=None, groups=())


def _histograms(
    scan: ScanResult, bins: MassBins, folder: str, which: str, theta: float
) -> tuple[NamedHistogram, ...]:
    """Spectra, deviations, both sums and the local significance of one scan; titles begin with `which` it is."""
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
    return tuple(
        NamedHistogram(f"{folder}/{path}", f"{which}: {title}", histogram) for path, title, histogram in named
    )
