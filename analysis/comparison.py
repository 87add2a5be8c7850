"""Which search finds what: every search of some runs against every signal, alone and together.

examples:
  hepcs run comparison.yaml --part 1/4          parts, on any machines, each resumable; then hepcs merge
  hepcs run comparison.yaml --resume
  python analysis/comparison.py runs/comparison runs/slow --output analysis/results
  python analysis/comparison.py analysis/results/comparison_statistics.json

Several runs may be given, if they hold the same data sets: a search that takes long has a run of its own. For each
search and signal: the number of signal events for a median Z of 3 with its 68 % interval, threshold and medians
both resampled, and what it gains over the best dijet fit. For each search: the null, bias (delta_sys) by cut, how
often a local p-value is small without signal, seconds a data set; with ``--uniformity``, how null p-values of
disjoint data sets compare with uniform ones; with ``--local``, local p-values without trials; with ``--halves``,
N_3sigma on two halves of the background. All searches that need no truth, and have pseudo-experiments enough, are
put together in three ways (:mod:`hepcs.studies.combined`).

Writes ``comparison_statistics.json``, from which all else follows, ``comparison.json``, and ``COMPARISON.md`` with
its figures beside them; without ``--output`` it only prints.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from comparison_figures import write_figures
from comparison_page import page
from comparison_rows import FITS, TOGETHER, cell, over_text
from comparison_statistics import Stored, opened
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import norm
from script import ended, parser_of
from sensitivity import PREFERRED, best_reading, crossing_entry
from study import write_compact

from hepcs._core.errors import ArgumentError, InputError
from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import read_json, write_text
from hepcs.calibration.counting import ONE_SIGMA_TAIL, clopper_pearson
from hepcs.output.summary import plain
from hepcs.studies.combined import METHODS, Method, combined_statistics
from hepcs.studies.comparison import ratio_of_crossings
from hepcs.studies.readings import Reading
from hepcs.studies.sensitivity import Curve, SearchSensitivity, SearchStatistics, sensitivity
from hepcs.studies.signal_size import linearity

BOOTSTRAPS = 300
# Background-only data sets of a search that takes part in a combination: what counting needs for Z = 3.
LEAST_TOGETHER = 740
# Doped data sets of each epsilon, of which one half measures the other.
LEAST_DOPED = 20
SIZES = (0.05, 0.01)
TITLES: dict[Method, str] = {
    "smallest_p": f"{TOGETHER}smallest p",
    "fisher": f"{TOGETHER}Fisher",
    "rank_sum": f"{TOGETHER}sum of ranks",
}


def compare(
    stored: Stored,
    uniformity: Mapping[str, Any] | None = None,
    halves: Sequence[Stored] = (),
    local: Mapping[str, Any] | None = None,
    seed: int = 1,
) -> dict[str, Any]:
    """What ``comparison.json`` says.

    Parameters
    ----------
    stored
        Statistics of all searches.
    uniformity
        Content of ``uniformity.json``; None without.
    halves
        Statistics on two other samples of background.
    local
        Content of ``local_p.json``; None without.
    seed
        Of the bootstrap.
    """
    realistic = [name for name, entry in stored.searches.items() if not entry["needs_truth"]]
    single = {signal: _measured(_known(stored, signal), seed) for signal in stored.signals}
    others = [{signal: _measured(_known(one, signal), seed) for signal in one.signals} for one in halves]
    searches = {
        name: _entry(stored, name, single, uniformity, seed)
        | {"local_p_one": (local or {}).get(name)}
        | ({"halves": [_needed(one, name) for one in others]} if others else {})
        for name in stored.searches
    }
    # Others are read by mean and SD: beside a counted one, they would look too good. Who is told is no rival.
    counted = [name for name in realistic if searches[name]["null"]["n"] >= LEAST_TOGETHER] or realistic
    untold = [name for name in counted if not searches[name]["is_told_of_priors"]]
    best = {signal: _best(searches, untold, signal) for signal in stored.signals}
    content = {
        "runs": stored.content["runs"],
        "signals": stored.content["signals"],
        "priors": stored.content["priors"],
        "n_background": stored.content["n_background"],
        "n_pool": stored.content["n_pool"],
        "searches": searches,
        "combined": _combined(stored, searches, realistic, uniformity, seed),
        "best": best,
        "uniformity": {key: value for key, value in (uniformity or {}).items() if key != "searches"},
        # What is possible, as far as is known: by a search that knows the truth, where that is the better one.
        "bounds": {signal: _best(searches, [*searches], signal) for signal in stored.signals},
    }
    found = plain(content)
    assert isinstance(found, dict)
    return found


def _known(stored: Stored, signal: str) -> list[SearchStatistics]:
    return [stored.of(name, signal) for name in stored.searches]


def _measured(searches: Sequence[SearchStatistics], seed: int) -> dict[str, SearchSensitivity]:
    rng = generator(seed, Stream.STUDY)
    return sensitivity(searches, rng=rng, n_bootstrap=BOOTSTRAPS, readings=PREFERRED)


def _needed(found: Mapping[str, Mapping[str, SearchSensitivity]], name: str) -> dict[str, Any]:
    return {signal: _n3sigma(one[name]) for signal, one in found.items() if name in one}


def _curve(found: SearchSensitivity) -> Curve:
    """Counted where that can reach 3, and of combinations always; by mean and SD of the null where it cannot."""
    enough = found.reach.is_enough or found.name in METHODS
    reading: Reading = "counted" if enough else "gaussian"
    return found.curves[reading] if reading in found.curves else best_reading(found)


def _n3sigma(found: SearchSensitivity) -> dict[str, Any]:
    """Value, low, high, how it was read, and why it is none."""
    curve = _curve(found)
    entry = crossing_entry(curve.crossing)
    return {"value": entry.pop("epsilon"), **entry, "reading": curve.reading, "n_null": found.n_null}


def _entry(
    stored: Stored,
    name: str,
    single: Mapping[str, Mapping[str, SearchSensitivity]],
    uniformity: Mapping[str, Any] | None,
    seed: int,
) -> dict[str, Any]:
    known = stored.searches[name]
    null = np.array(known["null"], dtype=np.float64)
    null = null[np.isfinite(null)]
    entry: dict[str, Any] = {
        **{
            key: known[key]
            for key in ("title", "kind", "needs_truth", "is_told_of_priors", "retrain", "seconds", "n_failed")
        },
        "null": {"n": null.size, "mean": null.mean(), "sd": null.std(ddof=1)},
        "delta_sys": known["delta_sys"],
        # The local p of the best window and cut, as it is read without pseudo-experiments.
        "local_p_size": {f"{alpha:g}": _share(norm.sf(null) <= alpha) for alpha in SIZES}
        if known["is_cut"] or known["kind"] == FITS
        else None,
        "local_3_sigma": _share(null >= 3) if known["is_cut"] or known["kind"] == FITS else None,
        **_uniform(uniformity, name),
        "n3sigma": _needed(single, name),
        "curves": {signal: _medians(_curve(one[name])) for signal, one in single.items()},
        "si_over_fit": {signal: _over_fit(stored, one, name) for signal, one in single.items()},
        "signal_size": {signal: _linearity(stored.of(name, signal), seed) for signal in stored.signals},
    }
    return entry


def _uniform(uniformity: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """How p-values of independent data sets compare with uniform ones; None where nobody looked."""
    found = (uniformity or {}).get("searches", {}).get(name)
    if found is None:
        return {"null_ks_p": None, "size": None}
    p = np.array(found["p"], dtype=np.float64)
    p = p[np.isfinite(p)]
    return {
        "null_ks_p": found["kolmogorov_smirnov"],
        "size": {f"{alpha:g}": _share(p <= alpha) for alpha in SIZES},
    }


def _medians(curve: Curve) -> dict[str, Any]:
    """Median Z by epsilon, each with its bound."""
    median = [(one.z, one.bound) for one in curve.median]
    return {"reading": curve.reading, "epsilon": curve.epsilon, "median": median}


def _over_fit(
    stored: Stored, found: Mapping[str, SearchSensitivity], name: str
) -> dict[str, float | str | None] | None:
    """N_3sigma of the dijet fit that needs the least, over that of a search, in one reading."""
    reading = _curve(found[name]).reading
    fits = [
        one.curves[reading]
        for other, one in found.items()
        if stored.searches[other]["kind"] == FITS and reading in one.curves
    ]
    if not fits:
        return None
    known = [one for one in fits if one.crossing.epsilon is not None] or fits
    fit = min(known, key=lambda one: one.crossing.epsilon or np.inf)
    ratio = ratio_of_crossings(fit, found[name].curves[reading])
    return {"fit": fit.name, **{key: getattr(ratio, key) for key in ("value", "low", "high", "bound")}}


def _linearity(search: SearchStatistics, seed: int) -> dict[str, Any] | None:
    """Injected against estimated signal events; None with too few doped data sets to measure one by others."""
    if min(np.isfinite(values).sum() for values in search.doped.values()) < LEAST_DOPED:
        return None
    return vars(linearity(search.null, search.doped, generator(seed, Stream.STUDY, search.name)))


def _share(chosen: NDArray[np.bool_]) -> dict[str, float]:
    """How often something is the case, with its 68 % interval."""
    low, high = clopper_pearson(np.array([chosen.sum()]), chosen.size, ONE_SIGMA_TAIL)
    return {"value": float(chosen.mean()), "low": float(low[0]), "high": float(high[0]), "n": chosen.size}


def _best(searches: Mapping[str, Any], names: Sequence[str], signal: str) -> str | None:
    """The one of some searches that needs the fewest events of a signal."""
    needed = {name: searches[name]["n3sigma"][signal]["value"] for name in names}
    known = {name: value for name, value in needed.items() if value is not None}
    return min(known, key=lambda name: float(known[name])) if known else None


# ------------------------------------------------------------------------------------------------ together


def _combined(
    stored: Stored,
    searches: Mapping[str, Any],
    realistic: Sequence[str],
    uniformity: Mapping[str, Any] | None,
    seed: int,
) -> dict[str, Any]:
    """All searches with pseudo-experiments enough as one, on the data sets that all of them have seen."""
    members = [name for name in realistic if searches[name]["null"]["n"] >= LEAST_TOGETHER]
    if len(members) < 2:
        return {}
    best = {signal: _best(searches, members, signal) for signal in stored.signals}
    needed: dict[Method, dict[str, Any]] = {method: {} for method in METHODS}
    for signal in stored.signals:
        chosen = [stored.of(name, signal) for name in members]
        null = _rows([search.null for search in chosen])
        doped = {
            epsilon: _rows([search.doped[epsilon] for search in chosen]) for epsilon in chosen[0].epsilons
        }
        found = _measured([combined_statistics(null, doped, method) for method in METHODS], seed)
        for method in METHODS:
            needed[method][signal] = _n3sigma(found[method])
    combined: dict[str, Any] = {
        method: {
            "title": TITLES[method],
            "members": members,
            "n3sigma": one,
            "over_best": {signal: _over(one[signal], searches, best[signal], signal) for signal in one},
            "gain_over": {name: _gain(one, searches[name]["n3sigma"]) for name in members},
        }
        for method, one in needed.items()
    }
    # The p that a run gives for all of its searches.
    combined["smallest_p"] |= _uniform(uniformity, "together")
    if uniformity is not None:
        combined["smallest_p"]["n_uniform"] = len(uniformity["searches"]) - 1
    return combined


def _rows(columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Data sets that all searches were asked to look at; a failed one among them is NaN."""
    last = min(int(np.flatnonzero(np.isfinite(one)).max(initial=-1)) for one in columns)
    return np.stack([one[: last + 1] for one in columns], axis=1)


