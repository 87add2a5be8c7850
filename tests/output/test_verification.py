"""Folders that are whole or not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from toy_run import toy_run

from hepcs._core.errors import InputError
from hepcs._core.storage import digest_of, file_sha256
from hepcs.datasets.bootstrap import Kind
from hepcs.output import results_digest, write_run
from hepcs.output.verification import verify_folder
from hepcs.results import RunResult
from hepcs.running.checkpoint import CHECKPOINT, open_checkpoint
from hepcs.running.identity import card_identity


def test_a_run_as_it_was_written(folder: Path) -> None:
    check = verify_folder(folder)
    assert check.is_sound
    assert check.faults() == ()
    assert check.foreign == ()
    assert check.n_files == 7
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
    (folder / CHECKPOINT).write_text("", encoding="utf-8")
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


def recorded(path: Path, run: RunResult, seed: int = 7, leave: int = 0) -> None:
    """The checkpoint of a run, its tasks in reverse order, but for some that it leaves out."""
    card = card_identity(run.card)["card"]
    identity = {"card": {**card, "seed": seed}, "inputs": {"labelled": ["sha256:00ff"]}}
    with open_checkpoint(path, identity, resume=False) as checkpoint:
        for search in run.searches:
            for null, outcomes in (("shared", search.shared), ("own", search.outcomes)):
                if null == "shared" or outcomes != search.shared:
                    tasks = [one for one in outcomes if one.task.kind is not Kind.OBSERVED][leave:]
                    checkpoint.record([(search.name, null, one) for one in reversed(tasks)])


def test_the_checkpoint_is_that_of_the_results(tmp_path: Path) -> None:
    checkpoint, run = tmp_path / CHECKPOINT, toy_run()
    recorded(checkpoint, run)
    write_run(run, tmp_path)
    assert verify_folder(tmp_path).faults() == ()
    recorded(checkpoint, run, leave=1)
    # 45 of each search, and the toys of both fits.
    assert "of the 225 outcomes of pseudo-experiments among the results 5 are not" in faults_of(tmp_path)
    for content in (b"", None):
        checkpoint.unlink() if content is None else checkpoint.write_bytes(content)
        assert f"{CHECKPOINT}: missing or empty, though the run recorded" in faults_of(tmp_path)
    recorded(checkpoint, run, seed=8)
    assert "card.seed: 8 in the checkpoint, 7 in the results" in faults_of(tmp_path)
    first = run.searches[0]
    other = dataclasses.replace(first.outcomes[-1], statistic=first.outcomes[-1].statistic + 1e-9)
    outcomes = (*first.outcomes[:-1], other)
    changed = dataclasses.replace(first, outcomes=outcomes, shared=outcomes)
    recorded(checkpoint, dataclasses.replace(run, searches=(changed, *run.searches[1:])))
    assert "0 are not in the checkpoint and 1 have other numbers there, and 0 are" in faults_of(tmp_path)


def test_a_damaged_checkpoint_is_a_fault(tmp_path: Path) -> None:
    checkpoint, run = tmp_path / CHECKPOINT, toy_run()
    recorded(checkpoint, run)
    write_run(run, tmp_path)
    content = bytearray(checkpoint.read_bytes())
    found = content.rindex(b'"statistic"')
    content[found + 14] ^= 1
    checkpoint.write_bytes(content)
    assert "1 of 225 outcomes are damaged" in faults_of(tmp_path)


def faults_of(folder: Path) -> str:
    check = verify_folder(folder)
    assert not check.is_sound
    (fault,) = check.faults()
    return fault


@pytest.mark.parametrize("name", ["results.root", "figures"])
def test_links_out_of_the_folder_are_named(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    check = verify_folder(folder)
    assert not check.is_sound
    assert check.altered == ()
    assert all(fault.startswith(f"{folder / name}") for fault in check.faults())
    assert "leads out of the folder by a link, to" in check.faults()[0]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"files": {}, "x": NaN}', "[" * 100_000, '{"files": ["a"]}', '{"files": {"a": 3}}']
)
def test_what_is_no_summary_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match=r"summary\.json"):
        verify_folder(tmp_path)
    (tmp_path / "summary.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"summary\.json"):
        verify_folder(tmp_path)
