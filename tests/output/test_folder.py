"""The run folder: complete, or as it was."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hist
import pytest
from dying import write_and_die
from matplotlib.figure import Figure
from toy_run import toy_run

from hepcs._core.errors import ArgumentError, CardError, ComputationError, InputError
from hepcs._core.storage import digest_of, file_sha256
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.output import (
    prepare_folder,
    read_histograms,
    read_run,
    results_digest,
    run_histograms,
    save_figure,
    write_run,
)
from hepcs.output.verification import verify_folder
from hepcs.results import NamedHistogram, Outcome, RunResult
from hepcs.running.checkpoint import CHECKPOINT, open_checkpoint
from hepcs.searches.kinds import Drawing


def figure() -> Figure:
    drawn = Figure(figsize=(2, 2))
    drawn.subplots().plot([0, 1], [0, 1], label="a line")
    return drawn


def drawing(name: str) -> Drawing:
    return Drawing(name, figure(), "A line", "Look for a line.")


def tree_of(folder: Path) -> dict[str, str]:
    """Every file of a folder, hidden ones too, with its checksum."""
    return {
        path.relative_to(folder).as_posix(): file_sha256(path) for path in folder.rglob("*") if path.is_file()
    }


def unwritable(result: RunResult) -> RunResult:
    """A run with a histogram that no ROOT file can hold."""
    search = result.searches[0]
    cube = hist.Hist(*(hist.axis.Regular(1, 0, 1, name=name) for name in "xyz"))
    named = NamedHistogram("cube", "a cube", cube)
    observation = dataclasses.replace(search.observed[0].observation, histograms=(named,))
    observed = dataclasses.replace(search.observed[0], observation=observation)
    return dataclasses.replace(result, searches=(dataclasses.replace(search, observed=(observed,)),))


def test_a_run_is_written_whole(tmp_path: Path) -> None:
    result, folder = toy_run(), tmp_path / "runs" / "toy"
    prepare_folder(folder, overwrite=False)
    paths = write_run(result, folder, [drawing("a_line")])
    names = [path.relative_to(folder).as_posix() for path in paths]
    assert names == [
        "summary.json", "results.root", "histograms.json",
        "figures/a_line.pdf", "figures/a_line.png", "report.html", "metadata.json",
    ]  # fmt: skip
    assert set(tree_of(folder)) == set(names)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["digest"] == results_digest(result)
    checksum = summary.pop("checksum")
    assert checksum == f"sha256:{digest_of(summary)}"
    assert "data:image/png" in (folder / "report.html").read_text(encoding="utf-8")
    assert summary["files"] == {
        name: f"sha256:{checksum}" for name, checksum in tree_of(folder).items() if name != "summary.json"
    }
    found = read_histograms(folder / "histograms.json")
    assert all(found[path] == histogram for path, histogram in run_histograms(result).items())


def test_a_finished_run_is_not_overwritten_unasked(tmp_path: Path) -> None:
    write_run(toy_run(), tmp_path)
    before = tree_of(tmp_path)
    with pytest.raises(CardError, match=r"toy, started 2024-02-27.*--overwrite.*--output"):
        prepare_folder(tmp_path, overwrite=False)
    prepare_folder(tmp_path, overwrite=True)
    assert tree_of(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["results.root", "histograms.json", "report.html", "figures/mine.png", "figures"]
)
@pytest.mark.parametrize("resume", [False, True])
def test_files_of_others_are_not_replaced_unasked(tmp_path: Path, name: str, resume: bool) -> None:
    """Without a run in the folder nobody knows whose they are: that they are ours and half was once assumed."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"years of work")
    (tmp_path / CHECKPOINT).touch()  # blank: a run was killed as it began, and wrote no results
    before = tree_of(tmp_path)
    with pytest.raises(CardError, match=rf"holds {name}, which.*--output.*--overwrite") as found:
        prepare_folder(tmp_path, overwrite=False, resume=resume)
    assert found.value.exit_code == 2
    prepare_folder(tmp_path, overwrite=True, resume=resume)
    assert tree_of(tmp_path) == before


def test_files_that_no_run_writes_are_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "figures").mkdir()
    prepare_folder(tmp_path, overwrite=False)


def test_an_unfinished_run_may_go_on(tmp_path: Path) -> None:
    """Results beside a checkpoint are of a run that was killed as it moved them to their places."""
    with open_checkpoint(tmp_path / CHECKPOINT, {}) as begun:
        begun.record([("one", "shared", Outcome(Task(Kind.BACKGROUND_ONLY, 0, 0), 1.0, (1.0,), 1))])
    (tmp_path / "results.root").write_bytes(b"whole")
    prepare_folder(tmp_path, overwrite=False, resume=True)
    with pytest.raises(CardError, match="of an unfinished run"):
        prepare_folder(tmp_path, overwrite=False)


def test_a_blind_run_may_be_opened(tmp_path: Path) -> None:
    with open_checkpoint(tmp_path / CHECKPOINT, {}) as begun:
        begun.record([("one", "shared", Outcome(Task(Kind.BACKGROUND_ONLY, 0, 0), 1.0, (1.0,), 1))])
    write_run(toy_run(blind=True), tmp_path)
    with pytest.raises(CardError, match=r"finished run.*It is blind: --resume opens the observed data"):
        prepare_folder(tmp_path, overwrite=False)
    prepare_folder(tmp_path, overwrite=False, resume=True)
    write_run(toy_run(), tmp_path)
    with pytest.raises(CardError, match=r"finished run.*--overwrite with --resume"):
        prepare_folder(tmp_path, overwrite=False, resume=True)


