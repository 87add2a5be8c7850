"""Arrays that stay on disk."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys import POOLS

from hepcs._core.errors import InputError
from hepcs.datasets.bootstrap import whole
from hepcs.datasets.samples import Sample
from hepcs.features.feature_file import FeatureFile, MappedArray, mapped_digest, open_mapped, values_beside
from hepcs.running.execution import local_mapper

VALUES = np.random.default_rng(1).normal(size=(50, 2, 6)).astype(np.float32)


@pytest.fixture
def stored(tmp_path: Path) -> MappedArray:
    return store(tmp_path / "features.npy", VALUES)


def store(path: Path, values: np.ndarray) -> MappedArray:
    np.save(path, values)
    return open_mapped(path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_it_is_an_array_that_cannot_be_written(stored: MappedArray) -> None:
    np.testing.assert_array_equal(stored, VALUES)
    assert (stored.shape, stored.dtype, len(stored)) == (VALUES.shape, np.float32, 50)
    with pytest.raises(ValueError, match="read-only"):
        stored[0] = 1


def test_what_is_taken_out_of_it_is_a_plain_array(stored: MappedArray) -> None:
    rows = np.array([3, 3, 7])
    for part, expected in (
        (stored[rows], VALUES[rows]),
        (stored[2:5], VALUES[2:5]),
        (stored * 2, VALUES * 2),
    ):
        assert type(part) is np.ndarray
        np.testing.assert_array_equal(part, expected)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(part)), expected)  # noqa: S301
    assert isinstance(stored.max(), np.float32)


def test_it_is_pickled_without_its_values(stored: MappedArray) -> None:
    content = pickle.dumps(stored, protocol=5)
    assert len(content) < 500 < VALUES.nbytes
    again = pickle.loads(content)  # noqa: S301
    assert isinstance(again, MappedArray)
    assert again.file == stored.file
    np.testing.assert_array_equal(again, VALUES)
    # A view is not the file: it must not come back as the whole of it.
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(stored.reshape(-1)[5:])), VALUES.ravel()[5:])  # noqa: S301


def test_a_file_is_opened_where_it_is_used(stored: MappedArray) -> None:
    assert isinstance(stored.file, FeatureFile)
    again = pickle.loads(pickle.dumps(stored.file))  # noqa: S301
    assert again == stored.file
    np.testing.assert_array_equal(again.open(), VALUES)


def test_values_beside_need_no_file(stored: MappedArray) -> None:
    arrays: dict[str, np.ndarray] = {}
    assert stored.file is not None
    with values_beside(arrays):
        content = pickle.dumps({"one": stored, "two": stored})
        thread = threading.Thread(
            target=lambda: pickle.dumps(store(stored.file.path.with_name("b.npy"), VALUES[:3]))
        )
        thread.start()
        thread.join()
    assert len(content) < 500
    assert list(arrays) == [stored.file.digest], "what another thread sends is none of it"
    stored.file.path.unlink()
    with values_beside(arrays):
        again = pickle.loads(content)  # noqa: S301
    np.testing.assert_array_equal(again["one"], VALUES)
    assert again["two"] is again["one"]
    with pytest.raises(InputError, match="cannot be opened"):
        pickle.loads(content)  # noqa: S301


def test_an_altered_file_is_refused_where_it_arrives(stored: MappedArray) -> None:
    content = pickle.dumps(stored)
    assert stored.file is not None
    altered = bytearray(stored.file.path.read_bytes())
    altered[-1] ^= 1
    stored.file.path.write_bytes(altered)
    with pytest.raises(InputError, match="it is not the file that was prepared") as caught:
        pickle.loads(content)  # noqa: S301
    for word in (str(stored.file.path), "execution.transfer: broadcast", "execution.cache", "delete"):
        assert word in str(caught.value)


def test_a_file_that_moved_is_named(stored: MappedArray, tmp_path: Path) -> None:
    content = pickle.dumps(stored)
    assert stored.file is not None
    stored.file.path.rename(tmp_path / "elsewhere.npy")
    with pytest.raises(
        InputError, match=rf"{re.escape(str(stored.file.path))}: cannot be opened .*No such file"
    ):
        pickle.loads(content)  # noqa: S301


def test_no_array(tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    path.write_bytes(b"no array")
    with pytest.raises(InputError, match="cannot be opened"):
        open_mapped(path, hashlib.sha256(b"no array").hexdigest())


def test_a_relative_path_is_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(store(Path("features.npy"), VALUES))
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(pickle.loads(content), VALUES)  # noqa: S301


def test_a_process_digests_a_file_once(stored: MappedArray, monkeypatch: pytest.MonkeyPatch) -> None:
    content = pickle.dumps(stored)
    read: list[Path] = []
    monkeypatch.setattr("hepcs.features.feature_file.file_sha256", lambda path: read.append(path) or "0")
    pickle.loads(content)  # noqa: S301
    assert not read
    assert stored.file is not None
    os.utime(stored.file.path, ns=(1, 1))
    assert mapped_digest(stored.file.path) == "0"
    assert read == [stored.file.path]


def test_a_sample_is_the_same_with_features_in_memory_and_on_disk(tmp_path: Path) -> None:
    """Also where it is sent to other processes, as samples are with the searches."""
    toys = POOLS.background.take(np.arange(6000) % 7 == 0, 6000)
    on_disk = replace(
        toys,
        features={name: store(tmp_path / f"{name}.npy", one) for name, one in toys.features.items()},
    )
    for name in toys.features:
        here = whole(toys, POOLS.bins).features(name)
        assert here.shape[0] == toys.n_events
        np.testing.assert_array_equal(whole(on_disk, POOLS.bins).features(name), here)
        for there in local_mapper(2)(Look(on_disk, name), range(2)):
            np.testing.assert_array_equal(there, here)


class Look:
    """The features of a sample, seen in another process."""

    def __init__(self, sample: Sample, name: str) -> None:
        self.sample, self.name = sample, name

    def __call__(self, _: int) -> np.ndarray:
        return whole(self.sample, POOLS.bins).features(self.name)


def memory_of(path: Path) -> dict[str, int]:
    """Bytes of this process that map a file, by the kernel's own account."""
    found: dict[str, int] = {}
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(str(path))
        elif inside and line.endswith(" kB"):
            name, size = line[:-3].split(":")
            found[name] = found.get(name, 0) + 1024 * int(size)
    return found


