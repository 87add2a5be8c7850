"""The ledger of finished pseudo-experiments: exact, and never believed where it is damaged."""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hepcs._core.errors import CardError, ComputationError, InputError
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.running.identity import Origin
from hepcs.running.ledger import (
    Chunk,
    Recorded,
    is_blank,
    merge_ledgers,
    open_ledger,
    read_ledger,
    refuse_unlike,
)
from hepcs.searches.base import Outcome

IDENTITY = {
    "card": {"seed": 1, "k": 8, "epsilon": [0, 150]},
    "versions": {"hepcs": "1", "numpy": "2"},
    "samples": {"background": "sha256:00"},
}
SCAN, FITS = ("cluster_scanning",), ("fit_3", "fit_4")


def outcome(task: Task, statistic: float = 1.5) -> Outcome:
    return Outcome(
        task, statistic, (statistic, 0.1), 1000, math.isfinite(statistic), {"clusters": 0.2, "n": 3}
    )


def chunk(
    searches: tuple[str, ...], *indices: int, kind: Kind = Kind.BACKGROUND_ONLY, epsilon: int = 0
) -> Chunk:
    tasks = [Task(kind, epsilon, index) for index in indices]
    members = tuple(
        tuple(outcome(task, 0.1 * task.index + i) for i, _ in enumerate(searches)) for task in tasks
    )
    return Chunk(searches, members)


def write(path: Path, *chunks: Chunk) -> Path:
    with open_ledger(path, IDENTITY, resume=False) as ledger:
        for one in chunks:
            ledger.append(one.searches, one.outcomes)
    return path


