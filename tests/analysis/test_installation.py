"""What the installation can do, and that a part that is broken is told from one that works."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from hepcs._core.errors import ComputationError
from hepcs.analysis.installation import Component, Finding, all_parts, core_works, describe, examine

PARTS = {part.name: part for part in all_parts()}


def found(name: str) -> Finding:
    return next(examine([PARTS[name]]))


@pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part.is_core])
def test_the_core_works_here(name: str) -> None:
    finding = found(name)
    assert finding.works, finding.detail
    assert finding.detail


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("fastjet", "fastjet"),
        ("pyjet", "pyjet"),
        ("scikit-learn", "sklearn"),
        ("lightgbm", "lightgbm"),
        ("pythia8mc", "pythia8mc"),
        ("dask", "distributed"),
        ("https", "aiohttp"),
        ("xrootd", "fsspec_xrootd"),
        ("hepdata_lib", "hepdata_lib"),
        ("pyhf", "pyhf"),
    ],
)
def test_what_is_installed_works_and_the_rest_says_so(name: str, module: str) -> None:
    finding = found(name)
    if importlib.util.find_spec(module) is None:
        assert not finding.works
        assert f"{module} is not installed" in finding.detail
    else:
        assert finding.works, finding.detail
        assert any(character.isdigit() for character in finding.detail), "no version"


def broken() -> None:
    raise ValueError("numpy.dtype size changed\nand much more")


def wrong() -> None:
    raise ComputationError("it runs, and finds other jets than there are")


def test_any_failure_is_an_answer() -> None:
    found = examine(
        [
            Component("a", "for a", ("numpy",), broken),
            Component("b", "for b", ("numpy",), wrong),
            Component("c", "for c", ("numpy", "scikit-learn")),
            Component("d", "for d", ("no-such-package",)),
        ]
    )
    assert [(finding.works, finding.detail) for finding in found] == [
        (False, "ValueError: numpy.dtype size changed"),
        (False, "it runs, and finds other jets than there are"),
        (True, f"numpy {version('numpy')}, scikit-learn {version('scikit-learn')}"),
        (False, "no_such_package is not installed"),
    ]


def test_one_package_that_reclusters_is_enough() -> None:
    def findings(**works: bool) -> list[Finding]:
        return [Finding(part, works.get(part.name, True), "") for part in PARTS.values()]

    assert core_works(findings(pyjet=False))
    assert core_works(findings(fastjet=False, dask=False, pythia8mc=False, pyhf=False))
    assert not core_works(findings(pyjet=False, fastjet=False))
    assert not core_works(findings(fits=False))


def test_how_to_get_each_part_is_said() -> None:
    assert all(part.install for part in PARTS.values())
    assert sys.prefix in describe()


def test_no_advice_is_to_install_hepcs_from_an_index() -> None:
    """It is on none; the packages that an extra stands for are named, with their bounds."""
    advice = " ".join(part.install for part in PARTS.values())
    assert "hepcs" not in advice
    for package in (
        "pythia8mc>=",
        "dask>=",
        "distributed>=",
        "fsspec-xrootd>=",
        "hepdata-lib>=",
        "pyhf>=",
        "fastjet>=",
    ):
        assert f"'{package}" in advice, package
    assert "pyjet==" in advice


def test_a_checkout_without_a_package_names_it(tmp_path: Path) -> None:
    """pyhf hidden from a process: the check of it fails, and nothing else of hepcs does."""
    script = (
        "import sys; sys.modules['pyhf'] = None\n"
        "from hepcs.analysis.installation import all_parts, examine\n"
        "parts = [part for part in all_parts() if part.name in ('pyhf', 'fits')]\n"
        "for finding in examine(parts): print(finding.part.name, finding.works)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert ended.stdout.splitlines() == ["fits True", "pyhf False"]
