"""Workers of a Dask cluster: a real one, of two processes on this machine."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from toy_card import toy_card
from toy_tasks import (
    Picky,
    Sum,
    WhoseSum,
    die,
    die_once,
    fail,
    leave_mark,
    plain,
    process_number,
    slow_square,
    threads,
)
from toys import toy_pools

from hepcs._core.errors import ArgumentError, ComputationError, HepcsError, InputError, MissingDependencyError
from hepcs._core.progress import Mapper
from hepcs._core.requirements import pip_install
from hepcs.config.running import Execution, Tls
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.samples import Pools, Sample
from hepcs.features.feature_file import open_mapped
from hepcs.running.execution import local_mapper, open_execution
from hepcs.running.identity import this_origin
from hepcs.running.pseudo_experiments import Campaign, Item, campaign_of, run_items
from hepcs.searches.kinds import Context, build_searches

distributed = pytest.importorskip(
    "distributed", reason=f"needs distributed: {pip_install('dask', 'distributed')}"
)

import dask  # noqa: E402
from dask.sizeof import sizeof  # noqa: E402
from distributed import Client, LocalCluster  # noqa: E402

from hepcs.running.execution import machines  # noqa: E402
from hepcs.running.execution.dask import dask_mapper  # noqa: E402
from hepcs.running.execution.machines import compare_workers, require_shared_folder  # noqa: E402
from hepcs.running.execution.payload import Done, Payload, pack, run_on_worker  # noqa: E402
from hepcs.running.execution.workers import Workers  # noqa: E402

DASK = Execution(kind="dask")
FEATURES = "image_pca"


@contextmanager
def cluster_of(workers: int, **settings: Any) -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, memory_limit=None, dashboard_address=":0", **settings
    ) as cluster:
        yield cluster


def mapper_on(client: Client, transfer: str = "path", patience: float = 60) -> Mapper:
    return dask_mapper(Workers(client, patience), transfer)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with cluster_of(2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client_of_all(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def client(cluster: LocalCluster, client_of_all: Client) -> Client:
    """The client of a cluster of two workers, whatever the test before has done to them."""
    cluster.scale(2)
    client_of_all.wait_for_workers(2, timeout=60)
    return client_of_all


@pytest.fixture(autouse=True)
def _no_address_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)


# ------------------------------------------------------------------------------------------------ results


@pytest.fixture(scope="module")
def mapped_pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    """Toy samples whose features lie on disk."""
    pools, folder = toy_pools(3000, 500), tmp_path_factory.mktemp("features")
    signals = {name: stored(sample, folder) for name, sample in pools.signals.items()}
    return Pools(stored(pools.background, folder), pools.bins, signals)


def stored(sample: Sample, folder: Path) -> Sample:
    path = folder / f"{sample.n_events}.npy"
    np.save(path, sample.features[FEATURES])
    features = open_mapped(path, hashlib.sha256(path.read_bytes()).hexdigest())
    return replace(sample, features={FEATURES: features})


def scans(pools: Pools) -> Callable[[Any], Any]:
    return partial(run_items, campaign_on(pools))


def campaign_on(pools: Pools, **searches: Any) -> Campaign:
    """Searches of toys, Cluster Scanning if none is named."""
    wanted = searches or {"cluster_scanning": {"kind": "cluster_scanning", "k": 8, "ensemble": 2}}
    card = toy_card(searches=wanted)
    return campaign_of(card, pools, build_searches(Context(card, pools)))


def items(tasks: Sequence[Task]) -> tuple[Item, ...]:
    return tuple((task, ("cluster_scanning",)) for task in tasks)


def by_task(parts: Any) -> dict[Task, tuple[float, ...]]:
    found = [outcome for part in parts for _, _, outcome in part.rows]
    assert len(found) == len({outcome.task for outcome in found})
    return {outcome.task: (outcome.statistic, *outcome.members) for outcome in found}


@pytest.mark.slow
@pytest.mark.parametrize("transfer", ["path", "broadcast"])
def test_results_are_those_of_local_processes_to_the_last_bit(
    client: Client, mapped_pools: Pools, transfer: str
) -> None:
    tasks = [Task(Kind.BACKGROUND_ONLY, 0, i) for i in range(12)] + [
        Task(Kind.DOPED, 100, i, "signal") for i in range(6)
    ]
    chunks = [items(tasks[start : start + 4]) for start in range(0, len(tasks), 4)]
    shuffled = [chunks[i] for i in np.random.default_rng(2).permutation(len(chunks))]
    one, two = (by_task(local_mapper(workers)(scans(mapped_pools), chunks)) for workers in (1, 2))
    there = by_task(mapper_on(client, transfer)(scans(mapped_pools), shuffled, ordered=False))
    assert there == one == two
    assert len(there) == len(tasks)


def test_results_come_in_order_or_as_they_end(client: Client) -> None:
    mapper = mapper_on(client)
    assert list(mapper(slow_square, range(12))) == [x * x for x in range(12)]
    as_they_end = list(mapper(slow_square, range(12), ordered=False))
    assert sorted(as_they_end) == [x * x for x in range(12)]
    assert as_they_end[0] != 0, "the slow one came first"
    assert list(mapper(slow_square, [])) == []


def test_items_arrive_as_they_are(client: Client) -> None:
    """Dask reads meaning into tuples that begin with a function, and into names of results."""
    items = [(len, "abc"), (None, Path("x"), [1]), ("plain-1", {"a": (1, 2)})]
    assert list(mapper_on(client)(plain, items)) == items


def test_a_task_has_one_thread(client: Client) -> None:
    assert set(mapper_on(client)(threads, range(4))) == {1}


def test_few_tasks_are_under_way_at_a_time(client: Client, tmp_path: Path) -> None:
    """A run that is stopped has not handed in all its work, and memory does not grow with what waits."""
    # As they end: in order, those that end before the first one are waited out.
    results = mapper_on(client)(partial(leave_mark, tmp_path), range(300), ordered=False)
    next(results)
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) <= 10
    results.close()  # type: ignore[attr-defined]
    time.sleep(0.5)
    done = len(list(tmp_path.iterdir()))
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) == done


def test_features_are_sent_once(client: Client, mapped_pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many functions need them, on however many calls of the mapper."""
    submit, sent = client.submit, []

    def noted(*call: Any, **settings: Any) -> Any:
        sent.append(sum(sizeof(argument) for argument in call))
        return submit(*call, **settings)

    monkeypatch.setattr(client, "submit", noted)
    mapper, size = mapper_on(client, "broadcast"), mapped_pools.background.features[FEATURES].nbytes
    for _ in range(2):
        list(mapper(scans(mapped_pools), [items([Task(Kind.OBSERVED, 0, 0)])]))
    assert sum(size <= one for one in sent) == 1
    # A fit looks at m_jj alone.
    fit = campaign_on(mapped_pools, fit={"kind": "dijet_fit", "parameters": 3})
    packed, arrays = pack(fit.observe, "broadcast")
    assert not arrays
    assert len(packed.content) < size


