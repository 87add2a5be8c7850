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
from hepcs.datasets.bootstrap import Injection, Kind
from hepcs.datasets.reports import SampleReport
from hepcs.datasets.samples import MassBins
from hepcs.datasets.spectra import mass_histogram
from hepcs.images import image_histogram
from hepcs.jets import Cutflow
from hepcs.results import Doped, MassSpectrum, NamedHistogram, RunResult, SearchResult
from hepcs.results.wording import TOGETHER, data_set_name, signal_name, variation_text

# Bins of a distribution of statistics over the background-only values, and at most in all.
_CORE_BINS = 50
_MAX_BINS = 500


#: Folder of all searches together; no search can have this name.
TOGETHER_FOLDER = "_combined"
#: What is kept of every spectrum that a search compares.
SPECTRUM = ("spectrum", "background_estimate", "local_significance")


def run_histograms(result: RunResult) -> dict[str, hist.Hist]:
    """All histograms of a run by their path; `name` holds the title, `label` what the bins contain.

    Injections have names such as ``epsilon_0800``, or ``wide_epsilon_0800`` of the signal ``wide``; the observed
    data set of a real search is ``data``.

    =================================================  ========================================================
    path                                               what
    =================================================  ========================================================
    ``<search>/observed/<injection>/spectrum``         what the search compares, in bins of m_jj
    ``.../background_estimate``                        its estimate; the variances are those of the estimate
    ``.../local_significance``                         local significance of each bin
    ``.../<path>``                                     what else the search hands over
    ``<search>/calibration``                           statistics of the background-only pseudo-experiments
    ``<search>/sensitivity/<quartile>``                ``median``, ``lower_quartile`` or ``upper_quartile`` of Z
                                                       over doped pseudo-experiments by injected signal events;
                                                       ``_combined`` for all searches together
    ``samples/<role>/cutflow``                         events left after each step of the selection
    ``samples/<role>/energy/<shift>``                  m_jj with the jets' energies ``nominal``, ``up``, ``down``
    ``samples/<role>/weighted``                        m_jj by the events' weights, with the sums of their squares
    ``samples/<role>/classes``                         events of the evaluation region by class
    ``samples/<role>/average_images/<class>_<jets>``   average image of the lighter or heavier jets of a class
    ``samples/<role>/nonzero_pixels/<class>``          jet images by their number of non-zero pixels
    =================================================  ========================================================

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
            folder = observed_folder(search.name, data_set_name(result, observed.injection))
            observation = observed.observation
            compared = (
                () if observation.spectrum is None else spectrum_histograms(observation.spectrum, result.bins)
            )
            for named in (*compared, *observation.histograms):
                add(f"{folder}/{named.path}", named.title, named.histogram)
        title = f"{search.title}: background-only pseudo-experiments"
        add(f"{search.name}/calibration", title, calibration_histogram(search))
        for named in sensitivity_histograms(search.title, search.doped):
            add(f"{search.name}/{named.path}", named.title, named.histogram)
    for named in sensitivity_histograms(
        TOGETHER, [one.doped for one in result.combined if one.doped is not None]
    ):
        add(f"{TOGETHER_FOLDER}/{named.path}", named.title, named.histogram)
    for sample in result.samples:
        title = f"{sample.role}: events after each step"
        add(f"samples/{sample.role}/cutflow", title, cutflow_histogram(sample.cutflow))
        title = f"{sample.role}: events of the evaluation region by class"
        add(f"samples/{sample.role}/classes", title, class_histogram(sample))
        for shift, spectrum in sample.energy_spectra.items():
            title = f"{sample.role}: m_jj, {variation_text(shift)}"
            add(
                f"samples/{sample.role}/energy/{shift}",
                title,
                mass_histogram(spectrum, result.bins, "events"),
            )
        if sample.weights is not None:
            weighted = mass_histogram(
                sample.weights.spectrum, result.bins, "events", sample.weights.variances
            )
            add(f"samples/{sample.role}/weighted", f"{sample.role}: m_jj, with weights", weighted)
        for named in image_histograms(sample, result.card.card.images.half_width):
            add(f"samples/{sample.role}/{named.path}", named.title, named.histogram)
    return histograms


def observed_folder(search: str, data_set: str) -> str:
    """Where the histograms of an observed data set are; `data_set` is its name, such as ``epsilon_0850``."""
    return f"{search}/observed/{data_set}"


def spectrum_histograms(spectrum: MassSpectrum, bins: MassBins) -> Iterator[NamedHistogram]:
    """What a search compares, its estimate with variances, and the local significance."""
    titles = (spectrum.what, spectrum.estimate, f"local significance of the excess of {spectrum.unit}")
    histograms = (
        mass_histogram(spectrum.observed, bins, spectrum.unit),
        mass_histogram(spectrum.expected, bins, spectrum.unit, spectrum.variance),
        mass_histogram(
            spectrum.local_significance, bins, "local significance", np.zeros_like(spectrum.observed)
        ),
    )
    for path, title, histogram in zip(SPECTRUM, titles, histograms, strict=True):
        yield NamedHistogram(path, title, histogram)


def calibration_histogram(search: SearchResult) -> hist.Hist:
    """Distribution of the background-only statistics.

    The bins have a round width, some fifty over the pseudo-experiments, and go on to the observed values.
    A statistic far away (many times the whole distribution) is left to the overflow bin.
    """
    null = search.statistics(Kind.BACKGROUND_ONLY)
    observed = [entry.outcome.statistic for entry in search.observed if entry.outcome.valid]
    low, high, n_bins = _binning(null, np.array(observed))
    axis = hist.axis.Regular(n_bins, low, high, name="statistic", label="test statistic")
    histogram = hist.Hist(axis, storage=hist.storage.Double(), label="pseudo-experiments")
    histogram.fill(null)
    return histogram


def sensitivity_histograms(title: str, doped: Sequence[Doped]) -> Iterator[NamedHistogram]:
    """The quartiles of Z of a search by the number of injected events; none without doped pseudo-experiments.

    A bound counts as the value that it is; the title says which values are bounds, as do the summary and the tree
    of results.
    """
    if not doped:
        return
    labels = [injection_number(one.injection) for one in doped]
    for name in ("lower_quartile", "median", "upper_quartile"):
        axis = hist.axis.StrCategory(labels, name="epsilon", label="injected signal events", overflow=False)
        histogram = hist.Hist(axis, storage=hist.storage.Weight(), label="Z [standard deviations]")
        quantiles = [getattr(one.z, name) for one in doped]
        values = np.array([quantile.z for quantile in quantiles], dtype=np.float64)
        histogram[...] = np.stack([values, np.zeros_like(values)], axis=-1)
        what = f"{name.replace('_', ' ')} of Z over doped pseudo-experiments"
        yield NamedHistogram(f"sensitivity/{name}", f"{title}: {what}{_bounds(labels, quantiles)}", histogram)


def injection_number(injection: Injection) -> str:
    """``850``, or ``wide 850`` of one signal among several."""
    return f"{signal_name(injection)} {injection.epsilon}".strip()


def _bounds(labels: Sequence[str], quantiles: Sequence[Quantile]) -> str:
    """Which values are bounds, for a title: ``, lower bounds at 850, 1500``; nothing where none is."""
    found: dict[str, list[str]] = {}
    for label, quantile in zip(labels, quantiles, strict=True):
        if quantile.bound is not None:
            found.setdefault(quantile.bound, []).append(label)
    return "".join(f", {bound} bounds at {', '.join(where)}" for bound, where in found.items())


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
    counts = [averages.n_events for averages in sample.averages] or [sample.n_evaluation]
    return _labelled_counts("class", sample.classes, counts)


def _labelled_counts(name: str, labels: Sequence[str], counts: Sequence[int]) -> hist.Hist:
    axis = hist.axis.StrCategory(list(labels), name=name, label=name, overflow=False)
    histogram = hist.Hist(axis, storage=hist.storage.Double(), label="events")
    histogram[...] = np.array(counts, dtype=np.float64)
    return histogram


def image_histograms(sample: SampleReport, half_width: float) -> Iterator[NamedHistogram]:
    """What is kept of a sample's jet images: averages, and how they are filled.

    Parameters
    ----------
    sample
        The sample; classes without events are left out.
    half_width
        The images cover [-half_width, half_width) in eta' and phi'.
    """
    for name, averages in zip(sample.classes, sample.averages, strict=False):
        if averages.n_events == 0:
            continue
        for jets, image in (("lighter", averages.lighter), ("heavier", averages.heavier)):
            title = f"{name}: average image of the {jets} jets of {averages.n_events} events"
            yield NamedHistogram(f"average_images/{name}_{jets}", title, image_histogram(image, half_width))
    for name, counts in zip(sample.classes, sample.nonzero_pixels, strict=False):
        if counts.any():
            title = f"{name}: jet images by their number of non-zero pixels, of {counts.size - 1}"
            yield NamedHistogram(f"nonzero_pixels/{name}", title, pixel_count_histogram(counts))


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


def read_histograms(path: Path | str) -> dict[str, hist.Hist]:
    """Read a ``histograms.json`` back: equal histograms, with their titles (`name`) and labels.

    Raises
    ------
    InputError
        If the file is missing, or is no UHI JSON.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"), object_hook=uhi.io.json.object_hook)
        return {key: hist.Hist(value) for key, value in found.items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: not a JSON file of histograms by path: {error}") from error
