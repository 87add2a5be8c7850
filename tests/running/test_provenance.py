"""What is recorded of program, packages and machine."""

from __future__ import annotations

import re
import shutil
from importlib.metadata import distribution, version
from pathlib import Path

import pytest

from hepcs.running import provenance
from hepcs.running.provenance import (
    blas_kernels,
    code_digest,
    developers_packages,
    loaded_packages,
    processor,
    requirements,
    versions,
)


def test_every_package_that_hepcs_can_call_on_is_there() -> None:
    found = versions()
    assert list(found)[:2] == ["python", "hepcs"]
    for package in ("numpy", "scikit-learn", "uproot", "pydantic-core", "llvmlite", "contourpy"):
        assert found[package] == version(package), "direct or not"
    for package in ("pytest", "ruff", "mypy"):
        assert package not in found, "takes no part in a run"


def test_every_package_that_is_loaded_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether hepcs asks for it or not, such as what a user's own search brings."""
    owners = {"json": ["Of.A_user"], "numpy": ["numpy"], "pytest": ["pytest"], "not_loaded": ["absent"]}
    monkeypatch.setattr(provenance, "packages_distributions", lambda: owners)
    assert loaded_packages() == ["numpy", "of-a-user"]


def test_requirements_of_requirements_are_followed_to_the_end() -> None:
    found = versions()
    for package in found.keys() - {"python", "hepcs"}:
        for name in requirements(distribution(package)):
            try:
                version(name)
            except Exception:  # not installed on this system
                continue
            assert name in found, f"{name}, of {package}"


def test_extras_are_asked_for_where_they_are_wanted() -> None:
    """Names as registries compare them, whatever the package calls them; those of other systems are none."""

    class Package:
        requires = ("Scikit_Learn>1", "b.c; sys_platform == 'none'", "d; extra == 'more'", "of old times!")

    assert requirements(Package()) == {"scikit-learn"}  # type: ignore[arg-type]
    assert requirements(Package(), ["more"]) == {"scikit-learn", "d"}  # type: ignore[arg-type]
    assert {"pytest", "ruff"} <= developers_packages()
    assert not {"hepcs", "numpy", "dask", "pyhf"} & developers_packages()


def test_the_program_text_has_a_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", code_digest())
    copy = tmp_path / "hepcs"
    assert (provenance.PACKAGE / "py.typed").is_file(), "all of the package"
    shutil.copytree(provenance.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    code_digest.cache_clear()
    try:
        first = code_digest()
        (copy / "_core" / "errors.py").write_text("changed = True\n", encoding="utf-8")
        code_digest.cache_clear()
        assert code_digest() != first
    finally:
        code_digest.cache_clear()


def test_the_machine_is_described() -> None:
    assert processor()
    kernels = blas_kernels()
    assert kernels
    assert all(kernel == kernel.strip() for kernel in kernels)
