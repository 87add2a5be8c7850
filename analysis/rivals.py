"""Every search of the LHC Olympics on the same data sets: null, Z, bias and cost of each.

examples:
  python analysis/rivals.py rivals.yaml --folder runs/rivals --output analysis/results
  python analysis/rivals.py rivals.yaml --folder runs/rivals --only cathode --seconds 600

Searches of a card are taken one after the other, as the card has them. Each has a checkpoint of its own in the
folder, so that the work can be stopped at any time and goes on; ``--seconds`` bounds the processor time that is
spent on the data sets of a search, which are then those with and without signal in proportion. What a search has
trained is not kept: it trains again when it goes on, to the same bits.

Adds what it finds to ``rivals.json``, with the statistics of all data sets, and writes ``RIVALS.md`` beside the
folder of results; without a card, the page alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rivals_figure import draw
from rivals_page import console_table, page, with_compared
from scores import fitted
from script import ended, parser_of
from study import write_compact

from hepcs._core.errors import ArgumentError, HepcsError
from hepcs._core.storage import read_json, write_json, write_text
from hepcs._core.threads import one_thread
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.bootstrap import DataSet, Kind, Task
from hepcs.datasets.loading import Loaded, load
from hepcs.output.summary import plain
from hepcs.results import Outcome
from hepcs.running.checkpoint import open_checkpoint, read_checkpoint
from hepcs.running.identity import run_identity
from hepcs.running.pseudo_experiments import Campaign, campaign_of
from hepcs.searches.cut_and_fit.cuts import ranks
from hepcs.searches.cut_and_fit.report import bias_of
from hepcs.searches.cut_and_fit.search import ScoreSearch
from hepcs.searches.cut_and_fit.section import CutAndFit
from hepcs.searches.cut_and_fit.training import Scores
from hepcs.searches.cut_and_fit.windows import SlidingWindows
from hepcs.searches.kinds import Context, build_searches

RESULTS = "rivals.json"
# Of real features of the olympics: what trees reach, and autoencoders.
LHCO_TREES, LHCO_AUTOENCODERS = (
    Path(__file__).with_name("results") / f"{name}.json"
    for name in ("lhco_signal_region", "lhco_autoencoder")
)
# Signal events at which scores are compared, in how many data sets, and the fewest background events of a cut.
IMPROVEMENT_AT = 250
N_IMPROVEMENTS = 3
FEWEST = 20


def run_search(card: LocatedCard, loaded: Loaded, folder: Path, seconds: float) -> str:
    """Run the data sets of the one search of a card that are not in its checkpoint yet; its title.

    Parameters
    ----------
    card
        With one search.
    loaded
        Its samples, with the features of other searches too.
    folder
        For checkpoint and times, by the name of the search.
    seconds
        Processor time after which no data set is begun; 0 for what is there already.
    """
    (name,) = card.card.searches
    path = folder / f"{name}.sqlite"
    started = time.process_time()
    searches = build_searches(Context(card.card, loaded.pools, loaded.columns, card.where))
    inputs = {report.role: tuple(file.digest for file in report.inputs) for report in loaded.reports}
    with open_checkpoint(path, run_identity(card, loaded.pools, inputs, [(name,)])) as checkpoint:
        done = checkpoint.done(name, "shared")
        if seconds <= 0 or not missing(card, name, done):
            return searches[0].title
        campaign = campaign_of(card.card, loaded.pools, searches)
        trained = time.process_time() - started
        improvements = sic(campaign, name, IMPROVEMENT_AT)
        spent: list[float] = []
        for task in missing(card, name, done):
            if sum(spent) > seconds:
                break
            with one_thread():
                ((row, took),) = (one for one in campaign.run(task, [name]) if one[0][1] == "shared")
            checkpoint.record([row])
            spent.append(took)
        times = {"training_seconds": trained, "seconds": spent, "sic": improvements}
        write_json(folder / f"{name}.json", plain(times))
    return searches[0].title


def sic(campaign: Campaign, name: str, epsilon: int) -> list[float]:
    """Largest significance improvement of the score of a search in some doped data sets, in the signal's window.

    None of a search without scores.
    """
    search = campaign.searches[name]
    found = []
    for signal in {one.signal for one in campaign.injections if one.epsilon == epsilon}:
        for index in range(N_IMPROVEMENTS):
            # Beside those that are calibrated by.
            task = Task(Kind.DOPED, epsilon, 10_000 + index, signal)
            one = fitted(campaign, name, task)
            if isinstance(one.fit, Scores) and isinstance(search, ScoreSearch):
                found.append(improvement(one.fit, one.data, search.windows, one.rng))
    return found


def improvement(fit: Scores, data: DataSet, windows: SlidingWindows, rng: np.random.Generator) -> float:
    """Largest eps_S / sqrt(eps_B) of all cuts that leave 20 or more background events in the window of the signal.

    Of several scores of all events, such as those by the hypotheses of QUAK, that of the best one; `rng` orders
    events of equal scores.
    """
    view = data.view
    centres = windows.bounds(view.bins.edges).mean(axis=1)
    window = int(np.argmin(np.abs(centres - np.median(view.m_jj[data.injected]))))
    inside = windows.inside[window][view.bins.index(view.m_jj)]
    rows = fit.values[[window]] if len(fit.values) == windows.n_windows else fit.values
    best = 0.0
    for values in rows:
        places = np.empty(len(values))
        for fold in np.unique(fit.folds):
            here = fit.folds == fold
            places[here] = ranks(values[here], view.multiplicity[here], rng)
        order = np.flatnonzero(inside)[np.argsort(-places[inside])]
        signal, times = data.injected[order], view.multiplicity[order]
        of_signal, of_background = np.cumsum(times * signal), np.cumsum(times * ~signal)
        enough = of_background >= FEWEST
        efficiency, background = of_signal / of_signal[-1], of_background / of_background[-1]
        best = max(best, float((efficiency[enough] / np.sqrt(background[enough])).max()))
    return best


def missing(card: LocatedCard, name: str, done: Mapping[Task, Outcome]) -> list[Task]:
    """Data sets that are still to be searched; every beginning of them has all kinds in proportion."""
    wanted = card.card.pseudo_experiments_of(name)
    kinds = [[Task(Kind.BACKGROUND_ONLY, 0, index) for index in range(wanted.background_only)]]
    kinds += [
        [Task(Kind.DOPED, epsilon, index, signal) for index in range(wanted.doped)]
        for signal in card.card.samples.signal_names
        for epsilon in card.card.injection.of(signal)
        if epsilon
    ]
    places = sorted(
        ((number + 0.5) / len(tasks), kind, task)
        for kind, tasks in enumerate(kinds)
        for number, task in enumerate(tasks)
    )
    return [task for _, _, task in places if task not in done]


def entry(card: LocatedCard, title: str, folder: Path, n_pool: int) -> dict[str, Any]:
    """What ``rivals.json`` says of the one search of a card, from its checkpoint."""
    ((name, section),) = card.card.searches.items()
    outcomes = read_checkpoint(folder / f"{name}.sqlite").outcomes[name, "shared"]
    times = read_json(folder / f"{name}.json")
    ordered = sorted(outcomes.values(), key=lambda one: one.task)
    null = [one for one in ordered if one.task.kind is Kind.BACKGROUND_ONLY]
    doped: dict[str, dict[str, list[float]]] = {}
    for one in ordered:
        if one.task.kind is Kind.DOPED:
            values = doped.setdefault(one.task.signal, {}).setdefault(str(one.task.epsilon), [])
            values.append(one.statistic if one.valid else np.nan)
    return {
        "title": title,
        "kind": section.kind,
        "features": list(section.feature_names),
        "needs_truth": section.needs_truth,
        "retrain": not (isinstance(section, CutAndFit) and bool(section.conditional_on)),
        "conditional_on": section.conditional_on if isinstance(section, CutAndFit) else "",
        "n_events": np.mean([one.n_events for one in null]),
        "n_pool": n_pool,
        "n_failed": sum(not one.valid for one in ordered),
        "training_seconds": times["training_seconds"],
        # The first one compiles.
        "seconds": np.median(times["seconds"][1:] or times["seconds"]),
        "sic": times["sic"],
        "null": [one.statistic if one.valid else np.nan for one in null],
        "doped": doped,
        "delta_sys": {
            f"{one.efficiency:g}": {"value": one.delta, "error": one.error, "statistical": one.statistical}
            for one in bias_of(ordered)
        },
    }


def measured(
    card: LocatedCard, only: Sequence[str], folder: Path, seconds: float, console: Console
) -> Iterator[tuple[str, Any]]:
    """Name and entry of each search of a card; raises ArgumentError for one that the card has not."""
    unknown = [name for name in only if name not in card.card.searches]
    if unknown:
        raise ArgumentError(f"no searches {', '.join(unknown)} in the card: {', '.join(card.card.searches)}")
    loaded = load(card)
    for name, section in card.card.searches.items():
        if only and name not in only:
            continue
        one = replace(card, card=card.card.model_copy(update={"searches": {name: section}}))
        started = time.monotonic()
        try:
            title = run_search(one, loaded, folder, seconds)
        except HepcsError as error:
            console.print(f"{name}: {error}", style="bold red", markup=False, highlight=False)
            continue
        found = entry(one, title, folder, len(loaded.pools.background.m_jj))
        if len(found["null"]) < 2 or not found["doped"]:
            console.print(f"{name}: too few data sets yet", markup=False, highlight=False)
            continue
        console.print(
            f"{name}: {len(found['null'])} without signal, training {found['training_seconds']:.0f} s, "
            f"{found['seconds']:.2f} s a data set, {time.monotonic() - started:.0f} s in all",
            markup=False,
            highlight=False,
        )
        yield name, found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run searches, write numbers and page."""
    parser = parser_of(__doc__)
    parser.add_argument("card", nargs="?", help="data card with searches")
    parser.add_argument("--folder", type=Path, default=Path("runs/rivals"), help="of checkpoints")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="SEARCH", help="searches of the card; all if absent"
    )
    parser.add_argument(
        "--seconds", type=float, default=np.inf, help="processor time of the data sets of a search"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the card"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("analysis/results"), help="folder for rivals.json"
    )
    return ended(_work, parser, arguments, width=160)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    file = parsed.output / RESULTS
    if parsed.card is not None:
        card = read_card(parsed.card, parsed.set)
        for name, found in measured(card, parsed.only, parsed.folder, parsed.seconds, console):
            known = read_json(file) if file.is_file() else {}
            write_compact(file, plain({**known, name: found}))
    if not file.is_file():
        raise ArgumentError(f"{file}: is not there, since no search has data sets enough yet")
    content = read_json(file)
    comparison = parsed.output / "comparison_statistics.json"
    compared = read_json(comparison) if comparison.is_file() else None
    write_text(
        parsed.output.parent / "RIVALS.md",
        page(content, compared, read_json(LHCO_TREES), read_json(LHCO_AUTOENCODERS)),
    )
    folder = parsed.output / "figures"
    folder.mkdir(exist_ok=True)
    figure = draw(with_compared(content, compared))
    figure.savefig(folder / "rivals.png", dpi=110)
    console.print(console_table(content))


if __name__ == "__main__":
    sys.exit(main())
