"""A finished run folder, opened again: the same typed results that the run had, from its files alone.

``read_run(folder).result`` is the :class:`~hepcs.results.RunResult` as it was, with one gap: `result` of an
observation, a search's own object, is None. What figures need of it is in the histograms: :class:`StoredScan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hist
import numpy as np
import uproot
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, InputError
from hepcs._core.storage import file_sha256
from hepcs.config.schema import Card
from hepcs.datasets.bootstrap import Kind
from hepcs.datasets.samples import MassBins
from hepcs.output.histograms import epsilon_folder, read_histograms
from hepcs.output.restoring import run_result
from hepcs.output.summary_file import HISTOGRAMS, SUMMARY, TREES, read_summary
from hepcs.results import Observed, RunResult, SearchResult


@dataclass(frozen=True)
class StoredScan:
    """One cluster scan of an observed data set, as its histograms tell it: k clusters, b bins.

    Attributes
    ----------
    spectra
        Jets of each cluster in each bin, shape (k, b).
    deviations
        Robust standard deviations from the robust mean over clusters, shape (k, b).
    signal_rich
        The selected clusters, shape (k,).
    observed, expected
        Jets of the signal-rich clusters, and the background estimate, shape (b,).
    local_significance
        Shape (b,).
    statistic
        Maximum local significance.
    signal_spectra
        By the truth, jets of injected signal events among `spectra`; None if the run did not keep them.
    """

    spectra: NDArray[np.int64]
    deviations: NDArray[np.float64]
    signal_rich: NDArray[np.bool_]
    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    local_significance: NDArray[np.float64]
    statistic: float
    signal_spectra: NDArray[np.int64] | None


@dataclass(frozen=True)
class StoredRun:
    """A finished run, read from its folder.

    Attributes
    ----------
    folder
        Where it was read.
    result
        What the run found; `result` of each observation is None.
    histograms
        All histograms by their path, as :func:`hepcs.output.histograms.run_histograms` names them.
    digest
        Digest of the results, as the run wrote it.
    """

    folder: Path
    result: RunResult
    histograms: Mapping[str, hist.Hist]
    digest: str

    @property
    def card(self) -> Card:
        """The card with all defaults."""
        return self.result.card.card

    @property
    def bins(self) -> MassBins:
        """The m_jj bins."""
        return self.result.bins

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the searches."""
        return tuple(search.name for search in self.result.searches)

    def search(self, name: str) -> SearchResult:
        """The search of a name, with its data sets, calibrations and quantiles of Z.

        Raises
        ------
        ArgumentError
            If there is none.
        """
        for search in self.result.searches:
            if search.name == name:
                return search
        raise ArgumentError(f"{self.folder}: no search is named {name!r}; there are {', '.join(self.names)}")

    def observed(self, name: str, epsilon: int) -> Observed:
        """What a search found in the observed data set with `epsilon` injected events.

        Raises
        ------
        ArgumentError
            If there is no such search or data set.
        """
        search = self.search(name)
        for observed in search.observed:
            if observed.epsilon == epsilon:
                return observed
        there = ", ".join(str(observed.epsilon) for observed in search.observed)
        raise ArgumentError(
            f"{self.folder}: no observed data set with epsilon = {epsilon}; there are {there}"
        )

    def members(self, name: str, kind: Kind, epsilon: int = 0) -> NDArray[np.float64]:
        """Statistics of all members of the ensemble, shape (n, members), for the valid data sets of a kind.

        Raises
        ------
        ArgumentError
            If there is no such search, or its data sets have ensembles of different sizes.
        """
        rows = [
            outcome.members
            for outcome in self.search(name).outcomes
            if outcome.valid and outcome.task.kind is kind and outcome.task.epsilon == epsilon
        ]
        sizes = {len(row) for row in rows}
        if len(sizes) > 1:
            raise ArgumentError(f"{self.folder}: the data sets of {name} have ensembles of different sizes")
        return np.array(rows, dtype=np.float64).reshape(len(rows), *sizes or {0})

    def details(self, name: str, detail: str, kind: Kind, epsilon: int = 0) -> NDArray[np.float64]:
        """A further number that a search kept of each data set of a kind, shape (n,); empty if it did not."""
        return np.array(
            [
                outcome.details[detail]
                for outcome in self.search(name).outcomes
                if outcome.task.kind is kind and outcome.task.epsilon == epsilon and detail in outcome.details
            ]
        )

    def n_scans(self, name: str, epsilon: int) -> int:
        """How many cluster scans are kept of an observed data set; 0 for a search of another kind."""
        prefix = f"{name}/observed/{epsilon_folder(epsilon)}/"
        kept = [key for key in self.histograms if key.startswith(prefix) and key.endswith("/deviations")]
        return len(kept)

    def representative(self, name: str, epsilon: int) -> int:
        """The scan whose statistic is nearest to the ensemble's: the one to draw."""
        outcome = self.observed(name, epsilon).observation.outcome
        return int(np.argmin(np.abs(np.array(outcome.members) - outcome.statistic)))

    def scan(self, name: str, epsilon: int, member: int) -> StoredScan:
        """One cluster scan of an observed data set.

        Raises
        ------
        ArgumentError
            If there is no such search, data set or member.
        """
        observed = self.observed(name, epsilon).observation
        n = self.n_scans(name, epsilon)
        if not 0 <= member < n:
            raise ArgumentError(
                f"{self.folder}: {name} with epsilon = {epsilon} keeps {n} cluster scans, and number {member} was "
                "asked for"
            )
        prefix = f"{name}/observed/{epsilon_folder(epsilon)}/member_{member:02d}"

        def values(key: str) -> NDArray[np.float64]:
            return np.asarray(self.histograms[f"{prefix}/{key}"].values(), dtype=np.float64)

        deviations = values("deviations")
        signal_rich = np.zeros(len(deviations), dtype=np.bool_)
        signal_rich[list(observed.summary["members"][member]["signal_rich_clusters"])] = True
        has_truth = f"{prefix}/signal_spectra" in self.histograms
        return StoredScan(
            spectra=values("spectra").astype(np.int64),
            deviations=deviations,
            signal_rich=signal_rich,
            observed=values("signal_rich"),
            expected=values("background_estimate"),
            local_significance=values("local_significance"),
            statistic=observed.outcome.members[member],
            signal_spectra=values("signal_spectra").astype(np.int64) if has_truth else None,
        )


