"""Searches of black boxes against their keys: ``boxes.json``, for the page of the comparison.

examples:
  hepcs boxes make comparison.yaml boxes --keys keys --events 15_000
  hepcs run boxes/box_01/card.yaml --output runs/box_01
  hepcs run boxes/box_02/card.yaml --output runs/box_02 --calibrated-by runs/box_01      and so on
  hepcs boxes answer runs/box_* --write answers.yaml
  python analysis/black_boxes.py boxes answers.yaml --keys keys --runs runs --output analysis/results

Judging opens the keys, so it comes last. Beside the answers of all searches together it says what each search
would have answered alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from script import ended, parser_of
from study import write_compact

from hepcs.boxes.answers import read_answers
from hepcs.boxes.judging import Judged, Judgement, judge
from hepcs.output.reading import StoredRun, read_run
from hepcs.statistics.significance import z_to_p

THRESHOLD = 3.0
_VERDICTS = ("found", "missed", "false alarm", "rightly empty")


def facts(judgement: Judgement, runs: Sequence[StoredRun]) -> dict[str, Any]:
    """What ``boxes.json`` says.

    Parameters
    ----------
    judgement
        Of the answers of all searches together.
    runs
        The finished runs of the boxes, named as these.
    """
    counts = {verdict: judgement.count(verdict) for verdict in _VERDICTS}  # type: ignore[arg-type]
    alone = _alone(judgement, runs)
    titles = {search.name: search.title for search in runs[0].result.searches}
    found = ", ".join(f"{titles[name]} {one['found']}, {one['false alarm']}" for name, one in alone.items())
    full = counts["found"] + counts["missed"]
    sizes = [run.search(run.names[0]).observed[0].outcome.n_events for run in runs]
    n_null = runs[0].result.combined[0].n_null if runs[0].result.combined else 0
    text = (
        f"{len(judgement.boxes)} sealed boxes of some {sum(sizes) / len(sizes):,.0f} events in the evaluation "
        f"region, searched before their keys were opened, with {n_null:,} pseudo-experiments from other events. "
        f"Found is what has Z = {THRESHOLD:g} or more in one p over all searches ({', '.join(titles.values())}): "
        f"**{counts['found']} of {full} signals, {counts['false alarm']} false alarms in "
        f"{counts['false alarm'] + counts['rightly empty']} empty boxes**. The number of signal events "
        f"is estimated as if the signal were that of the olympics. By each search "
        f"alone (signals found, false alarms): {found}."
    )
    bounded = [
        run.card.name.removeprefix("box_")
        for run in runs
        for one in run.result.combined
        if one.combination is not None and one.combination.bound == "lower"
    ]
    if bounded:
        text += (
            f" In box {', '.join(bounded)} the searches together lie beyond all pseudo-experiments, and Z is only "
            "a lower bound."
        )
    return {
        "text": text,
        "counts": counts,
        "alone": alone,
        "opened_before": judgement.n_opened_before,
        "boxes": [_row(one) for one in judgement.boxes],
    }


def _alone(judgement: Judgement, runs: Sequence[StoredRun]) -> dict[str, dict[str, int]]:
    """By each search: signals that it would have found, and false alarms."""
    found: dict[str, dict[str, int]] = {}
    for run in runs:
        key = next(one.key for one in judgement.boxes if one.box == run.card.name)
        verdict = "false alarm" if key.signal is None else "found"
        for search in run.result.searches:
            counts = found.setdefault(search.name, {"found": 0, "false alarm": 0})
            calibration = search.observed[0].calibration
            if calibration is not None and calibration.p_smoothed <= float(z_to_p(THRESHOLD)):
                counts[verdict] += 1
    return found


def _row(one: Judged) -> dict[str, str]:
    """A box as a line of the page."""
    key, answer = one.key, one.answer
    words = {None: "–", True: "yes", False: "no"}
    truth = "nothing"
    if key.signal is not None and key.m_jj is not None and key.resolution is not None:
        name = key.signal.replace("_", " ")
        truth = f"{name}, {key.n_inside} events, {key.m_jj:.0f} ± {key.resolution:.0f} GeV"
    said = "–"
    if answer is not None:
        said = "nothing" if not answer.found else "a signal"
        said += "" if answer.mass is None else f" at {answer.mass:.0f} GeV"
        said += "" if answer.events is None else f", {answer.events[0]:.0f} to {answer.events[1]:.0f} events"
        said += "" if answer.p is None else f" (p = {answer.p:.2g}, {answer.by.replace('_', ' ')})"
    return {
        "box": one.box.replace("box_", ""),
        "truth": truth,
        "answer": said,
        "verdict": one.verdict,
        "mass": words[one.mass_is_right],
        "number": words[one.number_is_right],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, and write ``boxes.json``."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, help="of the boxes")
    parser.add_argument("answers", type=Path, help="from `hepcs boxes answer`")
    parser.add_argument("--keys", type=Path, required=True, help="folder of the keys")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs, named as the boxes")
    parser.add_argument("--output", type=Path, required=True, help="folder for boxes.json")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    answers = read_answers(parsed.answers)
    runs = [read_run(parsed.runs / box) for box in answers]
    found = facts(judge(parsed.folder, parsed.keys, answers), runs)
    write_compact(parsed.output / "boxes.json", found)
    console.print(found["text"], markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
