"""What to do next, after a run: from what its numbers leave open."""

from __future__ import annotations

from collections.abc import Iterator

from hepcs.datasets.bootstrap import Kind
from hepcs.output.drawing import lacks_figures
from hepcs.output.sentences import FEW_ABOVE
from hepcs.results import Observed, RunResult, SearchResult
from hepcs.results.wording import data_set_name
from hepcs.running.cautions import AMPLE_BACKGROUND
from hepcs.statistics.significance import p_to_z

# Pseudo-experiments that a longer run has, for each that there are.
_LONGER = 10


def next_steps(result: RunResult) -> tuple[str, ...]:
    """What to do next, the most important first: sentences with the keys of the card."""
    return tuple(_steps(result))


def _steps(result: RunResult) -> Iterator[str]:
    found = [(search, one) for search in result.searches for one in search.observed]
    if result.is_blind:
        yield "Once the searches are fixed: --resume in place of --blind opens the data."
    yield from _more_pseudo_experiments(found)
    yield from _larger_background(result)
    doped = any(search.doped for search in result.searches)
    if not doped and not result.is_blind:
        signal = "" if result.card.card.samples.signal_names else ", and a signal sample"
        yield (
            "For the expected sensitivity and a limit on the signal: pseudo_experiments.doped: 20, with several "
            f"numbers in injection.epsilon{signal}."
        )
    best = _best(result, found)
    if best is not None:
        yield _look_at(result, *best)


def _more_pseudo_experiments(found: list[tuple[SearchResult, Observed]]) -> Iterator[str]:
    """Where too few pseudo-experiments are above the observed statistic for a number."""
    short = [
        (search, one.calibration)
        for search, one in found
        if one.calibration is not None
        and one.calibration.bound != "upper"
        and one.calibration.n_above < FEW_ABOVE
    ]
    if not short:
        return
    n = max(search.statistics(Kind.BACKGROUND_ONLY).size for search, _ in short)
    longer = _LONGER * n
    titles = ", ".join(dict.fromkeys(search.title for search, _ in short))
    keys = "pseudo_experiments.background_only"
    reach = f"which resolves Z up to {p_to_z(1 / longer):.1f}"
    bounds = any(calibration.bound == "lower" for _, calibration in short)
    why = "Z is only a bound" if bounds else "fewer than ten pseudo-experiments lie above the data"
    yield f"More pseudo-experiments, since {why} ({titles}): {keys}: {longer}, {reach}."


def _larger_background(result: RunResult) -> Iterator[str]:
    if not result.is_real_search:
        return
    events = {sample.role: sample.n_evaluation for sample in result.samples}
    data, background = events.get("data", 0), events.get("background", 0)
    if background < AMPLE_BACKGROUND * data:
        yield (
            f"A larger background sample: it has {background:,} events in the evaluation region, "
            f"{AMPLE_BACKGROUND} times the data would be {AMPLE_BACKGROUND * data:,}."
        )


def _best(
    result: RunResult, found: list[tuple[SearchResult, Observed]]
) -> tuple[SearchResult, Observed] | None:
    """The search and data set with the smallest p; of equal ones, the search that is best of all together."""
    together = {one.injection: one.best for one in result.combined}

    def order(pair: tuple[SearchResult, Observed]) -> tuple[float, bool]:
        search, one = pair
        assert one.calibration is not None
        return -one.calibration.z, together.get(one.injection) != search.name

    return min((pair for pair in found if pair[1].calibration is not None), key=order, default=None)


def _look_at(result: RunResult, search: SearchResult, observed: Observed) -> str:
    """Which figures tell whether an excess is one."""
    name = data_set_name(result, observed.injection)
    figures = "" if lacks_figures() else f"; figures/{search.name}_*_{name}"
    return (
        f"Look at the spectrum of {search.title} (report, its tab{figures}): is the excess in neighbouring bins, "
        "as wide as the mass resolution, and the estimate right beside it?"
    )
