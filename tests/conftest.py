"""Fixtures that more than one test file uses."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

# What XLA compiled is shared by processes that run tests side by side, and by later runs.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real files, which are not part of the project."""
    folder = os.environ.get("HEPCS_TEST_DATA")
    if not folder:
        pytest.skip("HEPCS_TEST_DATA is not set: it names the folder with the real files")
    path = Path(folder).resolve()
    if not (path / "lhco_rnd_1000_events.h5").exists():
        pytest.skip(f"HEPCS_TEST_DATA={folder} does not hold lhco_rnd_1000_events.h5")
    return path


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the workers of a run: threads that wait for each other on busy cores take minutes."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="session", autouse=True)
def packages_are_looked_up_once() -> Iterator[None]:
    """Of what is installed, which does not change meanwhile: half a second of each run in this process."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hepcs.running.provenance.packages_distributions", cache(packages_distributions))
        yield


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """The command sets up the package's logger; what runs it in this process must not silence the next test.

    Fixtures of a module may run it, too, and come before this one.
    """
    package = logging.getLogger("hepcs")

    def reset() -> None:
        package.handlers.clear()
        package.setLevel(logging.NOTSET)
        package.propagate = True

    reset()
    yield
    reset()


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command draws none, which is most of the work of a small run, and not what is tested."""
    monkeypatch.setattr("hepcs.output.make_figures", lambda result, **_: ())


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A function that makes a file system in memory, with options of mount, such as ``size=2m`` or ``ro``."""
    disks: list[Path] = []

    def mount(options: str) -> Path:
        disk = tmp_path / f"disk{len(disks)}"
        disk.mkdir()
        try:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no file system can be mounted here: {error}")
        disks.append(disk)
        return disk

    yield mount
    for disk in disks:
        subprocess.run(["umount", str(disk)], check=True)


KERNEL = "hepcs-tests"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel that is this interpreter, whatever kernels the user has; nothing is written to the user's home."""
    spec = tmp_path / "jupyter" / "kernels" / KERNEL / "kernel.json"
    spec.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(
        json.dumps({"argv": command, "display_name": KERNEL, "language": "python"}), encoding="utf-8"
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return KERNEL
