"""``results.root``: histograms, results, pseudo-experiments and the card, for ROOT and for uproot."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import boost_histogram as bh
import hist
import numpy as np
import uproot
from numpy.typing import NDArray
from uproot.writing import identify

from hepcs._core.errors import ArgumentError
from hepcs.calibration import Calibration
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.output.histograms import TOGETHER_FOLDER
from hepcs.output.summary import results_digest, yaml_text
from hepcs.results import Combined, Doped, Observed, Outcome, RunResult, SearchResult

# uproot gives branches titles of its own: what the columns are stands in the title of the tree.
TREE_TITLE = (
    "kind: 0 observed, 1 background-only, 2 doped pseudo-experiment; epsilon: injected events of the signal"
)
SHARED_TITLE = "the data sets that all searches have seen, by which they are combined. " + TREE_TITLE
RESULTS_TITLE = (
    "data_set: observed (kind 0) with 68 % intervals, or the median of doped pseudo-experiments (kind 2) "
    "with quartiles of Z as z_low and z_high. epsilon: injected events of the signal. p_is, z_is: what p and "
    "Z are, a value or a bound: with none of N above p is 1/N, an upper bound, as is the value with one. "
    "bound: 1 if Z is a lower bound, -1 an upper one, 0 none, 2 if it may be either; bound_low and "
    "bound_high: the same of z_low and z_high, 0 for the ends of intervals. NaN: there is no such number, or "
    "the interval has no such end"
)
COMBINED_TITLE = "statistic: minus the smallest p over the searches. " + RESULTS_TITLE
# ROOT then puts the title of an axis where it does not meet the numbers.
_BESIDE_LABELS = 0.0
# A Z that is at least so large has a p that is at most so large.
_OPPOSITE = {None: None, "lower": "upper", "upper": "lower"}
_BOUNDS = {None: 0, "lower": 1, "upper": -1, "undetermined": 2}
#: Names of the trees.
RESULTS, OUTCOMES, SHARED = "results", "pseudo_experiments", "shared_data_sets"


def write_root(path: Path, result: RunResult, histograms: Mapping[str, hist.Hist]) -> None:
    """Write the ROOT file of a run.

    Parameters
    ----------
    path
        The file; it is replaced.
    result
        The run; its searches' outcomes become the trees ``<search>/pseudo_experiments``, with one entry for
        each data set and the columns kind, signal, epsilon, index, statistic, n_events, valid, members, and what
        the search adds to them; of a search with toys of its own, ``<search>/shared_data_sets`` has those that
        all searches have seen. Observed data sets and the medians of doped ones are in ``<search>/results``, those
        of all searches together in ``_combined/results``. Card and digest of the results are :func:`texts`.
    histograms
        From :func:`hepcs.output.histograms.run_histograms`; they become TH1D and TH2D.
    """
    with uproot.recreate(path) as file:
        for key, histogram in histograms.items():
            file[key] = root_histogram(histogram)
        for search in result.searches:
            _write_tree(file, f"{search.name}/{RESULTS}", result_columns(search_rows(search)), RESULTS_TITLE)
            _write_tree(file, f"{search.name}/{OUTCOMES}", outcome_columns(search.outcomes), TREE_TITLE)
            if search.shared != search.outcomes:
                _write_tree(file, f"{search.name}/{SHARED}", outcome_columns(search.shared), SHARED_TITLE)
        if result.combined:
            columns = result_columns([row for one in result.combined for row in _combined_rows(one)])
            _write_tree(file, f"{TOGETHER_FOLDER}/{RESULTS}", columns, COMBINED_TITLE)
        for name, text in texts(result).items():
            file[name] = text


def texts(result: RunResult) -> dict[str, str]:
    """What the numbers rest on, as texts: ROOT prints them by ``((TObjString*) file->Get("card"))->Print()``."""
    card = result.card
    return {
        "card": yaml_text(card.given),
        "card_with_defaults": yaml_text(card.card.model_dump(mode="json")),
        "digest": results_digest(result),
        "started": result.provenance.started,
    }


def _write_tree(file: Any, path: str, columns: Mapping[str, Any], title: str) -> None:
    types = {name: _branch_type(values) for name, values in columns.items()}
    file.mktree(path, types, title=title).extend(columns)


# ------------------------------------------------------------------------------------------ the trees


def result_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was found in observed data sets, and in the median of doped ones, as columns.

    See :data:`RESULTS_TITLE`; p and the counts are those of :class:`hepcs.calibration.Calibration`, or -1.
    """
    text = {
        name: ak.Array([row[name] for row in rows]) for name in ("data_set", "signal", "p_is", "z_is") if rows
    }
    whole = ("kind", "epsilon", "bound", "bound_low", "bound_high", "n_null", "n_above")
    real = ("statistic", "p", "p_low", "p_high", "p_smoothed", "z", "z_low", "z_high", "z_lower_95")
    return {
        **text,
        **{name: np.array([row.get(name, -1) for row in rows], dtype=np.int32) for name in whole},
        # None becomes NaN.
        **{name: np.array([row.get(name) for row in rows], dtype=np.float64) for name in real},
    }


