"""Scans of a run that is opened again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_run import toy_run

from hepcs.output import StoredRun, read_run, write_run
from hepcs.searches.cluster_scanning.figures import figures
from hepcs.searches.cluster_scanning.restoring import StoredEnsemble

SCANS = "{cluster_scanning: {k: 8, ensemble: 2}, low: {like: cluster_scanning, theta: 2.0}}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    folder = tmp_path_factory.mktemp("scans")
    write_run(toy_run(searches=SCANS), folder)
    return read_run(folder)


def ensemble(run: StoredRun, name: str, epsilon: int) -> StoredEnsemble:
    found = run.observed(name, epsilon).observation.result
    assert isinstance(found, StoredEnsemble)
    return found


@pytest.mark.parametrize("member", [0, 1])
def test_a_scan_is_what_was_scanned(run: StoredRun, member: int) -> None:
    written = toy_run(searches=SCANS).searches[0].observed[1].observation.result
    restored = ensemble(run, "cluster_scanning", 150)
    found, scan = restored.scans[member], written.scans[member]
    for name in ("spectra", "deviations", "signal_rich", "observed", "expected", "local_significance"):
        np.testing.assert_array_equal(getattr(found, name), getattr(scan, name))
    assert found.statistic == scan.statistic
    assert found.signal_spectra is not None
    np.testing.assert_array_equal(found.signal_spectra, written.clusterings[member].by_part[1])
    assert restored.representative == written.representative
    assert restored.members == written.members


def test_without_injection_there_are_no_signal_spectra(run: StoredRun) -> None:
    assert ensemble(run, "cluster_scanning", 0).scans[0].signal_spectra is None


def test_a_variant_keeps_the_scan_that_is_drawn(run: StoredRun) -> None:
    found = ensemble(run, "low", 150)
    assert list(found.scans) == [found.representative]
    assert len(found.members) == 2


def test_a_stored_run_is_drawn_as_it_was(run: StoredRun, tmp_path: Path) -> None:
    for one, other in zip(
        figures(run.result, run.result.searches[1:]),
        figures(toy_run(searches=SCANS), toy_run(searches=SCANS).searches[1:]),
        strict=True,
    ):
        assert (one.name, one.heading) == (other.name, other.heading)
        paths = tmp_path / "stored.png", tmp_path / "fresh.png"
        for drawing, path in zip((one, other), paths, strict=True):
            drawing.figure.savefig(path, metadata={"Software": None})
        assert paths[0].read_bytes() == paths[1].read_bytes()
