"""Folders that are whole or not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from toy_run import toy_run

from hepcs.bootstrap import Kind, Task
from hepcs.errors import InputError
from hepcs.ledger import open_ledger
from hepcs.output import results_digest, write_run
from hepcs.output.verification import verify_folder
from hepcs.search import Outcome
from hepcs.storage import digest_of, file_sha256


def test_a_run_as_it_was_written(folder: Path) -> None:
    check = verify_folder(folder)
    assert check.is_sound
    assert check.faults() == ()
    assert check.foreign == ()
    assert check.n_files == 6
    assert check.digest == results_digest(toy_run())


def test_every_file_matters(folder: Path) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        changed = bytearray(content)
        changed[len(changed) // 2] ^= 1
        path.write_bytes(changed)
        try:
            check = verify_folder(folder)
        except InputError as error:
            assert name == "summary.json"
            assert "summary.json" in str(error)
        else:
            assert not check.is_sound, name
            assert check.altered == (name,)
        path.unlink()
        if name != "summary.json":
            check = verify_folder(folder)
            assert check.missing == (name,)
            assert check.faults() == (f"{path}: missing",)
        path.write_bytes(content)
    assert verify_folder(folder).is_sound


def test_any_number_of_the_summary_matters(folder: Path) -> None:
    path = folder / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["samples"]["labelled"]["n_selected"] += 1
    path.write_text(json.dumps(summary), encoding="utf-8")
    assert verify_folder(folder).altered == ("summary.json",)


def test_results_of_another_run_are_noticed(folder: Path, tmp_path: Path) -> None:
    """Checksums put right for a file of another run: the digest still tells."""
    other = tmp_path / "other"
    write_run(toy_run(doped=6), other)
    shutil.copy(other / "results.root", folder / "results.root")
    path = folder / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["files"]["results.root"] = f"sha256:{file_sha256(folder / 'results.root')}"
    del summary["checksum"]
    summary["checksum"] = f"sha256:{digest_of(summary)}"
    path.write_text(json.dumps(summary), encoding="utf-8")
    check = verify_folder(folder)
    assert check.altered == ()
    assert "that of the stored results is" in check.problems[0]
    assert not check.is_sound


def test_files_of_others_are_named_but_no_fault(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "ledger.jsonl").write_text("", encoding="utf-8")
    check = verify_folder(folder)
    assert check.foreign == ("notes.txt",)
    assert check.is_sound


def test_a_summary_that_names_files_elsewhere(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine", encoding="utf-8")
    path = folder / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["files"]["../outside.txt"] = f"sha256:{file_sha256(outside)}"
    path.write_text(json.dumps(summary), encoding="utf-8")
    assert verify_folder(folder).altered == ("summary.json",)


def test_a_ledger_that_was_cut_is_noticed(folder: Path) -> None:
    ledger = folder / "ledger.jsonl"
    with open_ledger(ledger, {}) as begun:
        begun.append(("one",), [(Outcome(Task(Kind.BACKGROUND_ONLY, 0, 0), 1.0, (1.0,), 1),)])
    assert verify_folder(folder).is_sound
    ledger.write_bytes(ledger.read_bytes()[:-20])
    assert "cut short" in verify_folder(folder).problems[0]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"files": {}, "x": NaN}', "[" * 100_000, '{"files": ["a"]}', '{"files": {"a": 3}}']
)
def test_what_is_no_summary_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match=r"summary\.json"):
        verify_folder(tmp_path)
    (tmp_path / "summary.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"summary\.json"):
        verify_folder(tmp_path)
