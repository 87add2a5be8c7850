"""A whole run on a Dask cluster: the same results as with local processes, to the last bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_events import write_toys

from hepcs.datacard import LocatedCard, read_card
from hepcs.errors import InputError
from hepcs.identity import this_origin
from hepcs.ledger import read_ledger
from hepcs.output.summary import results_digest, summarise
from hepcs.pipeline import run, run_part
from hepcs.results import RunResult

pytest.importorskip("distributed", reason="needs Dask: pip install 'hepcs[dask]'")

from distributed import Client, LocalCluster

COMMAND = [sys.executable, "-m", "hepcs.analysis", "toy.yaml"]

CARD = """\
name: toy
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
features: {kept_variance: 0.8}
cluster_scanning: {k: 8, ensemble: 2}
fits: {parameters: [3]}
pseudo_experiments: {background_only: 20, doped: 3}
injection: {epsilon: [0, 150]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_toys(folder / "background.root", 3000, 1)
    write_toys(folder / "signal.root", 400, 2, resonance=3500.0)
    (folder / "toy.yaml").write_text(CARD)
    return folder


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
    ledger = tmp_path / "ledger.jsonl"
    assert run_part(card_of(folder), (1, 2), ledger, client=client) > 0
    assert results_digest(run(card_of(folder), workers=1, ledger=ledger)) == results_digest(local)


def test_the_ledger_knows_where_results_come_from(
    folder: Path, local: RunResult, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, ledger = this_origin(), tmp_path / "ledger.jsonl"
    run_part(card_of(folder), (1, 2), ledger, client=client)
    assert read_ledger(ledger).origins == (here,), "workers like this process are no other origin"
    monkeypatch.setattr("hepcs.identity.processor", lambda: "Cray-1")
    there = run(card_of(folder), ledger=ledger, client=client)
    assert [origin.processor for origin in read_ledger(ledger).origins] == [here.processor, "Cray-1"]
    alone = tmp_path / "alone.jsonl"
    run_part(card_of(folder), (1, 2), alone, client=client)
    assert [origin.processor for origin in read_ledger(alone).origins] == ["Cray-1", here.processor]
    assert results_digest(there) == results_digest(local)


def test_a_cache_that_workers_do_not_see(
    folder: Path, local: RunResult, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is prepared before it is known that workers can read it."""
    monkeypatch.setattr("hepcs.execution.machines.secrets.token_hex", lambda _: "x" * 32)
    monkeypatch.setattr("hepcs.execution.machines._read", read_nothing)
    with pytest.raises(InputError, match=r"2 of 2 Dask workers do not see this folder"):
        run(card_of(folder, cache="unshared"), client=client)
    assert not list((folder / "unshared").iterdir())


def read_nothing(_: Path) -> str:
    return ""


@pytest.mark.slow
def test_the_command_on_a_scheduler(folder: Path, local: RunResult, client: Client) -> None:
    assert client.scheduler is not None
    ended = subprocess.run(
        [*COMMAND, "--scheduler", client.scheduler.address, "--set", "execution.cache=cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    summary = json.loads((folder / "runs" / "toy" / "summary.json").read_text())
    assert summary["digest"] == results_digest(local)
    assert client.scheduler.address in summary["provenance"]["execution"]
    refused = subprocess.run(
        [*COMMAND, "--scheduler", "nowhere", "--output", "never"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert refused.returncode == 2
    assert "expected tcp://host:port or tls://host:port" in refused.stderr
