"""Cluster Scanning as a search (paper, section 3.2): cluster, take spectra, scan; repeat for the ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import hist
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import CardError
from hepcs.datasets.bootstrap import EventView
from hepcs.datasets.samples import MassBins
from hepcs.datasets.spectra import mass_histogram, spectra_histogram
from hepcs.results import JetGroup, MassSpectrum, NamedHistogram, Observation
from hepcs.searches.base import Cost, Inputs, Search
from hepcs.searches.cluster_scanning.clustering import (
    Clustering,
    ColumnScale,
    FixedClusters,
    cluster_data_set,
    count_data_set,
    fix_clusters,
    jets_of_clusters,
    scale_of,
)
from hepcs.searches.cluster_scanning.enrichment import signal_fraction_improvement
from hepcs.searches.cluster_scanning.idealised import redistribute
from hepcs.searches.cluster_scanning.scan import ScanResult, cluster_significance, scan_spectra
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.searches.kinds import Context


@dataclass(frozen=True)
class ScanEnsemble:
    """Scans of one data set by all members of the ensemble, each with its clustering.

    `statistic` is their mean (SPEC, section 3 step 8), or what the card wants in its place.
    """

    scans: tuple[ScanResult, ...]
    clusterings: tuple[Clustering, ...]
    statistic: float
    valid: bool = True

    @property
    def members(self) -> tuple[float, ...]:
        """Maximum local significance of each member."""
        return tuple(scan.statistic for scan in self.scans)

    @property
    def representative(self) -> int:
        """The member whose statistic is nearest to that of the ensemble: the one to draw."""
        return int(np.argmin(np.abs(np.array(self.members) - self.statistic)))

    @property
    def details(self) -> Mapping[str, float]:
        """What the tree of pseudo-experiments keeps of the scans."""
        return {
            "mean_signal_rich_clusters": float(np.mean([scan.n_signal_rich for scan in self.scans])),
            "smallest_cluster_bin": float(min(scan.spectra.min() for scan in self.scans)),
        }


@dataclass(frozen=True)
class ClusterScanSearch(Search):
    """Cluster Scanning as a search: the statistic is the ensemble's mean of the maximum local significance.

    Two studies need the truth: `idealised` redistributes the background jets over the clusters by the fractions of
    the first bin (SPEC, section 5), and without `train_on_injected` the training leaves out the injected signal
    events.
    """

    section: ClusterScanning
    shows_all: bool = True
    sqrt_s: float = 13000.0
    scale: ColumnScale | None = None
    fixed: FixedClusters | None = None

    @property
    def cost(self) -> Cost:
        """Counting alone, where clusters are found once."""
        return Cost(retrain=self.section.retrain)

    @property
    def fit_key(self) -> str:
        """What decides the clusterings: searches with the same key share them."""
        keys = ("clusterer", "k", "batch_size", "training_jets", "engine", "features", "training", "jets")
        key = self.section.model_dump_json(include={"kind", *keys, "ensemble", "train_on_injected"})
        later = self.section.model_dump_json(include={"scale", "weights", "retrain"}, exclude_defaults=True)
        return key if later == "{}" else f"{key} {later}"

    def prepare(self, inputs: Inputs, rng: np.random.Generator) -> Self:
        """Find the clusters of the background sample, where they are found once."""
        if self.section.retrain:
            return self
        fixed = fix_clusters(inputs.samples["background"], self.section, rng, self.scale)
        return replace(self, fixed=fixed)

    def fit(self, data: EventView, inputs: Inputs, rng: np.random.Generator) -> tuple[Clustering, ...]:
        """Clusterings of a data set, one for each member of the ensemble."""
        if self.fixed is not None:
            return count_data_set(data, self.fixed, self.section, self.scale)
        training = None
        if not self.section.train_on_injected:
            training = [
                part
                for part, injected in zip(data.parts, _injected(data, inputs), strict=True)
                if not injected
            ]
        return cluster_data_set(
            data, self.section, rng.spawn(self.section.ensemble), training=training, scale=self.scale
        )

    def judge(
        self, fit: tuple[Clustering, ...], data: EventView, inputs: Inputs, rng: np.random.Generator
    ) -> ScanEnsemble:
        """Standardise, select and compare the spectra of each clustering (SPEC, section 3 steps 4 to 8)."""
        scans = []
        for clustering, generator in zip(fit, rng.spawn(len(fit)), strict=True):
            spectra = clustering.spectra
            if self.section.idealised:
                injected = np.array(_injected(data, inputs))
                background = clustering.by_part[~injected].sum(axis=0)
                spectra = redistribute(background, generator) + clustering.by_part[injected].sum(axis=0)
            scans.append(
                scan_spectra(
                    spectra,
                    self.section,
                    centres=data.bins.centres,
                    centroids=clustering.model.centres,
                    sqrt_s=self.sqrt_s,
                    widths=data.bins.widths,
                )
            )
        statistic = combined(scans, self.section.combination)
        return ScanEnsemble(tuple(scans), fit, statistic)

    def observe(
        self, found: ScanEnsemble, data: EventView, injected: NDArray[np.bool_] | None
    ) -> Observation:
        """What collaborators want to see of a scanned data set.

        All histograms of every member are kept of the first search that has the clusterings; of the others those
        of the representative scan alone: with many variants, all is too much.
        """
        n, chosen, unit = len(found.scans), found.representative, _unit(data, self.section)
        shown = range(n) if self.shows_all else (chosen,)
        truth = Inputs(injected=injected)
        by_signal = np.array(_injected(data, truth)) if injected is not None and injected.any() else None
        histograms: list[NamedHistogram] = []
        for member in shown:
            which, folder = f"scan {member + 1} of {n}", f"member_{member:02d}"
            histograms += _histograms(found.scans[member], data.bins, folder, which, unit, self.section.theta)
            if by_signal is not None:
                signal = found.clusterings[member].by_part[by_signal].sum(axis=0)
                title = f"{which}: {unit} of the injected signal in each cluster and m_jj bin"
                spectra = spectra_histogram(signal, data.bins, unit)
                histograms.append(NamedHistogram(f"{folder}/signal_spectra", title, spectra))
        if by_signal is not None:
            signal = found.clusterings[chosen].by_part[by_signal].sum(axis=0)
            counts = signal[found.scans[chosen].signal_rich].sum(axis=0)
            title = f"{unit} of the injected signal in the signal-rich clusters, by the truth"
            histograms.append(NamedHistogram("injected", title, mass_histogram(counts, data.bins, unit)))
        summary = {
            "members": [
                {
                    "statistic": scan.statistic,
                    "signal_rich_clusters": np.flatnonzero(scan.signal_rich).tolist(),
                    "largest_deviation": float(scan.deviations.max()),
                    "most_significant_bin": int(np.argmax(scan.local_significance)),
                    "smallest_cluster_bin": int(scan.spectra.min()),
                }
                for scan in found.scans
            ],
            "representative_member": chosen,
            "selected_clusters": self._selected_clusters(found, data, truth),
        }
        groups = self._groups(found, data) if self.shows_all else ()
        return Observation(
            _spectrum(found.scans[chosen], f"scan {chosen + 1} of {n}", unit),
            summary,
            tuple(histograms),
            groups,
            found,
        )

    def _selected_clusters(self, found: ScanEnsemble, data: EventView, truth: Inputs) -> list[dict[str, Any]]:
        """The signal-rich clusters of the representative scan in numbers, the most deviating one first."""
        member = found.representative
        scan, clustering = found.scans[member], found.clusterings[member]
        size, largest = scan.spectra.sum(axis=1), scan.deviations.max(axis=1)
        significance = cluster_significance(scan, self.section.statistic)
        sfi = np.full(len(size), np.nan)
        if truth.injected is not None and truth.injected.any() and not truth.injected.all():
            of_signal = np.array(_injected(data, truth))
            signal, background = (
                clustering.by_part[parts].sum(axis=(0, 2)) for parts in (of_signal, ~of_signal)
            )
            if signal.any() and background.any():
                sfi = signal_fraction_improvement(signal, background)
        chosen = np.flatnonzero(scan.signal_rich)
        return [
            {
                "cluster": int(cluster),
                _unit(data, self.section): int(size[cluster]),
                "largest_deviation": float(largest[cluster]),
                "most_deviating_bin": int(np.argmax(scan.deviations[cluster])),
                "local_significance": float(significance[cluster].max()),
                "most_significant_bin": int(np.argmax(significance[cluster])),
                # By the truth; nothing without it, or without background.
                "sfi": float(sfi[cluster]) if np.isfinite(sfi[cluster]) else None,
            }
            for cluster in chosen[np.argsort(-largest[chosen], kind="stable")]
        ]

    def _groups(self, found: ScanEnsemble, data: EventView) -> tuple[JetGroup, ...]:
        """The jets of each signal-rich cluster of the representative scan, to be seen as average images."""
        member = found.representative
        clusters = [int(cluster) for cluster in np.flatnonzero(found.scans[member].signal_rich)]
        held = jets_of_clusters(data, found.clusterings[member].model, clusters, self.section, self.scale)
        return tuple(
            JetGroup(
                f"member_{member:02d}/average_images/cluster_{cluster:02d}",
                f"cluster {cluster}: average image of its {len(jets)} jets",
                jets,
            )
            for cluster, jets in zip(clusters, held, strict=True)
            if len(jets)
        )


def combined(scans: Sequence[ScanResult], combination: str) -> float:
    """The statistic of an ensemble, from those of its members or, by window, from all that they found."""
    if combination == "by_window":
        windows = [scan.by_window for scan in scans if scan.by_window is not None]
        return float(np.mean(windows, axis=0).max())
    combine = np.median if combination == "median" else np.mean
    return float(combine([scan.statistic for scan in scans]))


def build(name: str, section: ClusterScanning, context: Context) -> ClusterScanSearch:
    """The search of a section; the first of those that share their clusterings shows all of them.

    Raises
    ------
    CardError
        If k is larger than the number of training jets or events, one jet of each is asked for and the features
        are of events, or weights do not match their columns.
    """
    low, high = section.training
    searched = context.pools.searched
    of_events = searched.features[section.features].ndim == 2
    if of_events and section.jets != "both":
        where = context.where(f"searches.{name}.jets")
        raise CardError(f"{where}: {section.features!r} are of events, not of jets; remove it")
    d = searched.features[section.features].shape[-1]
    if section.weights is not None and len(section.weights) != d:
        where = context.where(f"searches.{name}.weights")
        raise CardError(
            f"{where}: {len(section.weights)} weights for the {d} columns of {section.features!r}"
        )
    unit, per_event = ("events", 1) if of_events else ("jets", 2 if section.jets == "both" else 1)
    n = per_event * int(((searched.m_jj >= low) & (searched.m_jj < high)).sum())
    if section.k > n:
        where = context.where(f"searches.{name}.k")
        raise CardError(
            f"{where}: {section.k} clusters from {n} {unit} in the training region [{low:g}, {high:g}) GeV, "
            f"expected fewer clusters than {unit}"
        )
    title = section.title or ("Cluster Scanning" if name == section.kind else name.replace("_", " "))
    search = ClusterScanSearch(name, title, section)
    same = (
        other
        for other, its in context.card.searches.items()
        if isinstance(its, ClusterScanning) and ClusterScanSearch(other, "", its).fit_key == search.fit_key
    )
    sqrt_s, scale = context.card.regions.sqrt_s, scale_of(context.pools.background, section)
    return ClusterScanSearch(name, title, section, next(same) == name, sqrt_s, scale)


def _injected(data: EventView, inputs: Inputs) -> list[bool]:
    """Which parts of a data set are injected signal, by the truth."""
    assert inputs.injected is not None, "a study of the truth was given none"
    ends = np.cumsum([len(part.present) for part in data.parts])
    return [bool(part.any()) for part in np.split(inputs.injected, ends[:-1])]


def _unit(data: EventView, section: ClusterScanning) -> str:
    """What is clustered and counted."""
    return "events" if data.parts[0].sample.features[section.features].ndim == 2 else "jets"


def _spectrum(scan: ScanResult, which: str, unit: str) -> MassSpectrum:
    """Jets of the signal-rich clusters, and the estimate with the statistics of the others as error."""
    poor = scan.spectra[~scan.signal_rich].sum(axis=0)
    scale = np.divide(scan.expected, poor, out=np.zeros_like(scan.expected), where=poor > 0)
    return MassSpectrum(
        scan.observed,
        scan.expected,
        scale**2 * poor,
        scan.local_significance,
        what=f"{which}: {unit} of the signal-rich clusters",
        estimate=f"{unit} of the signal-poor clusters, scaled to the signal-rich ones; errors: their statistics",
        unit=unit,
    )


def _histograms(
    scan: ScanResult, bins: MassBins, folder: str, which: str, unit: str, theta: float
) -> Iterator[NamedHistogram]:
    """Spectra, deviations, both sums and the local significance of one scan; titles begin with `which` it is."""
    spectrum, no_error = _spectrum(scan, which, unit), np.zeros_like(scan.observed)
    named: tuple[tuple[str, str, hist.Hist], ...] = (
        ("spectra", f"{unit} of each cluster in each m_jj bin", spectra_histogram(scan.spectra, bins, unit)),
        (
            "deviations",
            f"robust standard deviations from the mean over clusters; above {theta:g}: signal-rich",
            spectra_histogram(scan.deviations, bins, "deviation", np.zeros_like(scan.deviations)),
        ),
        ("signal_rich", f"{unit} of the signal-rich clusters", mass_histogram(scan.observed, bins, unit)),
        (
            "background_estimate",
            spectrum.estimate,
            mass_histogram(scan.expected, bins, unit, spectrum.variance),
        ),
        (
            "local_significance",
            f"local significance of the excess of signal-rich {unit}",
            mass_histogram(scan.local_significance, bins, "local significance", no_error),
        ),
    )
    for path, title, histogram in named:
        yield NamedHistogram(f"{folder}/{path}", f"{which}: {title}", histogram)