def _over(
    found: Mapping[str, Any], searches: Mapping[str, Any], best: str | None, signal: str
) -> float | None:
    """N_3sigma over that of the best of its members; None unless both are values, and no bounds."""
    if best is None or found["value"] is None or found["bound"] is not None:
        return None
    least = searches[best]["n3sigma"][signal]
    return None if least["bound"] is not None else float(found["value"] / least["value"])


def _gain(together: Mapping[str, Any], alone: Mapping[str, Any]) -> dict[str, Any]:
    """What a fixed search needs over what the combination needs: geometric mean over signals, least, and most.

    Where the search does not reach 3, its largest epsilon counts: the gain is at least so large. Signals that the
    combination itself does not reach are left out.
    """
    ratios, is_least = [], False
    for signal, one in together.items():
        if one["value"] is None:
            continue
        value = alone[signal]["value"] if alone[signal]["value"] is not None else alone[signal]["beyond"]
        is_least |= alone[signal]["value"] is None
        if value is not None:
            ratios.append(value / one["value"])
    if not ratios:
        return {"mean": None, "least": None, "most": None, "is_least": False}
    mean = float(np.exp(np.mean(np.log(ratios))))
    return {"mean": mean, "least": min(ratios), "most": max(ratios), "is_least": is_least}


# ------------------------------------------------------------------------------------------------ people