@pytest.mark.slow
def test_all_workers_take_part_and_those_that_join(tmp_path: Path) -> None:
    """Dask itself would give tasks to workers that hold the features already."""
    function = WhoseSum(stored_array(tmp_path, 5_000_000))
    with cluster_of(1) as cluster, Client(cluster, set_as_default=False) as client:
        results = mapper_on(client, "broadcast", patience=1)(function, range(80), ordered=False)
        found = [next(results)]
        cluster.scale(2)
        client.wait_for_workers(2)
        found += results
    assert sorted(result for _, result in found) == [5_000_000 + x for x in range(80)]
    shares = Counter(process for process, _ in found)
    assert len(shares) == 2
    assert min(shares.values()) > 15


def stored_array(folder: Path, size: int) -> np.ndarray:
    """Ones, float32, on disk."""
    path = folder / "features.npy"
    np.save(path, np.ones(size, dtype=np.float32))
    return open_mapped(path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_values_that_are_sent_apart_need_no_file(tmp_path: Path) -> None:
    array = stored_array(tmp_path, 5000)
    packed, arrays = pack(partial(max, array, array, array[:2]), "broadcast")
    assert len(packed.content) < 1000
    (tmp_path / "features.npy").unlink()
    one, two, part = pickle.loads(pickle.dumps(packed)).unpacked(arrays).args  # noqa: S301
    np.testing.assert_array_equal(one, np.ones(5000))
    assert two is one
    np.testing.assert_array_equal(part, np.ones(2))
    by_path, nothing = pack(Sum(array), "path")
    assert not nothing
    with pytest.raises(InputError, match="cannot be opened"):
        by_path.unpacked({})


def test_a_worker_that_cannot_unpack_its_tasks_is_left_out(client: Client, tmp_path: Path) -> None:
    workers = Workers(client, 60)
    assert list(dask_mapper(workers)(Picky(tmp_path), range(20))) == [x * x for x in range(20)]
    (note,) = workers.notes
    assert "was left out: its disk is full" in note


# ------------------------------------------------------------------------------------- workers that are lost


@pytest.mark.parametrize("victims", [1, 2])
def test_nothing_is_lost_or_doubled_if_workers_are_killed(
    client: Client, tmp_path: Path, victims: int
) -> None:
    """With one of the two workers gone, and with both, and with them what they had been sent."""
    results = list(mapper_on(client)(partial(die_once, tmp_path, victims), range(40), ordered=False))
    assert sorted(results) == [x * x for x in range(40)]
    assert len(list(tmp_path.iterdir())) == victims


def test_what_all_tasks_share_is_made_again(tmp_path: Path) -> None:
    with cluster_of(1) as cluster, Client(cluster, set_as_default=False) as client:
        results = list(mapper_on(client)(partial(die_once, tmp_path, 2), range(10)))
    assert results == [x * x for x in range(10)]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_task_that_kills_its_workers_ends_the_run(cluster: LocalCluster, client: Client) -> None:
    cluster.scheduler.allowed_failures = 0
    try:
        with pytest.raises(ComputationError, match=r"want of memory.*--resume"):
            list(mapper_on(client)(die, range(1)))
    finally:
        cluster.scheduler.allowed_failures = dask.config.get("distributed.scheduler.allowed-failures")


def test_a_task_that_was_queued_on_workers_that_died_is_done(
    cluster: LocalCluster, client: Client, tmp_path: Path
) -> None:
    """Dask gives a task up whose worker died so often, even if it never ran there."""
    cluster.scheduler.allowed_failures = 0
    try:
        results = list(mapper_on(client)(partial(die_once, tmp_path, 1), range(12)))
    finally:
        cluster.scheduler.allowed_failures = dask.config.get("distributed.scheduler.allowed-failures")
    assert results == [x * x for x in range(12)]


class Killer(distributed.diagnostics.plugin.SchedulerPlugin):  # type: ignore[misc]
    """Kills one worker of a cluster on this machine, at a moment of what all tasks share."""

    def __init__(self, cluster: LocalCluster, moment: str) -> None:
        self.cluster, self.moment, self.killed = cluster, moment, 0

    def transition(self, key: str, start: str, finish: str, *_: Any, **__: Any) -> None:
        task, holders = self.cluster.scheduler.tasks[key], set()
        match self.moment, finish:
            case "made", "processing" if key.startswith("asarray"):
                holders = {task.processing_on}
            case "there", "memory" if key.startswith("asarray"):
                holders = task.who_has
            case "copied", "processing" if key.startswith("run_on_worker"):
                features = next(one for one in task.dependencies if one.key.startswith("asarray"))
                holders = {task.processing_on} - features.who_has
            case "copied from", "processing" if key.startswith("run_on_worker"):
                features = next(one for one in task.dependencies if one.key.startswith("asarray"))
                holders = features.who_has - {task.processing_on}
        if holders and not self.killed:
            self.killed += 1
            (victim,) = (
                one for one in self.cluster.workers.values() if one.worker_address == min(holders).address
            )
            os.kill(victim.pid, signal.SIGKILL)


@pytest.mark.parametrize("moment", ["made", "there", "copied", "copied from"])
def test_a_worker_that_dies_while_it_is_sent_what_tasks_share(tmp_path: Path, moment: str) -> None:
    """It is no reason to give up, whoever dies at whatever moment."""
    function = Sum(stored_array(tmp_path, 5_000_000))
    # Dask tries for half a minute to reach a worker that is dead, unless it is told otherwise.
    quick = dask.config.set({"distributed.comm.timeouts.connect": "3s"})
    with quick, cluster_of(2) as cluster, Client(cluster, set_as_default=False) as client:
        killer = Killer(cluster, moment)
        cluster.scheduler.add_plugin(killer)
        assert list(mapper_on(client, "broadcast")(function, range(8))) == [5_000_000 + x for x in range(8)]
        assert killer.killed == 1


def test_workers_that_die_while_they_are_asked(tmp_path: Path) -> None:
    """What they are, and whether they see the cache: they are passed over, and the scheduler is not blamed."""
    quick = dask.config.set({"distributed.comm.timeouts.connect": "3s"})
    with quick, cluster_of(2) as cluster, Client(cluster, set_as_default=False) as client:
        both = client.nthreads()
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        assert list(compare_workers(client, both)) == []
        require_shared_folder(client, tmp_path)
        assert list(mapper_on(client)(slow_square, range(6))) == [x * x for x in range(6)]


def test_a_cluster_that_is_restarted(client: Client) -> None:
    """Its scheduler then forgets all tasks, and what they share."""
    results = mapper_on(client)(slow_square, range(200))
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert client.scheduler is not None
    with Client(client.scheduler.address, set_as_default=False) as another:
        another.restart()
    assert list(results) == [x * x for x in range(5, 200)]


def test_no_worker_at_all() -> None:
    wanted = pytest.raises(ComputationError, match="0 Dask workers after 0 s, expected 1 or more")
    with cluster_of(0) as cluster, Client(cluster, set_as_default=False) as client, wanted:
        list(mapper_on(client, patience=0.3)(slow_square, range(3)))


def test_the_last_worker_leaves() -> None:
    with cluster_of(1) as cluster, Client(cluster, set_as_default=False) as client:
        results = mapper_on(client, patience=1.5)(slow_square, range(500))
        assert next(results) == 0
        cluster.scale(0)
        with pytest.raises(ComputationError, match=r"0 Dask workers after 2 s, expected 1.*--resume"):
            list(results)


def test_a_worker_that_comes_later_takes_part() -> None:
    with cluster_of(0) as cluster, Client(cluster, set_as_default=False) as client:
        cluster.loop.call_later(0.5, cluster.scale, 1)
        assert list(mapper_on(client, patience=30)(slow_square, range(3))) == [0, 1, 4]


def start(*command: str) -> subprocess.Popen[bytes]:
    tests = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": tests},
    )


