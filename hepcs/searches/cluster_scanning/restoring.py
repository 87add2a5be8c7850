"""Scans of a run folder: what their figures, and studies of them, need of an ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs.results import Observation
from hepcs.searches.cluster_scanning.scan import ScanResult
from hepcs.searches.cluster_scanning.section import ClusterScanning


@dataclass(frozen=True)
class StoredScan(ScanResult):
    """One cluster scan of an observed data set, as its histograms tell it.

    Attributes
    ----------
    signal_spectra
        By the truth, jets of injected signal events among `spectra`, shape (k, b); None if the run did not keep
        them.
    """

    signal_spectra: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class StoredEnsemble:
    """Scans of one data set.

    Attributes
    ----------
    scans
        By member: all of them, or of a search that shares its clusterings with another the representative alone.
    members
        Statistic of each member.
    representative
        The member whose statistic is nearest to that of the ensemble.
    """

    scans: Mapping[int, StoredScan]
    members: tuple[float, ...]
    representative: int


def restore(section: ClusterScanning, observation: Observation) -> StoredEnsemble:  # noqa: ARG001
    """The scans of an observation that was read from a run folder."""
    summary = observation.summary
    by_path = {named.path: named.histogram for named in observation.histograms}

    def values(member: int, name: str) -> NDArray[np.float64]:
        return np.asarray(by_path[f"member_{member:02d}/{name}"].values(), dtype=np.float64)

    def scan(member: int) -> StoredScan:
        deviations, entry = values(member, "deviations"), summary["members"][member]
        signal_rich = np.zeros(len(deviations), dtype=np.bool_)
        signal_rich[list(entry["signal_rich_clusters"])] = True
        has_truth = f"member_{member:02d}/signal_spectra" in by_path
        return StoredScan(
            spectra=values(member, "spectra").astype(np.int64),
            deviations=deviations,
            signal_rich=signal_rich,
            observed=values(member, "signal_rich"),
            expected=values(member, "background_estimate"),
            local_significance=values(member, "local_significance"),
            statistic=entry["statistic"],
            signal_spectra=values(member, "signal_spectra").astype(np.int64) if has_truth else None,
        )

    kept = [member for member in range(len(summary["members"])) if f"member_{member:02d}/spectra" in by_path]
    return StoredEnsemble(
        {member: scan(member) for member in kept},
        tuple(entry["statistic"] for entry in summary["members"]),
        summary["representative_member"],
    )
