"""Typed results from the entries of a summary, the columns of trees, and histograms.

For :mod:`hepcs.output.reading`, which says what is wrong: entries that are not as this version writes them raise
KeyError, TypeError, ValueError, IndexError or AttributeError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import awkward as ak
import hist
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from hepcs.calibration import Calibration, Combination, TailExtrapolation
from hepcs.config import LocatedCard
from hepcs.config.schema import Card
from hepcs.config.searches import SearchSection
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.reports import SampleReport, Slice, WeightReport
from hepcs.datasets.samples import MassBins
from hepcs.features.image_summary import AverageImages
from hepcs.jets import Cutflow, Rejection
from hepcs.output.histograms import SPECTRUM, observed_folder
from hepcs.output.root import OUTCOMES, SHARED
from hepcs.output.summary import injection_of
from hepcs.results import (
    Combined,
    Doped,
    MassSpectrum,
    NamedHistogram,
    Observation,
    Observed,
    Outcome,
    Provenance,
    RunResult,
    SearchResult,
)
from hepcs.searches.kinds import kind_of
from hepcs.sources.base import InputFile, SkippedFile

T = TypeVar("T")
Histograms = Mapping[str, hist.Hist]
#: Columns of a tree by the path of the tree; None if there is no such tree.
ColumnsOf = Callable[[str], Mapping[str, Any] | None]
# Columns of a tree that are no further numbers of a search.
_COLUMNS = ("kind", "signal", "epsilon", "index", "statistic", "n_events", "valid", "members")


def run_result(summary: Mapping[str, Any], histograms: Histograms, columns_of: ColumnsOf) -> RunResult:
    """The result that a run had.

    Parameters
    ----------
    summary
        Content of ``summary.json``.
    histograms
        All histograms by their path.
    columns_of
        Gives the columns of a tree by its path.
    """
    card, edges = _card(summary["card"]), summary["bins"]["edges"]
    return RunResult(
        card=card,
        samples=tuple(_sample(role, entry, histograms) for role, entry in summary["samples"].items()),
        bins=MassBins.of(edges),
        features=summary["features"],
        searches=tuple(
            _search_result(card.card.searches[entry["search"]], entry, summary, histograms, columns_of)
            for entry in summary["searches"]
        ),
        combined=tuple(_combined(entry) for entry in summary["combined"]),
        warnings=tuple(summary["warnings"]),
        provenance=_typed(Provenance, summary["provenance"]),
    )


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _typed(cls: type[T], entry: Any) -> T:
    """A frozen dataclass of plain values from its fields; others are left aside."""
    try:
        found: T = _adapter(cls).validate_python(entry)  # type: ignore[arg-type]
    except ValidationError as error:
        raise _first_problem(cls.__name__, error) from error
    return found


def _first_problem(what: str, error: ValidationError) -> ValueError:
    first = error.errors()[0]
    key = ".".join(map(str, (what, *first["loc"])))
    return ValueError(f"{key}: {first['msg']}")


def _maybe(cls: type[T], entry: Any) -> T | None:
    return None if entry is None else _typed(cls, entry)


def _card(entry: Mapping[str, Any]) -> LocatedCard:
    try:
        card = Card.model_validate(entry["resolved"])
    except ValidationError as error:
        raise _first_problem("card.resolved", error) from error
    return LocatedCard(card, Path(entry["path"]), entry["given"], {})


def _search_result(
    section: SearchSection,
    entry: Mapping[str, Any],
    summary: Mapping[str, Any],
    histograms: Histograms,
    columns_of: ColumnsOf,
) -> SearchResult:
    name = entry["search"]
    columns, shared = columns_of(f"{name}/{OUTCOMES}"), columns_of(f"{name}/{SHARED}")
    if columns is None:
        raise KeyError(f"{name}/{OUTCOMES}")
    outcomes = _outcomes(columns)
    table = {injection_of(row): row for row in summary["table"] if row["search"] == name}
    seen = {one.task.injection: one for one in outcomes if one.task.kind is Kind.OBSERVED}
    return SearchResult(
        name=name,
        title=entry["title"],
        outcomes=outcomes,
        shared=outcomes if shared is None else _outcomes(shared),
        observed=tuple(
            Observed(
                injection=(injection := injection_of(found)),
                outcome=seen[injection],
                observation=_observation(
                    section, found, observed_folder(name, found["histograms"]), histograms
                ),
                calibration=_calibration(table[injection]),
                extrapolation=_maybe(TailExtrapolation, table[injection].get("extrapolation")),
            )
            for found in entry["observed"]
        ),
        doped=tuple(_typed(Doped, row) for row in summary["doped"] if row["search"] == name),
        seconds=float("nan") if entry["seconds"] is None else entry["seconds"],
    )


def _outcomes(columns: Mapping[str, Any]) -> tuple[Outcome, ...]:
    details = [name for name in columns if name not in _COLUMNS]
    rows = zip(*(ak.to_list(columns[name]) for name in (*_COLUMNS, *details)), strict=True)
    return tuple(
        Outcome(
            Task(Kind(kind), epsilon, index, signal),
            statistic,
            tuple(members),
            n_events,
            valid,
            dict(zip(details, numbers, strict=True)),
        )
        for kind, signal, epsilon, index, statistic, n_events, valid, members, *numbers in rows
    )


def _observation(
    section: SearchSection, found: Mapping[str, Any], folder: str, histograms: Histograms
) -> Observation:
    """What a search observed, with what its kind restores of the result."""
    prefix = f"{folder}/"
    named = tuple(
        NamedHistogram(path.removeprefix(prefix), histogram.name or "", histogram)
        for path, histogram in histograms.items()
        if path.startswith(prefix)
    )
    spectrum, words = None, found["spectrum"]
    if words is not None:
        compared = {one.path: one.histogram for one in named if one.path in SPECTRUM}
        observed, expected, local = (
            np.asarray(compared[path].values(), dtype=np.float64) for path in SPECTRUM
        )
        variance = np.asarray(compared[SPECTRUM[1]].variances(), dtype=np.float64)
        window = None if words["window"] is None else tuple(words["window"])
        spectrum = MassSpectrum(observed, expected, variance, local, **{**words, "window": window})
        named = tuple(one for one in named if one.path not in SPECTRUM)
    observation = Observation(spectrum, found["summary"], named)
    restore = kind_of(section).restore
    result = None if restore is None else restore(section, observation)
    return Observation(spectrum, found["summary"], named, result=result)


def _calibration(row: Mapping[str, Any]) -> Calibration | None:
    if row["p"] is None:
        return None
    (p_low, p_high), (z_low, z_high) = row["p_interval_68"], row["z_interval_68"]
    limits = {"p_low": p_low, "p_high": p_high, "z_low": z_low, "z_high": z_high}
    return _typed(Calibration, {**row, **limits, "observed": row["statistic"]})


def _combined(entry: Mapping[str, Any]) -> Combined:
    found, combination = entry["combination"], None
    if found is not None:
        combination = Combination(
            single=tuple(_maybe(Calibration, one) for one in found["single"]),
            p_single=np.array(found["p_single"], dtype=np.float64),
            best=found["best"],
            smallest_p=found["smallest_p"],
            calibration=_typed(Calibration, found["calibration"]),
        )
    return Combined(
        injection=injection_of(entry),
        searches=tuple(entry["searches"]),
        n_null=entry["n_null"],
        combination=combination,
        doped=_maybe(Doped, entry["doped"]),
    )


# ---------------------------------------------------------------------------------------------- samples


def _sample(role: str, entry: Mapping[str, Any], histograms: Histograms) -> SampleReport:
    steps, events = entry["cutflow"], histograms[f"samples/{role}/classes"]
    n_events = {name: int(n) for name, n in zip(events.axes[0], events.values(), strict=True)}
    averages = [_averages(role, name, n, histograms) for name, n in n_events.items()]
    pixels = [histograms.get(f"samples/{role}/nonzero_pixels/{name}") for name in n_events]
    return SampleReport(
        role=role,
        inputs=tuple(_typed(InputFile, found) for found in entry["inputs"]),
        cutflow=Cutflow(tuple(step["step"] for step in steps), tuple(step["events"] for step in steps)),
        rejections=tuple(_typed(Rejection, found) for found in entry["rejections"]),
        skipped=tuple(_typed(SkippedFile, found) for found in entry["skipped"]),
        n_selected=entry["n_selected"],
        n_evaluation=entry["n_evaluation"],
        lacking=entry["lacking"],
        n_weightless=entry.get("n_weightless_constituents", 0),
        n_repeated=entry.get("n_repeated", 0),
        mass_ratio=tuple(entry["mass_ratio"]) if "mass_ratio" in entry else None,
        weights=_weights(entry.get("weights"), histograms.get(f"samples/{role}/weighted")),
        energy_spectra={
            shift: np.asarray(found.values())
            for shift in ("nominal", "up", "down", "resolution_up", "resolution_down")
            if (found := histograms.get(f"samples/{role}/energy/{shift}")) is not None
        },
        reused=entry["reused_from_cache"],
        averages=tuple(one for one in averages if one is not None),
        nonzero_pixels=tuple(map(_counts, pixels)) if any(one is not None for one in pixels) else (),
    )


def _weights(entry: Mapping[str, Any] | None, histogram: hist.Hist | None) -> WeightReport | None:
    if entry is None or histogram is None:
        return None
    return WeightReport(
        entry["total"],
        entry["n_effective"],
        entry["negative_share"],
        np.asarray(histogram.values()),
        np.asarray(histogram.variances()),
        entry["acceptance"],
        tuple(_typed(Slice, one) for one in entry["slices"]),
    )


def _averages(role: str, name: str, n_events: int, histograms: Histograms) -> AverageImages | None:
    """Of a class; None where images were not averaged."""
    images = [
        histograms.get(f"samples/{role}/average_images/{name}_{jets}") for jets in ("lighter", "heavier")
    ]
    if n_events == 0:
        return AverageImages(0, np.zeros((1, 1)), np.zeros((1, 1)))
    lighter, heavier = images
    if lighter is None or heavier is None:
        return None
    return AverageImages(
        n_events,
        np.asarray(lighter.values(), dtype=np.float64),
        np.asarray(heavier.values(), dtype=np.float64),
    )


def _counts(histogram: hist.Hist | None) -> NDArray[np.int64]:
    return np.zeros(1, dtype=np.int64) if histogram is None else histogram.values().astype(np.int64)
