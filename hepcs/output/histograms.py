"""Every histogram of a run, and the JSON file that `hist` and any other UHI library reads back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import hist
import numpy as np
import uhi.io.json
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, InputError
from hepcs.calibration import Quantile
from hepcs.datasets.bootstrap import Kind
from hepcs.images import image_histogram
from hepcs.jets import Cutflow
from hepcs.results import Doped, RunResult, SampleReport, SearchResult

# Bins of a distribution of statistics over the background-only values, and at most in all.
_CORE_BINS = 50
_MAX_BINS = 500


def epsilon_folder(epsilon: int) -> str:
    """``epsilon_0800`` for 800 injected events, so that names sort as numbers do."""
    return f"epsilon_{epsilon:04d}"


def run_histograms(result: RunResult) -> dict[str, hist.Hist]:
    """All histograms of a run by their path; `name` holds the title, `label` what the bins contain.

    ============================================  =============================================================
    path                                          what
    ============================================  =============================================================
    ``<search>/observed/epsilon_0800/<path>``     what the search hands over of the observed data set
    ``<search>/calibration``                      statistics of the background-only pseudo-experiments
    ``<search>/sensitivity/<quartile>``           ``median``, ``lower_quartile`` or ``upper_quartile`` of Z over
                                                  doped pseudo-experiments by injected signal events
    ``samples/<role>/cutflow``                    events left after each step of the selection
    ``samples/<role>/classes``                    events of the evaluation region by class, ``background``,
                                                  ``signal`` or ``data``
    ``samples/<role>/average_images/<class>_<j>`` average image of the lighter or heavier (`j`) jets of a class
    ``samples/<role>/nonzero_pixels/<class>``     jet images by their number of non-zero pixels
    ============================================  =============================================================

    Raises
    ------
    ArgumentError
        If two histograms have the same path.
    """
    histograms: dict[str, hist.Hist] = {}

    def add(path: str, title: str, histogram: hist.Hist) -> None:
        if path in histograms:
            raise ArgumentError(f"two histograms with the path {path}: each needs its own")
        histograms[path] = hist.Hist(histogram, name=title, label=histogram.label)

    for search in result.searches:
        for observed in search.observed:
            folder = f"{search.name}/observed/{epsilon_folder(observed.epsilon)}"
            for named in observed.observation.histograms:
                add(f"{folder}/{named.path}", named.title, named.histogram)
        title = f"{search.title}: background-only pseudo-experiments"
        add(f"{search.name}/calibration", title, calibration_histogram(search))
        for path, title, histogram in sensitivity_histograms(search):
            add(f"{search.name}/{path}", title, histogram)
    for sample in result.samples:
        title = f"{sample.role}: events after each step"
        add(f"samples/{sample.role}/cutflow", title, cutflow_histogram(sample.cutflow))
        title = f"{sample.role}: events of the evaluation region by class"
        add(f"samples/{sample.role}/classes", title, class_histogram(sample))
        for path, title, histogram in image_histograms(sample, result.card.card.images.half_width):
            add(f"samples/{sample.role}/{path}", title, histogram)
    return histograms


def calibration_histogram(search: SearchResult) -> hist.Hist:
    """Distribution of the background-only statistics.

    The bins have a round width, some fifty over the pseudo-experiments, and go on to the observed values.
    A statistic far away (many times the whole distribution) is left to the overflow bin.
    """
    null = search.statistics(Kind.BACKGROUND_ONLY)
    observed = [
        entry.observation.outcome.statistic for entry in search.observed if entry.observation.outcome.valid
    ]
    low, high, n_bins = _binning(null, np.array(observed))
    axis = hist.axis.Regular(n_bins, low, high, name="statistic", label="test statistic")
    histogram = hist.Hist(axis, storage=hist.storage.Double(), label="pseudo-experiments")
    histogram.fill(null)
    return histogram


def sensitivity_histograms(search: SearchResult) -> Iterator[tuple[str, str, hist.Hist]]:
    """Path, title and histogram of the quartiles of Z by the number of injected events; none without doped ones.

    A bound counts as the value that it is; the title says which values are bounds, as do the summary and the tree
    of results.
    """
    if not search.doped:
        return
    for name in ("lower_quartile", "median", "upper_quartile"):
        axis = hist.axis.StrCategory(
            [str(doped.epsilon) for doped in search.doped],
            name="epsilon",
            label="injected signal events",
            overflow=False,
        )
        histogram = hist.Hist(axis, storage=hist.storage.Weight(), label="Z [standard deviations]")
        quantiles = [getattr(doped.z, name) for doped in search.doped]
        values = np.array([quantile.z for quantile in quantiles], dtype=np.float64)
        histogram[...] = np.stack([values, np.zeros_like(values)], axis=-1)
        what = f"{name.replace('_', ' ')} of Z over doped pseudo-experiments"
        yield f"sensitivity/{name}", f"{search.title}: {what}{_bounds(search.doped, quantiles)}", histogram


def _bounds(doped: Sequence[Doped], quantiles: Sequence[Quantile]) -> str:
    """Which values are bounds, for a title: ``, lower bounds at 850, 1500``; nothing where none is."""
    found: dict[str, list[str]] = {}
    for entry, quantile in zip(doped, quantiles, strict=True):
        if quantile.bound is not None:
            found.setdefault(quantile.bound, []).append(str(entry.epsilon))
    return "".join(f", {bound} bounds at {', '.join(epsilons)}" for bound, epsilons in found.items())


def _binning(null: NDArray[np.float64], observed: NDArray[np.float64]) -> tuple[float, float, int]:
    """Lower and upper edge and number of bins, with edges at whole multiples of the width."""
    if null.size == 0:
        return 0.0, 1.0, 1
    start = min(0.0, float(null.min()))
    width = round_width((float(null.max()) - start) / _CORE_BINS)
    first = math.floor(start / width)
    everything = np.concatenate([null, observed])
    # One bin more: the upper edge does not belong to the last one.
    last = min(math.floor(float(everything.max()) / width) + 1, first + _MAX_BINS)
    return first * width, last * width, last - first


def round_width(width: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least `width`; 1 if that is 0."""
    if not width > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(width))
    return next((step * power for step in (1.0, 2.0, 2.5, 5.0) if step * power >= width), 10.0 * power)