def test_a_new_run_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    write_run(toy_run(), tmp_path, [drawing("old"), drawing("both")])
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "figures" / "mine.png").write_text("mine", encoding="utf-8")
    write_run(toy_run(), tmp_path, [drawing("both")])
    assert set(tree_of(tmp_path)) == {
        "summary.json", "metadata.json", "results.root", "histograms.json", "notes.txt", "report.html",
        "figures/both.pdf", "figures/both.png", "figures/mine.png",
    }  # fmt: skip


def killed_writing(result: RunResult, folder: Path, event: str, step: int) -> bool:
    """Write a run in another process; whether it was killed before its `step`-th move or removal of a file."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hepcs.output", "dying"])
    process = context.Process(target=write_and_die, args=(event, step, result, folder))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


@pytest.mark.slow
@pytest.mark.parametrize("event", ["os.rename", "os.remove"])
def test_killed_while_an_old_run_is_replaced(tmp_path: Path, event: str) -> None:
    """Before each move and removal: every file is an old or a new one, and a mixture is no finished run."""
    new, folder = toy_run(doped=6), tmp_path / "run"
    write_run(toy_run(), tmp_path / "old", [drawing("stale")])
    before = tree_of(tmp_path / "old")
    mixtures = []
    for step in range(1, 20):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "old", folder)
        has_checkpoint = step % 2 == 0
        if has_checkpoint:
            (folder / CHECKPOINT).touch()
        if not killed_writing(new, folder, event, step):
            break
        (staging,) = folder.glob(".writing-*")
        written = json.loads((staging / "summary.json").read_text(encoding="utf-8"))["files"]
        shutil.rmtree(staging)
        left = {name: digest for name, digest in tree_of(folder).items() if name != CHECKPOINT}
        for name, digest in left.items():
            assert digest in {
                before[name.replace(".replaced-", "")],
                written.get(name, "").removeprefix("sha256:"),
            }
        if "summary.json" in left:
            assert left == before
            assert verify_folder(folder).is_sound
        else:
            mixtures.append(left)
            how = (
                "--resume (writes all of them|goes on)" if has_checkpoint else "(R|r)un (the|its) card again"
            )
            for read in (verify_folder, read_run):
                with pytest.raises(InputError, match=f"no finished run there.*{how}"):
                    read(folder)
        write_run(new, folder)
        check = verify_folder(folder)
        assert check.is_sound
        assert check.digest == results_digest(new)
        assert not check.foreign
        assert not (folder / "figures" / "stale.pdf").exists()
    assert len(mixtures) > 2
    assert any("results.root" in left and left["results.root"] != before["results.root"] for left in mixtures)


def test_an_altered_list_of_files_removes_nothing_elsewhere(tmp_path: Path) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside.txt"
    outside.write_text("mine", encoding="utf-8")
    write_run(toy_run(), folder)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    summary["files"] = {"../outside.txt": "", str(outside): "", "figures": ""}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    write_run(toy_run(), folder)
    assert outside.exists()


def test_numbers_that_cannot_be_written_leave_the_old_run(tmp_path: Path) -> None:
    write_run(toy_run(), tmp_path, [drawing("old")])
    before = tree_of(tmp_path)
    with pytest.raises(ArgumentError, match="3 axes"):
        write_run(unwritable(toy_run()), tmp_path)
    assert tree_of(tmp_path) == before


def test_a_figure_that_cannot_be_drawn_does_not_cost_the_numbers(tmp_path: Path) -> None:
    def figures() -> Iterator[Drawing]:
        yield drawing("first")
        raise RuntimeError("no second one")

    with pytest.raises(RuntimeError, match="no second one"):
        write_run(toy_run(), tmp_path, figures())
    assert set(tree_of(tmp_path)) == {
        "summary.json", "metadata.json", "results.root", "histograms.json", "report.html",
        "figures/first.pdf", "figures/first.png",
    }  # fmt: skip
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<img") == 1


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CardError, match=r"file.*cannot be written.*--output"):
            prepare_folder(folder, overwrite=False)
        # After the work, which the check comes before, it is a failure of the output.
        with pytest.raises(ComputationError, match=r"file.*cannot be written, .*run again"):
            write_run(toy_run(), folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CardError, match="cannot be written"):
        prepare_folder(tmp_path, overwrite=False)


def test_a_full_disk_says_how_to_go_on(mounted: Callable[[str], Path]) -> None:
    result, disk = toy_run(), mounted("size=64k")
    (disk / CHECKPOINT).touch()
    with pytest.raises(ComputationError, match=r"disk is full\. Free some space.*--resume") as found:
        write_run(result, disk)
    assert ".writing-" not in str(found.value)
    assert [path.name for path in disk.iterdir()] == [CHECKPOINT]
    with pytest.raises(ComputationError, match=r"disk0: cannot be written .*No space.*Free some space"):
        prepare_folder(disk, overwrite=False)


def test_a_read_only_file_system_is_named(mounted: Callable[[str], Path]) -> None:
    with pytest.raises(CardError, match=r"disk0: results cannot be written there: Read-only .*--output"):
        prepare_folder(mounted("ro"), overwrite=False)


def test_figures_are_the_same_from_day_to_day(tmp_path: Path) -> None:
    first = save_figure(figure(), tmp_path / "a", "line", ("pdf", "png"))
    second = save_figure(figure(), tmp_path / "b", "line", ("pdf", "png"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert b"CreationDate" not in first[0].read_bytes()


def test_the_card_says_the_formats(tmp_path: Path) -> None:
    result = toy_run()
    card = result.card.card
    output = card.output.model_copy(update={"figures": ("png",)})
    located = dataclasses.replace(result.card, card=card.model_copy(update={"output": output}))
    write_run(dataclasses.replace(result, card=located), tmp_path, [drawing("line")])
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["line.png"]
