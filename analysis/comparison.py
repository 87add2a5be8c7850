"""Which search finds what: every search of a run against every signal, alone and together.

examples:
  hepcs run comparison.yaml --part 1/4          parts, on any machines, each resumable; then hepcs merge
  hepcs run comparison.yaml --resume
  python analysis/independent_samples.py comparison.yaml --one-in 200 --output runs/uniformity
  python analysis/comparison.py runs/comparison --output analysis/results \\
      --uniformity runs/uniformity/independent_samples.json

For each search and signal: the number of signal events for a median Z of 3 with its 68 % interval, threshold and
medians both resampled. For each search: the null, bias (delta_sys) by cut, seconds a data set, and, with
``--uniformity``, how null p-values of disjoint data sets compare with uniform ones. All searches that need no
truth are put together in three ways (:mod:`hepcs.studies.combined`), on the data sets that all of them have seen.

Writes ``comparison.json`` and the figures ``comparison_n3sigma``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sensitivity import PREFERRED, best_reading, crossing_entry
from study import study_of, write_compact

from hepcs._core.errors import ArgumentError, HepcsError, InputError
from hepcs._core.randomness import Stream, generator
from hepcs.calibration.counting import ONE_SIGMA_TAIL, clopper_pearson
from hepcs.output.reading import StoredRun, read_run
from hepcs.output.summary import plain
from hepcs.results import SearchResult
from hepcs.searches.cut_and_fit.report import bias_of
from hepcs.searches.cut_and_fit.section import CutAndFit
from hepcs.studies.combined import METHODS, Method, combined_statistics
from hepcs.studies.sensitivity import SearchSensitivity, SearchStatistics, sensitivity
from hepcs.studies.signal_size import linearity

BOOTSTRAPS = 300
# Background-only data sets that all searches have seen, from which on the last tenth of them is a tail.
LEAST_SHARED = 100
# Doped data sets of each epsilon, of which one half measures the other.
LEAST_DOPED = 20
SIZES = (0.05, 0.01)
TITLES: dict[Method, str] = {
    "smallest_p": "all together: smallest p",
    "fisher": "all together: Fisher",
    "rank_sum": "all together: sum of ranks",
}


def compare(run: StoredRun, uniformity: Mapping[str, Any] | None = None, seed: int = 1) -> dict[str, Any]:
    """What ``comparison.json`` says of a run.

    Parameters
    ----------
    run
        With doped pseudo-experiments of one or more signals.
    uniformity
        Content of ``independent_samples.json``; None without.
    seed
        Of the bootstrap.

    Raises
    ------
    ArgumentError
        If the run has no doped pseudo-experiments.
    """
    signals = run.card.samples.signal_names
    realistic = tuple(name for name in run.names if not run.result.knows_truth(name))
    together = {signal: _together(run, signal, realistic, seed) for signal in signals}
    studies = {signal: study_of(run, signal) for signal in signals}
    single = {signal: _measured(study.searches, seed) for signal, study in studies.items()}
    searches = {
        search.name: _entry(run, search, uniformity)
        | {
            "n3sigma": {signal: _n3sigma(found.get(search.name)) for signal, found in single.items()},
            "signal_size": {
                signal: _linearity(one, seed)
                for signal, study in studies.items()
                for one in study.searches
                if one.name == search.name
            },
        }
        for search in run.result.searches
    }
    best = {signal: _best(searches, realistic, signal) for signal in signals}
    combined = {}
    for method in METHODS:
        needed = {signal: _n3sigma(found.get(method)) for signal, found in together.items()}
        over = {signal: _over(needed[signal], searches, best[signal], signal) for signal in signals}
        combined[method] = {"title": TITLES[method], "n3sigma": needed, "over_best": over}
    content = {
        "run": run.card.name,
        "digest": run.digest,
        "signals": list(signals),
        "n_background": float(np.mean([one.n_events for one in _null_outcomes(run.result.searches[0])])),
        "searches": searches,
        "combined": combined,
        "best": best,
    }
    found = plain(content)
    assert isinstance(found, dict)
    return found


def _measured(searches: Sequence[SearchStatistics], seed: int) -> dict[str, SearchSensitivity]:
    rng = generator(seed, Stream.STUDY)
    return sensitivity(searches, rng=rng, n_bootstrap=BOOTSTRAPS, readings=PREFERRED)


def _together(run: StoredRun, signal: str, names: Sequence[str], seed: int) -> dict[str, SearchSensitivity]:
    """The searches that need no truth as one, on the data sets that all of them have seen."""
    study = study_of(run, signal, shared=True)
    chosen = [search for search in study.searches if search.name in names]
    if not chosen:
        return {}

    def rows(of: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Data sets that all searches were asked to look at; a failed fit among them is NaN."""
        together = np.stack(of, axis=1)
        return together[: min(int(np.flatnonzero(np.isfinite(one)).max(initial=-1)) + 1 for one in of)]

    null = rows([search.null for search in chosen])
    if len(null) < LEAST_SHARED:
        return {}
    doped = {epsilon: rows([search.doped[epsilon] for search in chosen]) for epsilon in chosen[0].epsilons}
    return _measured([combined_statistics(null, doped, method) for method in METHODS], seed)


