"""Runs that are killed, resumed, and put together from parts: real processes, real kills."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from counted_run import counted_run, finished, recorded
from dying import run_and_die
from toy_command import CARD, command_here, said, toy_folder

from hepcs._core.errors import CardError
from hepcs.analysis.__main__ import main
from hepcs.config import read_card
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.output import prepare_folder, results_digest
from hepcs.pipeline import Where, run, run_part
from hepcs.results import Outcome
from hepcs.running.checkpoint import open_checkpoint, read_checkpoint

SECTIONS = """\
  fit_3: {kind: dijet_fit, parameters: 3}
pseudo_experiments: {background_only: 280, doped: 8}
execution: {cache: cache}
output: {figures: []}
"""
# Outcomes: of the scan, of the fit on the shared data sets, and of the fit on toys of its own.
N_OUTCOMES = 3 * (280 + 8)
# More bytes than a checkpoint has without outcomes.
EMPTY = 40_000
# Few pseudo-experiments, for what does not depend on their number.
FEW = ["--set", "pseudo_experiments.background_only=20", "--workers", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(tmp_path_factory.mktemp("resume"), CARD + SECTIONS, 2500)


@pytest.fixture(scope="module")
def digest(folder: Path) -> str:
    """Digest of the undisturbed run."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        return results_digest(run(read_card("toy.yaml"), Where(workers=1)))


@pytest.fixture(scope="module")
def few(folder: Path) -> str:
    """Digest of the undisturbed run with few pseudo-experiments."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        return results_digest(run(read_card("toy.yaml", FEW[1:2]), Where(workers=1)))


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch, without_figures: None) -> Path:
    """In the folder of the card."""
    monkeypatch.chdir(folder)
    return folder


@contextmanager
def started(folder: Path, *program: str) -> Iterator[subprocess.Popen[str]]:
    """A process with a group of its own, all of which is gone afterwards."""
    with subprocess.Popen(
        [sys.executable, *program],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # Tests that a shell runs in the background inherit a Ctrl-C that is ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def forked(target: Callable[..., None], *arguments: object) -> Iterator[BaseProcess]:
    """A function in a process that has imported everything already, with a process group that it makes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hepcs.pipeline", "hepcs.output", "hepcs.plots"])
    process = context.Process(target=target, args=arguments)
    process.start()
    assert process.pid is not None
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()


def recorded_rows(folder: Path) -> list[tuple[str, str, Outcome]]:
    """What the checkpoint in a folder holds, in the order in which it was recorded."""
    return list(read_checkpoint(folder / "checkpoint.sqlite").rows())


def wait_until_grown(checkpoint: Path, size: int, is_alive: Callable[[], bool]) -> None:
    """Wait until a checkpoint is larger than `size` bytes, or the process has ended."""
    while is_alive() and not (checkpoint.exists() and checkpoint.stat().st_size > size):
        time.sleep(0.005)


@pytest.mark.slow
def test_killed_at_ten_random_moments(folder: Path, inside: Path, digest: str) -> None:
    """Each time at most a chunk of each worker is lost; the result is that of the undisturbed run."""
    checkpoint, log, rng = (
        folder / "killed" / "checkpoint.sqlite",
        folder / "finished.log",
        np.random.default_rng(5),
    )
    command = ["toy.yaml", "--output", "killed", "--resume", "--quiet", "--workers"]
    sizes = []
    for kill in range(10):
        workers = 2 if kill in {1, 4, 8} else 1
        known = recorded(checkpoint)
        size = checkpoint.stat().st_size if checkpoint.exists() else 0
        with forked(counted_run, log, folder, [*command, str(workers)]) as process:
            if kill != 5:  # which is before the first pseudo-experiment
                wait_until_grown(checkpoint, size, process.is_alive)
            time.sleep(rng.uniform(0, 0.5))
            now = time.time()
            # The process alone, whose workers live on for a while, or all of them, as a batch system would.
            (os.killpg if kill in {0, 4, 7} else os.kill)(process.pid, signal.SIGKILL)
            process.join()
            assert process.exitcode == -signal.SIGKILL, "it ended before it was killed"
        found = recorded(checkpoint)
        assert known <= found
        chunk = 280 // (8 * workers)
        # What a worker ends while the client writes a record, some milliseconds, is lost too. Three outcomes each.
        assert len(finished(log).before(now) - found) <= 3 * workers * (min(chunk, 20) + 2)
        sizes.append(len(found))
    assert len(set(sizes)) > 6, f"no progress between the kills: {sizes}"
    before = recorded(checkpoint)
    assert 0 < len(before) < N_OUTCOMES
    assert results_digest(run(read_card("toy.yaml"), Where(workers=2, checkpoint=checkpoint))) == digest
    assert before < recorded(checkpoint)
    assert len(recorded(checkpoint)) == N_OUTCOMES


