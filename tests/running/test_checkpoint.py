"""The checkpoint of finished pseudo-experiments: exact, and never believed where it is damaged."""

from __future__ import annotations

import json
import math
import multiprocessing
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from endless_checkpoint import CHUNK, made, record_endlessly
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hepcs._core.errors import ArgumentError, CardError, ComputationError, HepcsError, InputError
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.results.outcomes import Outcome
from hepcs.running.checkpoint import (
    CHECKPOINT,
    Recorded,
    Row,
    is_blank,
    merge_checkpoints,
    open_checkpoint,
    read_checkpoint,
    refuse_unlike,
)
from hepcs.running.identity import Origin

IDENTITY = {
    "card": {"seed": 1, "k": 8, "epsilon": [0, 150]},
    "versions": {"hepcs": "1", "numpy": "2"},
    "samples": {"background": "sha256:00"},
}
SCAN, FIT = ("cluster_scanning", "shared"), ("fit_4", "own")


def outcome(task: Task, statistic: float = 1.5) -> Outcome:
    return Outcome(
        task, statistic, (statistic, 0.1), 1000, math.isfinite(statistic), {"clusters": 0.2, "n": 3}
    )


def rows(
    of: tuple[str, str], *indices: int, kind: Kind = Kind.BACKGROUND_ONLY, epsilon: int = 0, signal: str = ""
) -> list[Row]:
    tasks = [Task(kind, epsilon, index, signal) for index in indices]
    return [(*of, outcome(task, 0.1 * task.index)) for task in tasks]


def write(path: Path, *chunks: list[Row]) -> Path:
    with open_checkpoint(path, IDENTITY, resume=False) as checkpoint:
        for chunk in chunks:
            checkpoint.record(chunk)
    return path


