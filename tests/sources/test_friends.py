"""Friend trees."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepcs._core.errors import InputError
from hepcs.config.sources import RootSource
from hepcs.sources.opening import open_files
from hepcs.sources.root import RootFiles
from hepcs.sources.skipping import list_files


def write(path: Path, trees: dict[str, dict[str, ak.Array]]) -> None:
    with uproot.recreate(path) as file:
        for name, columns in trees.items():
            types = {
                key: "var * float64" if values.ndim == 2 else values.dtype for key, values in columns.items()
            }
            file.mktree(name, types).extend(columns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of two events each; eta and phi, and a trigger, are in friends."""
    for index, name in enumerate(("a", "b")):
        pt = ak.Array([[10.0 + index, 20.0], [30.0]])
        place = {"eta": pt / 100, "phi": pt / 50, "fired": np.array([True, False])}
        write(tmp_path / f"{name}.root", {"Events": {"pt": pt}, "Inside": place})
        write(tmp_path / f"{name}_friend.root", {"Extra": place})
    return tmp_path


def opened(folder: Path, *friends: dict[str, object], **keys: object) -> RootFiles:
    section = RootSource.model_validate(
        {
            "kind": "root",
            "files": ["a.root", "b.root"],
            "tree": "Events",
            "branches": {"pt": "pt", "eta": "eta", "phi": "phi"},
            "friends": friends,
            **keys,
        }
    )
    source = open_files(section, [folder])
    assert isinstance(source, RootFiles)
    return source


@pytest.mark.parametrize(
    "friend", [{"tree": "Extra", "files": ["a_friend.root", "b_friend.root"]}, {"tree": "Inside"}]
)
def test_branches_of_friends_are_found_as_if_of_the_tree(folder: Path, friend: dict[str, object]) -> None:
    source = opened(folder, friend, triggers="fired")
    blocks = [source.read_block(chunk) for chunk in source.chunks()]
    assert [block.constituents.pt.to_list() for block in blocks] == [[[10.0, 20.0]], [[11.0, 20.0]]]
    for block in blocks:
        np.testing.assert_allclose(block.constituents.eta, block.constituents.pt / 100)
    # Alone, the second file keeps its own friend.
    alone = source.only([source.files[1]])
    assert alone.read_block(alone.chunks()[0]).constituents.pt.to_list() == [[11.0, 20.0]]
    listing = list_files(source, skip=False, checksums={})
    beside = {
        Path(path).name: [Path(one.path).name for one in files] for path, files in listing.inputs.items()
    }
    named = "files" in friend
    assert beside == {
        f"{name}.root": [f"{name}.root", *([f"{name}_friend.root"] if named else [])] for name in ("a", "b")
    }


def test_a_friend_that_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"1 files of the tree `Extra` for 2 files of the source"):
        opened(folder, {"tree": "Extra", "files": "a_friend.root"})
    with pytest.raises(InputError, match=r"a_friend\.root: has no tree `Other`; it has: Extra"):
        opened(folder, {"tree": "Other", "files": ["a_friend.root", "b_friend.root"]}).chunks()
    pt = ak.Array([[1.0], [2.0], [3.0]])
    write(folder / "long.root", {"Extra": {"eta": pt, "phi": pt}})
    with pytest.raises(InputError, match=r"long\.root: the friend `Extra` has 3 entries, .* has 2"):
        opened(folder, {"tree": "Extra", "files": ["a_friend.root", "long.root"]}).chunks()


def test_names_of_friends_are_among_those_that_are_near(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no branch `weight`; it has: .*eta"):
        opened(folder, {"tree": "Inside"}, branches={"pt": "pt", "eta": "weight", "phi": "phi"}).chunks()