def read_run(folder: Path | str) -> StoredRun:
    """Open the folder of a finished run.

    Parameters
    ----------
    folder
        With ``summary.json``, ``histograms.json`` and ``results.root``, as the run wrote them.

    Raises
    ------
    InputError
        If there is no finished run, or a file is missing, damaged, altered since it was written, or of another
        version; the text names the file.
    """
    folder = Path(folder)
    found = read_summary(folder)
    for name in (HISTOGRAMS, TREES):
        _check_file(folder / name, found.files)
    histograms = read_histograms(folder / HISTOGRAMS)
    try:
        result = run_result(found.content, histograms, lambda name: _columns(folder / TREES, name))
        return StoredRun(folder, result, histograms, str(found.content["digest"]))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            f"{folder / SUMMARY}: not as this version of hepcs writes it ({type(error).__name__}: {error}). Open "
            "it with the version named under `provenance`, or run the card again"
        ) from error


# ------------------------------------------------------------------------------------------------ files


def _check_file(path: Path, files: Mapping[str, str]) -> None:
    """Refuse a file that is not the one that the run wrote."""
    try:
        found = f"sha256:{file_sha256(path)}"
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror or error}. Restore it, or run the card again"
        ) from error
    if found != files.get(path.name):
        raise InputError(
            f"{path}: altered or damaged since the run wrote it, its checksum is not the one in {SUMMARY}. "
            "Restore it, or run the card again"
        )


def _columns(path: Path, name: str) -> dict[str, Any]:
    """The tree of a search, column by column."""
    what = f"{name}/pseudo_experiments"
    try:
        with uproot.open(path) as file:
            tree = file[what]
            return {column: tree[column].array(library="ak") for column in tree.keys()}  # noqa: SIM118
    except Exception:
        # Only here: it brings along what fetches files, which a notebook that opens a run has no need of.
        from hepcs.sources.files import reading

        with reading(str(path), what):
            raise
