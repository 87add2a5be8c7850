"""``summary.json``: all numbers of a run, where they come from, and a digest to compare runs by."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml

from hepcs._core.storage import digest_of
from hepcs.datasets.bootstrap import Kind
from hepcs.output.histograms import run_histograms
from hepcs.results import Doped, Observed, RunResult, SampleReport, SearchResult

# Raised when a key of the summary changes its meaning.
FORMAT = 1


def summarise(result: RunResult) -> dict[str, Any]:
    """A run in plain JSON types; a number that is not finite is null.

    ===============  ==========================================================================================
    key              what
    ===============  ==========================================================================================
    ``table``        for each search and epsilon: statistic, p and Z with intervals, and whether Z is a bound
    ``doped``        for each search and epsilon above 0: median and quartiles over the doped pseudo-experiments
    ``searches``     counts of data sets, valid and not, and what each search says of the observed ones
    ``samples``      inputs with checksums, cutflow, rejections
    ``card``         as given and with all defaults; ``seeds`` are those that it sets
    ``digest``       :func:`results_digest`
    ===============  ==========================================================================================
    """
    card = result.card
    content = {
        "format": FORMAT,
        "name": card.card.name,
        "description": card.card.description,
        "digest": results_digest(result),
        "table": [
            _table_entry(search, observed) for search in result.searches for observed in search.observed
        ],
        "doped": [_doped_entry(search, doped) for search in result.searches for doped in search.doped],
        "warnings": result.warnings,
        "searches": [_search_entry(search) for search in result.searches],
        "samples": {sample.role: _sample_entry(sample) for sample in result.samples},
        "compression": result.compression,
        "bins": {
            "edges": result.bins.edges,
            "training": result.bins.training,
            "unit": "GeV",
        },
        "seeds": {
            "run": card.card.seed,
            "generators": {
                role: source.seed
                for role, source in card.card.samples.by_role().items()
                if source.kind == "pythia"
            },
        },
        "card": {
            "path": card.path,
            "given": card.given,
            "resolved": card.card.model_dump(mode="json"),
        },
        "provenance": dataclasses.asdict(result.provenance),
    }
    found = plain(content)
    assert isinstance(found, dict)
    return found


def results_digest(result: RunResult) -> str:
    """SHA-256 over the numbers of the results alone.

    It covers the outcome of every data set, the calibrations, the doped summaries and all histograms; not the
    card, times, versions, paths, workers or the machine. Runs with one digest agree in every one of these numbers.
    """
    searches = {
        search.name: {
            "outcomes": [
                (
                    outcome.task.key,
                    outcome.statistic,
                    outcome.members,
                    outcome.n_events,
                    outcome.valid,
                    outcome.details,
                )
                for outcome in search.outcomes
            ],
            "calibrations": [(observed.epsilon, observed.calibration) for observed in search.observed],
            "doped": search.doped,
        }
        for search in result.searches
    }
    histograms = {
        path: ([axis_key(axis) for axis in histogram.axes], np.asarray(histogram.values(flow=True)))
        for path, histogram in run_histograms(result).items()
    }
    return digest_of(plain({"searches": searches, "histograms": histograms}))


def axis_key(axis: Any) -> list[Any]:
    """What tells the bins of an axis from other bins: labels of categories, or edges."""
    labels = list(axis)
    return labels if labels and isinstance(labels[0], str) else list(axis.edges)


def plain(value: Any) -> Any:
    """A value in plain JSON types: arrays as lists, dataclasses as mappings, NaN and infinities as None.

    Anything else, such as a path, becomes its text.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def yaml_text(value: Any) -> str:
    """A value as YAML, such as a card, in the order of its keys."""
    return yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True)


def _table_entry(search: SearchResult, observed: Observed) -> dict[str, Any]:
    outcome, calibration = observed.observation.outcome, observed.calibration
    entry = {
        "search": search.name,
        "title": search.title,
        "epsilon": observed.epsilon,
        "statistic": outcome.statistic,
        "valid": outcome.valid,
        "n_events": outcome.n_events,
        "p": None,
        "p_interval_68": None,
        "z": None,
        "z_interval_68": None,
        "bound": None,
    }
    if calibration is None:
        return entry
    others = {field.name: getattr(calibration, field.name) for field in dataclasses.fields(calibration)}
    named = {
        "p_interval_68": (others.pop("p_low"), others.pop("p_high")),
        "z_interval_68": (others.pop("z_low"), others.pop("z_high")),
    }
    others.pop("observed")
    extrapolation = observed.extrapolation
    if extrapolation is not None:
        others["extrapolation"] = {
            **dataclasses.asdict(extrapolation),
            "z_conservative": extrapolation.z_conservative,
        }
    return {**entry, **named, **others}


def _doped_entry(search: SearchResult, doped: Doped) -> dict[str, Any]:
    return {"search": search.name, "title": search.title, **dataclasses.asdict(doped)}


def _search_entry(search: SearchResult) -> dict[str, Any]:
    counts = []
    for kind, epsilon in dict.fromkeys(
        (outcome.task.kind, outcome.task.epsilon) for outcome in search.outcomes
    ):
        valid = [
            outcome.valid
            for outcome in search.outcomes
            if outcome.task.kind is kind and outcome.task.epsilon == epsilon
        ]
        counts.append(
            {"kind": kind_name(kind), "epsilon": epsilon, "n": len(valid), "n_invalid": valid.count(False)}
        )
    return {
        "name": search.name,
        "title": search.title,
        "data_sets": counts,
        "n_invalid": search.n_invalid,
        "seconds": search.seconds,
        "observed": [
            {
                "epsilon": observed.epsilon,
                "members": observed.observation.outcome.members,
                "details": observed.observation.outcome.details,
                "summary": observed.observation.summary,
            }
            for observed in search.observed
        ],
    }


def kind_name(kind: Kind) -> str:
    """``observed``, ``background-only`` or ``doped``."""
    return kind.name.lower().replace("_", "-")


def _sample_entry(sample: SampleReport) -> dict[str, Any]:
    return {
        "inputs": sample.inputs,
        "cutflow": _steps(sample.cutflow.names, sample.cutflow.counts),
        "n_selected": sample.n_selected,
        "n_evaluation": sample.n_evaluation,
        "n_training": sample.n_training,
        "n_unusable": sample.n_unusable,
        "n_rejections_not_listed": max(sample.n_unusable - len(sample.rejections), 0),
        "rejections": sample.rejections,
        "skipped": sample.skipped,
        "reused_from_cache": sample.reused,
    }


def _steps(names: Sequence[str], counts: Sequence[int]) -> list[dict[str, Any]]:
    """A list, since the order of the keys of a JSON object means nothing."""
    return [{"step": name, "events": count} for name, count in zip(names, counts, strict=True)]
