"""A finished run folder, opened again: the same typed results that the run had, from its files alone.

``read_run(folder).result`` is the :class:`~hepcs.results.RunResult` as it was, with one gap: `result` of an
observation, a search's own object, is what its kind restores for figures and studies, or None.
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
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.datasets.samples import MassBins
from hepcs.output.histograms import read_histograms
from hepcs.output.restoring import run_result
from hepcs.output.summary_file import HISTOGRAMS, SUMMARY, TREES, read_summary
from hepcs.results import Observed, Outcome, RunResult, SearchResult


@dataclass(frozen=True)
class StoredRun:
    """A finished run, read from its folder.

    Attributes
    ----------
    folder
        Where it was read.
    result
        What the run found.
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

    def observed(self, name: str, injection: Injection | int) -> Observed:
        """What a search found in an observed data set; a number of events is enough where there is one signal.

        Raises
        ------
        ArgumentError
            If there is no such search or data set, or several signals have that number of events.
        """
        search = self.search(name)
        found = [one for one in search.observed if injection in {one.injection, one.injection.epsilon}]
        if len(found) == 1:
            return found[0]
        wanted = injection.label if isinstance(injection, Injection) else f"epsilon = {injection}"
        there = ", ".join(one.injection.label for one in search.observed) or "none: the run is blind"
        how_many = "no observed data set" if not found else "several observed data sets"
        raise ArgumentError(f"{self.folder}: {how_many} with {wanted}; there are {there}")

    def outcomes(
        self, name: str, kind: Kind, epsilon: int = 0, signal: str | None = None, *, shared: bool = False
    ) -> tuple[Outcome, ...]:
        """What a search found in the data sets of a kind with `epsilon` injected events, valid or not.

        Of one `signal`, or of any; those that calibrate the search, or those `shared` by all searches, which
        differ for one that has toys of its own.
        """
        search = self.search(name)
        return tuple(
            one
            for one in (search.shared if shared else search.outcomes)
            if one.task.kind is kind and one.task.epsilon == epsilon and signal in {None, one.task.signal}
        )

    def members(self, name: str, kind: Kind, epsilon: int = 0) -> NDArray[np.float64]:
        """Statistics of all members of the ensemble, shape (n, members), for the valid data sets of a kind.

        Raises
        ------
        ArgumentError
            If there is no such search, or its data sets have ensembles of different sizes.
        """
        rows = [one.members for one in self.outcomes(name, kind, epsilon) if one.valid]
        sizes = {len(row) for row in rows}
        if len(sizes) > 1:
            raise ArgumentError(f"{self.folder}: the data sets of {name} have ensembles of different sizes")
        return np.array(rows, dtype=np.float64).reshape(len(rows), *sizes or {0})

    def details(self, name: str, detail: str, kind: Kind, epsilon: int = 0) -> NDArray[np.float64]:
        """A further number that a search kept of each data set of a kind, shape (n,); empty if it did not."""
        found = self.outcomes(name, kind, epsilon)
        return np.array([one.details[detail] for one in found if detail in one.details])


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
        result = run_result(found.content, histograms, lambda tree: _columns(folder / TREES, tree))
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


def _columns(path: Path, what: str) -> dict[str, Any] | None:
    """A tree, column by column; None if there is none."""
    try:
        with uproot.open(path) as file:
            if what not in file:
                return None
            tree = file[what]
            return {column: tree[column].array(library="ak") for column in tree.keys()}  # noqa: SIM118
    except Exception:
        # Only here: it brings along what fetches files, which a notebook that opens a run has no need of.
        from hepcs.sources.files import reading

        with reading(str(path), what):
            raise
