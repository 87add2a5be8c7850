"""What --help says: each command and each study shows an example, and the examples are commands that there are."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path

import pytest

from hepcs.analysis.__main__ import COMMANDS, parse_arguments

ROOT = Path(__file__).parents[2]


def examples_of(command: str) -> list[list[str]]:
    lines = importlib.import_module(f"hepcs.analysis.{command}").EXAMPLES.splitlines()
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out.partition("examples:\n")[2]
    assert shown.startswith(f"  python -m hepcs.analysis {'' if command == 'run' else command}")


def test_examples_are_of_the_program_that_was_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/hepcs"])
    with pytest.raises(SystemExit):
        parse_arguments(["inspect", "--help"])
    shown = capsys.readouterr().out
    assert "examples:\n  hepcs inspect events.root" in shown
    assert "python -m" not in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_are_taken(command: str) -> None:
    for example in examples_of(command):
        assert example[:3] == ["python", "-m", "hepcs.analysis"]
        assert callable(parse_arguments(example[3:]).execute)


def test_help_without_a_command_names_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    shown = capsys.readouterr().out
    assert "examples:\n  python -m hepcs.analysis" in shown
    assert all(f"  {command} " in shown and what in shown for command, what in COMMANDS.items())


@pytest.mark.parametrize(
    "study",
    ["paper_figures", "paper_facts", "fit_references", "sensitivity", "independent_samples", "uniformity"],
)
def test_each_study_shows_an_example(
    study: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT / "analysis")
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(study).main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "\nexample" in shown
    assert f":\n  python analysis/{study}.py " in shown
    assert " \\\n" in shown or "--halves runs" not in shown, "a line that is continued without a sign of it"


def test_the_benchmarks_show_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    benchmarks = importlib.import_module("analysis.benchmarks.__main__").arguments()
    lines = [line.strip() for line in benchmarks.format_help().splitlines()]
    examples = [line for line in lines if line.startswith("python -m analysis.benchmarks")]
    assert len(examples) == 3
    for example in examples:
        benchmarks.parse_args(shlex.split(example)[3:])
