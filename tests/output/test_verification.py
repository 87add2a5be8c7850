"""Folders that are whole or not, and runs that agree or not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from toy_run import toy_run

from hepcs.bootstrap import Kind, Task
from hepcs.errors import InputError
from hepcs.ledger import open_ledger
from hepcs.output import results_digest, write_run
from hepcs.output.verification import compare_runs, comparison_lines, verify_folder
from hepcs.results import RunResult
from hepcs.search import Outcome
from hepcs.storage import digest_of, file_sha256


def figure() -> Figure:
    drawn = Figure(figsize=(2, 2))
    drawn.subplots().plot([0, 1])
    return drawn


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verified") / "toy"
    write_run(toy_run(), folder, [("line", figure())])
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "toy"))


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


# ------------------------------------------------------------------------------------------- comparison


def compared(tmp_path: Path, written: Path, other: RunResult) -> tuple[bool, dict[str, tuple[str, ...]]]:
    write_run(other, tmp_path / "other")
    comparison = compare_runs(written, tmp_path / "other")
    return comparison.agree, dict(comparison.sections)


def test_a_run_on_another_machine_agrees(written: Path, tmp_path: Path) -> None:
    provenance = dataclasses.replace(toy_run().provenance, processor="another", workers=8, started="later")
    agree, sections = compared(tmp_path, written, dataclasses.replace(toy_run(), provenance=provenance))
    assert agree
    assert sections == {
        "Machine": (
            "processor: a processor in the first, another in the second",
            "workers: 1 in the first, 8 in the second",
        )
    }


def test_the_first_digit_that_differs_is_found(written: Path, tmp_path: Path) -> None:
    result = toy_run()
    search = result.searches[0]
    number = next(i for i, outcome in enumerate(search.outcomes) if outcome.task.index == 3)
    outcome = search.outcomes[number]
    changed = dataclasses.replace(outcome, statistic=float(np.nextafter(outcome.statistic, 9.0)))
    outcomes = (*search.outcomes[:number], changed, *search.outcomes[number + 1 :])
    searches = (dataclasses.replace(search, outcomes=outcomes), *result.searches[1:])
    agree, sections = compared(tmp_path, written, dataclasses.replace(result, searches=searches))
    assert not agree
    assert list(sections) == ["Pseudo-experiments"]
    (line,) = sections["Pseudo-experiments"]
    assert line.startswith("Cluster Scanning, background-only, 0 signal events: 1 of 40")
    assert "the first with index 3" in line


def test_other_cards_give_other_results_in_words(written: Path, tmp_path: Path) -> None:
    other = toy_run(background_only=50, doped=5, fits=(3,))
    agree, sections = compared(tmp_path, written, other)
    assert not agree
    assert sections["Card"] == (
        "fits.parameters: [3, 4] in the first, [3] in the second",
        "pseudo_experiments.background_only: 40 in the first, 50 in the second",
    )
    assert "fit_4: only in the first" in sections["Observed data sets"]
    first, second = toy_run().searches[0].observed[0], other.searches[0].observed[0]
    assert first.calibration is not None
    assert second.calibration is not None
    line = next(line for line in sections["Observed data sets"] if line.startswith("Cluster Scanning, 0 "))
    assert "(difference +0)" in line, "the data are the same, their calibration is another one"
    assert f"Z {first.calibration.z:.2f} [" in line
    assert f"and {second.calibration.z:.2f} [" in line
    counts = next(line for line in sections["Pseudo-experiments"] if "background-only" in line)
    assert counts.endswith("40 in the first, 50 in the second")
    assert any(line.startswith("fit_4/calibration: only in") for line in sections["Histograms"])


def test_inputs_are_compared_by_content(written: Path, tmp_path: Path) -> None:
    result = toy_run()
    sample = result.samples[0]
    moved = dataclasses.replace(sample.inputs[0], path="/elsewhere/events.h5")
    agree, sections = compared(
        tmp_path / "moved",
        written,
        dataclasses.replace(result, samples=(dataclasses.replace(sample, inputs=(moved,)),)),
    )
    assert agree
    assert sections == {}
    other = dataclasses.replace(sample.inputs[0], digest="sha256:11ee")
    _, sections = compared(
        tmp_path / "other",
        written,
        dataclasses.replace(result, samples=(dataclasses.replace(sample, inputs=(other,)),)),
    )
    assert sections["Input files"] == (
        "labelled: only in the first: events.h5 (sha256:00ff)",
        "labelled: only in the second: events.h5 (sha256:11ee)",
    )


def test_a_comparison_in_lines(written: Path, tmp_path: Path) -> None:
    lines = list(comparison_lines(compare_runs(written, written)))
    assert lines == [f"{written} and {written} agree in every result: digest {results_digest(toy_run())}"]
    write_run(toy_run(doped=6), tmp_path)
    lines = list(comparison_lines(compare_runs(written, tmp_path)))
    assert lines[0].endswith("differ in their results:")
    assert "Card:" in lines
    assert "  pseudo_experiments.doped: 5 in the first, 6 in the second" in lines


def test_an_altered_run_is_not_compared(folder: Path, written: Path) -> None:
    path = folder / "summary.json"
    summary = path.read_text(encoding="utf-8")
    path.write_text(
        summary.replace('"processor": "a processor"', '"processor": "b processor"'), encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"summary\.json: altered or damaged"):
        compare_runs(written, folder)
    path.write_text(summary, encoding="utf-8")
    (folder / "results.root").write_bytes(b"")
    with pytest.raises(InputError, match=r"results\.root"):
        compare_runs(written, folder)
