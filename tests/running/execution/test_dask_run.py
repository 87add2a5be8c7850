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
from counted_run import finished, recorded
from toy_command import CARD, command_here, toy_folder

from hepcs._core.errors import InputError
from hepcs._core.requirements import pip_install
from hepcs.config import LocatedCard, read_card
from hepcs.output.summary import results_digest, summarise
from hepcs.pipeline import Where, run, run_part
from hepcs.results import RunResult
from hepcs.running import pseudo_experiments
from hepcs.running.checkpoint import read_checkpoint
from hepcs.running.identity import this_origin
from hepcs.running.pseudo_experiments import Campaign, Item

pytest.importorskip("distributed", reason=f"needs distributed: {pip_install('dask', 'distributed')}")

from distributed import Client, LocalCluster

# Bytes that a checkpoint grows by, and more than it has without outcomes.
PAGE, EMPTY = 4096, 40_000
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
    return run(card_of(folder), Where(workers=1))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=None, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_samples_and_searches_on_a_cluster(folder: Path, local: RunResult, client: Client) -> None:
    """Jets, images and features too are made by the workers: the cache is a new one."""
    there = run(card_of(folder, cache="other"), Where(client=client))
    assert not any(sample.reused for sample in there.samples)
    assert results_digest(there) == results_digest(local)
    assert there.provenance.workers == 2
    assert "Dask cluster at tcp://" in summarise(there)["provenance"]["execution"]
    assert summarise(local)["provenance"]["execution"] == "1 local processes"


def test_features_that_are_sent(folder: Path, local: RunResult, client: Client) -> None:
    there = run(card_of(folder, "execution.transfer=broadcast"), Where(client=client))
    assert all(sample.reused for sample in there.samples)
    assert results_digest(there) == results_digest(local)


def test_a_part_on_a_cluster_goes_on_on_local_processes(
    folder: Path, local: RunResult, client: Client, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint.sqlite"
    assert run_part(card_of(folder), (1, 2), Where(client=client, checkpoint=checkpoint)) > 0
    assert results_digest(run(card_of(folder), Where(workers=1, checkpoint=checkpoint))) == results_digest(
        local
    )


def test_the_checkpoint_knows_where_results_come_from(
    folder: Path, local: RunResult, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, checkpoint = this_origin(), tmp_path / "checkpoint.sqlite"
    run_part(card_of(folder), (1, 2), Where(client=client, checkpoint=checkpoint))
    assert read_checkpoint(checkpoint).origins == (here,), "workers like this process are no other origin"
    monkeypatch.setattr("hepcs.running.identity.processor", lambda: "Cray-1")
    there = run(card_of(folder), Where(checkpoint=checkpoint, client=client))
    assert [origin.processor for origin in read_checkpoint(checkpoint).origins] == [here.processor, "Cray-1"]
    alone = tmp_path / "alone.sqlite"
    run_part(card_of(folder), (1, 2), Where(client=client, checkpoint=alone))
    assert [origin.processor for origin in read_checkpoint(alone).origins] == ["Cray-1", here.processor]
    assert results_digest(there) == results_digest(local)


def test_a_cache_that_workers_do_not_see(
    folder: Path, local: RunResult, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is prepared before it is known that workers can read it."""
    monkeypatch.setattr("hepcs.running.execution.machines._sees", sees_nothing)
    with pytest.raises(InputError, match=r"2 of 2 Dask workers do not see this folder"):
        run(card_of(folder, cache="unshared"), Where(client=client))
    assert not list((folder / "unshared").iterdir())


def test_the_order_of_the_work_does_not_matter(
    folder: Path, local: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks_of = pseudo_experiments._chunks

    def shuffled(campaign: Campaign, items: Sequence[Item], workers: int) -> list[tuple[Item, ...]]:
        order = np.random.default_rng(4)
        items = [items[i] for i in order.permutation(len(items))]
        chunks = chunks_of(campaign, items, workers)
        assert len(chunks) > 5
        return [chunks[i] for i in order.permutation(len(chunks))]

    monkeypatch.setattr(pseudo_experiments, "_chunks", shuffled)
    assert results_digest(run(card_of(folder), Where(workers=1))) == results_digest(local)


@pytest.mark.slow
def test_eight_workers(folder: Path, local: RunResult) -> None:
    """Eight processes of this machine, and eight threads of a cluster, four of which share a process each."""
    assert results_digest(run(card_of(folder), Where(workers=8))) == results_digest(local)
    with (
        LocalCluster(n_workers=2, threads_per_worker=4, memory_limit=None, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        there = run(card_of(folder), Where(client=client, workers=2))
    assert there.provenance.workers == 8
    assert results_digest(there) == results_digest(local)


def killed_when(checkpoint: Path, pid: int) -> None:
    """Kill a process when something is in a checkpoint."""
    while not (checkpoint.exists() and checkpoint.stat().st_size > EMPTY):
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_is_killed_during_a_run(folder: Path, tmp_path: Path) -> None:
    """Every pseudo-experiment is in the checkpoint, once, and the results are those of an undisturbed run."""
    checkpoint, more = tmp_path / "checkpoint.sqlite", "pseudo_experiments.background_only=150"
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=None, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        killer = threading.Thread(target=killed_when, args=(checkpoint, victim))
        killer.start()
        there = run(card_of(folder, more), Where(client=client, workers=2, checkpoint=checkpoint))
        killer.join(timeout=0)
        assert not killer.is_alive(), "it ended before a worker was killed"
    assert read_checkpoint(checkpoint).n_tasks == 3 * (150 + 3), "or it is refused, if one is there twice"
    assert results_digest(there) == results_digest(run(card_of(folder, more), Where(workers=1)))


@pytest.mark.slow
def test_the_client_is_killed_and_the_run_resumed(folder: Path, client: Client) -> None:
    """The scheduler and its workers live on, and do not disturb the run that goes on; a chunk of each is lost."""
    assert client.scheduler is not None
    more, rng = "pseudo_experiments.background_only=300", np.random.default_rng(8)
    expected = results_digest(run(card_of(folder, more), Where(workers=1)))
    checkpoint, log, chunk = folder / "killed" / "checkpoint.sqlite", folder / "finished.log", 303 // (8 * 2)
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
            size = max(checkpoint.stat().st_size, EMPTY) if checkpoint.exists() else EMPTY
            while process.poll() is None and not (
                checkpoint.exists() and checkpoint.stat().st_size > size + PAGE
            ):
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.2))
            now = time.time()
            process.kill()
        assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
        found = recorded(checkpoint)
        assert known < found <= set(finished(log).keys), "what was recorded is kept"
        assert len(found) < 3 * (300 + 3)
        # What a worker ends while its last chunk is on the way, some milliseconds, is lost too; 3 outcomes each.
        assert len(finished(log).before(now) - known - found) <= 3 * 2 * (chunk + 2)
        known = found
    assert results_digest(run(card_of(folder, more), Where(client=client, checkpoint=checkpoint))) == expected
    assert read_checkpoint(checkpoint).n_tasks == 3 * (300 + 3)


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