@pytest.mark.slow
def test_the_scheduler_is_lost(tmp_path: Path, unused_port: int) -> None:
    address = f"tcp://127.0.0.1:{unused_port}"
    scheduler = start("distributed.cli.dask_scheduler", "--port", str(unused_port), "--no-dashboard")
    worker = start("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny")
    try:
        section = Execution(kind="dask", scheduler=address, workers=1)
        with dask.config.set({"distributed.comm.timeouts.connect": "10s"}), open_execution(section) as engine:
            assert address in engine.description
            results = engine.mapper(slow_square, range(500))
            assert next(results) == 0
            scheduler.kill()
            with pytest.raises(ComputationError, match=r"scheduler does not answer.*--resume"):
                list(results)
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


# ------------------------------------------------------------------------------------------------- errors


def test_errors_of_ours_are_raised_as_they_are_and_not_tried_again(client: Client, tmp_path: Path) -> None:
    function = partial(fail, tmp_path)
    with pytest.raises(InputError, match="the first one"):
        list(mapper_on(client)(function, [1]))
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(MissingDependencyError, match="thing is needed for this"):
        list(mapper_on(client)(function, [0, 2]))


def test_other_errors_are_tried_again(client: Client, tmp_path: Path) -> None:
    assert list(mapper_on(client)(partial(fail, tmp_path), [3])) == [3]
    with pytest.raises(ValueError, match="a bug"):
        list(mapper_on(client)(partial(fail, tmp_path), [4]))


