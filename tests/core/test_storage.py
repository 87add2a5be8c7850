"""Files written whole or not at all, and digests."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hepcs._core.errors import ComputationError, InputError
from hepcs._core.storage import (
    atomic_path,
    digest_of,
    file_sha256,
    reserve,
    sweep,
    try_to_write,
    wait_for_files,
    write_json,
)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_json(path, {"a": 1})
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", float("nan"))


def test_digests(tmp_path: Path) -> None:
    assert digest_of({"a": 1, "b": [2.5]}) == digest_of({"b": [2.5], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
    (tmp_path / "x").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_sha256(tmp_path / "x").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_files_of_workers_may_come_late(tmp_path: Path) -> None:
    path = tmp_path / "late.npz"
    thread = threading.Timer(0.3, path.touch)
    thread.start()
    wait_for_files([path], patience=20)
    thread.join()
    with pytest.raises(InputError, match=r"never\.npz: a worker wrote it, .*execution\.transfer: broadcast"):
        wait_for_files([path, tmp_path / "never.npz"], patience=0.1)


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    """Processes of two machines may have the same number."""
    path = tmp_path / "file.txt"
    with atomic_path(path) as first, atomic_path(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def small_disk(mounted: Callable[[str], Path]) -> Path:
    """A file system of its own with 2 MB."""
    return mounted("size=2m")


def test_a_full_disk_is_noticed_before_the_work(small_disk: Path) -> None:
    try_to_write(small_disk)
    (small_disk / "filler").write_bytes(bytes(2**21))
    with pytest.raises(ComputationError, match=r"No space left.*Free some space"):
        try_to_write(small_disk)
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_mapped_file_has_its_space_before_it_is_filled(small_disk: Path) -> None:
    """Without that, a page that finds no space kills the process by SIGBUS, without a word."""
    path = small_disk / "features.npy"
    path.touch()
    with pytest.raises(ComputationError, match=r"8\.0 MB are needed .* 2\.1 MB are free .*Free some space"):
        reserve(path, 8_000_000)
    path.unlink()
    path.touch()
    reserve(path, 1_000_000)
    assert path.stat().st_blocks * 512 >= 1_000_000


def test_a_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    path = small_disk / "file.bin"
    path.write_bytes(b"old")
    with (
        pytest.raises(ComputationError, match=r"file\.bin: cannot be written .*Free some space"),
        atomic_path(path) as temporary,
    ):
        temporary.write_bytes(bytes(2**22))
    assert path.read_bytes() == b"old"
    assert list(small_disk.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
from hepcs._core.storage import atomic_folder, atomic_path
folder = Path(sys.argv[1])
with atomic_path(folder / "below" / "a.npz") as file, atomic_folder(folder / "sample") as sample:
    file.touch()
    (sample / "features.npy").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_killed_processes_left_is_removed_after_a_day(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    (tmp_path / ".writing-abc123").mkdir()
    (tmp_path / ".notes").touch()
    left = {path for path in tmp_path.rglob(".*") if path.name != ".notes"}
    assert len(left) == 3

    def is_left() -> set[Path]:
        return {path for path in left if path.exists()}

    sweep(tmp_path, below=True)
    assert is_left() == left, "it may be another machine's"
    yesterday = time.time() - 90_000
    for path in (*left, tmp_path / ".notes"):
        os.utime(path, (yesterday, yesterday))
    sweep(tmp_path)
    assert {path.parent for path in is_left()} == {tmp_path / "below"}
    with atomic_path(tmp_path / "mine.txt") as mine:
        mine.write_text("mine")
        os.utime(mine, (yesterday, yesterday))
        sweep(tmp_path, below=True)
        assert mine.exists()
    assert is_left() == set()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".notes", "below", "mine.txt"]
