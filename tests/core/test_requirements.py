"""Advice on what to install: what pip would take, with the bounds of hepcs."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from hepcs._core.requirements import pip_install

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ("pyjet", "pythia", "xrootd", "dask", "hepdata", "pyhf")
WANTED = PROJECT["dependencies"] + [
    text for name in EXTRAS for text in PROJECT["optional-dependencies"][name]
]


@pytest.mark.parametrize("wanted", WANTED)
def test_each_package_comes_with_the_bounds_of_hepcs(wanted: str) -> None:
    name = re.split("[<>=]", wanted)[0]
    assert shlex.split(pip_install(name)) == ["pip", "install", wanted]


def test_several_packages_make_one_command() -> None:
    assert re.fullmatch(
        r"pip install 'dask>=[\d.]+' 'distributed>=[\d.]+'", pip_install("dask", "distributed")
    )
    # As it is imported, and one that hepcs says nothing about.
    assert pip_install("hepdata_lib", "aiohttp") == f"{pip_install('hepdata-lib')} aiohttp"


def test_nothing_says_to_install_an_extra_from_an_index() -> None:
    folders = [ROOT / name for name in ("hepcs", "analysis", "tests", "data_cards")]
    files = [
        path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".yaml", ".md"}
    ]
    advice = re.compile(r"pip install [^\n]*hepcs\[")
    assert not [path for path in files if advice.search(path.read_text(encoding="utf-8"))]
