"""What somebody says of a box: a bump or none, its mass, and how many events it has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from hepcs._core.errors import InputError
from hepcs._core.storage import write_text
from hepcs.datasets.bootstrap import Kind
from hepcs.results import RunResult, SearchResult
from hepcs.statistics.significance import z_to_p
from hepcs.studies.signal_size import FEWEST_STATISTICS, size_calibration


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes
    ----------
    found
        Whether there is a signal in the box.
    p
        The global p-value; None if it is not told.
    mass
        m_jj of the signal, GeV; None if it is not told.
    events
        Interval, 68 %, for the number of signal events in the evaluation region; None if it is not told.
    by
        What found it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    found: bool
    p: Annotated[float, Field(ge=0, le=1)] | None = None
    mass: Annotated[float, Field(gt=0)] | None = None
    events: tuple[float, float] | None = None
    by: str = ""


def read_answers(path: Path) -> dict[str, Answer]:
    """Answers by box from a YAML file: ``box_01: {found: true, p: 1e-4, mass: 3500, events: [80, 240]}``.

    Raises InputError, naming the box and the key, for anything else.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TypeAdapter(dict[str, Answer]).validate_python(content)
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML: {error}") from error
    except ValidationError as error:
        listed = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}, found {one['input']!r}"
            for one in error.errors()
        )
        raise InputError(
            f"{path}: {listed}. Expected a line for each box, such as "
            "`box_01: {found: true, p: 1e-4, mass: 3500, events: [80, 240]}`"
        ) from error


def write_answers(path: Path, answers: Mapping[str, Answer]) -> None:
    """Write answers as :func:`read_answers` reads them."""
    content = {
        box: {key: value for key, value in vars(answer).items() if value not in (None, "")}
        for box, answer in answers.items()
    }
    for answer in content.values():
        if "events" in answer:
            answer["events"] = list(answer["events"])
    write_text(path, yaml.safe_dump(content, sort_keys=False))


def answer_of(run: RunResult, threshold: float = 3.0) -> Answer:
    """The answer of a finished search of real data.

    Found is what has a Z of `threshold` or more, in one p over all searches where there are several that can be
    combined. The mass is the middle of the window of the largest excess of the best of them. How many signal
    events there are it says where the run has doped pseudo-experiments, as far as these are like the signal
    (:mod:`hepcs.studies.signal_size`); of several signals, the interval that holds those of all.

    Raises
    ------
    InputError
        If the run has not opened its data, searched no real data, or has too few pseudo-experiments for
        `threshold`.
    """
    if not run.is_real_search or run.is_blind:
        raise InputError(
            f"{run.card.path}: expected a finished search of a box, its data opened (--resume after --blind)"
        )
    searches = [one for one in run.searches if one.observed[0].calibration is not None]
    if not searches:
        return Answer(False)
    combination = run.combined[0].combination if run.combined else None
    named = run.combined[0].best if run.combined else None
    best = next((one for one in searches if one.name == named), min(searches, key=_p_of))
    n_null = run.combined[0].n_null if combination is not None else best.statistics(Kind.BACKGROUND_ONLY).size
    p = _p_of(best) if combination is None else float(combination.p)
    if 1 / (n_null + 1) > z_to_p(threshold):
        raise InputError(
            f"{run.card.path}: {n_null:,} background-only pseudo-experiments cannot reach Z = {threshold:g}, "
            f"which takes {math.ceil(1 / z_to_p(threshold)) - 1:,}: ask for more of them, or for a lower threshold"
        )
    found = p <= float(z_to_p(threshold))
    if not found:
        return Answer(False, p, by=best.name)
    spectrum = best.observed[0].observation.spectrum
    excess = None if spectrum is None else spectrum.largest_excess(run.bins.edges)
    mass = None if excess is None else (excess.low + excess.high) / 2
    return Answer(True, p, mass, _events(best), by=best.name)


def _events(search: SearchResult) -> tuple[float, float] | None:
    """Interval for the number of signal events, open above where the list ends; None with too few doped ones."""
    null, intervals = search.statistics(Kind.BACKGROUND_ONLY), []
    for signal in dict.fromkeys(one.injection.signal for one in search.doped):
        doped = {
            one.injection.epsilon: search.statistics(Kind.DOPED, one.injection.epsilon, signal)
            for one in search.doped
            if one.injection.signal == signal
        }
        if min(null.size, *(values.size for values in doped.values())) < FEWEST_STATISTICS:
            continue
        size = size_calibration(null, doped).size(search.observed[0].outcome.statistic)
        low = max(doped) if size.low is None else size.low
        intervals.append((low, math.inf if size.high is None else size.high))
    if not intervals:
        return None
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def _p_of(search: SearchResult) -> float:
    """p by (k + 1) / (N + 1), valid for any k."""
    calibration = search.observed[0].calibration
    assert calibration is not None
    return calibration.p_smoothed


def answers_of(runs: Sequence[RunResult], threshold: float = 3.0) -> dict[str, Answer]:
    """Answers by the names of the runs, which are those of the boxes."""
    return {run.card.card.name: answer_of(run, threshold) for run in runs}
