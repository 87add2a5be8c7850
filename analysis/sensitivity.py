"""How sensitive each search of a run is: signal events for 3 standard deviations, ratios, upper limits.

examples:
  python analysis/sensitivity.py runs/sensitivity
  python analysis/sensitivity.py runs/sensitivity --halves runs/even runs/odd \\
      --apart runs/apart_even runs/apart_odd --output analysis/results

The run needs doped pseudo-experiments: `python -m hepcs.analysis sensitivity.yaml` is such a card. With
``--halves``, the best realistic search is chosen on the first of two runs with half of the background each, and
confirmed on the second; without, on the run itself. ``--apart`` are two such runs whose pseudo-experiments are
drawn from more events than they hold (`samples.pseudo_data`). What is written to ``--output``:
``statistics*.json``, the statistics of all pseudo-experiments, from which every other number follows, and
``sensitivity.json``. Instead of a run's folder, its ``statistics.json`` will do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from script import ended, parser_of
from study import Study, open_study, write_compact, write_statistics

from hepcs._core.errors import ArgumentError
from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import read_json
from hepcs.output.summary import plain
from hepcs.studies.comparison import ratio_of_crossings, significance_improvement
from hepcs.studies.crossing import Crossing
from hepcs.studies.limits import Coverage, UpperLimits, limit_coverage, upper_limits
from hepcs.studies.readings import Reading
from hepcs.studies.sensitivity import Curve, SearchSensitivity, SearchStatistics, sensitivity

# Searches whose numbers the study is about, and the pairs that it compares (paper, section 4).
HEADLINE = ("cluster_scanning", "fit_3", "fit_4", "fit_5", "idealised_cluster_scanning", "idealised_fit")
RATIOS = (
    ("cluster_scanning", "fit_3"),
    ("cluster_scanning", "fit_4"),
    ("idealised_cluster_scanning", "idealised_fit"),
    ("cluster_scanning", "idealised_cluster_scanning"),
)
# What a number of signal events is read by, first choice first.
PREFERRED: tuple[Reading, ...] = ("counted", "gaussian")
SHOWN: tuple[Reading, ...] = (*PREFERRED, "exponential")
BOOTSTRAPS = 100


# ----------------------------------------------------------------------------------------------- numbers


def measure(
    study: Study,
    seed: int = 1,
    between: Mapping[str, float] | None = None,
    readings: Sequence[Reading] = SHOWN,
) -> dict[str, SearchSensitivity]:
    """Sensitivity of all searches, on the same bootstrap replicas."""
    rng = generator(seed, Stream.STUDY)
    return sensitivity(study.searches, rng=rng, n_bootstrap=BOOTSTRAPS, between=between, readings=readings)


def between_samples(path: Path) -> dict[str, float]:
    """How much the mean null statistic of bootstraps moves between samples, over its standard deviation."""
    searches = read_json(path)["searches"]
    return {name: entry["own"]["sd_of_means"] / entry["own"]["sd"] for name, entry in searches.items()}


def crossed(doped: Study, null: Study) -> dict[str, Any]:
    """N_3sigma of each search by the null statistics of other events."""
    others = {search.name: search.null for search in null.searches}
    searches = tuple(replace(search, null=others[search.name]) for search in doped.searches)
    found = measure(replace(doped, searches=searches), readings=("counted",))
    return {name: crossing_entry(one.curves["counted"].crossing) for name, one in found.items()}


def best_reading(found: SearchSensitivity) -> Curve:
    """The curve to quote: counted if the crossing is counted, else the Gaussian reading."""
    curves = [found.curves[reading] for reading in PREFERRED if reading in found.curves]
    if not curves:
        raise ArgumentError(f"{found.name}: no reading of Z is possible: {dict(found.unavailable)}")
    return next((curve for curve in curves if curve.crossing.epsilon is not None), curves[0])


def choose(study: Study, found: Mapping[str, SearchSensitivity]) -> str:
    """The realistic search that needs the least signal, by counting; by the Gaussian reading where none counts."""
    for reading in PREFERRED:
        needed = {
            name: crossing.epsilon
            for name in study.realistic
            if (crossing := _crossing(found[name], reading)) is not None and crossing.epsilon is not None
        }
        if needed:
            return min(needed, key=lambda name: needed[name] or np.inf)
    raise ArgumentError(
        f"{study.name}: no realistic search reaches 3 standard deviations in the list of epsilon"
    )


def _crossing(found: SearchSensitivity, reading: Reading) -> Crossing | None:
    curve = found.curves.get(reading)
    return None if curve is None else curve.crossing


def numbers(study: Study, found: Mapping[str, SearchSensitivity], best: str) -> dict[str, Any]:
    """What ``sensitivity.json`` says of one study."""
    pairs = [*RATIOS, (best, "idealised_cluster_scanning"), (best, "cluster_scanning"), (best, "fit_4")]
    pairs = [(a, b) for a, b in dict.fromkeys(pairs) if a != b and a in found and b in found]
    quotes = {name: best_reading(found[name]).crossing if name in found else None for name in HEADLINE}
    quotes["best_realistic"] = best_reading(found[best]).crossing
    content = {
        "run": study.name,
        "digest": study.digest,
        "n_background": study.n_background,
        "n_background_only": study.n_null,
        "n_doped": study.n_doped,
        "k": study.k,
        "ensemble": study.ensemble,
        "best_realistic": best,
        "n3sigma": {name: quoted.epsilon if quoted else None for name, quoted in quotes.items()},
        "n3sigma_bound": {name: quoted.bound if quoted else None for name, quoted in quotes.items()},
        "searches": {
            search.name: _search_entry(search, found[search.name], study.titles[search.name])
            for search in study.searches
        },
        "ratios": [
            ratio_of_crossings(found[a].curves[reading], found[b].curves[reading])
            for a, b in pairs
            for reading in SHOWN
            if reading in found[a].curves and reading in found[b].curves
        ],
        "significance_improvement": {
            f"{a}/{b}": significance_improvement(found[a].curves["counted"], found[b].curves["counted"])
            for a, b in pairs
            if "counted" in found[a].curves and "counted" in found[b].curves
        },
    }
    result = plain(content)
    assert isinstance(result, dict)
    return result


def _search_entry(search: SearchStatistics, found: SearchSensitivity, title: str) -> dict[str, Any]:
    return {
        "title": title,
        "n_background_only": found.n_null,
        "null_mean": np.nanmean(search.null),
        "null_sd": np.nanstd(search.null, ddof=1),
        "quoted": best_reading(found).reading,
        "readings": {
            reading: {
                **(_quartiles(curve) if reading in PREFERRED else {}),
                "n3sigma": crossing_entry(curve.crossing),
                "caveats": curve.caveats,
            }
            for reading, curve in found.curves.items()
        },
        "unavailable": dict(found.unavailable),
    }


def crossing_entry(crossing: Crossing) -> dict[str, Any]:
    """N_3sigma with its interval, or what it is beyond, and why."""
    return {key: getattr(crossing, key) for key in ("epsilon", "low", "high", "bound", "beyond", "reason")}


def _quartiles(curve: Curve) -> dict[str, Any]:
    """Z by epsilon, each with its bound."""
    return {
        "epsilon": curve.epsilon,
        **{
            key: [(quantile.z, quantile.bound) for quantile in getattr(curve, key)]
            for key in ("lower_quartile", "median", "upper_quartile")
        },
    }


def limits_of(study: Study, names: Sequence[str], seed: int = 1) -> dict[str, UpperLimits]:
    """Expected upper limits on epsilon at 95 % CLs of some searches."""
    return {
        search.name: upper_limits(search.null, search.doped, rng=generator(seed, Stream.STUDY, 1))
        for search in study.searches
        if search.name in names
    }


def coverage_of(study: Study, names: Sequence[str], seed: int = 1) -> dict[str, Coverage]:
    """Coverage of such limits."""
    return {
        search.name: limit_coverage(search.null, search.doped, generator(seed, Stream.STUDY, 2))
        for search in study.searches
        if search.name in names
    }


# ------------------------------------------------------------------------------------------------ people


def table(study: Study, found: Mapping[str, SearchSensitivity]) -> Table:
    """Signal events for 3 standard deviations by search and reading."""
    result = Table(title=f"{study.name}: signal events for a median Z of 3")
    for column, justify in (
        ("search", "left"),
        ("counted", "right"),
        ("68 %", "right"),
        ("Gaussian reading", "right"),
        ("background-only", "right"),
    ):
        result.add_column(column, justify=justify)  # type: ignore[arg-type]
    for search in study.searches:
        one = found[search.name]
        valid = search.null[np.isfinite(search.null)]
        counted, gaussian = (_crossing(one, reading) for reading in PREFERRED)
        result.add_row(
            study.titles[search.name] + ("" if search.name in study.realistic else " (needs the truth)"),
            _number(counted),
            _interval(counted),
            _number(gaussian),
            f"{valid.mean():.2f} +- {valid.std(ddof=1):.2f}",
        )
    return result


def _number(crossing: Crossing | None) -> str:
    if crossing is None:
        return "-"
    if crossing.epsilon is not None:
        return ("< " if crossing.bound == "upper" else "") + f"{crossing.epsilon:.0f}"
    return "-" if crossing.beyond is None else f"> {crossing.beyond:.0f}"


def _interval(crossing: Crossing | None) -> str:
    if crossing is None or crossing.epsilon is None:
        return ""
    ends = ("?" if end is None else f"{end:.0f}" for end in (crossing.low, crossing.high))
    return "[" + ", ".join(ends) + "]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write the numbers where they are asked for."""
    parser = parser_of(__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run, or its statistics.json")
    parser.add_argument(
        "--halves",
        type=Path,
        nargs=2,
        metavar=("CHOOSE", "CONFIRM"),
        help="runs on one half of the background each",
    )
    parser.add_argument(
        "--apart",
        type=Path,
        nargs=2,
        metavar=("CHOOSE", "CONFIRM"),
        help="the same with samples.pseudo_data",
    )
    parser.add_argument(
        "--between",
        type=Path,
        help="independent_samples.json, for what another sample would move thresholds by",
    )
    parser.add_argument("--output", type=Path, help="folder for statistics*.json and sensitivity.json")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    studies = {"": open_study(parsed.run)}
    for group, paths in (("", parsed.halves), ("_apart", parsed.apart)):
        if paths is not None:
            keys = (f"{group}_even", f"{group}_odd")
            studies |= {key: open_study(path) for key, path in zip(keys, paths, strict=True)}
    between = None if parsed.between is None else between_samples(parsed.between)
    report(studies, console, parsed.output, between)


def report(
    studies: Mapping[str, Study],
    console: Console,
    output: Path | None,
    between: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Measure the studies, print their tables, and write files; the key "" is the study of all events."""
    # Pseudo-experiments of other events are read with those of others still, below.
    measured = {
        key: measure(study, between=None if key.startswith("_apart") else between)
        for key, study in studies.items()
    }
    on = "_even" if "_even" in studies else ""
    best = choose(studies[on], measured[on])
    chosen = dict.fromkeys(studies, best)
    if "_apart_even" in studies:
        apart = choose(studies["_apart_even"], measured["_apart_even"])
        chosen |= {key: apart for key in studies if key.startswith("_apart")}
    entries = {key: numbers(study, measured[key], chosen[key]) for key, study in studies.items()}
    for key, study in studies.items():
        console.print(table(study, measured[key]))
        for line in warnings_of(measured[key], (*HEADLINE, chosen[key])):
            console.print(line, markup=False, highlight=False)
    console.print(f"best realistic search: {studies[''].titles[best]}", markup=False, highlight=False)
    for key, entry in entries.items():
        for ratio in entry["ratios"]:
            if ratio["reading"] in PREFERRED:
                console.print(_ratio_text(key, ratio), markup=False, highlight=False)
    limits = limits_of(studies[""], [*HEADLINE, best])
    coverage = coverage_of(studies[""], [*HEADLINE, best])
    content = entries[""] | {
        "chosen_on": on.strip("_") or "all",
        "upper_limits": plain(limits),
        "coverage": plain(coverage),
        "halves": {key[1:]: entries[key] for key in ("_even", "_odd") if key in entries},
        "between_samples": between or {},
        "crossed": {
            f"{group}_{one}_by_{other}".strip("_"): crossed(
                studies[f"{group}_{one}"], studies[f"{group}_{other}"]
            )
            for group in ("", "_apart")
            for one, other in (("even", "odd"), ("odd", "even"))
            if f"{group}_even" in studies
        },
        "apart": {key[7:]: entries[key] for key in ("_apart_even", "_apart_odd") if key in entries},
    }
    if output is not None:
        for key, study in studies.items():
            write_statistics(output / f"statistics{key}.json", study)
        write_compact(output / "sensitivity.json", content)
        console.print(f"written to {output}", markup=False, highlight=False)
    return content


def warnings_of(found: Mapping[str, SearchSensitivity], names: Sequence[str]) -> list[str]:
    """What the pseudo-experiments of some searches can reach, and where their medians are only bounds."""
    return [line for name in dict.fromkeys(names) if name in found for line in found[name].warnings]


def _ratio_text(key: str, ratio: Mapping[str, Any]) -> str:
    where = f"{key[1:].replace('_', ', ')} half: " if key else ""
    sign = {"lower": "> ", "upper": "< ", None: ""}[ratio["bound"]]
    value = "unknown" if ratio["value"] is None else f"{sign}{ratio['value']:.2f}"
    interval = (
        "" if ratio["low"] is None or ratio["high"] is None else f" [{ratio['low']:.2f}, {ratio['high']:.2f}]"
    )
    return (
        f"{where}N({ratio['numerator']}) / N({ratio['denominator']}) = {value}{interval} ({ratio['reading']})"
    )


if __name__ == "__main__":
    sys.exit(main())