def test_workers_that_cannot_open_the_features(client: Client, tmp_path: Path) -> None:
    """What a missing path means with each way of transfer: the client itself has the file mapped."""
    path = tmp_path / "features.npy"
    np.save(path, np.arange(10.0))
    function = Sum(open_mapped(path, hashlib.sha256(path.read_bytes()).hexdigest()))
    assert list(mapper_on(client, "path")(function, [1])) == [46.0]
    path.unlink()
    assert list(mapper_on(client, "broadcast")(function, [1])) == [46.0]
    with pytest.raises(InputError, match=rf"{path}: cannot be opened.*execution\.transfer: broadcast"):
        list(mapper_on(client, "path")(function, [1]))


def test_features_that_were_altered(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.arange(10.0))
    function = Sum(open_mapped(path, hashlib.sha256(path.read_bytes()).hexdigest()))
    altered = bytearray(path.read_bytes())
    altered[-1] ^= 1
    path.write_bytes(altered)
    with pytest.raises(
        InputError, match=rf"{path}: on .* is not the file that was prepared.*delete {tmp_path}"
    ):
        list(mapper_on(client)(function, [1]))


# ------------------------------------------------------------------------------------------------ machines


def test_workers_like_this_process_are_passed(client: Client) -> None:
    assert list(compare_workers(client, client.nthreads())) == []