def search_rows(search: SearchResult) -> list[dict[str, Any]]:
    """Rows of :func:`result_columns` of a search."""
    return [*map(_observed_row, search.observed), *map(_doped_row, search.doped)]


def _observed_row(observed: Observed) -> dict[str, Any]:
    return _calibrated_row(observed.injection, observed.calibration, observed.outcome.statistic)


def _calibrated_row(
    injection: Injection, calibration: Calibration | None, statistic: float
) -> dict[str, Any]:
    found = {} if calibration is None else dataclasses.asdict(calibration)
    bound = found.get("bound")
    return {
        **found,
        **dataclasses.asdict(injection),
        "data_set": "observed",
        "kind": Kind.OBSERVED,
        "statistic": statistic,
        "p_is": _what_is(_OPPOSITE[bound]) if found else "missing",
        "z_is": _what_is(bound) if found else "missing",
        "bound": _BOUNDS[bound],
        "bound_low": _BOUNDS[None],
        "bound_high": _BOUNDS[None],
    }


def _doped_row(doped: Doped) -> dict[str, Any]:
    z = doped.z
    return {
        **dataclasses.asdict(doped.injection),
        "data_set": "doped",
        "kind": Kind.DOPED,
        "statistic": doped.statistic_quartiles[1],
        "z": z.median.z,
        "z_low": z.lower_quartile.z,
        "z_high": z.upper_quartile.z,
        "p_is": "missing",
        "z_is": _what_is(z.median.bound),
        "bound": _BOUNDS[z.median.bound],
        "bound_low": _BOUNDS[z.lower_quartile.bound],
        "bound_high": _BOUNDS[z.upper_quartile.bound],
    }


def _combined_rows(combined: Combined) -> Iterator[dict[str, Any]]:
    if combined.combination is not None:
        calibration = combined.combination.calibration
        yield _calibrated_row(combined.injection, calibration, calibration.observed)
    if combined.doped is not None:
        yield _doped_row(combined.doped)


def _what_is(bound: str | None) -> str:
    return "value" if bound is None else bound if bound == "undetermined" else f"{bound} bound"