def cutflow_histogram(cutflow: Cutflow) -> hist.Hist:
    """Events left after each step, with the steps as labels."""
    return _labelled_counts("step", cutflow.names, cutflow.counts)


def class_histogram(sample: SampleReport) -> hist.Hist:
    """Events of the evaluation region by class: background and signal apart, where the truth is known."""
    return _labelled_counts("class", sample.classes, [averages.n_events for averages in sample.averages])


def _labelled_counts(name: str, labels: Sequence[str], counts: Sequence[int]) -> hist.Hist:
    axis = hist.axis.StrCategory(list(labels), name=name, label=name, overflow=False)
    histogram = hist.Hist(axis, storage=hist.storage.Double(), label="events")
    histogram[...] = np.array(counts, dtype=np.float64)
    return histogram


def image_histograms(sample: SampleReport, half_width: float) -> Iterator[tuple[str, str, hist.Hist]]:
    """Path, title and histogram of what is kept of a sample's jet images: averages, and how they are filled.

    Parameters
    ----------
    sample
        The sample; classes without events are left out.
    half_width
        The images cover [-half_width, half_width) in eta' and phi'.
    """
    for name, averages in zip(sample.classes, sample.averages, strict=True):
        if averages.n_events == 0:
            continue
        for jets, image in (("lighter", averages.lighter), ("heavier", averages.heavier)):
            title = f"{name}: average image of the {jets} jets of {averages.n_events} events"
            yield f"average_images/{name}_{jets}", title, image_histogram(image, half_width)
    for name, counts in zip(sample.classes, sample.nonzero_pixels, strict=False):
        if counts.any():
            title = f"{name}: jet images by their number of non-zero pixels, of {counts.size - 1}"
            yield f"nonzero_pixels/{name}", title, pixel_count_histogram(counts)


def pixel_count_histogram(counts: NDArray[np.int64]) -> hist.Hist:
    """Jets by their number of non-zero pixels, from their counts for 0, 1, ...; it ends at the last one filled."""
    last = int(np.flatnonzero(counts)[-1])
    axis = hist.axis.Integer(
        0, last + 1, name="pixels", label="non-zero pixels", underflow=False, overflow=False
    )
    histogram = hist.Hist(axis, storage=hist.storage.Double(), label="jets")
    histogram[...] = counts[: last + 1].astype(np.float64)
    return histogram


def histograms_json(histograms: Mapping[str, hist.Hist]) -> str:
    """The histograms as UHI JSON, ``{path: histogram}``."""
    return json.dumps(dict(histograms), default=uhi.io.json.default) + "\n"


def read_histograms(path: Path) -> dict[str, hist.Hist]:
    """Read a ``histograms.json`` back: equal histograms, with their titles (`name`) and labels.

    Raises
    ------
    InputError
        If the file is missing, or is no UHI JSON.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_hook=uhi.io.json.object_hook)
        return {key: hist.Hist(value) for key, value in found.items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: not a JSON file of histograms by path: {error}") from error
