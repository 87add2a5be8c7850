"""The recipes for facilities: each runs a small card, on a local cluster behind the classes of the site."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from toy_events import write_toys

from hepcs._core.requirements import pip_install
from hepcs.config import read_card
from hepcs.config.running import SCHEDULER_ADDRESS
from hepcs.output.summary import results_digest
from hepcs.pipeline import Where, run

pytest.importorskip("distributed", reason=f"needs distributed: {pip_install('dask', 'distributed')}")

from distributed import Client, LocalCluster

FACILITIES = Path(__file__).parents[2] / "analysis" / "facilities"
CARD = """\
name: toy
samples:
  background: {kind: root, files: background.root}
features: {image_pca: {kept_variance: 0.8}}
searches:
  cluster_scanning: {k: 4, ensemble: 1}
  fit_3: {kind: dijet_fit, parameters: 3}
pseudo_experiments: {background_only: 10}
execution: {cache: cache}
output: {figures: []}
"""

# What the classes of dask-jobqueue 0.9 and dask-gateway 2026.3 take, as far as the recipes use it.
OF_JOBS = {"cores", "memory", "processes", "job_script_prologue", "log_directory", "worker_extra_args"}
OF_JOBS |= {"job_extra_directives", "local_directory", "interface", "scheduler_options"}
TAKEN = {
    "HTCondorCluster": OF_JOBS | {"disk"},
    "SLURMCluster": OF_JOBS | {"queue", "account", "walltime"},
}
OF_GATEWAY = {"address", "auth"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=1, threads_per_worker=1, memory_limit=None, dashboard_address=":0"
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("facility")
    write_toys(folder / "background.root", 1500, 1)
    (folder / "toy.yaml").write_text(CARD)
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> str:
    """Digest of the results on this machine."""
    return results_digest(
        run(read_card(folder / "toy.yaml", [f"execution.cache={folder / 'cache'}"]), Where(workers=1))
    )


class SiteCluster:
    """Stands for a cluster of a site: notes what it is asked for, and hands out workers of this machine."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.asked: dict[str, int] = {}

    def __enter__(self) -> SiteCluster:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def adapt(self, *, minimum: int, maximum: int) -> None:
        self.asked = {"minimum": minimum, "maximum": maximum}

    def get_client(self) -> Client:
        return self.cluster.get_client()


class SiteGateway:
    """Stands for a gateway."""

    def __init__(self, cluster: SiteCluster, **settings: Any) -> None:
        assert set(settings) <= OF_GATEWAY
        self.cluster = cluster

    def __enter__(self) -> SiteGateway:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def new_cluster(self, **options: Any) -> SiteCluster:
        assert set(options) == {"worker_cores", "worker_memory"}
        return self.cluster


def jobs_of(name: str, site: SiteCluster) -> Any:
    """Stands for a class of dask-jobqueue: refuses what it would refuse."""

    def opened(**settings: Any) -> SiteCluster:
        unknown = set(settings) - TAKEN[name]
        if unknown:
            raise TypeError(f"{name} takes no {unknown}")
        return site

    return opened


def load(recipe: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A recipe, as if its file was run."""
    monkeypatch.syspath_prepend(FACILITIES)
    for name in (recipe, "facility"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(recipe)


@pytest.mark.parametrize("recipe", ["coffea_casa", "htcondor", "slurm", "gateway"])
def test_a_card_runs_by_each_recipe(
    recipe: str,
    cluster: LocalCluster,
    folder: Path,
    expected: str,
    without_figures: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = SiteCluster(cluster)
    of_jobs = SimpleNamespace(**{name: jobs_of(name, site) for name in TAKEN})
    monkeypatch.setitem(sys.modules, "dask_jobqueue", of_jobs)
    gateway = SimpleNamespace(Gateway=lambda **settings: SiteGateway(site, **settings))
    monkeypatch.setitem(sys.modules, "dask_gateway", gateway)
    monkeypatch.chdir(folder)
    module = load(recipe, monkeypatch)
    given = ["toy.yaml", "--output", recipe]
    if recipe == "coffea_casa":
        assert re.fullmatch(SCHEDULER_ADDRESS, module.SCHEDULER)
        monkeypatch.setattr(module, "SCHEDULER", cluster.scheduler_address)
    else:
        given += ["--workers", "7"]
    assert module.main(given) == 0
    summary = json.loads((folder / recipe / "summary.json").read_text())
    assert summary["digest"] == expected
    transfer = "path" if recipe == "slurm" else "broadcast"
    assert summary["card"]["resolved"]["execution"]["transfer"] == transfer
    assert cluster.scheduler_address in summary["provenance"]["execution"]
    assert site.asked == ({} if recipe == "coffea_casa" else {"minimum": 7, "maximum": 7})
    assert "Cluster Scanning" in capsys.readouterr().out
    patience = summary["card"]["resolved"]["execution"]["patience"]
    assert patience == 600 if recipe == "coffea_casa" else patience > 86400
    # A second run is refused as by the command, and without a traceback.
    assert module.main(given) == 2
    assert "--overwrite" in capsys.readouterr().err


def parameters_of(*functions: Any) -> set[str]:
    return {name for function in functions for name in inspect.signature(function).parameters}


@pytest.mark.parametrize("recipe", ["htcondor", "slurm"])
def test_dask_jobqueue_takes_the_arguments(
    recipe: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the real class: nothing is submitted, but the script of a job is made."""
    jobqueue = pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue")
    name = {"htcondor": "HTCondorCluster", "slurm": "SLURMCluster"}[recipe]
    real = getattr(jobqueue, name)
    job = real.job_cls
    taken = parameters_of(real.__init__, *(one.__init__ for one in job.__mro__ if one is not object))
    assert taken >= TAKEN[name]
    monkeypatch.chdir(tmp_path)
    with load(recipe, monkeypatch).open_cluster() as opened:
        script = opened.job_script()
    assert "--lifetime 110m" in script
    of_site = {"htcondor": ["longlunch", "RequestDisk"], "slurm": ["-p short", "--mem=2G", "-t 02:00:00"]}
    for word in of_site[recipe]:
        assert word in script


def test_dask_gateway_takes_the_arguments() -> None:
    gateway = pytest.importorskip("dask_gateway", reason="needs dask-gateway")
    assert parameters_of(gateway.Gateway.__init__) >= OF_GATEWAY
    (options,) = (
        one
        for one in inspect.signature(gateway.Gateway.new_cluster).parameters.values()
        if one.kind is inspect.Parameter.VAR_KEYWORD
    )
    assert options.name == "kwargs"
    assert parameters_of(gateway.GatewayCluster.adapt) >= {"minimum", "maximum"}
    assert callable(gateway.GatewayCluster.get_client)


def test_every_recipe_is_in_the_table() -> None:
    text = (FACILITIES / "README.md").read_text(encoding="utf-8")
    recipes = {path.name for path in FACILITIES.glob("*.py")}
    assert set(re.findall(r"\]\((\w+\.py)\)", text)) == recipes