def test_unlike_workers_are_warned_of_once(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = machines.versions()
    monkeypatch.setattr(machines, "versions", lambda: {**here, "numpy": "1.0"})
    monkeypatch.setattr("hepcs.running.identity.processor", lambda: "Cray-1")
    monkeypatch.setattr("hepcs.running.identity.code_digest", lambda: "other")
    with open_execution(DASK, client=client) as engine:
        assert list(engine.mapper(slow_square, [2])) == [4]
    assert len(engine.notes) == 3
    assert "another program text of hepcs" in engine.notes[0]
    assert (
        f"2 of 2 Dask workers have another numpy ({here['numpy']}) than this process (1.0)" in engine.notes[1]
    )
    assert "another processor" in engine.notes[2]
    assert "Cray-1" in engine.notes[2]
    assert caplog.text.count("another numpy") == 1


def test_another_version_of_hepcs_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    here = machines.versions()
    monkeypatch.setattr(machines, "versions", lambda: {**here, "hepcs": "0.0.1"})
    with pytest.raises(ComputationError, match=rf"has hepcs {here['hepcs']}, and this process 0\.0\.1"):
        list(mapper_on(client)(slow_square, [1]))


def test_a_worker_of_another_version_that_comes_later() -> None:
    """Whatever a worker is asked first, it refuses what another version packed."""
    packed, arrays = pack(slow_square, "path")
    assert not arrays
    assert run_on_worker(packed, {}, 3) == Done(9, this_origin())
    refusal = run_on_worker(Payload(packed.content, "0.0.1"), {}, 3)
    assert isinstance(refusal, ComputationError)
    assert "and the client 0.0.1" in str(refusal)


def answering(answer: Any) -> Any:
    """A client whose workers all give one answer."""
    return SimpleNamespace(run=lambda *_, **__: {"tcp://worker:1": answer})


def test_a_worker_without_hepcs() -> None:
    client = answering(ModuleNotFoundError("No module named 'hepcs'"))
    with pytest.raises(ComputationError, match=r"tcp://worker:1 has no hepcs.*Install hepcs"):
        list(compare_workers(client, ["tcp://worker:1"]))


def test_a_cache_that_workers_do_not_share(client: Client, tmp_path: Path) -> None:
    require_shared_folder(client, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"do not see this folder.*execution\.cache.*broadcast"):
        require_shared_folder(answering(False), tmp_path)


# ------------------------------------------------------------------------------------------------- opening


def test_local_processes_need_no_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with open_execution(Execution(workers=1)) as engine:
        assert list(engine.mapper(slow_square, range(3))) == [0, 1, 4]
        assert engine.preparation is engine.mapper
        assert (engine.workers, engine.description) == (1, "1 local processes")
    with (
        pytest.raises(MissingDependencyError, match=r"pip install 'dask>=.*' 'distributed>="),
        open_execution(DASK),
    ):
        pass


def test_a_whole_site_is_not_started_on_this_machine() -> None:
    """A card for a cluster, and its address forgotten."""
    refused = pytest.raises(ArgumentError, match=r"200 Dask workers.*this machine.*--scheduler")
    with refused, open_execution(Execution(kind="dask", workers=200)):
        pass


def test_a_client_that_is_handed_in_stays_open(client: Client, tmp_path: Path) -> None:
    with open_execution(Execution(), client=client, cache=tmp_path) as engine:
        assert list(engine.mapper(slow_square, range(3))) == [0, 1, 4]
        assert engine.workers == 2
        assert "at the start 2 workers, 2 threads" in engine.description
    assert client.status == "running"
    assert client.submit(slow_square, 3).result() == 9


@pytest.mark.parametrize("place", ["argument", "card", "environment"])
def test_the_address_of_a_scheduler(
    cluster: LocalCluster, client: Client, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    before = set(cluster.scheduler.clients)
    section, argument = DASK, None
    if place == "argument":
        section, argument = Execution(), cluster.scheduler_address
    elif place == "card":
        section = Execution(kind="dask", scheduler=cluster.scheduler_address)
    else:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
    with open_execution(section, scheduler=argument) as engine:
        assert set(cluster.scheduler.clients) - before, "no client of this cluster"
        assert cluster.scheduler_address in engine.description
        assert list(engine.mapper(slow_square, range(3))) == [0, 1, 4]
    assert set(cluster.scheduler.clients) == before, "the client was not closed"
    assert len(client.nthreads()) == 2, "the cluster was closed"


def test_a_cluster_of_its_own() -> None:
    with open_execution(Execution(kind="dask", workers=1, transfer="broadcast")) as engine:
        (there,) = set(engine.mapper(process_number, range(2)))
        assert there != os.getpid()
        assert engine.preparation is not engine.mapper, "without a common disk, samples are prepared here"
        assert list(engine.preparation(slow_square, range(3))) == [0, 1, 4]
    with pytest.raises(ProcessLookupError):
        os.kill(there, 0)


def refused(section: Execution, **arguments: Any) -> str:
    """What is said of an engine that cannot be opened."""
    with pytest.raises(HepcsError) as caught, open_execution(section, **arguments):
        pass
    return f"{type(caught.value).__name__}: {caught.value}"


def test_what_cannot_be_opened(client: Client, tmp_path: Path, unused_port: int) -> None:
    assert refused(DASK, scheduler="nowhere").startswith(
        "ArgumentError: scheduler: found 'nowhere', expected tcp://host:port"
    )
    assert "expected one of the two" in refused(DASK, scheduler="tcp://a:1", client=client)
    assert "expected a distributed.Client" in refused(DASK, client="tcp://a:1")
    tls = Tls(ca=str(tmp_path / "ca.pem"), certificate="c.pem", key="k.pem")
    missing = refused(Execution(kind="dask", scheduler="tls://localhost:1", tls=tls))
    assert missing == f"InputError: execution.tls.ca: there is no file {tmp_path / 'ca.pem'}"
    here = refused(Execution(kind="dask", tls=tls))
    assert here.startswith("ArgumentError: execution.tls: is for a tls:// scheduler, and there is no address")
    with dask.config.set({"distributed.comm.timeouts.connect": "0.5s"}):
        nobody = refused(DASK, scheduler=f"tcp://127.0.0.1:{unused_port}")
    assert nobody.startswith(f"ComputationError: tcp://127.0.0.1:{unused_port}: no Dask scheduler answers")


def test_waiting_for_more_workers_than_there_are(client: Client) -> None:
    with pytest.raises(ComputationError, match=r"2 Dask workers after 0 s, expected 3.*--workers"):
        Workers(client, 0.5).wait_for(3)


def certificates(folder: Path) -> Tls:
    """A key, and a certificate signed by itself, which is its own authority."""
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem"
    )
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"openssl cannot make a certificate: {error}")
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    return Tls(ca=certificate, certificate=certificate, key=key)


def test_tls(tmp_path: Path) -> None:
    tls = certificates(tmp_path)
    security = distributed.security.Security(
        tls_ca_file=tls.ca,
        **{f"tls_{role}_cert": tls.certificate for role in ("client", "scheduler", "worker")},
        **{f"tls_{role}_key": tls.key for role in ("client", "scheduler", "worker")},
        require_encryption=True,
    )
    with cluster_of(1, protocol="tls://", security=security) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        with open_execution(Execution(kind="dask", scheduler=address, tls=tls)) as engine:
            assert list(engine.mapper(slow_square, range(3))) == [0, 1, 4]
        with (
            pytest.raises(ComputationError, match=r"execution\.tls"),
            open_execution(DASK, scheduler=address),
        ):
            pass