def edited(path: Path, *statements: str) -> None:
    """Change a checkpoint by hand."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def key(row: Row) -> tuple[str, str, Task]:
    return (*row[:2], row[2].task)


CHUNKS = (
    rows(SCAN, 0, 1),
    rows(FIT, 0, 1, 2),
    rows(SCAN, 2, 3),
    rows(SCAN, 0, kind=Kind.DOPED, epsilon=150, signal="wide"),
)
ALL = {key(row): row[2] for chunk in CHUNKS for row in chunk}


def there(recorded: Recorded) -> dict[tuple[str, str, Task], Outcome]:
    return {key(row): row[2] for row in recorded.rows()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "run" / CHECKPOINT, *CHUNKS)


# ------------------------------------------------------------------------------------------- what is kept


def back(tmp_path: Path, given_: Outcome) -> Outcome:
    """An outcome, written and read."""
    ((*names, found),) = read_checkpoint(write(tmp_path / CHECKPOINT, [(*SCAN, given_)])).rows()
    assert tuple(names) == SCAN
    return found


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
@example([math.inf, -math.inf, -0.0, 5e-324, 0.1 + 0.2, sys.float_info.max])
def test_numbers_come_back_to_the_last_bit(tmp_path: Path, values: list[float]) -> None:
    task = Task(Kind.DOPED, 150, 7, "wide")
    given_ = Outcome(task, values[0], tuple(values), 123456789, True, {"a": values[-1], "b": 7})
    found = back(tmp_path, given_)
    assert found == given_
    assert [bits(one) for one in found.members] == [bits(one) for one in values]
    assert type(found.details["b"]) is int


def test_a_search_without_a_statistic(tmp_path: Path) -> None:
    task = Task(Kind.BACKGROUND_ONLY, 0, 3)
    found = back(tmp_path, Outcome(task, math.nan, (math.nan, 1.0), 10, False, {"chi2": math.nan}))
    assert math.isnan(found.statistic)
    assert math.isnan(found.members[0])
    assert math.isnan(found.details["chi2"])
    assert (found.task, found.members[1], found.n_events, found.valid) == (task, 1.0, 10, False)


def test_numbers_of_numpy_are_plain_ones(tmp_path: Path) -> None:
    task = Task(Kind.BACKGROUND_ONLY, 0, np.int64(3))  # type: ignore[arg-type]
    members = (np.float64(0.1), np.float32(0.1))
    made_ = Outcome(task, np.float64(2.5), members, np.int64(4), np.bool_(True), {"n": np.int32(3)})  # type: ignore[arg-type]
    found = back(tmp_path, made_)
    assert found == Outcome(task, 2.5, (0.1, float(np.float32(0.1))), 4, True, {"n": 3})
    assert {type(one) for one in (found.statistic, *found.members)} == {float}
    assert found.valid is True


def test_what_was_recorded_is_found_by_search(path: Path) -> None:
    recorded = read_checkpoint(path)
    assert there(recorded) == ALL
    assert (recorded.n_tasks, recorded.damage, recorded.openings) == (8, "", ())
    assert recorded.identity == IDENTITY
    assert {names: len(tasks) for names, tasks in recorded.outcomes.items()} == {SCAN: 5, FIT: 3}
    assert recorded.outcomes[FIT][Task(Kind.BACKGROUND_ONLY, 0, 2)].statistic == 0.2
    assert [one.name for one in path.parent.iterdir()] == [CHECKPOINT], "nothing else is left in the folder"


def test_other_tools_can_ask(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (content,) = connection.execute("SELECT content FROM notes WHERE what = 'identity'").fetchone()
        asked = "SELECT task_index, json_extract(outcome, '$.statistic') FROM outcomes WHERE search = 'fit_4'"
        assert connection.execute(asked).fetchall() == [(0, 0.0), (1, 0.1), (2, 0.2)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",), "WAL is none for NFS"
    assert json.loads(content) == IDENTITY


def test_a_checkpoint_goes_on(path: Path) -> None:
    with open_checkpoint(path, IDENTITY) as checkpoint:
        assert checkpoint.n_found == 8
        assert len(checkpoint.done(*SCAN)) == 5
        assert not checkpoint.done("cluster_scanning", "own")
        checkpoint.record(rows(SCAN, 9))
        assert Task(Kind.BACKGROUND_ONLY, 0, 9) in checkpoint.done(*SCAN)
        assert checkpoint.n_found == 8
    assert there(read_checkpoint(path)) == {**ALL, **{key(row): row[2] for row in rows(SCAN, 9)}}


def test_it_is_begun_anew_only_if_that_is_asked_for(path: Path) -> None:
    write(path, rows(SCAN, 5))
    assert list(read_checkpoint(path).rows()) == rows(SCAN, 5)


def test_the_guard_may_read_and_keeps_what_is_there(path: Path) -> None:
    def refuse() -> None:
        assert not is_blank(path)
        raise CardError(f"{read_checkpoint(path).n_tasks} are there")

    before = path.read_bytes()
    with pytest.raises(CardError, match="8 are there"), open_checkpoint(path, {}, resume=False, guard=refuse):
        pass
    assert path.read_bytes() == before


def test_another_machine_is_recorded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = read_checkpoint(path).origins
    assert len(here) == 1
    other = Origin("another processor", ("openblas 0.3 Haswell",), "0a")
    monkeypatch.setattr("hepcs.running.checkpoint.this_origin", lambda: other)
    for _ in range(2):
        with open_checkpoint(path, IDENTITY) as checkpoint:
            assert checkpoint.origins == (*here, other)
    assert read_checkpoint(path).origins == (*here, other)
    assert there(read_checkpoint(path)) == ALL


def test_what_was_looked_at_is_recorded_with_the_time(path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    with open_checkpoint(path, IDENTITY) as checkpoint:
        assert checkpoint.openings == ()
        checkpoint.opened("data")
        checkpoint.record(rows(SCAN, 9))
    with open_checkpoint(path, IDENTITY) as checkpoint:
        checkpoint.join(Origin("another processor", (), "0a"))
        checkpoint.opened("data, again")
        openings = checkpoint.openings
    assert read_checkpoint(path).openings == openings
    assert [what for _, what in openings] == ["data", "data, again"]
    assert all(before <= datetime.fromisoformat(when) <= datetime.now(UTC) for when, _ in openings)


def test_nothing_that_was_observed_is_kept(path: Path) -> None:
    """Nor an outcome twice, nor a null that there is not; of such a chunk nothing is recorded."""
    for wrong in (rows(SCAN, 0, kind=Kind.OBSERVED), rows(SCAN, 3), rows(("fit_4", "mine"), 0)):
        before = path.read_bytes()
        with open_checkpoint(path, IDENTITY) as checkpoint:
            with pytest.raises(ArgumentError, match=r"cannot be recorded: (CHECK|UNIQUE)"):
                checkpoint.record([*rows(SCAN, 50), *wrong])
            assert Task(Kind.BACKGROUND_ONLY, 0, 50) not in checkpoint.done(*SCAN)
        assert path.read_bytes() == before
    # The same task with another null, of another kind, and of another signal, is another one.
    doped = [rows(SCAN, 4, kind=Kind.DOPED, epsilon=10, signal=name) for name in ("", "wide", "narrow")]
    assert (
        read_checkpoint(write(path, rows(SCAN, 4), rows(("cluster_scanning", "own"), 4), *doped)).n_tasks == 5
    )


# ------------------------------------------------------------------------------------------------- killed


def killed_in_a_transaction(path: Path, folder: Path) -> Path:
    """A copy of a checkpoint, as a run leaves it that is killed while a chunk goes to the disk."""
    copy = folder / CHECKPOINT
    copy.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("PRAGMA cache_size=1", "BEGIN"):
            connection.execute(statement)
        for table in ("outcomes", "notes"):
            connection.execute(f"UPDATE {table} SET checksum = zeroblob(3000)")
        for suffix in ("", "-journal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
        connection.execute("ROLLBACK")
    assert copy.read_bytes() != path.read_bytes(), "the copy is half written"
    return copy


def test_what_a_killed_run_left_half_written_is_undone(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    copy = killed_in_a_transaction(path, tmp_path / "read")
    assert there(read_checkpoint(copy)) == ALL
    assert copy.read_bytes() == whole
    copy = killed_in_a_transaction(path, tmp_path / "resumed")
    seen = []
    with open_checkpoint(
        copy, IDENTITY, guard=lambda: seen.append(read_checkpoint(copy).n_tasks)
    ) as checkpoint:
        checkpoint.record(rows(SCAN, 9))
    assert seen == [8]
    assert read_checkpoint(copy).n_tasks == 9
    copy = killed_in_a_transaction(path, tmp_path / "merged")
    assert there(merge_checkpoints([copy], tmp_path / "all.sqlite")) == ALL
    copy = killed_in_a_transaction(path, tmp_path / "anew")
    assert list(read_checkpoint(write(copy, rows(SCAN, 5))).rows()) == rows(SCAN, 5)
    assert [one.name for one in copy.parent.iterdir()] == [CHECKPOINT]


def test_without_its_journal_it_is_not_believed(path: Path, tmp_path: Path) -> None:
    copy = killed_in_a_transaction(path, tmp_path / "read")
    Path(f"{copy}-journal").unlink()
    noticed_or_harmless(copy, read_checkpoint(path))


def test_a_checkpoint_killed_as_it_began_is_begun_again(path: Path, tmp_path: Path) -> None:
    """While its tables are written: the journal says that the file was empty."""
    blank = tmp_path / "blank" / CHECKPOINT
    blank.parent.mkdir()
    with closing(sqlite3.connect(blank, isolation_level=None)) as connection:
        for statement in ("PRAGMA cache_size=1", "BEGIN", "CREATE TABLE a (b)"):
            connection.execute(statement)
        connection.executemany("INSERT INTO a VALUES (?)", [("b" * 1000,)] * 100)
        for suffix in ("", "-journal"):
            shutil.copy(f"{blank}{suffix}", f"{tmp_path / 'killed'}{suffix}")
        connection.execute("ROLLBACK")
    killed = tmp_path / "killed"
    assert killed.stat().st_size > 0
    assert is_blank(killed)
    for found in (killed, blank):
        found.write_bytes(b"")
        assert is_blank(found)
        with pytest.raises(InputError, match="no checkpoint"):
            read_checkpoint(found)
        with open_checkpoint(found, IDENTITY) as checkpoint:
            assert checkpoint.n_found == 0
        assert not is_blank(found)
        assert read_checkpoint(found).identity == IDENTITY


@pytest.mark.slow
def test_killed_while_many_chunks_are_written(tmp_path: Path) -> None:
    """By SIGKILL, at random moments: all that was said to be on disk is there, as it was, in whole chunks."""
    path, log, rng = tmp_path / CHECKPOINT, tmp_path / "log", np.random.default_rng(3)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hepcs.running.checkpoint", "scipy.linalg"])
    for _ in range(40):
        size = log.stat().st_size if log.exists() else 0
        process = context.Process(target=record_endlessly, args=(path, log, IDENTITY))
        process.start()
        while process.is_alive() and not (log.exists() and log.stat().st_size > size):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it ended before it was killed"
        said = int(log.read_text().split("\n")[-2])
        found = read_checkpoint(path)
        assert not found.damage
        assert found.n_tasks in {said, said + CHUNK}
        assert [row[2] for row in found.rows()] == [made(index) for index in range(found.n_tasks)]
        assert len(found.origins) == 1


# ------------------------------------------------------------------------------------------------- damage


def test_what_is_no_checkpoint_is_not_touched(tmp_path: Path) -> None:
    path, other = tmp_path / CHECKPOINT, tmp_path / "other"
    edited(other, "CREATE TABLE notes (a)", "PRAGMA user_version=7")
    for content in (b"my notes", b"my notes\n", b"\x00" * 100, b"SQLite format 3\x00", other.read_bytes()):
        path.write_bytes(content)
        assert not is_blank(path)
        with (
            pytest.raises(InputError, match=r"checkpoint\.sqlite: no checkpoint"),
            open_checkpoint(path, IDENTITY),
        ):
            pass
        assert path.read_bytes() == content
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(tmp_path / "nothing.sqlite")
    with pytest.raises(InputError, match="cannot be read"):
        is_blank(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = write(tmp_path_factory.mktemp("whole") / CHECKPOINT, *CHUNKS)
    with open_checkpoint(path, IDENTITY) as checkpoint:
        checkpoint.opened("data")
    yield path


def noticed_or_harmless(damaged: Path, whole: Recorded) -> bool:
    """Whether damage was noticed; nothing else may be read than what was written."""
    try:
        recorded = read_checkpoint(damaged)
    except InputError as error:
        assert str(error).startswith(f"{damaged}: ")
        return True
    assert (recorded.identity, recorded.origins, recorded.openings) == (
        whole.identity,
        whole.origins,
        whole.openings,
    )
    found = there(recorded)
    assert found.items() <= ALL.items()
    assert len(found) + len(recorded.lost) == len(ALL)
    return bool(recorded.damage)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_noticed_or_harmless(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 3), "flips")):
        position = data.draw(st.integers(0, len(content) - 1), "byte")
        content[position] ^= 1 << data.draw(st.integers(0, 7), "bit")
    damaged = tmp_path / CHECKPOINT
    damaged.write_bytes(content)
    noticed_or_harmless(damaged, read_checkpoint(whole))


def test_a_flipped_bit_of_the_content_is_noticed(whole: Path, tmp_path: Path) -> None:
    content, damaged = whole.read_bytes(), tmp_path / CHECKPOINT
    known = read_checkpoint(whole)
    for word in (
        b'"n_events":1000',
        b'"seed":1',
        b"cluster_scanning",
        b'"data"]',
        b"opening",
        b'"statistic":0.2',
    ):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[content.index(word) + 2] ^= 1 << bit
            damaged.write_bytes(flipped)
            assert noticed_or_harmless(damaged, known), (word, bit)


def test_a_cut_is_noticed(whole: Path, tmp_path: Path) -> None:
    content, damaged = whole.read_bytes(), tmp_path / CHECKPOINT
    for size in range(1, len(content), 97):
        damaged.write_bytes(content[:size])
        assert noticed_or_harmless(damaged, read_checkpoint(whole))
        assert not is_blank(damaged)


def test_damaged_outcomes_are_computed_again(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edited(path, "UPDATE outcomes SET outcome = replace(outcome, ':1000', ':1001') WHERE search = 'fit_4'")
    told = f"{path}: 3 of 8 outcomes are damaged, and are computed again"
    recorded = read_checkpoint(path)
    assert recorded.damage == told
    assert recorded.outcomes.keys() == {SCAN}
    with caplog.at_level("WARNING", logger="hepcs"):
        merged = merge_checkpoints([path], tmp_path / "merged.sqlite")
        assert f"{told} once the merged checkpoint is resumed" in caplog.text
        assert (merged.n_tasks, merged.damage) == (5, "")
        caplog.clear()
        with open_checkpoint(path, IDENTITY) as checkpoint:
            assert told in caplog.text
            assert checkpoint.n_found == 5
            checkpoint.record(CHUNKS[1])
    assert there(read_checkpoint(path)) == ALL
    assert not read_checkpoint(path).damage


def test_damaged_notes_are_refused(path: Path) -> None:
    with open_checkpoint(path, IDENTITY) as checkpoint:
        checkpoint.opened("data")
        checkpoint.opened("data")
    content = path.read_bytes()
    for statement, number in (
        ("UPDATE notes SET content = replace(content, '8', '9') WHERE number = 1", 1),
        ("UPDATE notes SET content = replace(content, 'data', 'dama') WHERE number = 3", 3),
        ("DELETE FROM notes WHERE number = 3", 3),
        ("DELETE FROM notes WHERE number = 1", 1),
    ):
        path.write_bytes(content)
        edited(path, statement)
        for overwrite in (False, True):
            if overwrite:
                assert read_checkpoint(write(path, *CHUNKS)).n_tasks == 8
                continue
            with (
                pytest.raises(InputError, match=rf"damaged one: note {number} is not as it was.*--overwrite"),
                open_checkpoint(path, IDENTITY),
            ):
                pass


def test_a_row_of_another_checkpoint_is_not_believed(path: Path, tmp_path: Path) -> None:
    """Even of one that differs only in its card."""
    with open_checkpoint(tmp_path / "other.sqlite", {**IDENTITY, "card": {"seed": 2}}) as other:
        other.record(rows(SCAN, 8))
    edited(
        path,
        f"ATTACH '{tmp_path / 'other.sqlite'}' AS other",
        "INSERT INTO outcomes SELECT * FROM other.outcomes",
    )
    assert read_checkpoint(path).damage == f"{path}: 1 of 9 outcomes are damaged, and are computed again"


def test_another_format_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hepcs.running.checkpoint.FORMAT", 2)
    with pytest.raises(InputError, match=r"checkpoint\.sqlite: .*format 1, expected 2"):
        read_checkpoint(path)


def test_content_of_another_version_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hepcs.running.checkpoint.Outcome", replace)  # which takes other arguments
    with pytest.raises(InputError, match=r"not understood .*another version"):
        read_checkpoint(path)


# --------------------------------------------------------------------------------------- unlike and locked


def test_another_run_is_refused_key_by_key(path: Path) -> None:
    other = {
        "card": {"seed": 2, "k": 8, "epsilon": [0, 100], "new": True},
        "versions": {"hepcs": "1"},
        "samples": IDENTITY["samples"],
    }
    before = path.read_bytes()
    with pytest.raises(CardError) as refused, open_checkpoint(path, other):
        pass
    lines = str(refused.value).splitlines()
    assert "checkpoint.sqlite: its 8 outcomes are of another run" in lines[0]
    assert lines[1:-1] == [
        "  card.seed: 1 in the checkpoint, 2 now",
        "  card.epsilon: [0, 150] in the checkpoint, [0, 100] now",
        "  versions.numpy: 2 in the checkpoint, absent now",
        "  card.new: absent in the checkpoint, True now",
    ]
    assert "--overwrite" in lines[-1]
    assert path.read_bytes() == before


def test_only_ten_differences_are_listed(path: Path) -> None:
    other = {"card": {f"key_{i}": i for i in range(20)}}
    with pytest.raises(CardError) as refused:
        refuse_unlike(read_checkpoint(path), other)
    # 3 keys are gone, and 20 are new; parts of the identity that are not given are not compared.
    assert str(refused.value).splitlines()[-2] == "  and 13 more"
    assert len(str(refused.value).splitlines()) == 13


def test_two_processes_do_not_write_one_checkpoint(path: Path, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom hepcs.running.checkpoint import open_checkpoint\n"
        f"with open_checkpoint(Path(sys.argv[1]), {IDENTITY!r}): print('open', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        path.read_bytes()  # which would end the locks of SQLite, were it done by the other process
        for resume in (True, False):
            with (
                pytest.raises(CardError, match=r"checkpoint\.sqlite: another process.*--output"),
                open_checkpoint(path, IDENTITY, resume=resume),
            ):
                pass
        with pytest.raises(CardError, match="another process"):
            merge_checkpoints([path], tmp_path / "merged.sqlite")
        with pytest.raises(CardError, match="another process"):
            merge_checkpoints([write(tmp_path / "one.sqlite", rows(SCAN, 5))], path)
        assert read_checkpoint(path).n_tasks == 8, "it may be looked at"
        process.kill()
    # The lock of a killed process is gone.
    with open_checkpoint(path, IDENTITY) as checkpoint:
        assert checkpoint.n_found == 8


def test_a_checkpoint_that_is_written_may_be_looked_at(tmp_path: Path) -> None:
    """By a thread, as by another process: it is read as it was, or said to be busy, and not disturbed."""
    path, ends, wrong = tmp_path / CHECKPOINT, threading.Event(), []
    n_read = 0

    def look() -> None:
        nonlocal n_read
        while not ends.is_set():
            try:
                found = read_checkpoint(path)
            except HepcsError as error:
                if "another process" not in str(error):
                    wrong.append(str(error))
                continue
            n_read += 1
            if [row[2] for row in found.rows()] != [made(index) for index in range(found.n_tasks)]:
                wrong.append("other outcomes")

    with open_checkpoint(path, IDENTITY) as checkpoint:
        watcher = threading.Thread(target=look)
        watcher.start()
        for start in range(0, 100 * CHUNK, CHUNK):
            checkpoint.record([("scan", "shared", made(start + i)) for i in range(CHUNK)])
        ends.set()
        watcher.join()
    assert not wrong
    assert n_read > 0
    assert read_checkpoint(path).n_tasks == 100 * CHUNK


def test_a_disk_that_fills_up(path: Path, mounted: Callable[[str], Path]) -> None:
    """On a real file system: what is there stays good, and the run goes on once there is space."""
    full = mounted("size=256k") / CHECKPOINT
    full.write_bytes(path.read_bytes())
    filler = full.with_name("filler")
    with open_checkpoint(full, IDENTITY) as checkpoint:
        filler.write_bytes(b"")
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        with pytest.raises(ComputationError, match=r"cannot be written .*Free some space.*--resume"):
            for start in range(100, 200):
                before = full.read_bytes()
                checkpoint.record(rows(SCAN, *range(10 * start, 10 * start + 10)))
        assert len(checkpoint.done(*SCAN)) + 3 == read_checkpoint(full).n_tasks
    assert full.read_bytes() == before
    found = read_checkpoint(full)
    assert not found.damage
    with (
        pytest.raises(ComputationError, match="Free some space"),
        open_checkpoint(full.with_name("other") / CHECKPOINT, IDENTITY),
    ):
        pass
    with pytest.raises(ComputationError, match="Free some space"):
        merge_checkpoints([path], full.with_name("merged.sqlite"))
    assert {one.name for one in full.parent.iterdir()} <= {CHECKPOINT, "filler", "other"}
    filler.unlink()
    with open_checkpoint(full, IDENTITY) as checkpoint:
        assert checkpoint.n_found == found.n_tasks
        checkpoint.record(rows(SCAN, 9999))
    assert read_checkpoint(full).n_tasks == found.n_tasks + 1


def test_a_chunk_that_is_refused_half_way(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop in the middle of a chunk: nothing of it is recorded, and the next one is."""
    before = path.read_bytes()

    def stopped() -> Iterator[Row]:
        yield from rows(SCAN, 9)
        raise KeyboardInterrupt

    with open_checkpoint(path, IDENTITY) as checkpoint:
        with pytest.raises(KeyboardInterrupt):
            checkpoint.record(stopped())  # type: ignore[arg-type]
        assert path.read_bytes() == before
        checkpoint.record(rows(SCAN, 9))
    assert read_checkpoint(path).n_tasks == 9


