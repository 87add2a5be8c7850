"""``summary.json``: all numbers of a run, where they come from, and a digest to compare runs by."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml

from hepcs._core.storage import digest_of
from hepcs.calibration import Calibration
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.datasets.reports import SampleReport
from hepcs.output.histograms import run_histograms
from hepcs.output.limits import limits_entry
from hepcs.results import Combined, Observed, Outcome, RunResult, SearchResult
from hepcs.results.wording import data_set_name

# Raised when a key of the summary changes its meaning.
FORMAT = 2


def summarise(result: RunResult) -> dict[str, Any]:
    """A run in plain JSON types; a number that is not finite is null.

    ===============  ==========================================================================================
    key              what
    ===============  ==========================================================================================
    ``blind``        whether the observed data were not looked at: then there is no ``table``
    ``table``        for each search and injection: statistic, p and Z with intervals, and whether Z is a bound
    ``doped``        for each search and injection: median and quartiles over the doped pseudo-experiments
    ``combined``     the same of all searches together, by the data sets that all of them have seen
    ``searches``     counts of data sets, valid and not, and what each search says of the observed ones
    ``samples``      inputs with checksums, cutflow, rejections
    ``features``     what is known of each feature
    ``card``         as given and with all defaults; ``seeds`` are those that it sets
    ``digest``       :func:`results_digest`
    ===============  ==========================================================================================

    An injection is ``epsilon`` events of ``signal``, empty for none; ``needs_truth`` marks studies that know the
    truth.
    """
    card = result.card
    content = {
        "format": FORMAT,
        "name": card.card.name,
        "description": card.card.description,
        "digest": results_digest(result),
        "blind": result.is_blind,
        "table": [
            {**_named(result, search), **_observed_entry(observed)}
            for search in result.searches
            for observed in search.observed
        ],
        "doped": [
            {**_named(result, search), **dataclasses.asdict(doped.injection), **_fields(doped)}
            for search in result.searches
            for doped in search.doped
        ],
        "combined": [_combined_entry(combined) for combined in result.combined],
        "limits": limits_entry(result),
        "warnings": result.warnings,
        "searches": [
            {**_named(result, search), **_search_entry(result, search)} for search in result.searches
        ],
        "samples": {sample.role: _sample_entry(sample) for sample in result.samples},
        "features": result.features,
        "bins": {"edges": result.bins.edges, "unit": "GeV"},
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

    It covers the outcome of every data set, those that all searches share, the calibrations, the doped summaries,
    all searches together and all histograms; not the card, times, versions, paths, workers or the machine. Runs
    with one digest agree in every one of these numbers.
    """
    searches = {
        search.name: {
            "outcomes": _numbers(search.outcomes),
            "shared": None if search.shared == search.outcomes else _numbers(search.shared),
            "calibrations": [(observed.injection, observed.calibration) for observed in search.observed],
            "doped": search.doped,
        }
        for search in result.searches
    }
    histograms = {
        path: ([axis_key(axis) for axis in histogram.axes], np.asarray(histogram.values(flow=True)))
        for path, histogram in run_histograms(result).items()
    }
    return digest_of(plain({"searches": searches, "combined": result.combined, "histograms": histograms}))


def _numbers(outcomes: Sequence[Outcome]) -> list[tuple[Any, ...]]:
    return [
        (one.task.key, one.statistic, one.members, one.n_events, one.valid, one.details) for one in outcomes
    ]


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
        value = _fields(value)
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


