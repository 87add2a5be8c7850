"""A whole run on a Dask cluster: the same results as with local processes, to the last bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from counted_run import finished
from hepcs.running.checkpoint import read_checkpoint
from toy_command import CARD, command_here, toy_folder

from hepcs._core.errors import InputError
from hepcs._core.requirements import pip_install
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.bootstrap import Task
from hepcs.output.summary import results_digest, summarise
from hepcs.pipeline import run, run_part
from hepcs.results import RunResult
from hepcs.running.identity import this_origin
from hepcs.searches.base import chunks_of

pytest.importorskip("distributed", reason=f"needs distributed: {pip_install('dask', 'distributed')}")

from distributed import Client, LocalCluster

SECTIONS = """\
  fit_3: {kind: dijet_fit, parameters: 3}
pseudo_experiments: {background_only: 20, doped: 3}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(tmp_path_factory.mktemp("run"), CARD + SECTIONS)


def card_of(folder: Path, *overrides: str, cache: str = "cache") -> LocatedCard:
    return read_card(folder / "toy.yaml", [f"execution.cache={folder / cache}", *overrides])


@pytest.fixture(scope="module")
def local(folder: Path) -> RunResult:
    return run(card_of(folder), workers=1)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=None, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_samples_and_searches_on_a_cluster(folder: Path, local: RunResult, client: Client) -> None:
    """Jets, images and features too are made by the workers: the cache is a new one."""
    there = run(card_of(folder, cache="other"), client=client)
    assert not any(sample.reused for sample in there.samples)
    assert results_digest(there) == results_digest(local)
    assert there.provenance.workers == 2
    assert "Dask cluster at tcp://" in summarise(there)["provenance"]["execution"]
    assert summarise(local)["provenance"]["execution"] == "1 local processes"


def test_features_that_are_sent(folder: Path, local: RunResult, client: Client) -> None:
    there = run(card_of(folder, "execution.transfer=broadcast"), client=client)
    assert all(sample.reused for sample in there.samples)
    assert results_digest(there) == results_digest(local)


def test_a_part_on_a_cluster_goes_on_on_local_processes(
    folder: Path, local: RunResult, client: Client, tmp_path: Path
) -> None:
    ledger = tmp_path / "checkpoint.sqlite"
    assert run_part(card_of(folder), (1, 2), ledger, client=client) > 0
    assert results_digest(run(card_of(folder), workers=1, ledger=ledger)) == results_digest(local)


