"""Clusters of events: signal events for 3 standard deviations by mass, on one half and on the other.

example:
  python analysis/event_clusters.py event_clusters.yaml a --set samples.background.files="pythia_qcd_a_*.root" \\
      --checkpoint runs/a.sqlite --output analysis/results

Runs the pseudo-experiments of a card, as far as the checkpoint does not hold them, and gives N_3sigma of each
search for each signal, and that over the square root of the background around its mass: a search without a blind
mass needs the same there at all masses. The name of a signal ends with its mass in GeV. Z is read off an
exponential fitted to the tail of the background-only statistics.

Adds what it finds, under the given name, to ``event_clusters.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from script import ended, parser_of

from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import read_json, write_json
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.loading import load
from hepcs.output.summary import plain
from hepcs.pipeline import Where, run_part
from hepcs.running.checkpoint import read_checkpoint
from hepcs.running.pseudo_experiments import Campaign, campaign_of
from hepcs.searches.kinds import Context, build_searches
from hepcs.studies.readings import Reading
from hepcs.studies.sensitivity import SearchStatistics, sensitivity

READING: Reading = "exponential"
# On either side of the mass of a signal, GeV.
HALF_WINDOW = 100.0
TIMED = 5


def statistics(card: LocatedCard, checkpoint: Path, workers: int) -> dict[str, dict[Task, float]]:
    """Statistics of all pseudo-experiments of each search, NaN for none."""
    run_part(card, (1, 1), Where(workers=workers, checkpoint=checkpoint))
    return {
        name: {task: one.statistic if one.valid else np.nan for task, one in outcomes.items()}
        for (name, null), outcomes in read_checkpoint(checkpoint).outcomes.items()
        if null == "shared"
    }


def study(card: LocatedCard, checkpoint: Path, workers: int) -> dict[str, Any]:
    """What ``event_clusters.json`` says of one run."""
    by_search = statistics(card, checkpoint, workers)
    loaded = load(card)
    bins, background = loaded.pools.bins, loaded.pools.background
    searches = build_searches(Context(card.card, loaded.pools, loaded.columns, card.where))
    campaign = campaign_of(card.card, loaded.pools, searches)
    share = loaded.pools.scale
    spectrum = share * background.spectrum(bins)
    entries: dict[str, dict[str, Any]] = {search.name: {} for search in searches}
    for signal in card.card.samples.signal_names:
        mass = float(signal.rpartition("_")[2])
        around = float(spectrum[np.abs(bins.centres - mass) < HALF_WINDOW].sum())
        measured = [_of_signal(name, by_search[name], signal) for name in entries]
        rng = generator(card.card.seed, Stream.STUDY)
        found = sensitivity(measured, rng=rng, n_bootstrap=200, readings=("counted", READING))
        for name, one in found.items():
            crossing = one.curves[READING].crossing
            needed = crossing.epsilon
            entries[name][signal] = {
                "mass": mass,
                "n3sigma": needed,
                "low": crossing.low,
                "high": crossing.high,
                "bound": crossing.bound,
                "over_root_b": None if needed is None else needed / np.sqrt(around),
            }
    seconds = _seconds(campaign)
    return {
        "n_background": round(float(spectrum.sum())),
        "reading": READING,
        "searches": {
            search.name: {
                "title": search.title,
                **_null(by_search[search.name]),
                "seconds_a_data_set": seconds[search.name],
                "signals": entries[search.name],
                "unevenness": unevenness(entries[search.name]),
            }
            for search in searches
        },
    }


def _of_signal(name: str, found: Mapping[Task, float], signal: str) -> SearchStatistics:
    """The statistics of a search without signal, and with one."""
    epsilons = sorted({task.epsilon for task in found if task.kind is Kind.DOPED and task.signal == signal})
    return SearchStatistics(
        name,
        _in_order(found, Kind.BACKGROUND_ONLY, 0, ""),
        {epsilon: _in_order(found, Kind.DOPED, epsilon, signal) for epsilon in epsilons},
    )


def _in_order(found: Mapping[Task, float], kind: Kind, epsilon: int, signal: str) -> NDArray[np.float64]:
    wanted = (kind, epsilon, signal)
    tasks = sorted(task for task in found if (task.kind, task.epsilon, task.signal) == wanted)
    return np.array([found[task] for task in tasks])


def _null(found: Mapping[Task, float]) -> dict[str, Any]:
    null = _in_order(found, Kind.BACKGROUND_ONLY, 0, "")
    return {"n_null": null.size, "null_mean": np.nanmean(null), "null_sd": np.nanstd(null, ddof=1)}


def _seconds(campaign: Campaign) -> dict[str, float]:
    """Processor time of a data set of each search; the first one, with compilation, does not count."""
    spent: dict[str, list[float]] = {name: [] for name in campaign.wanted}
    for index in range(TIMED + 1):
        for name in campaign.wanted:
            task = Task(Kind.BACKGROUND_ONLY, 0, index)
            spent[name] += [seconds for _, seconds in campaign.run(task, [name])]
    return {name: float(np.median(found[1:])) for name, found in spent.items()}


def unevenness(signals: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The largest N over sqrt(B) over the smallest one of the generated signals; None if one is not reached."""
    found = [one["over_root_b"] for name, one in signals.items() if name.startswith("at_")]
    return max(found) / min(found) if found and None not in found else None


def table(name: str, found: Mapping[str, Any]) -> Table:
    """For people."""
    result = Table(title=f"{name}: {found['n_background']:,} background events; N_3sigma (over sqrt(B))")
    signals = list(next(iter(found["searches"].values()))["signals"])
    for column in ("search", *signals, "uneven", "s a data set"):
        result.add_column(column, justify="left" if column == "search" else "right")
    for entry in found["searches"].values():
        cells = [
            "-" if one["n3sigma"] is None else f"{one['n3sigma']:.0f} ({one['over_root_b']:.2f})"
            for one in entry["signals"].values()
        ]
        uneven = "-" if entry["unevenness"] is None else f"{entry['unevenness']:.2f}"
        result.add_row(entry["title"], *cells, uneven, f"{entry['seconds_a_data_set']:.3f}")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the numbers."""
    parser = parser_of(__doc__)
    parser.add_argument("card", help="data card with clusters of events")
    parser.add_argument("name", help="what the run is called in the results")
    parser.add_argument("--checkpoint", type=Path, required=True, help="where pseudo-experiments are kept")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the card"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for event_clusters.json")
    return ended(_work, parser, arguments, width=140)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    file = parsed.output / "event_clusters.json"
    found = study(read_card(parsed.card, parsed.set), parsed.checkpoint, parsed.workers)
    known = read_json(file) if file.is_file() else {}
    write_json(file, plain({**known, parsed.name: found}))
    console.print(table(parsed.name, found))


if __name__ == "__main__":
    sys.exit(main())
