"""The same content in two samples."""

from __future__ import annotations

import shutil
from pathlib import Path

import awkward as ak
import pytest

from hepcs._core.errors import InputError
from hepcs.config.sources import RootSource
from hepcs.sources.opening import open_files
from hepcs.sources.overlap import require_different_files
from hepcs.sources.skipping import Listing, list_files
from hepcs.sources.writing import RootWriter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, name in enumerate(("a", "b", "c")):
        values = ak.Array([[1.0 + index, 2.0]])
        with RootWriter(tmp_path / f"{name}.root") as writer:
            writer.write(ak.zip({"pt": values, "eta": values, "phi": values}))
    shutil.copy(tmp_path / "a.root", tmp_path / "copy_of_a.root")
    return tmp_path


def listing(folder: Path, *names: str) -> Listing:
    section = RootSource(kind="root", files=[f"{name}.root" for name in names])
    return list_files(open_files(section, [folder]), skip=False, checksums={})


@pytest.mark.parametrize(
    "roles", [("data", "background"), ("background", "signal"), ("signals.x", "signals.y")]
)
def test_a_copy_in_another_sample_is_refused(folder: Path, roles: tuple[str, str]) -> None:
    first, second = roles
    shared = {first: listing(folder, "b", "a"), second: listing(folder, "c", "copy_of_a")}
    with pytest.raises(InputError) as caught:
        require_different_files(shared)
    text = str(caught.value)
    for part in (f"copy_of_a.root ({second})", f"a.root ({first})", "sha256:", "`files`"):
        assert part in text


def test_different_samples_and_priors_that_are_signals_pass(folder: Path) -> None:
    require_different_files({"data": listing(folder, "a"), "background": listing(folder, "b", "c")})
    require_different_files({"signal": listing(folder, "a"), "priors.x": listing(folder, "copy_of_a")})
    with pytest.raises(InputError, match=r"priors\.x"):
        require_different_files({"background": listing(folder, "a"), "priors.x": listing(folder, "a")})
