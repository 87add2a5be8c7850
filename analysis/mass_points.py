"""Signal events for 3 standard deviations against the mass of the signal: Cluster Scanning, window scan, and fits.

example:
  python analysis/mass_points.py sensitivity.yaml --store runs/masses.jsonl --minutes 60 --output analysis/results

A signal of one mass lies somewhere in the bins, on an edge or in the middle of one, and that moves every number.
Here the m_jj of the card's signal events is multiplied by mass / 3500 GeV, and their features are kept. Each
finished data set is a line of ``--store``; what is there is not searched again, and an end at any time leaves a
study of what there is. All masses share the background-only statistics: those of ``statistics.json``, after a test
that the new ones are distributed alike. The fits are calibrated by Poisson toys of the spectrum of ``facts.json``.

Reads both in the folder of ``--output``, and writes ``mass_points.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fit_references import Signal, Spectrum, fits_of, ratio_entry, stored_spectrum
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats
from script import add_card, ended, parser_of
from sensitivity import BOOTSTRAPS, between_samples, crossing_entry
from study import open_study

from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import read_json, write_json
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.loading import load
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.output.summary import plain
from hepcs.running.pseudo_experiments import Campaign, campaign_of, run_items
from hepcs.searches.kinds import Context, build_searches
from hepcs.studies.crossing import Crossing
from hepcs.studies.sensitivity import SearchStatistics, sensitivity

NOMINAL = 3500.0
#: Numbers of signal events by mass, GeV: around what Cluster Scanning and the window scan need, and for the fits.
EPSILONS: Mapping[int, tuple[int, ...]] = {
    3200: (800, 950, 1150, 1350, 1600),
    3450: (400, 480, 570, 680, 820),
    3500: (470, 560, 680, 820, 980),
    3550: (400, 480, 570, 680, 820),
    4000: (340, 410, 490, 590, 720),
}
FIT_EPSILONS = tuple(range(600, 3601, 300))
N_NULL, N_DOPED = 200, 40
N_TOYS, N_DOPED_TOYS = 100_000, 500
SEARCHES = ("cluster_scanning", "window_scan")
# So that signal events somewhat outside of the region are kept.
WIDER = "injection.nuisances.energy_scale=0.05"


def moved(signal: Sample, mass: float, bins: MassBins) -> Sample:
    """The signal at another mass: m_jj scaled, features kept; what leaves the region counts as outside."""
    return replace(signal, m_jj=signal.m_jj * (mass / NOMINAL)).within(bins)


def pools_of(card: LocatedCard) -> Pools:
    """The background, and the signal at each mass."""
    pools = load(card).pools
    (wider,) = pools.wider_signals.values()
    signals = {str(mass): moved(wider, mass, pools.bins) for mass in EPSILONS}
    return Pools(pools.background, pools.bins, signals)


def campaign(card: LocatedCard, pools: Pools) -> Campaign:
    """The searches on these samples."""
    wanted = [search for search in build_searches(Context(card.card, pools)) if search.name in SEARCHES]
    return replace(campaign_of(card.card, pools, wanted), nuisances=None)


def tasks() -> Iterator[Task]:
    """All data sets, in rounds, so that an early end has some of each."""
    a_round = N_NULL // N_DOPED
    for index in range(N_DOPED):
        yield from (Task(Kind.BACKGROUND_ONLY, 0, index * a_round + null) for null in range(a_round))
        for mass, epsilons in EPSILONS.items():
            yield from (Task(Kind.DOPED, epsilon, index, str(mass)) for epsilon in epsilons)


def search_all(searched: Campaign, store: Path, minutes: float) -> None:
    """Search the data sets that are not stored, until the time is over."""
    done = {tuple(one["key"]) for one in stored(store)}
    end = time.monotonic() + 60 * minutes
    with store.open("a", encoding="utf-8") as file:
        for task in tasks():
            if task.key in done or time.monotonic() > end:
                continue
            rows = run_items(searched, [(task, SEARCHES)]).rows
            found = {name: outcome.statistic for name, _, outcome in rows if outcome.valid}
            file.write(json.dumps({"key": task.key, "statistics": found}) + "\n")
            file.flush()


def stored(store: Path) -> list[dict[str, Any]]:
    """What was finished: the key of each data set, and its statistics by search."""
    return [json.loads(line) for line in store.read_text().splitlines()] if store.is_file() else []


def doped_of(found: Sequence[Mapping[str, Any]], name: str, mass: int) -> dict[int, NDArray[np.float64]]:
    """Doped statistics of a search by epsilon."""
    return {
        epsilon: np.array(
            [
                one["statistics"].get(name, np.nan)
                for one in found
                if tuple(one["key"][i] for i in (1, 3)) == (epsilon, str(mass))
            ]
        )
        for epsilon in EPSILONS[mass]
    }


def crossings_of(
    found: Sequence[Mapping[str, Any]], nulls: Mapping[str, NDArray[np.float64]], between: Mapping[str, float]
) -> dict[int, dict[str, Crossing]]:
    """N_3sigma of each search at each mass, counted."""
    result: dict[int, dict[str, Crossing]] = {}
    for mass in EPSILONS:
        result[mass] = {}
        for name, null in nulls.items():
            search = SearchStatistics(name, null, doped_of(found, name, mass))
            rng = generator(1, Stream.STUDY, "mass", mass, name)
            one = sensitivity(
                [search], rng=rng, n_bootstrap=BOOTSTRAPS, readings=("counted",), between=between
            )
            result[mass][name] = one[name].curves["counted"].crossing
    return result


def signals_of(pools: Pools) -> dict[str, Signal]:
    """The spectra of the signal by mass, for toys."""
    return {
        mass: Signal(sample.spectrum(pools.bins).astype(np.int64), sample.n_selected)
        for mass, sample in pools.signals.items()
    }


def study(
    found: Sequence[Mapping[str, Any]], signals: Mapping[str, Signal], spectrum: Spectrum, results: Path
) -> dict[str, Any]:
    """What ``mass_points.json`` says."""
    nulls = {one.name: one.null for one in open_study(results / "statistics.json").searches}
    nulls = {name: nulls[name] for name in SEARCHES}
    new = [one["statistics"] for one in found if one["key"][1] == 0]
    searches = crossings_of(found, nulls, between_samples(results / "independent_samples.json"))
    fits = fits_of(spectrum, signals, 4, FIT_EPSILONS, N_TOYS, N_DOPED_TOYS)
    masses = []
    for mass, entry in searches.items():
        best = min(
            (one for name, one in fits[str(mass)].items() if name != "single_bins"),
            key=lambda one: one.epsilon or np.inf,
        )
        masses.append(
            {
                "mass": mass,
                "share_inside": signals[str(mass)].counts.sum() / signals[str(mass)].selected,
                "n3sigma": {name: crossing_entry(one) for name, one in (entry | fits[str(mass)]).items()},
                "over_best_fit": {name: ratio_entry(one, best) for name, one in entry.items()},
            }
        )
    doped = [min(v.size for v in doped_of(found, SEARCHES[0], mass).values()) for mass in EPSILONS]
    content = plain(
        {
            "n_background_only": {name: null.size for name, null in nulls.items()},
            "n_doped": min(doped),
            "n_toys": N_TOYS,
            "n_doped_toys": N_DOPED_TOYS,
            "new_null": {
                name: {
                    "n": len(new),
                    "kolmogorov_smirnov": stats.ks_2samp([one[name] for one in new], null).pvalue,
                }
                for name, null in nulls.items()
            },
            "masses": masses,
        }
    )
    assert isinstance(content, dict)
    return content


def table(content: Mapping[str, Any]) -> Table:
    """For people."""
    names = ("cluster_scanning", "window_scan", "single_bins", "windows", "template")
    result = Table(title=f"Signal events for a median Z of 3; {content['n_doped']} doped data sets or more")
    for column in ("mass", *names, "CS / best fit"):
        result.add_column(column, justify="right")
    for one in content["masses"]:
        cells = [f"{one['n3sigma'][name]['epsilon'] or float('nan'):.0f}" for name in names]
        ratio = one["over_best_fit"]["cluster_scanning"]["value"]
        result.add_row(str(one["mass"]), *cells, "-" if ratio is None else f"{ratio:.2f}")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, and write the numbers."""
    parser = parser_of(__doc__)
    add_card(parser, "the searches, the background and the signal")
    parser.add_argument("--store", type=Path, required=True, help="file of finished data sets")
    parser.add_argument("--minutes", type=float, default=np.inf, help="time for further ones")
    parser.add_argument("--output", type=Path, required=True, help="folder of the stored results")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    card = read_card(parsed.card, [*parsed.set, WIDER])
    pools = pools_of(card)
    if parsed.minutes > 0:
        search_all(campaign(card, pools), parsed.store, parsed.minutes)
    spectrum = stored_spectrum(read_json(parsed.output / "facts.json"))
    found = study(stored(parsed.store), signals_of(pools), spectrum, parsed.output)
    write_json(parsed.output / "mass_points.json", found)
    console.print(table(found))


if __name__ == "__main__":
    sys.exit(main())
