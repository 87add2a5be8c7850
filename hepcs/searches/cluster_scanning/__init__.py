"""Cluster Scanning: clusters of jets whose m_jj spectra stick out (arXiv:2402.17714)."""

from hepcs._core.deferring import deferred
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.searches.kinds import SearchKind

_HERE = "hepcs.searches.cluster_scanning"

KIND = SearchKind(
    section=ClusterScanning,
    summary="clusters of jets whose m_jj spectra stick out, against the others",
    paper="arXiv:2402.17714",
    build=deferred(f"{_HERE}.search", "build"),
    figures=deferred(f"{_HERE}.figures", "figures"),
    report=deferred(f"{_HERE}.report", "report"),
    warnings=deferred(f"{_HERE}.report", "warnings"),
    forecast=deferred(f"{_HERE}.report", "forecast"),
    hyperparameters=deferred(f"{_HERE}.hyperparameters", "hyperparameters"),
    trials=deferred(f"{_HERE}.report", "trials"),
    restore=deferred(f"{_HERE}.restoring", "restore"),
)