def _fields(value: Any) -> dict[str, Any]:
    """A dataclass as a mapping of its fields, as they are."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _named(result: RunResult, search: SearchResult) -> dict[str, Any]:
    return {"search": search.name, "title": search.title, "needs_truth": result.knows_truth(search.name)}


def _observed_entry(observed: Observed) -> dict[str, Any]:
    outcome, extrapolation = observed.outcome, observed.extrapolation
    entry = {
        **dataclasses.asdict(observed.injection),
        "statistic": outcome.statistic,
        "valid": outcome.valid,
        "n_events": outcome.n_events,
        **_calibration_entry(observed.calibration),
    }
    if extrapolation is not None:
        entry["extrapolation"] = {**_fields(extrapolation), "z_conservative": extrapolation.z_conservative}
    return entry


def _calibration_entry(calibration: Calibration | None) -> dict[str, Any]:
    if calibration is None:
        return dict.fromkeys(("p", "p_interval_68", "z", "z_interval_68", "bound"))
    others = _fields(calibration)
    others.pop("observed")
    return {
        "p_interval_68": (others.pop("p_low"), others.pop("p_high")),
        "z_interval_68": (others.pop("z_low"), others.pop("z_high")),
        **others,
    }


def _combined_entry(combined: Combined) -> dict[str, Any]:
    """All numbers; those of its calibration as in the table, where `observed` is minus the smallest p."""
    combination = combined.combination
    return {
        **_fields(combined),
        **dataclasses.asdict(combined.injection),
        "best_search": combined.best,
        "n_effective": None if combination is None else combination.n_effective,
        **_calibration_entry(None if combination is None else combination.calibration),
    }


def _search_entry(result: RunResult, search: SearchResult) -> dict[str, Any]:
    tasks = [(kind_name(one.task.kind), one.task.injection, one.valid) for one in search.outcomes]
    n_all = Counter((kind, injection) for kind, injection, _ in tasks)
    n_invalid = Counter((kind, injection) for kind, injection, valid in tasks if not valid)
    return {
        "data_sets": [
            {"kind": kind, **dataclasses.asdict(injection), "n": n, "n_invalid": n_invalid[kind, injection]}
            for (kind, injection), n in n_all.items()
        ],
        "n_invalid": search.n_invalid,
        "seconds": search.seconds,
        "observed": [
            {
                **dataclasses.asdict(observed.injection),
                "histograms": data_set_name(result, observed.injection),
                "members": observed.outcome.members,
                "details": observed.outcome.details,
                "spectrum": _spectrum_entry(observed),
                "summary": observed.observation.summary,
            }
            for observed in search.observed
        ],
    }


def _spectrum_entry(observed: Observed) -> dict[str, Any] | None:
    """What is not in the histograms of a spectrum."""
    spectrum = observed.observation.spectrum
    if spectrum is None:
        return None
    return {key: getattr(spectrum, key) for key in ("what", "estimate", "unit", "window", "local_z")}


def kind_name(kind: Kind) -> str:
    """``observed``, ``background-only`` or ``doped``."""
    return kind.name.lower().replace("_", "-")


def injection_of(entry: Mapping[str, Any]) -> Injection:
    """The injection of an entry of the summary."""
    return Injection(entry["epsilon"], entry["signal"])


def _sample_entry(sample: SampleReport) -> dict[str, Any]:
    weights = sample.weights
    weighted = (
        {
            "total": weights.total,
            "n_effective": weights.n_effective,
            "negative_share": weights.negative_share,
            "acceptance": weights.acceptance,
            "slices": weights.slices,
        }
        if weights is not None
        else None
    )
    return {
        **({} if weighted is None else {"weights": weighted}),
        **({} if sample.mass_ratio is None else {"mass_ratio": sample.mass_ratio}),
        "inputs": sample.inputs,
        "cutflow": _steps(sample.cutflow.names, sample.cutflow.counts),
        "n_selected": sample.n_selected,
        "n_evaluation": sample.n_evaluation,
        "lacking": sample.lacking,
        "n_weightless_constituents": sample.n_weightless,
        "n_repeated": sample.n_repeated,
        "energy_shifts": {name: float(np.sum(one)) for name, one in sample.energy_spectra.items()},
        "n_unusable": sample.n_unusable,
        "n_rejections_not_listed": max(sample.n_unusable - len(sample.rejections), 0),
        "rejections": sample.rejections,
        "skipped": sample.skipped,
        "reused_from_cache": sample.reused,
    }


def _steps(names: Sequence[str], counts: Sequence[int]) -> list[dict[str, Any]]:
    """A list, since the order of the keys of a JSON object means nothing."""
    return [{"step": name, "events": count} for name, count in zip(names, counts, strict=True)]