def test_the_ledger_knows_where_results_come_from(
    folder: Path, local: RunResult, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, ledger = this_origin(), tmp_path / "checkpoint.sqlite"
    run_part(card_of(folder), (1, 2), ledger, client=client)
    assert read_checkpoint(ledger).origins == (here,), "workers like this process are no other origin"
    monkeypatch.setattr("hepcs.running.identity.processor", lambda: "Cray-1")
    there = run(card_of(folder), ledger=ledger, client=client)
    assert [origin.processor for origin in read_checkpoint(ledger).origins] == [here.processor, "Cray-1"]
    alone = tmp_path / "alone.jsonl"
    run_part(card_of(folder), (1, 2), alone, client=client)
    assert [origin.processor for origin in read_checkpoint(alone).origins] == ["Cray-1", here.processor]
    assert results_digest(there) == results_digest(local)


def test_a_cache_that_workers_do_not_see(
    folder: Path, local: RunResult, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is prepared before it is known that workers can read it."""
    monkeypatch.setattr("hepcs.running.execution.machines._sees", sees_nothing)
    with pytest.raises(InputError, match=r"2 of 2 Dask workers do not see this folder"):
        run(card_of(folder, cache="unshared"), client=client)
    assert not list((folder / "unshared").iterdir())


def shuffled(tasks: Sequence[Task], size: int) -> list[tuple[Task, ...]]:
    chunks = list(chunks_of(tasks, size))
    return [chunks[i] for i in np.random.default_rng(4).permutation(len(chunks))]


def test_the_order_of_the_work_does_not_matter(
    folder: Path, local: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hepcs.running.pseudo_experiments.chunks_of", shuffled)
    assert results_digest(run(card_of(folder), workers=1)) == results_digest(local)


@pytest.mark.slow
def test_eight_workers(folder: Path, local: RunResult) -> None:
    """Eight processes of this machine, and eight threads of a cluster, four of which share a process each."""
    assert results_digest(run(card_of(folder), workers=8)) == results_digest(local)
    with (
        LocalCluster(n_workers=2, threads_per_worker=4, memory_limit=None, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        there = run(card_of(folder), client=client, workers=2)
    assert there.provenance.workers == 8
    assert results_digest(there) == results_digest(local)


def killed_when(ledger: Path, pid: int) -> None:
    """Kill a process when something is in a ledger."""
    while not (ledger.exists() and len(ledger.read_bytes().splitlines()) > 5):
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)


def test_a_worker_is_killed_during_a_run(folder: Path, tmp_path: Path) -> None:
    """Every pseudo-experiment is in the ledger, once, and the results are those of an undisturbed run."""
    ledger, more = tmp_path / "checkpoint.sqlite", "pseudo_experiments.background_only=150"
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=None, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        killer = threading.Thread(target=killed_when, args=(ledger, victim))
        killer.start()
        there = run(card_of(folder, more), client=client, workers=2, ledger=ledger)
        killer.join(timeout=0)
        assert not killer.is_alive(), "it ended before a worker was killed"
    assert read_checkpoint(ledger).n_tasks == 2 * (150 + 3), "or it is refused, if one is there twice"
    assert results_digest(there) == results_digest(run(card_of(folder, more), workers=1))


@pytest.mark.slow
def test_the_client_is_killed_and_the_run_resumed(folder: Path, client: Client) -> None:
    """The scheduler and its workers live on, and do not disturb the run that goes on; a chunk of each is lost."""
    assert client.scheduler is not None
    more, rng = "pseudo_experiments.background_only=300", np.random.default_rng(8)
    expected = results_digest(run(card_of(folder, more), workers=1))
    ledger, log, chunk = folder / "killed" / "checkpoint.sqlite", folder / "finished.log", 303 // (8 * 2)
    # Imported, and not run as a program, so that the workers know its classes.
    program = "import sys, pathlib as p; from counted_run import counted_run as c; "
    program += "c(p.Path(sys.argv[1]), p.Path(), sys.argv[2:])"
    tests = str(Path(__file__).parents[2])
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join((tests, os.environ.get("PYTHONPATH", "")))}
    killed = [sys.executable, "-c", program, str(log), "toy.yaml", "--output", "killed", "--resume"]
    killed += ["--scheduler", client.scheduler.address, "--set", "execution.cache=cache", "--set", more]
    known: set[str] = set()
    for _ in range(2):
        with subprocess.Popen(killed, cwd=folder, env=settings, stderr=subprocess.DEVNULL) as process:
            size = ledger.stat().st_size if ledger.exists() else 0
            while process.poll() is None and not (ledger.exists() and ledger.stat().st_size > size + 2000):
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.2))
            now = time.time()
            process.kill()
        assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
        found = recorded(ledger)
        assert known < found <= set(finished(log).keys), "what was recorded is kept"
        assert len(found) < 2 * (300 + 3)
        # What a worker ends while its last chunk is on the way, some milliseconds, comes on top.
        assert len(finished(log).before(now) - known - found) <= 2 * (chunk + 2)
        known = found
    assert results_digest(run(card_of(folder, more), client=client, ledger=ledger)) == expected
    assert read_checkpoint(ledger).n_tasks == 2 * (300 + 3)


def recorded(ledger: Path) -> set[str]:
    """Pseudo-experiments in a ledger, named as in the log."""
    return {
        " ".join(map(str, (chunk.searches[0], *task.key)))
        for chunk in read_checkpoint(ledger).chunks
        for task in chunk.tasks
    }


def sees_nothing(_: Path) -> bool:
    return False


def test_the_command_on_a_scheduler(
    folder: Path,
    local: RunResult,
    client: Client,
    without_figures: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    assert client.scheduler is not None
    scheduler = ["--scheduler", client.scheduler.address]
    ended = command_here(capsys, "toy.yaml", *scheduler, "--set", "execution.cache=cache")
    assert ended.returncode == 0, ended.stderr
    summary = json.loads((folder / "runs" / "toy" / "summary.json").read_text())
    assert summary["digest"] == results_digest(local)
    assert client.scheduler.address in summary["provenance"]["execution"]
    refused = command_here(capsys, "toy.yaml", "--scheduler", "nowhere", "--output", "never")
    assert refused.returncode == 2
    assert "expected tcp://host:port or tls://host:port" in refused.stderr