def _linearity(search: SearchStatistics, seed: int) -> dict[str, Any] | None:
    """Injected against estimated signal events; None with too few doped data sets to measure one by others."""
    if min(np.isfinite(values).sum() for values in search.doped.values()) < LEAST_DOPED:
        return None
    return vars(linearity(search.null, search.doped, generator(seed, Stream.STUDY, search.name)))


def _n3sigma(found: SearchSensitivity | None) -> dict[str, Any] | None:
    """Value, low, high, how it was read, and why it is none."""
    if found is None:
        return None
    # Counted where that can reach 3, whatever the other reading says; of combinations always.
    enough = found.reach.is_enough or found.name in METHODS
    curve = found.curves["counted"] if enough and "counted" in found.curves else best_reading(found)
    entry = crossing_entry(curve.crossing)
    return {"value": entry.pop("epsilon"), **entry, "reading": curve.reading, "n_null": found.n_null}


def _entry(run: StoredRun, search: SearchResult, uniformity: Mapping[str, Any] | None) -> dict[str, Any]:
    section = run.card.searches[search.name]
    null = np.array([one.statistic for one in _null_outcomes(search)])
    n_tasks = len(search.outcomes)
    entry: dict[str, Any] = {
        "title": search.title,
        "kind": section.kind,
        "needs_truth": section.needs_truth,
        "retrain": not (isinstance(section, CutAndFit) and section.is_trained_once),
        "null": {"n": null.size, "mean": null.mean(), "sd": null.std(ddof=1)},
        "seconds": search.seconds / n_tasks if n_tasks else None,
        "delta_sys": {
            f"{one.efficiency:g}": {"value": one.delta, "error": one.error, "statistical": one.statistical}
            for one in bias_of(search)
        },
        "null_ks_p": None,
        "size": None,
    }
    found = (uniformity or {}).get("searches", {}).get(search.name)
    if found is not None:
        entry["null_ks_p"] = found["others"]["kolmogorov_smirnov"]
        entry["size"] = {f"{alpha:g}": _size(found["others"]["p"], alpha) for alpha in SIZES}
    return entry


def _null_outcomes(search: SearchResult) -> list[Any]:
    return [one for one in search.outcomes if one.task.kind.name == "BACKGROUND_ONLY" and one.valid]


def _size(p: Sequence[float], alpha: float) -> dict[str, float]:
    """How often p <= alpha among null data sets, with its 68 % interval."""
    k = int(np.sum(np.array(p) <= alpha))
    low, high = clopper_pearson(np.array([k]), len(p), ONE_SIGMA_TAIL)
    return {"value": k / len(p), "low": float(low[0]), "high": float(high[0]), "n": len(p)}


def _best(searches: Mapping[str, Any], names: Sequence[str], signal: str) -> str | None:
    """The search without the truth that needs the fewest events of a signal."""
    needed = {
        name: found["value"]
        for name in names
        if (found := searches[name]["n3sigma"][signal]) is not None and found["value"] is not None
    }
    return min(needed, key=lambda name: needed[name]) if needed else None


def _over(
    found: Mapping[str, Any] | None, searches: Mapping[str, Any], best: str | None, signal: str
) -> float | None:
    """N_3sigma over that of the best single search; None unless both are values, and no bounds."""
    if best is None or found is None or found["value"] is None or found["bound"] is not None:
        return None
    least = searches[best]["n3sigma"][signal]
    return None if least["bound"] is not None else float(found["value"] / least["value"])