@pytest.mark.slow
def test_killed_while_the_results_are_written(
    folder: Path, inside: Path, digest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = folder / "writing"
    run_part(read_card("toy.yaml"), (1, 1), Where(workers=1, checkpoint=output / "checkpoint.sqlite"))
    command = ["toy.yaml", "--output", "writing", "--workers", "1", "--resume"]
    with started(folder, "-m", "hepcs.analysis", *command) as process:
        while process.poll() is None and not list(output.glob(".writing-*/*")):
            time.sleep(0.005)
        time.sleep(np.random.default_rng(6).uniform(0, 0.3))
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    assert not (output / "summary.json").exists()
    ended = command_here(capsys, *command)
    assert ended.returncode == 0, ended.stderr
    assert f"{N_OUTCOMES} outcomes of pseudo-experiments are there, and not run again" in ended.stderr
    assert json.loads((output / "summary.json").read_text())["digest"] == digest


def killed(event: str, step: int, below: Path, folder: Path, *arguments: str) -> None:
    """Run the command until it is killed, as :func:`dying.die_as` says."""
    with forked(
        run_and_die, event, step, below, folder, [*arguments, "--workers", "1", "--quiet"]
    ) as process:
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it ended before it was killed"


@pytest.mark.slow
def test_killed_while_results_replace_older_ones(
    folder: Path, inside: Path, few: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = folder / "replaced"
    assert said(capsys, "toy.yaml", "--output", "replaced", *FEW, "--set", "seed=2")[0] == 0
    assert json.loads((output / "summary.json").read_text())["digest"] != few
    killed("os.rename", 3, output, folder, "toy.yaml", "--output", "replaced", *FEW, "--overwrite")
    for command in (["verify", "replaced"], ["compare", "replaced", "replaced"]):
        code, text = said(capsys, *command)
        assert code == 3
        assert "replaced: no finished run there" in text
        assert "mixed. The same command with --resume writes all of them" in text
    before = recorded_rows(output)
    code, text = said(capsys, "toy.yaml", "--output", "replaced", *FEW, "--resume")
    assert code == 0, text
    assert recorded_rows(output) == before, "something was run again"
    assert said(capsys, "verify", "replaced")[0] == 0
    assert json.loads((output / "summary.json").read_text())["digest"] == few


@pytest.mark.slow
def test_killed_while_the_samples_are_prepared(
    folder: Path, inside: Path, few: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As events are read and features are made: before a file takes its place, and before one is begun."""
    card = ["toy.yaml", *FEW, "--set", "execution.cache=begun", "--output", "prepared"]
    moments = (
        ("dijets", "os.rename", 1),
        ("dijets", "open", 2),
        ("images", "os.rename", 1),
        ("training", "os.rename", 1),
        ("features", "open", 1),
        ("features", "os.rename", 1),
        ("features", "os.rename", 4),  # those of the second sample
    )
    kept = []
    for what, event, step in moments:
        killed(event, step, folder / "begun" / what, folder, *card)
        assert not (folder / "prepared" / "summary.json").exists()
        found = (folder / "begun").rglob("[!.]*.np[yz]")
        kept.append({path.relative_to(folder / "begun").parts[0] for path in found})
    assert not kept[0]
    assert kept[-1] >= {"dijets", "images", "training", "features"}
    code, text = said(capsys, *card, "--resume")
    assert code == 0, text
    assert json.loads((folder / "prepared" / "summary.json").read_text())["digest"] == few


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "to_all", "workers", "code", "words"),
    [
        (signal.SIGINT, True, 2, 130, "stopped"),
        (signal.SIGTERM, True, 2, 143, "stopped by SIGTERM"),
        (signal.SIGTERM, False, 1, 143, "stopped by SIGTERM"),
    ],
)
def test_a_stopped_run_says_how_to_go_on(
    folder: Path, digest: str, inside: Path, sent: int, to_all: bool, workers: int, code: int, words: str
) -> None:
    """By Ctrl-C, which a terminal sends to all processes, or as batch systems stop a job or its first process."""
    output = f"stopped-{sent}-{workers}"
    checkpoint, log = folder / output / "checkpoint.sqlite", str(folder / f"{output}.log")
    program = str(Path(__file__).parents[1] / "counted_run.py")
    command = [program, log, "toy.yaml", "--output", output, "--workers", str(workers)]
    with started(folder, *command) as process:
        wait_until_grown(checkpoint, EMPTY, lambda: process.poll() is None)
        (os.killpg if to_all else os.kill)(process.pid, sent)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    n_outcomes = read_checkpoint(checkpoint).n_tasks
    assert 0 < n_outcomes < N_OUTCOMES
    kept = f"{n_outcomes} outcomes of pseudo-experiments are in {output}/checkpoint.sqlite"
    assert f"{words}. {kept}: the same command with --resume" in errors
    assert "Traceback" not in errors
    assert not (folder / output / "summary.json").exists()
    resumed = run(read_card("toy.yaml"), Where(workers=1, checkpoint=checkpoint))
    assert results_digest(resumed) == digest


# ----------------------------------------------------------------------------------------- in this process


@pytest.fixture
def part(inside: Path) -> Path:
    """A folder with a third of the pseudo-experiments."""
    output = inside / "part"
    if not output.exists():
        assert main(["toy.yaml", "--part", "1/3", "--output", "part", "--workers", "1", "--quiet"]) == 0
    return output


def test_an_unfinished_run_is_not_replaced_unasked(part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (part / "checkpoint.sqlite").read_bytes()
    code, text = said(capsys, "toy.yaml", "--output", "part")
    assert code == 2
    assert "part: holds 288 outcomes of an unfinished run" in text
    for way in ("--resume", "--overwrite", "--output"):
        assert way in text
    assert (part / "checkpoint.sqlite").read_bytes() == before


def test_a_checkpoint_without_outcomes_is_in_nobodys_way(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.sqlite"
    with open_checkpoint(checkpoint, {}):
        pass
    prepare_folder(tmp_path, overwrite=False)
    checkpoint.write_bytes(b"")  # killed as it began
    prepare_folder(tmp_path, overwrite=False)
    with open_checkpoint(checkpoint, {}, resume=False) as begun:
        begun.record([("one", "shared", Outcome(Task(Kind.BACKGROUND_ONLY, 0, 0), 1.0, (1.0,), 1))])
    with pytest.raises(CardError, match=r"holds 1 outcomes of an unfinished run"):
        prepare_folder(tmp_path, overwrite=False)
    prepare_folder(tmp_path, overwrite=True)
    prepare_folder(tmp_path, overwrite=False, resume=True)


def test_a_changed_card_is_refused_with_the_key(part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (part / "checkpoint.sqlite").read_bytes()
    changes = ["--set", "searches.cluster_scanning.k=9", "--set", "seed=2"]
    code, text = said(capsys, "toy.yaml", "--output", "part", "--resume", *changes)
    assert code == 2
    assert "card.searches.cluster_scanning.k: 8 in the checkpoint, 9 now" in text
    assert "card.seed: 1 in the checkpoint, 2 now" in text
    assert (part / "checkpoint.sqlite").read_bytes() == before
    assert not (part / "summary.json").exists()


def test_a_changed_version_is_refused(
    part: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {"numpy": "0.1", "matplotlib": "0.1"}
    monkeypatch.setattr("hepcs.running.identity.version", lambda name: changed.get(name) or version(name))
    code, text = said(capsys, "toy.yaml", "--output", "part", "--resume")
    assert code == 2
    assert f"versions.numpy: {np.__version__} in the checkpoint, 0.1 now" in text
    assert "matplotlib" not in text


def test_a_damaged_checkpoint_is_named(part: Path, inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = inside / "damaged" / "checkpoint.sqlite"
    damaged.parent.mkdir()
    content = bytearray((part / "checkpoint.sqlite").read_bytes())
    content[content.index(b'"seed":')] ^= 1  # in what the run is; an outcome would be computed again
    damaged.write_bytes(content)
    for arguments in (["--resume"], []):
        code, text = said(capsys, "toy.yaml", "--output", "damaged", *arguments)
        assert code == 3
        assert "damaged/checkpoint.sqlite: no checkpoint, or a damaged one" in text


def test_parts_are_merged_into_the_whole(
    part: Path, inside: Path, digest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in (2, 3):
        code, text = said(capsys, "toy.yaml", "--part", f"{i}/3", "--workers", "1")
        assert code == 0, text
        assert f"part {i} of 3" in text
        assert "merge" in text
    others = [f"runs/toy-part-{i}-of-3" for i in (2, 3)]
    assert not (inside / others[0] / "summary.json").exists()
    code, text = said(
        capsys, "merge", "part", f"{others[0]}/checkpoint.sqlite", others[1], "--output", "merged"
    )
    assert code == 0, text
    assert f"{N_OUTCOMES} outcomes of 3 checkpoints are in merged/checkpoint.sqlite" in text
    before = recorded_rows(inside / "merged")
    code, text = said(capsys, "toy.yaml", "--output", "merged", "--resume", "--workers", "1")
    assert code == 0, text
    assert json.loads((inside / "merged" / "summary.json").read_text())["digest"] == digest
    assert recorded_rows(inside / "merged") == before, "something was run again"
    # A finished run is neither resumed nor merged into.
    code, text = said(capsys, "toy.yaml", "--output", "merged", "--resume")
    assert code == 2
    assert "holds a finished run" in text
    assert "--overwrite with --resume" in text
    assert said(capsys, "merge", "part", "--output", "merged")[0] == 2


def test_overlapping_and_unlike_parts_are_refused(
    part: Path, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fewer = ["--set", "pseudo_experiments.background_only=20", "--workers", "1"]
    assert said(capsys, "toy.yaml", "--part", "1/2", "--output", "unlike", *fewer)[0] == 0
    code, text = said(capsys, "merge", "part", "unlike", "--output", "never")
    assert code == 2
    assert "part/checkpoint.sqlite and unlike/checkpoint.sqlite are of different runs" in text
    assert "card.pseudo_experiments.background_only: 280 in the first, 20 in the second" in text
    assert said(capsys, "toy.yaml", "--part", "1/300", "--output", "overlapping", "--workers", "1")[0] == 0
    code, text = said(capsys, "merge", "part", "overlapping", "--output", "never")
    assert code == 2
    assert "overlapping/checkpoint.sqlite: 3 of its 3 outcomes are in another of the checkpoints too" in text
    assert "background-only pseudo-experiment 0 of fit_3, also in part/checkpoint.sqlite" in text
    assert "background-only toy 0 of fit_3, also in part/checkpoint.sqlite" in text
    assert said(capsys, "merge", "part", "nowhere", "--output", "never")[0] == 3
    assert not (inside / "never").exists()


def test_nothing_to_resume_is_warned_of(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "toy.yaml", "--part", "7/300", "--output", "new", "--workers", "1", "--resume")
    assert code == 0, text
    assert "new/checkpoint.sqlite: not there, so the run starts from the beginning" in text


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "a/b", "1/2/3", "-1/3"])
def test_parts_that_there_are_not(inside: Path, capsys: pytest.CaptureFixture[str], part: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["toy.yaml", f"--part={part}"])
    assert ended.value.code == 2
    assert "expected I/N" in capsys.readouterr().err


def test_a_dry_run_is_of_the_whole(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "toy.yaml", "--part", "1/2", "--dry-run")[0] == 2