def outcome_columns(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Outcomes as columns; a number that a search did not give for a data set is NaN.

    `members` has shape (n, members), or is jagged if the data sets have different numbers of them.
    """
    columns: dict[str, Any] = {
        "kind": np.array([outcome.task.kind for outcome in outcomes], dtype=np.int32),
        "signal": ak.Array([outcome.task.signal for outcome in outcomes]),
        "epsilon": np.array([outcome.task.epsilon for outcome in outcomes], dtype=np.int32),
        "index": np.array([outcome.task.index for outcome in outcomes], dtype=np.int32),
        "statistic": np.array([outcome.statistic for outcome in outcomes], dtype=np.float64),
        "n_events": np.array([outcome.n_events for outcome in outcomes], dtype=np.int64),
        "valid": np.array([outcome.valid for outcome in outcomes], dtype=np.bool_),
        "members": _members(outcomes),
    }
    for key in dict.fromkeys(key for outcome in outcomes for key in outcome.details):
        name = re.sub(r"\W", "_", key)
        if name in columns:
            raise ArgumentError(f"the detail {key!r} of an outcome would hide the column {name!r}: rename it")
        values = [outcome.details.get(key, np.nan) for outcome in outcomes]
        columns[name] = np.array(values, dtype=np.float64)
    return columns


def _members(outcomes: Sequence[Outcome]) -> Any:
    sizes = {len(outcome.members) for outcome in outcomes}
    if len(sizes) == 1 and sizes != {0}:
        return np.array([outcome.members for outcome in outcomes], dtype=np.float64)
    flat = np.array([value for outcome in outcomes for value in outcome.members], dtype=np.float64)
    return ak.unflatten(flat, [len(outcome.members) for outcome in outcomes])


def _branch_type(values: Any) -> Any:
    if isinstance(values, ak.Array):
        return "string" if str(values.type).endswith("string") else "var * float64"
    return np.dtype((values.dtype, values.shape[1:]))


# ----------------------------------------------------------------------------------------- histograms


def root_text(text: str) -> str:
    """A title for ROOT: LaTeX mathematics as TLatex, and no semicolon, which ROOT takes to end a title."""
    text = re.sub(r"\\math(?:rm|it|bf)\{([^{}]*)\}", r"\1", text)
    text = text.replace("$", "").replace("\\", "#").replace(";", ",")
    return re.sub(r"\bm_jj\b", "m_{jj}", text)


def root_histogram(histogram: hist.Hist) -> Any:
    """A histogram as TH1D or TH2D that uproot can write, with its title and the titles of all axes.

    uproot's own conversion leaves the titles of an axis of contents empty, and drops flow bins if not all axes
    have both. Variances are written for the storage Weight; without them ROOT takes the square root.

    Raises
    ------
    ArgumentError
        For more than two axes, or contents that are no sums (means, lists).
    """
    values, variances = _contents(histogram)
    sums = _sums(histogram)
    contents_title = root_text(histogram.label or "")
    common = {
        "fName": None,
        "fTitle": root_text(histogram.name or ""),
        "data": values.T.reshape(-1).astype(">f8"),
        # Of what is no count, such as a significance, the sum says nothing: the filled bins are counted.
        "fEntries": float(values.sum() if variances is None else np.count_nonzero(values)),
        "fSumw2": None if variances is None else variances.T.reshape(-1).astype(">f8"),
        "fXaxis": _root_axis(histogram.axes[0], "xaxis"),
    }
    if values.ndim == 1:
        return identify.to_TH1x(**common, **sums, fYaxis=_contents_axis("yaxis", contents_title))
    return identify.to_TH2x(
        **common,
        **sums,
        fYaxis=_root_axis(histogram.axes[1], "yaxis"),
        fZaxis=_contents_axis("zaxis", contents_title),
        fOption="colz",
    )


def _contents(histogram: hist.Hist) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Contents and variances with an underflow and an overflow bin on every axis, as ROOT has them."""
    storage = histogram.storage_type
    if not 1 <= histogram.ndim <= 2 or histogram.kind != "COUNT":
        raise ArgumentError(
            f"the histogram {histogram.name!r} with {histogram.ndim} axes and storage {storage.__name__} cannot "
            "become a TH1D or TH2D: expected one or two axes, and sums"
        )
    pad = [(int(not axis.traits.underflow), int(not axis.traits.overflow)) for axis in histogram.axes]
    values = np.pad(np.asarray(histogram.values(flow=True), dtype=np.float64), pad)
    if storage is not bh.storage.Weight:
        return values, None
    return values, np.pad(np.asarray(histogram.variances(flow=True), dtype=np.float64), pad)


def _sums(histogram: hist.Hist) -> dict[str, float]:
    """The sums over bins from which ROOT computes mean and standard deviation, without flow bins."""
    values = histogram.values()
    weight = float(values.sum())
    sums = {"fTsumw": weight, "fTsumw2": weight}
    variances = histogram.variances()
    if histogram.storage_type is bh.storage.Weight and variances is not None:
        sums["fTsumw2"] = float(variances.sum())
    centres = [_centres(axis) for axis in histogram.axes]
    for name, positions, others in zip("xy", centres, ((1,), (0,)), strict=False):
        projected = values.sum(axis=others) if histogram.ndim == 2 else values
        sums[f"fTsumw{name}"] = float((projected * positions).sum())
        sums[f"fTsumw{name}2"] = float((projected * positions**2).sum())
    if histogram.ndim == 2:
        sums["fTsumwxy"] = float(centres[0] @ values @ centres[1])
    return sums


def _is_labelled(axis: Any) -> bool:
    return isinstance(axis, bh.axis.StrCategory | bh.axis.IntCategory)


def _centres(axis: Any) -> NDArray[np.float64]:
    centres = np.arange(len(axis)) + 0.5 if _is_labelled(axis) else axis.centers
    return np.asarray(centres, dtype=np.float64)


def _root_axis(axis: Any, name: str) -> Any:
    """An axis of a histogram as TAxis; a category axis has one labelled bin for each category."""
    labels = None
    edges = np.arange(len(axis) + 1.0) if _is_labelled(axis) else np.asarray(axis.edges)
    if _is_labelled(axis):
        labels = identify.to_THashList([identify.to_TObjString(root_text(str(label))) for label in axis])
        # ROOT finds the bin of a label by this number.
        for number, label in enumerate(labels, start=1):
            label.bases[0].members["@fUniqueID"] = number
    regular = np.allclose(edges, np.linspace(edges[0], edges[-1], len(edges)), rtol=1e-12, atol=0)
    return identify.to_TAxis(
        fName=name,
        fTitle=root_text(getattr(axis, "label", "") or ""),
        fNbins=len(axis),
        fXmin=float(edges[0]),
        fXmax=float(edges[-1]),
        fXbins=np.array([], dtype=">f8") if regular else edges.astype(">f8"),
        fLabels=labels,
        fTitleOffset=_BESIDE_LABELS,
    )


def _contents_axis(name: str, title: str) -> Any:
    """The axis of what the bins contain."""
    return identify.to_TAxis(
        fName=name, fTitle=title, fNbins=1, fXmin=0.0, fXmax=1.0, fTitleOffset=_BESIDE_LABELS
    )