def table(content: Mapping[str, Any]) -> Table:
    """For people."""
    result = Table(title="signal events for a median Z of 3")
    result.add_column("search")
    for signal in content["signals"]:
        result.add_column(signal.replace("_", " "), justify="right")
    result.add_column("s a data set", justify="right")
    for entry in (*content["searches"].values(), *content["combined"].values()):
        seconds = entry.get("seconds")
        cells = [cell(entry["n3sigma"][signal]) for signal in content["signals"]]
        known = entry["title"] + (" (needs the truth)" if entry.get("needs_truth") else "")
        result.add_row(known, *cells, "" if seconds is None else f"{seconds:.2g}")
    return result


def read_uniformity(path: Path) -> Mapping[str, Any]:
    """Content of ``uniformity.json``; raises InputError if it is not that."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for entry in content["searches"].values():
            entry["p"], entry["kolmogorov_smirnov"]
        content["n_parts"], content["n_events"], content["n_null"], content["n_folds"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: no p-values of independent data sets ({type(error).__name__}: {error}); expected the "
            "uniformity.json of analysis/uniformity.py"
        ) from error
    assert isinstance(content, dict)
    return content


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write numbers, page and figures where they are asked for."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "runs", type=Path, nargs="+", help="folders of finished runs, or comparison_statistics.json"
    )
    parser.add_argument("--uniformity", type=Path, help="uniformity.json of the same searches")
    parser.add_argument(
        "--halves", type=Path, nargs=2, default=(), help="the same on two other samples of background"
    )
    parser.add_argument("--local", type=Path, help="local_p.json of the same searches")
    parser.add_argument("--boxes", type=Path, help="boxes.json of the black boxes, for the page")
    parser.add_argument("--output", type=Path, help="folder for numbers and figures; the page lies beside it")
    return ended(_work, parser, arguments, width=160)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    if parsed.output is not None and not parsed.output.is_dir():
        raise ArgumentError(f"{parsed.output}: is no folder")
    uniformity = None if parsed.uniformity is None else read_uniformity(parsed.uniformity)
    stored = opened(parsed.runs, masses=parsed.output is not None)
    halves = [opened([path], masses=False) for path in parsed.halves]
    content = compare(stored, uniformity, halves, None if parsed.local is None else read_json(parsed.local))
    boxes = None if parsed.boxes is None else json.loads(parsed.boxes.read_text(encoding="utf-8"))
    if parsed.output is not None:
        write_compact(parsed.output / "comparison_statistics.json", stored.content)
        write_compact(parsed.output / "comparison.json", content)
        write_figures(parsed.output / "figures", content)
        write_text(parsed.output.parent / "COMPARISON.md", page(content, boxes))
    console.print(table(content))
    for entry in content["combined"].values():
        console.print(over_text(entry), highlight=False)


if __name__ == "__main__":
    sys.exit(main())