def test_a_place_where_no_checkpoint_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / CHECKPOINT, tmp_path):
        with (
            pytest.raises(CardError, match=r"the checkpoint cannot be written.*--output"),
            open_checkpoint(place, IDENTITY),
        ):
            pass


def test_a_place_where_nothing_can_be_written(path: Path, mounted: Callable[[str], Path]) -> None:
    """A finished checkpoint can be read there, and merged from there."""
    disk = mounted("size=1m")
    shutil.copy(path, disk / CHECKPOINT)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with (
        pytest.raises(CardError, match=r"cannot be written.*--output"),
        open_checkpoint(disk / CHECKPOINT, IDENTITY),
    ):
        pass
    assert there(read_checkpoint(disk / CHECKPOINT)) == ALL
    assert merge_checkpoints([disk / CHECKPOINT], path.with_name("merged.sqlite")).n_tasks == 8


def test_a_file_system_without_locks_is_warned_of(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with caplog.at_level("WARNING", logger="hepcs"), open_checkpoint(path, IDENTITY) as checkpoint:
        assert checkpoint.n_found == 8
    assert caplog.text.count("cannot be locked") == 1


def test_names_with_all_kinds_of_letters(path: Path) -> None:
    odd = path.parent / "50% of ?mode=ro#it é" / CHECKPOINT
    assert there(read_checkpoint(write(odd, *CHUNKS))) == ALL


# ----------------------------------------------------------------------------------------------- merging


def test_merged_checkpoints_hold_all_tasks(path: Path, tmp_path: Path) -> None:
    more = [rows(SCAN, 4, 5), rows(("fit_4", "shared"), 7)]
    other = write(tmp_path / "other.sqlite", *more)
    merged = merge_checkpoints([path, other], tmp_path / "merged" / CHECKPOINT)
    assert merged == read_checkpoint(tmp_path / "merged" / CHECKPOINT)
    assert there(merged) == {**ALL, **{key(row): row[2] for chunk in more for row in chunk}}
    assert merged.identity == IDENTITY
    assert [one.name for one in merged.path.parent.iterdir()] == [CHECKPOINT]
    with open_checkpoint(merged.path, IDENTITY) as checkpoint:
        assert len(checkpoint.done(*SCAN)) == 7


def test_a_blank_file_is_replaced(path: Path, tmp_path: Path) -> None:
    """With the journal of a run that was killed as it began."""
    destination = killed_in_a_transaction(path, tmp_path / "merged")
    destination.write_bytes(b"")
    assert there(merge_checkpoints([path], destination)) == ALL


def test_origins_and_openings_of_all_parts_are_kept(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Origin("another processor", (), "0a")
    monkeypatch.setattr("hepcs.running.checkpoint.this_origin", lambda: other)
    second = write(tmp_path / "second.sqlite", rows(SCAN, 4))
    third = write(tmp_path / "third.sqlite", rows(SCAN, 5))
    for one in (third, second):
        with open_checkpoint(one, IDENTITY) as checkpoint:
            checkpoint.opened(f"data by {one.stem}")
    merged = merge_checkpoints([path, second, third], tmp_path / "merged.sqlite")
    assert merged.origins == (*read_checkpoint(path).origins, other)
    assert merged.openings == tuple(
        sorted(opening for one in (second, third) for opening in read_checkpoint(one).openings)
    )
    assert len(merged.openings) == 2


def test_samples_that_were_prepared_twice_are_explained(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each of two jobs, on processors for which the principal components have other last digits."""
    unlike = {**IDENTITY, "samples": {"background": "sha256:01"}}
    with pytest.raises(CardError) as refused:
        refuse_unlike(read_checkpoint(path), unlike)
    assert "machines" not in str(refused.value), "it was the same one"
    other = Origin("Opteron", ("openblas Sandybridge",), "0a")
    monkeypatch.setattr("hepcs.running.checkpoint.this_origin", lambda: other)
    with pytest.raises(CardError, match=r"(?s)now.*Opteron \(openblas Sandybridge\) now.*execution\.cache"):
        refuse_unlike(read_checkpoint(path), unlike)
    with open_checkpoint(tmp_path / "other.sqlite", unlike):
        pass
    with pytest.raises(
        CardError, match=r"(?s)Opteron \(openblas Sandybridge\) in the second.*execution\.cache"
    ):
        merge_checkpoints([path, tmp_path / "other.sqlite"], tmp_path / "merged.sqlite")


def test_overlapping_checkpoints_are_refused(path: Path, tmp_path: Path) -> None:
    doped = rows(SCAN, 0, kind=Kind.DOPED, epsilon=150, signal="wide")
    other = write(tmp_path / "other.sqlite", rows(SCAN, 3, 4, 5), doped, rows(FIT, 2))
    with pytest.raises(CardError) as refused:
        merge_checkpoints([path, other], tmp_path / "merged.sqlite")
    text = str(refused.value)
    assert "other.sqlite: 3 of its 5 outcomes are in another" in text
    assert f"  background-only pseudo-experiment 3 of cluster_scanning, also in {path}" in text
    assert "  background-only toy 2 of fit_4, also in" in text
    assert "  doped pseudo-experiment 0 with epsilon = 150 of wide of cluster_scanning" in text
    for again in (path, Path(str(path))):
        with pytest.raises(CardError, match="Name each checkpoint once"):
            merge_checkpoints([path, again], tmp_path / "merged.sqlite")
    assert not (tmp_path / "merged.sqlite").exists()


def test_unlike_checkpoints_are_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with open_checkpoint(other, {**IDENTITY, "card": {**IDENTITY["card"], "k": 9}}) as checkpoint:  # type: ignore[dict-item]
        checkpoint.record(rows(SCAN, 8))
    with pytest.raises(CardError) as refused:
        merge_checkpoints([path, other], tmp_path / "merged.sqlite")
    assert f"{path} and {other} are of different runs" in str(refused.value)
    assert "card.k: 8 in the first, 9 in the second" in str(refused.value)
    assert not (tmp_path / "merged.sqlite").exists()