def touch(array: np.ndarray, meet: Path, _: int) -> tuple[int, dict[str, int]]:
    """Read all of an array, wait until another process has too, and say what it takes."""
    float(array.sum())
    (meet / str(os.getpid())).touch()
    deadline = time.monotonic() + 30
    while len(list(meet.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    found = memory_of(array.file.path)  # type: ignore[attr-defined]
    time.sleep(0.5)  # the other one looks while this one still maps the file
    return os.getpid(), found


class Touch:
    """`touch` of one array, sent to a process as searches are."""

    def __init__(self, array: np.ndarray, meet: Path) -> None:
        self.array, self.meet = array, meet

    def __call__(self, item: int) -> tuple[int, dict[str, int]]:
        return touch(self.array, self.meet, item)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/smaps")
def test_processes_share_one_copy_in_memory(tmp_path: Path) -> None:
    size = 40_000_000
    array = store(tmp_path / "large.npy", np.ones(size // 4, dtype=np.float32).reshape(-1, 2, 5))
    (tmp_path / "meet").mkdir()
    found = dict(local_mapper(2)(Touch(array, tmp_path / "meet"), range(2)))
    assert len(found) == 2
    for memory in found.values():
        assert memory["Rss"] == pytest.approx(size, rel=0.01), "all of it is mapped"
        assert memory["Anonymous"] == memory["Private_Dirty"] == 0, "nothing of it is copied"
    # The proportional share: what several processes map is divided among them.
    assert sum(memory["Pss"] for memory in found.values()) < 1.05 * size
