"""The command under a limit of memory: it runs, or says in words what the limit is."""

from __future__ import annotations

import logging
import resource
from pathlib import Path

import pytest
from toy_command import SAMPLES, Ended, command, toy_folder

from hepcs._core.errors import ComputationError
from hepcs.analysis import memory
from hepcs.analysis.memory import MemoryLimit, check_memory, memory_limits

SECTIONS = """\
regions: {evaluation: [3000, 4200]}
searches:
  cluster_scanning: {k: 24, ensemble: 10}
  fit_3: {kind: dijet_fit, parameters: 3}
  fit_4: {kind: dijet_fit, parameters: 4}
pseudo_experiments: {background_only: 20, doped: 2}
injection: {epsilon: [150]}
execution: {cache: cache}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(tmp_path_factory.mktemp("memory"), SAMPLES + SECTIONS)


def run_under(folder: Path, kilobytes: int, *arguments: str) -> Ended:
    limits = (1024 * kilobytes, 1024 * kilobytes)
    return command(
        folder, "toy.yaml", *arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limits)
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_settings_of_the_demo_run_in_two_gigabytes(folder: Path, workers: str) -> None:
    done = run_under(folder, 2_000_000, "--workers", workers, "--output", f"out-{workers}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kilobytes", [300_000, 600_000, 900_000])
def test_too_little_memory_is_told_in_words(folder: Path, kilobytes: int) -> None:
    done = run_under(folder, kilobytes, "--workers", "1", "--output", "none")
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert f"{1024 * kilobytes / 1e9:.2f} GB" in done.stderr
    assert "ulimit -v" in done.stderr


def test_what_this_process_holds_is_within_every_limit() -> None:
    limits = memory_limits()
    assert "the memory available on this machine" in {limit.name for limit in limits}
    assert all(0 < limit.used <= limit.size for limit in limits)


def test_processes_share_what_is_shared(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A limit of 10 GB on each process or on all of them, of which this one holds 2.3 GB."""
    for shared in (False, True):
        limit = MemoryLimit("a limit", 10**10, shared, 2_300_000_000)
        monkeypatch.setattr(memory, "memory_limits", lambda limit=limit: (limit,))
        with caplog.at_level(logging.WARNING, logger="hepcs"):
            check_memory(3)
            assert not caplog.messages
            check_memory(4)
        assert [text.partition(". ")[0] for text in caplog.messages] == (
            ["a limit is limited to 10.00 GB, and 4 processes need at least 9.20 GB"] if shared else []
        )
    with pytest.raises(ComputationError, match=r"5 processes need at least 11\.50 GB\. Raise the limit"):
        check_memory(5)
