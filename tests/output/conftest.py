"""The folder of a run, for the tests of what is done with such folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from toy_run import toy_run

from hepcs.output import StoredRun, read_run, write_run
from hepcs.searches.kinds import Drawing


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy run with one figure, which all tests share: none of them changes it."""
    folder = tmp_path_factory.mktemp("written") / "toy"
    figure = Figure(figsize=(2, 2))
    figure.subplots().plot([0, 1])
    write_run(toy_run(), folder, [Drawing("line", figure, "A line", "Look for the line.")])
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(written, tmp_path / "toy"))


@pytest.fixture(scope="session")
def run(written: Path) -> StoredRun:
    """What is read from it."""
    return read_run(written)