CHUNKS = (chunk(SCAN, 0, 1), chunk(FITS, 0, 1, 2), chunk(SCAN, 2, 3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "run" / "ledger.jsonl", *CHUNKS)


# ------------------------------------------------------------------------------------------- what is kept


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
@example([math.inf, -math.inf, -0.0, 5e-324, 0.1 + 0.2, sys.float_info.max])
def test_numbers_come_back_to_the_last_bit(tmp_path: Path, values: list[float]) -> None:
    task = Task(Kind.DOPED, 150, 7)
    given_ = Outcome(task, values[0], tuple(values), 123456789, True, {"a": values[-1], "b": 7})
    (found,) = read_ledger(write(tmp_path / "ledger.jsonl", Chunk(SCAN, ((given_,),)))).chunks
    ((back,),) = found.outcomes
    assert back == given_
    assert [bits(one) for one in back.members] == [bits(one) for one in values]
    assert type(back.details["b"]) is int


def test_a_search_without_a_statistic(tmp_path: Path) -> None:
    task = Task(Kind.BACKGROUND_ONLY, 0, 3)
    failed = Outcome(task, math.nan, (math.nan, 1.0), 10, False, {"chi2": math.nan})
    (found,) = read_ledger(write(tmp_path / "ledger.jsonl", Chunk(SCAN, ((failed,),)))).chunks
    ((back,),) = found.outcomes
    assert math.isnan(back.statistic)
    assert math.isnan(back.members[0])
    assert math.isnan(back.details["chi2"])
    assert (back.task, back.members[1], back.n_events, back.valid) == (task, 1.0, 10, False)


def test_numbers_of_numpy_are_plain_ones(tmp_path: Path) -> None:
    task = Task(Kind.BACKGROUND_ONLY, 0, 3)
    members = (np.float64(0.1), np.float32(0.1))
    made = Outcome(task, np.float64(2.5), members, np.int64(4), np.bool_(True), {"n": np.int32(3)})  # type: ignore[arg-type]
    (found,) = read_ledger(write(tmp_path / "ledger.jsonl", Chunk(SCAN, ((made,),)))).chunks
    ((back,),) = found.outcomes
    assert back == Outcome(task, 2.5, (0.1, float(np.float32(0.1))), 4, True, {"n": 3})
    assert {type(one) for one in (back.statistic, *back.members)} == {float}


def test_what_was_recorded_is_found_by_family(path: Path) -> None:
    recorded = read_ledger(path)
    assert recorded.chunks == CHUNKS
    assert (recorded.n_tasks, recorded.damage, recorded.size) == (7, "", path.stat().st_size)
    assert recorded.identity == IDENTITY
    found = recorded.by_family()
    assert {searches: len(tasks) for searches, tasks in found.items()} == {SCAN: 4, FITS: 3}
    task = Task(Kind.BACKGROUND_ONLY, 0, 2)
    assert [one.statistic for one in found[FITS][task]] == [0.2, 1.2]


def test_every_line_is_json_for_other_tools(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["content"]["identity"] == IDENTITY
    assert lines[2]["content"]["tasks"] == [[1, 0, 0], [1, 0, 1], [1, 0, 2]]


def test_a_ledger_goes_on(path: Path) -> None:
    with open_ledger(path, IDENTITY) as ledger:
        assert ledger.n_found == 7
        assert len(ledger.done(SCAN)) == 4
        assert not ledger.done(("another",))
        ledger.append(SCAN, chunk(SCAN, 9).outcomes)
        assert Task(Kind.BACKGROUND_ONLY, 0, 9) in ledger.done(SCAN)
    assert read_ledger(path).chunks == (*CHUNKS, chunk(SCAN, 9))


def test_it_is_begun_anew_only_if_that_is_asked_for(path: Path) -> None:
    write(path, chunk(SCAN, 5))
    assert read_ledger(path).chunks == (chunk(SCAN, 5),)


def test_another_machine_is_recorded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = read_ledger(path).origins
    other = Origin("another processor", ("openblas 0.3 Haswell",), "0a")
    monkeypatch.setattr("hepcs.running.ledger.writing.this_origin", lambda: other)
    for _ in range(2):
        with open_ledger(path, IDENTITY) as ledger:
            assert ledger.origins == (*here, other)
    assert read_ledger(path).origins == (*here, other)
    assert read_ledger(path).chunks == CHUNKS


# ------------------------------------------------------------------------------------------------- damage


def same_outcomes(recorded: Recorded) -> None:
    """Whatever is read must be what was written, for every task."""
    whole = {searches: dict(tasks) for searches, tasks in by_family(CHUNKS).items()}
    for searches, tasks in recorded.by_family().items():
        for task, members in tasks.items():
            assert whole[searches][task] == members


def by_family(chunks: tuple[Chunk, ...]) -> dict[tuple[str, ...], dict[Task, tuple[Outcome, ...]]]:
    found: dict[tuple[str, ...], dict[Task, tuple[Outcome, ...]]] = {}
    for one in chunks:
        found.setdefault(one.searches, {}).update(zip(one.tasks, one.outcomes, strict=True))
    return found


def test_a_cut_at_any_byte_of_the_last_record(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = path.read_bytes()
    good = whole[:-1].rindex(b"\n") + 1
    for size in range(good, len(whole)):
        path.write_bytes(whole[:size])
        recorded = read_ledger(path)
        assert recorded.chunks == CHUNKS[:-1]
        assert bool(recorded.damage) is (size > good)
        assert recorded.size == good
    # The next record takes the place of the cut one.
    with caplog.at_level("WARNING", logger="hepcs"), open_ledger(path, IDENTITY) as ledger:
        ledger.append(SCAN, CHUNKS[-1].outcomes)
    assert "ledger.jsonl:4: the last line is cut short: its tasks are done again" in caplog.text
    assert path.read_bytes() == whole


def test_a_cut_anywhere_before_is_never_believed(path: Path) -> None:
    whole = path.read_bytes()
    header = whole.index(b"\n") + 1
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        if size < header:
            assert is_blank(path)
            with pytest.raises(InputError, match=r"ledger\.jsonl:1: "):
                read_ledger(path)
        else:
            same_outcomes(read_ledger(path))


def test_a_ledger_killed_as_it_began_is_begun_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(path.read_bytes()[:50])
    with caplog.at_level("WARNING", logger="hepcs"), open_ledger(path, IDENTITY) as ledger:
        assert ledger.n_found == 0
    assert "cut inside its first line" in caplog.text
    assert read_ledger(path).identity == IDENTITY


def test_what_is_no_ledger_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for content in (b"my notes", b"my notes\n", b'{"sha256":"\n', b"\x00" * 100, b"\n\n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"ledger\.jsonl:1: "), open_ledger(path, IDENTITY):
            pass
        assert path.read_bytes() == content
    with pytest.raises(InputError, match="cannot be read"):
        read_ledger(tmp_path / "nothing.jsonl")


@pytest.fixture(scope="module")
def flipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield write(tmp_path_factory.mktemp("flips") / "ledger.jsonl", *CHUNKS)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_never_believed(flipped: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(flipped.read_bytes())
    for _ in range(data.draw(st.integers(1, 3), "flips")):
        position = data.draw(st.integers(0, len(whole) - 1), "byte")
        whole[position] ^= 1 << data.draw(st.integers(0, 7), "bit")
    damaged = tmp_path / "ledger.jsonl"
    damaged.write_bytes(whole)
    try:
        recorded = read_ledger(damaged)
    except InputError as error:
        assert f"{damaged}:" in str(error)
        return
    same_outcomes(recorded)
    assert recorded.damage or bytes(whole) == flipped.read_bytes()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_in_a_line(path: Path, content: bytes) -> None:
    """Between two good lines, and at the end."""
    lines = path.read_bytes().splitlines(keepends=True)
    for where in (2, len(lines)):
        damaged = path.with_name("damaged.jsonl")
        damaged.write_bytes(b"".join([*lines[:where], content, b"\n", *lines[where:]]))
        try:
            same_outcomes(read_ledger(damaged))
        except InputError as error:
            assert f"{damaged}:" in str(error)


def test_damage_in_the_middle_is_refused_with_its_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    for number in range(1, len(lines)):
        damaged = [*lines]
        damaged[number - 1] = lines[number - 1].replace(b"0", b"1", 1)
        path.write_bytes(b"".join(damaged))
        with pytest.raises(InputError, match=rf"ledger\.jsonl:{number}: .*damaged.*--overwrite"):
            read_ledger(path)


def test_a_damaged_last_record_is_done_again(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"n_events":1000', b'"n_events":1001'))
    with pytest.raises(InputError, match=":2: "):
        read_ledger(path)
    write(path, *CHUNKS)
    whole = path.read_bytes()
    last = whole[:-1].rindex(b"\n") + 1
    path.write_bytes(whole[:last] + whole[last:].replace(b'"n_events":1000', b'"n_events":1001', 1))
    recorded = read_ledger(path)
    assert recorded.chunks == CHUNKS[:-1]
    assert "4: the last line is damaged (its checksum does not fit)" in recorded.damage


def test_a_task_that_is_there_twice(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[1]]))
    with pytest.raises(
        InputError,
        match=r"ledger\.jsonl:5: background-only pseudo-experiment 0 of cluster_scanning is there twice.*line 2",
    ):
        read_ledger(path)
    write(path, chunk(SCAN, 4, 4))
    with pytest.raises(InputError, match=r":2: .*4 of cluster_scanning is there twice"):
        read_ledger(path)
    # The same task of another family, and of another kind, is another one.
    doped = chunk(SCAN, 4, kind=Kind.DOPED, epsilon=10)
    assert read_ledger(write(path, chunk(SCAN, 4), chunk(FITS, 4), doped)).n_tasks == 3


def test_a_line_of_another_ledger_is_not_believed(path: Path, tmp_path: Path) -> None:
    """Even of one that differs only in its card."""
    with open_ledger(tmp_path / "other.jsonl", {**IDENTITY, "card": {"seed": 2}}) as other:
        other.append(SCAN, chunk(SCAN, 8).outcomes)
    stray = (tmp_path / "other.jsonl").read_bytes().splitlines(keepends=True)[1]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, stray, lines[1]]))
    with pytest.raises(InputError, match=r":5: damaged, and not the last line"):
        read_ledger(path)


def test_another_format_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hepcs.running.ledger.reading.FORMAT", 2)
    with pytest.raises(InputError, match=r":1: a ledger of format 1, expected 2"):
        read_ledger(path)


# --------------------------------------------------------------------------------------- unlike and locked


def test_another_run_is_refused_key_by_key(path: Path) -> None:
    other = {
        "card": {"seed": 2, "k": 8, "epsilon": [0, 100], "new": True},
        "versions": {"hepcs": "1"},
        "samples": IDENTITY["samples"],
    }
    before = path.read_bytes()
    with pytest.raises(CardError) as refused, open_ledger(path, other):
        pass
    lines = str(refused.value).splitlines()
    assert "ledger.jsonl: its 7 pseudo-experiments are of another run" in lines[0]
    assert lines[1:-1] == [
        "  card.seed: 1 in the ledger, 2 now",
        "  card.epsilon: [0, 150] in the ledger, [0, 100] now",
        "  versions.numpy: 2 in the ledger, absent now",
        "  card.new: absent in the ledger, True now",
    ]
    assert "--overwrite" in lines[-1]
    assert path.read_bytes() == before


def test_only_ten_differences_are_listed(path: Path) -> None:
    other = {"card": {f"key_{i}": i for i in range(20)}}
    with pytest.raises(CardError) as refused:
        refuse_unlike(read_ledger(path), other)
    # 3 keys are gone, and 20 are new; parts of the identity that are not given are not compared.
    assert str(refused.value).splitlines()[-2] == "  and 13 more"
    assert len(str(refused.value).splitlines()) == 13


def test_two_processes_do_not_write_one_ledger(path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom hepcs.running.ledger import open_ledger\n"
        f"with open_ledger(Path(sys.argv[1]), {IDENTITY!r}): print('open', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        for resume in (True, False):
            with (
                pytest.raises(CardError, match=r"ledger\.jsonl: another process.*--output"),
                open_ledger(path, IDENTITY, resume=resume),
            ):
                pass
        with pytest.raises(CardError, match="another process"):
            merge_ledgers([path], path.with_name("merged.jsonl"))
        process.kill()
    # The lock of a killed process is gone.
    with open_ledger(path, IDENTITY) as ledger:
        assert ledger.n_found == 7


def test_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a record is written, then the disk is full: what was there before stays good."""
    before = path.read_bytes()

    def half(descriptor: int, line: bytes) -> int:
        return real(descriptor, line[: len(line) // 2])

    with open_ledger(path, IDENTITY) as ledger:
        real = os.write
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", half)
            with pytest.raises(
                ComputationError, match=r"ledger\.jsonl: the ledger cannot be written.*--resume"
            ):
                ledger.append(SCAN, chunk(SCAN, 9).outcomes)
        assert path.read_bytes() == before
        ledger.append(SCAN, chunk(SCAN, 9).outcomes)
    assert read_ledger(path).n_tasks == 8


def test_a_disk_that_fills_up(path: Path, mounted: Callable[[str], Path]) -> None:
    """On a real file system: what is there stays good, and the run goes on once there is space."""
    full = mounted("size=256k") / "ledger.jsonl"
    full.write_bytes(path.read_bytes())
    filler = full.with_name("filler")
    with open_ledger(full, IDENTITY) as ledger:
        filler.write_bytes(b"")
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        with pytest.raises(ComputationError, match=r"cannot be written .*Free some space.*--resume"):
            for start in range(100, 200):
                before = full.read_bytes()
                ledger.append(SCAN, chunk(SCAN, *range(10 * start, 10 * start + 10)).outcomes)
    assert full.read_bytes() == before
    found = read_ledger(full)
    assert not found.damage
    with (
        pytest.raises(ComputationError, match="Free some space"),
        open_ledger(full.with_name("other") / "ledger.jsonl", IDENTITY),
    ):
        pass
    filler.unlink()
    with open_ledger(full, IDENTITY) as ledger:
        assert ledger.n_found == found.n_tasks
        ledger.append(SCAN, chunk(SCAN, 9999).outcomes)
    assert read_ledger(full).n_tasks == found.n_tasks + 1


def test_a_place_where_no_ledger_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CardError, match=r"the ledger cannot be written.*--output"),
        open_ledger(tmp_path / "file" / "ledger.jsonl", IDENTITY),
    ):
        pass


def test_a_file_system_without_locks_is_warned_of(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with caplog.at_level("WARNING", logger="hepcs"), open_ledger(path, IDENTITY) as ledger:
        assert ledger.n_found == 7
    assert "cannot be locked" in caplog.text


# ----------------------------------------------------------------------------------------------- merging


def test_merged_ledgers_hold_all_tasks(path: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", chunk(SCAN, 4, 5), chunk(FITS, 7))
    merged = merge_ledgers([path, other], tmp_path / "merged" / "ledger.jsonl")
    assert merged == read_ledger(tmp_path / "merged" / "ledger.jsonl")
    assert merged.chunks == (*CHUNKS, *read_ledger(other).chunks)
    assert merged.identity == IDENTITY
    with open_ledger(merged.path, IDENTITY) as ledger:
        assert len(ledger.done(SCAN)) == 6


def test_a_part_that_was_killed_can_be_merged(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(path.read_bytes()[:-10])
    with caplog.at_level("WARNING", logger="hepcs"):
        merged = merge_ledgers([path], tmp_path / "merged.jsonl")
    assert merged.chunks == CHUNKS[:-1]
    assert "ledger.jsonl:4: the last line is cut short" in caplog.text


def test_origins_of_all_parts_are_kept(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Origin("another processor", (), "0a")
    monkeypatch.setattr("hepcs.running.ledger.writing.this_origin", lambda: other)
    second = write(tmp_path / "second.jsonl", chunk(SCAN, 4))
    third = write(tmp_path / "third.jsonl", chunk(SCAN, 5))
    merged = merge_ledgers([path, second, third], tmp_path / "merged.jsonl")
    assert merged.origins == (*read_ledger(path).origins, other)


def test_samples_that_were_prepared_twice_are_explained(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each of two jobs, on processors for which the principal components have other last digits."""
    unlike = {**IDENTITY, "samples": {"background": "sha256:01"}}
    with pytest.raises(CardError) as refused:
        refuse_unlike(read_ledger(path), unlike)
    assert "machines" not in str(refused.value), "it was the same one"
    other = Origin("Opteron", ("openblas Sandybridge",), "0a")
    for one in ("reading", "writing"):
        monkeypatch.setattr(f"hepcs.running.ledger.{one}.this_origin", lambda: other)
    with pytest.raises(CardError, match=r"(?s)now.*Opteron \(openblas Sandybridge\) now.*execution\.cache"):
        refuse_unlike(read_ledger(path), unlike)
    with open_ledger(tmp_path / "other.jsonl", unlike):
        pass
    with pytest.raises(
        CardError, match=r"(?s)Opteron \(openblas Sandybridge\) in the second.*execution\.cache"
    ):
        merge_ledgers([path, tmp_path / "other.jsonl"], tmp_path / "merged.jsonl")


def test_overlapping_ledgers_are_refused(path: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", chunk(SCAN, 3, 4, 5))
    with pytest.raises(CardError) as refused:
        merge_ledgers([path, other], tmp_path / "merged.jsonl")
    text = str(refused.value)
    assert "other.jsonl: 1 of its 3 pseudo-experiments" in text
    assert f"background-only pseudo-experiment 3 of cluster_scanning, also in {path}" in text
    assert not (tmp_path / "merged.jsonl").exists()
    for again in (path, Path(str(path))):
        with pytest.raises(CardError, match="Name each ledger once"):
            merge_ledgers([path, again], tmp_path / "merged.jsonl")
    assert not (tmp_path / "merged.jsonl").exists()


def test_unlike_ledgers_are_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    with open_ledger(other, {**IDENTITY, "card": {**IDENTITY["card"], "k": 9}}) as ledger:  # type: ignore[dict-item]
        ledger.append(SCAN, chunk(SCAN, 8).outcomes)
    with pytest.raises(CardError) as refused:
        merge_ledgers([path, other], tmp_path / "merged.jsonl")
    assert f"{path} and {other} are of different runs" in str(refused.value)
    assert "card.k: 8 in the first, 9 in the second" in str(refused.value)
    assert not (tmp_path / "merged.jsonl").exists()