def heat_map(content: Mapping[str, Any]) -> Figure:
    """N_3sigma of every search and combination, by signal; grey where it is not reached."""
    rows = {**content["searches"], **content["combined"]}
    signals = content["signals"]
    values = np.array(
        [
            [(one["n3sigma"][signal] or {}).get("value") or np.nan for signal in signals]
            for one in rows.values()
        ],
        dtype=np.float64,
    )
    figure, axes = plt.subplots(
        figsize=(2.6 + 1.1 * len(signals), 1.2 + 0.42 * len(rows)), layout="constrained"
    )
    known = values[np.isfinite(values)]
    axes.set_facecolor("0.9")
    if known.size:
        norm = LogNorm(known.min() * 0.9, known.max() * 1.1)
        image = axes.imshow(np.ma.masked_invalid(values), norm=norm, cmap="viridis_r", aspect="auto")
        figure.colorbar(image, label="signal events for a median Z of 3")
    for row, entry in enumerate(rows.values()):
        for column, signal in enumerate(signals):
            light = known.size and np.isfinite(values[row, column]) and norm(values[row, column]) > 0.55
            axes.text(
                column,
                row,
                _cell(entry["n3sigma"][signal]),
                ha="center",
                va="center",
                color="white" if light else "0.1",
            )
    axes.set_xticks(
        range(len(signals)), [signal.replace("_", " ") for signal in signals], rotation=30, ha="right"
    )
    axes.set_yticks(range(len(rows)), [one["title"] for one in rows.values()])
    axes.tick_params(length=0, which="both", top=False, right=False)
    return figure


def _over_text(entry: Mapping[str, Any]) -> str:
    """How a combination does beside the best single search, and where that is not known."""
    known = {signal: ratio for signal, ratio in entry["over_best"].items() if ratio is not None}
    unknown = [signal for signal in entry["over_best"] if signal not in known]
    words = [f"at most {max(known.values()):.2f} of the best single search"] if known else []
    words += [f"no value for {', '.join(unknown)}"] if unknown else []
    return f"{entry['title']}: {'; '.join(words)}"


def _cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "–"
    if found["value"] is None:
        return "–" if found["beyond"] is None else f"> {found['beyond']:.0f}"
    return ("< " if found["bound"] == "upper" else "") + f"{found['value']:.0f}"


def table(content: Mapping[str, Any]) -> Table:
    """For people."""
    result = Table(title=f"{content['run']}: signal events for a median Z of 3")
    result.add_column("search")
    for signal in content["signals"]:
        result.add_column(signal, justify="right")
    result.add_column("s a data set", justify="right")
    for entry in (*content["searches"].values(), *content["combined"].values()):
        seconds = entry.get("seconds")
        cells = [_cell(entry["n3sigma"][signal]) for signal in content["signals"]]
        known = entry["title"] + (" (needs the truth)" if entry.get("needs_truth") else "")
        result.add_row(known, *cells, "" if seconds is None else f"{seconds:.2g}")
    return result


def read_uniformity(path: Path) -> Mapping[str, Any]:
    """Content of ``independent_samples.json``; raises InputError if it is not that."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for entry in content["searches"].values():
            entry["others"]["p"], entry["others"]["kolmogorov_smirnov"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: no p-values of independent samples ({type(error).__name__}: {error}); expected the "
            "independent_samples.json of analysis/independent_samples.py"
        ) from error
    assert isinstance(content, dict)
    return content


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write numbers and figure where they are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--uniformity", type=Path, help="independent_samples.json of the same searches")
    parser.add_argument("--output", type=Path, help="folder for comparison.json and the figure")
    parsed = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        uniformity = None if parsed.uniformity is None else read_uniformity(parsed.uniformity)
        content = compare(read_run(parsed.run), uniformity)
        if parsed.output is not None:
            if not parsed.output.is_dir():
                raise ArgumentError(f"{parsed.output}: is no folder")
            write_compact(parsed.output / "comparison.json", content)
            figure = heat_map(content)
            for ending in ("png", "pdf"):
                figure.savefig(parsed.output / f"comparison_n3sigma.{ending}", dpi=150)
            plt.close(figure)
    except HepcsError as error:
        console.print(f"error: {error}", style="bold red", markup=False, highlight=False)
        return error.exit_code
    console.print(table(content))
    for entry in content["combined"].values():
        console.print(_over_text(entry), highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
