"""Typed results from the entries of a summary, the columns of a tree, and histograms.

For :mod:`hepcs.output.reading`, which says what is wrong: entries that are not as this version writes them raise
KeyError, TypeError, ValueError, IndexError or AttributeError.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from hepcs.calibration import Calibration, Quantile, TailExtrapolation, ZSummary
from hepcs.config import LocatedCard
from hepcs.config.schema import Card
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.samples import MassBins
from hepcs.features.image_summary import AverageImages
from hepcs.jets import Cutflow, Rejection
from hepcs.output.histograms import epsilon_folder
from hepcs.results import (
    Doped,
    NamedHistogram,
    Observation,
    Observed,
    Outcome,
    Provenance,
    RunResult,
    SampleReport,
    SearchResult,
)
from hepcs.sources.base import InputFile, SkippedFile

# Columns of the tree that are no further numbers of a search.
_COLUMNS = ("kind", "epsilon", "index", "statistic", "n_events", "valid", "members")


def run_result(
    summary: Mapping[str, Any],
    histograms: Mapping[str, hist.Hist],
    columns_of: Callable[[str], Mapping[str, Any]],
) -> RunResult:
    """The result that a run had.

    Parameters
    ----------
    summary
        Content of ``summary.json``.
    histograms
        All histograms by their path.
    columns_of
        Gives the columns of the tree of pseudo-experiments of a search, by its name.
    """
    edges = summary["bins"]["edges"]
    return RunResult(
        card=_card(summary["card"]),
        samples=tuple(_sample(role, entry, histograms) for role, entry in summary["samples"].items()),
        bins=MassBins(edges[0], edges[-1], len(edges) - 1, tuple(summary["bins"]["training"])),
        compression=summary["compression"],
        searches=tuple(
            _search_result(columns_of(entry["name"]), entry, summary, histograms)
            for entry in summary["searches"]
        ),
        warnings=tuple(summary["warnings"]),
        provenance=_from_entry(Provenance, summary["provenance"]),
    )


def _from_entry(cls: Any, entry: Mapping[str, Any]) -> Any:
    """A dataclass from a mapping that has its fields among others; lists become tuples."""
    values = {
        field.name: entry[field.name]
        for field in dataclasses.fields(cls)
        if field.name in entry or field.default is dataclasses.MISSING
    }
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def _card(entry: Mapping[str, Any]) -> LocatedCard:
    try:
        card = Card.model_validate(entry["resolved"])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"card.resolved.{key}: {first['msg']}") from error
    return LocatedCard(card, Path(entry["path"]), entry["given"], {})


def _search_result(
    columns: Mapping[str, Any],
    entry: Mapping[str, Any],
    summary: Mapping[str, Any],
    histograms: Mapping[str, hist.Hist],
) -> SearchResult:
    name = entry["name"]
    outcomes = _outcomes(columns)
    by_epsilon = {outcome.task.epsilon: outcome for outcome in outcomes if outcome.task.kind is Kind.OBSERVED}
    table = {row["epsilon"]: row for row in summary["table"] if row["search"] == name}
    return SearchResult(
        name=name,
        title=entry["title"],
        outcomes=outcomes,
        observed=tuple(
            _observed(name, found, by_epsilon[found["epsilon"]], table[found["epsilon"]], histograms)
            for found in entry["observed"]
        ),
        doped=tuple(_doped(row) for row in summary["doped"] if row["search"] == name),
        seconds=entry["seconds"],
    )


def _outcomes(columns: Mapping[str, Any]) -> tuple[Outcome, ...]:
    plain = {name: ak.to_list(values) for name, values in columns.items()}
    details = [name for name in plain if name not in _COLUMNS]
    return tuple(
        Outcome(
            task=Task(Kind(plain["kind"][i]), plain["epsilon"][i], plain["index"][i]),
            statistic=plain["statistic"][i],
            members=tuple(plain["members"][i]),
            n_events=plain["n_events"][i],
            valid=plain["valid"][i],
            details={name: plain[name][i] for name in details},
        )
        for i in range(len(plain["kind"]))
    )


def _observed(
    name: str,
    found: Mapping[str, Any],
    outcome: Outcome,
    row: Mapping[str, Any],
    histograms: Mapping[str, hist.Hist],
) -> Observed:
    prefix = f"{name}/observed/{epsilon_folder(found['epsilon'])}/"
    named = tuple(
        NamedHistogram(path.removeprefix(prefix), histogram.name or "", histogram)
        for path, histogram in histograms.items()
        if path.startswith(prefix)
    )
    extrapolation = row.get("extrapolation")
    return Observed(
        epsilon=found["epsilon"],
        observation=Observation(outcome, named, found["summary"], None),
        calibration=None if row["p"] is None else _calibration(row),
        extrapolation=None if extrapolation is None else _from_entry(TailExtrapolation, extrapolation),
    )


def _calibration(row: Mapping[str, Any]) -> Calibration:
    (p_low, p_high), (z_low, z_high) = row["p_interval_68"], row["z_interval_68"]
    limits = {"p_low": p_low, "p_high": p_high, "z_low": z_low, "z_high": z_high}
    found: Calibration = _from_entry(Calibration, {**row, **limits, "observed": row["statistic"]})
    return found


def _doped(row: Mapping[str, Any]) -> Doped:
    quantiles = ("lower_quartile", "median", "upper_quartile")
    z = {**row["z"], **{key: _from_entry(Quantile, row["z"][key]) for key in quantiles}}
    found: Doped = _from_entry(Doped, {**row, "z": _from_entry(ZSummary, z)})
    return found


# ---------------------------------------------------------------------------------------------- samples


def _sample(role: str, entry: Mapping[str, Any], histograms: Mapping[str, hist.Hist]) -> SampleReport:
    cutflow = Cutflow(
        tuple(step["step"] for step in entry["cutflow"]), tuple(step["events"] for step in entry["cutflow"])
    )
    events = histograms[f"samples/{role}/classes"]
    classes = list(events.axes[0])
    return SampleReport(
        role=role,
        inputs=tuple(_from_entry(InputFile, found) for found in entry["inputs"]),
        cutflow=cutflow,
        rejections=tuple(_from_entry(Rejection, found) for found in entry["rejections"]),
        skipped=tuple(_from_entry(SkippedFile, found) for found in entry["skipped"]),
        n_selected=entry["n_selected"],
        n_evaluation=entry["n_evaluation"],
        n_training=entry["n_training"],
        reused=entry["reused_from_cache"],
        averages=tuple(
            _averages(role, name, int(n), histograms)
            for name, n in zip(classes, events.values(), strict=True)
        ),
        nonzero_pixels=_nonzero_pixels(role, classes, histograms),
    )


def _averages(role: str, name: str, n_events: int, histograms: Mapping[str, hist.Hist]) -> AverageImages:
    if n_events == 0:
        return AverageImages(0, np.zeros((1, 1)), np.zeros((1, 1)))
    lighter, heavier = (
        np.asarray(histograms[f"samples/{role}/average_images/{name}_{jets}"].values(), dtype=np.float64)
        for jets in ("lighter", "heavier")
    )
    return AverageImages(n_events, lighter, heavier)


def _nonzero_pixels(
    role: str, classes: Sequence[str], histograms: Mapping[str, hist.Hist]
) -> tuple[NDArray[np.int64], ...]:
    paths = [f"samples/{role}/nonzero_pixels/{name}" for name in classes]
    if not any(path in histograms for path in paths):
        return ()
    empty = np.zeros(1, dtype=np.int64)
    return tuple(
        histograms[path].values().astype(np.int64) if path in histograms else empty for path in paths
    )
