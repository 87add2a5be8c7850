"""The distributions: complete, installable without the checkout, and described alike in every recipe."""

from __future__ import annotations

import json
import re
import shutil
import site
import subprocess
import sys
import tomllib
import venv
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from toy_events import write_toys

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Where conda-forge has another name.
CONDA_NAMES = {"matplotlib": "matplotlib-base", "xxhash": "python-xxhash"}
# Modules of the extras' packages.
OF_EXTRAS = (
    "PIL",
    "correctionlib",
    "dask",
    "distributed",
    "equinox",
    "fsspec_xrootd",
    "hdf5plugin",
    "hepdata_lib",
    "jax",
    "matplotlib",
    "mplhep",
    "optax",
    "pandas",
    "pyarrow",
    "pyhf",
    "pythia8mc",
    "sklearn",
)
BUILT_FROM = ("hepcs", "data_cards", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that is built from a copy: there is no git, and nothing is left in the checkout."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-build-isolation", "--wheel-dir", str(built), str(source)],
        check=True, capture_output=True, cwd=source,
    )  # fmt: skip
    (found,) = built.glob("hepcs-*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base installation: the wheel, and what is here but for the checkout and the packages of extras."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--target", str(packages), str(wheel)],
        check=True, capture_output=True, cwd=folder,
    )  # fmt: skip
    # As plain folders: the editable installation of the checkout, a hook of theirs, is not followed.
    places = [path for path in (*site.getsitepackages(), *sys.path) if path.endswith("site-packages")]
    (packages / "others.pth").write_text("\n".join(dict.fromkeys(places)))
    (packages / "no_extras.pth").write_text(f"import sys; sys.modules.update(dict.fromkeys({OF_EXTRAS!r}))\n")
    return folder / "bin" / "python"


@pytest.mark.slow
def test_the_wheel_has_every_module_card_and_template(wheel: Path) -> None:
    held = set(subprocess.run([sys.executable, "-m", "zipfile", "-l", str(wheel)], check=True,
                              capture_output=True, text=True).stdout.split())  # fmt: skip
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hepcs").rglob("*.py")}
    here |= {f"hepcs/data_cards/{path.name}" for path in (ROOT / "data_cards").glob("*.yaml")}
    here |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "hepcs/output/templates").iterdir()}
    assert not here - held
    assert "hepcs/py.typed" in held
    assert not {name for name in held if name.startswith(("tests", "analysis", "docs"))}


@pytest.mark.slow
def test_a_wheel_without_git_has_a_version(wheel: Path) -> None:
    assert re.fullmatch(r"hepcs-\d+\.\d+\.\d+-py3-none-any\.whl", wheel.name)


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel(python: Path, tmp_path: Path) -> None:
    """Its card, at its smallest, on files in place of the generator's; the checkout is not in sight."""
    write_toys(tmp_path / "background.root", 2000, 1)
    write_toys(tmp_path / "signal.root", 400, 2, resonance=3500.0)

    def run(*arguments: str) -> str:
        found = subprocess.run([str(python), *arguments], cwd=tmp_path, capture_output=True, text=True,
                               check=False, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})  # fmt: skip
        assert found.returncode == 0, found.stderr
        return found.stdout

    assert str(python.parents[1]) in run("-c", "import hepcs; print(hepcs.__file__)")
    run(
        "-m", "hepcs.analysis", "demo.yaml", "--quiet",
        "--set", "samples.background={kind: root, files: background.root}",
        "--set", "samples.signal={kind: root, files: signal.root}",
        "--set", "searches={fit_3: {kind: dijet_fit, parameters: 3}}",
        "--set", "pseudo_experiments={background_only: 10, doped: 2}", "--set", "injection.epsilon=[100]",
    )  # fmt: skip
    summary = json.loads((tmp_path / "runs/demo/summary.json").read_text())
    assert summary["table"]
    assert "no figures are drawn" in (tmp_path / "runs/demo/report.html").read_text(encoding="utf-8")
    assert "cluster_scanning" in run("-m", "hepcs.analysis", "searches")


def test_conda_asks_for_what_pip_asks_for() -> None:
    recipe = yaml.safe_load((ROOT / "conda/recipe.yaml").read_text(encoding="utf-8"))
    asked = {Requirement(line) for line in recipe["requirements"]["run"] if not line.startswith("python ")}
    # Conda has no extras: what a base installation by pip leaves to them for its size is there.
    extras = (PROJECT["optional-dependencies"][name] for name in ("hdf5", "parquet", "plot", "sklearn"))
    wanted = {Requirement(line) for line in (*PROJECT["dependencies"], *chain.from_iterable(extras))}
    assert {(one.name, str(one.specifier)) for one in asked} == {
        (CONDA_NAMES.get(one.name, one.name), str(one.specifier)) for one in wanted
    }
    assert recipe["context"]["python_min"] == PROJECT["requires-python"].removeprefix(">=")


def test_citation_and_zenodo_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    assert citation["title"] == zenodo["title"]
    assert [one["name"] for one in citation["authors"]] == [one["name"] for one in zenodo["creators"]]
    assert citation["license"] == PROJECT["license"]


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: path.name
)
def test_workflows_run_targets_that_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    sessions = re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), flags=re.MULTILINE)
    assert all(f"\n{target}:" in makefile for target in re.findall(r"run: make (\w+)", text))
    assert set(re.findall(r"nox -s (\w+)", text)) <= set(sessions)
