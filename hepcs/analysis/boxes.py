"""``boxes``: sealed data sets to try searches on, and the answers against their keys."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from hepcs.analysis.card_arguments import add_card_arguments
from hepcs.analysis.reporting import progress_on

if TYPE_CHECKING:
    from hepcs.boxes.judging import Judged, Judgement

DESCRIPTION = "Make black boxes, sealed data sets that hide a signal or none; collect answers; judge them."
EXAMPLES = """\
  python -m hepcs.analysis boxes make card.yaml boxes --keys keys --boxes 12 --empty 4
  python -m hepcs.analysis run boxes/box_01/card.yaml
  python -m hepcs.analysis run boxes/box_02/card.yaml --calibrated-by runs/box_01
  python -m hepcs.analysis boxes answer runs/box_01 runs/box_02 --write answers.yaml
  python -m hepcs.analysis boxes judge boxes answers.yaml --keys keys"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    steps = parser.add_subparsers(dest="step", required=True, metavar="make | answer | judge")
    make = steps.add_parser("make", help="seal boxes of the samples of a card")
    add_card_arguments(make, "card with background and signals, and the searches of the boxes' cards")
    make.add_argument("folder", type=Path, help="where the boxes go")
    make.add_argument("--keys", type=Path, required=True, help="where their keys go: keep them apart")
    make.add_argument("--boxes", type=int, default=12, help="how many (12)")
    make.add_argument("--empty", type=int, default=4, help="how many hold no signal (4)")
    make.add_argument("--events", type=int, default=50_000, help="events of each, signal included (50000)")
    make.add_argument(
        "--signal-events",
        type=int,
        nargs=2,
        default=(100, 1000),
        metavar=("LEAST", "MOST"),
        help="(100 1000)",
    )
    make.add_argument("--seed", type=int, help="of all draws; nobody knows it if absent")
    answer = steps.add_parser("answer", help="the answers of finished runs of the boxes' cards")
    answer.add_argument("runs", type=Path, nargs="+", help="run folders")
    answer.add_argument("--write", type=Path, required=True, metavar="FILE", help="YAML file of the answers")
    answer.add_argument("--threshold", type=float, default=3.0, help="least Z of what counts as found (3)")
    judge = steps.add_parser("judge", help="compare answers with the keys, which opens them")
    judge.add_argument("folder", type=Path, help="folder of the boxes")
    judge.add_argument(
        "answers", type=Path, help="YAML: box_01: {found: true, mass: 3500, events: [80, 240]}"
    )
    judge.add_argument("--keys", type=Path, required=True, help="folder of the keys")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Make, answer or judge.

    Raises
    ------
    ArgumentError, CardError, InputError
        As the steps do.
    """
    match parsed.step:
        case "make":
            _make(parsed, console, errors)
        case "answer":
            _answer(parsed, console)
        case "judge":
            _judge(parsed, console)


def _make(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    from hepcs.boxes.making import Wanted, make_boxes
    from hepcs.config import read_card

    card = read_card(parsed.card, parsed.overrides)
    wanted = Wanted(parsed.boxes, parsed.empty, parsed.events, tuple(parsed.signal_events))
    with progress_on(errors, parsed.quiet) as progress:
        names = make_boxes(card, parsed.folder, parsed.keys, wanted, seed=parsed.seed, progress=progress)
    _say(
        console,
        f"{len(names)} boxes are in {parsed.folder}, their keys in {parsed.keys}: keep these apart until all "
        "answers are there. Search a box, blind first:",
    )
    _say(console, f"  hepcs run {parsed.folder / names[0] / 'card.yaml'} --blind")
    _say(
        console, "All others may be calibrated by the pseudo-experiments of one: --calibrated-by its folder."
    )


def _answer(parsed: argparse.Namespace, console: Console) -> None:
    from hepcs.boxes.answers import answers_of, write_answers
    from hepcs.output.reading import read_run

    answers = answers_of([read_run(folder).result for folder in parsed.runs], parsed.threshold)
    write_answers(parsed.write, answers)
    found = sum(answer.found for answer in answers.values())
    _say(console, f"{parsed.write}: {len(answers)} answers, a signal in {found} of them")


def _judge(parsed: argparse.Namespace, console: Console) -> None:
    from hepcs.boxes.answers import read_answers
    from hepcs.boxes.judging import judge

    judgement = judge(parsed.folder, parsed.keys, read_answers(parsed.answers))
    console.print(_table(judgement))
    verdicts = ("found", "missed", "false alarm", "rightly empty", "no answer")
    _say(console, ", ".join(f"{verdict}: {judgement.count(verdict)}" for verdict in verdicts))  # type: ignore[arg-type]
    if judgement.n_opened_before:
        _say(
            console,
            f"These keys were opened {judgement.n_opened_before} time"
            f"{'' if judgement.n_opened_before == 1 else 's'} before, for other answers: whoever gave these may "
            "have known them.",
        )


def _table(judgement: Judgement) -> Table:
    table = Table(
        "box", "signal", "injected", "in region", "m_jj [GeV]", "answer", "p", "verdict", "mass", "number"
    )
    for one in judgement.boxes:
        table.add_row(*_cells(one))
    return table


def _cells(one: Judged) -> tuple[str, ...]:
    key, answer = one.key, one.answer
    mass = "" if key.m_jj is None else f"{key.m_jj:.0f} ± {key.resolution:.0f}"
    words = {None: "", True: "right", False: "wrong"}
    said = "" if answer is None else "a signal" if answer.found else "nothing"
    if answer is not None and answer.mass is not None:
        said += f" at {answer.mass:.0f} GeV"
    if answer is not None and answer.events is not None:
        said += f", {answer.events[0]:.0f} to {answer.events[1]:.0f} events"
    p = "" if answer is None or answer.p is None else f"{answer.p:.2g}"
    inside = str(key.n_inside) if key.signal else ""
    return (
        one.box,
        key.signal or "none",
        str(key.n_injected),
        inside,
        mass,
        said,
        p,
        one.verdict,
        words[one.mass_is_right],
        words[one.number_is_right],
    )


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
