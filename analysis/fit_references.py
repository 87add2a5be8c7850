"""What fits of the spectrum alone can do: signal events for 3 standard deviations, and Cluster Scanning over them.

example:
  python analysis/fit_references.py sensitivity.yaml --set samples.signal.files="signal_*.root" \\
      --output analysis/results

The paper compares Cluster Scanning with the largest significance of single bins over a dijet fit. A fit's author
would do more: look at windows of adjacent bins, and fit a signal template at each of several masses, together with
the background. Here are all three, with 3, 4 and 5 parameters, on the background spectrum of ``facts.json`` and
the m_jj of the card's signal sample, calibrated by many more Poisson toys of the fit than a search can have. The
number of signal events of Cluster Scanning is that of ``statistics.json``.

Reads ``facts.json``, ``statistics.json`` and ``independent_samples.json`` in the folder of ``--output``, and
writes ``fit_references.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from paper_numbers import MAIN, n3sigma, ratio_text
from rich.console import Console
from rich.table import Table
from script import add_card, ended, parser_of
from sensitivity import BOOTSTRAPS, between_samples, crossing_entry, measure
from study import open_study

from hepcs._core.errors import ArgumentError
from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import read_json, write_json
from hepcs.background import SignalTemplates, fit_dijet, gaussian_templates, scan_masses_many
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.cached_sources import cache_folder, open_source
from hepcs.datasets.loading import mass_bins
from hepcs.jets import select_dijets
from hepcs.output.summary import plain
from hepcs.sources.files import search_folders
from hepcs.statistics.windows import largest_significance
from hepcs.studies.crossing import Crossing, interval
from hepcs.studies.sensitivity import SearchStatistics, sensitivity

PARAMETERS = (3, 4, 5)
# What the spectrum and its fit are compared by, and what that is called.
TITLES = {
    "single_bins": "single bins",
    "windows": "windows of one and two bins",
    "template": "Gaussian template of 2 %, background profiled",
}
WIDTHS: Mapping[str, tuple[int, ...]] = {"single_bins": (1,), "windows": (1, 2)}
# Of the template: relative width, and distance of the masses, GeV.
TEMPLATE_WIDTH, TEMPLATE_STEP = 0.02, 50.0
EPSILONS = tuple(range(400, 3001, 200))
N_NULL, N_DOPED = 100_000, 1_000
SEED = 1


@dataclass(frozen=True)
class Signal:
    """A signal sample in the m_jj bins of the background.

    Attributes
    ----------
    counts
        Events in each bin, shape (b,).
    selected
        Events that passed the selection, those outside of the bins among them.
    """

    counts: NDArray[np.int64]
    selected: int

    def draw(self, epsilon: int, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Spectra of `epsilon` different events, shape (n, b); those that lie outside of the bins are lost."""
        outside = self.selected - int(self.counts.sum())
        drawn = rng.multivariate_hypergeometric([*self.counts, outside], epsilon, n)
        return np.asarray(drawn[:, :-1])


@dataclass(frozen=True)
class Spectrum:
    """The background that toys are made of: counts, shape (b,), bin edges, shape (b + 1,), and sqrt(s), GeV."""

    counts: NDArray[np.float64]
    edges: NDArray[np.float64]
    sqrt_s: float

    @property
    def centres(self) -> NDArray[np.float64]:
        """Bin centres, GeV, shape (b,)."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    @property
    def templates(self) -> SignalTemplates:
        """Gaussian resonances at masses inside the spectrum."""
        masses = np.arange(self.edges[0] + TEMPLATE_STEP, self.edges[-1] - TEMPLATE_STEP / 2, TEMPLATE_STEP)
        return gaussian_templates(masses, self.edges, relative_width=TEMPLATE_WIDTH)


def statistics(
    toys: NDArray[np.int64], spectrum: Spectrum, n_parameters: int
) -> dict[str, NDArray[np.float64]]:
    """Each statistic of toys of shape (t, b), by the name of the comparison, shape (t,)."""
    scans = scan_masses_many(toys, spectrum.templates, n_parameters, sqrt_s=spectrum.sqrt_s)
    of_windows = {
        name: largest_significance(toys, scans.background_only, widths) for name, widths in WIDTHS.items()
    }
    return {**of_windows, "template": scans.statistic}


def references(
    spectrum: Spectrum, signal: Signal, n_parameters: int, n_null: int, n_doped: int
) -> dict[str, Crossing]:
    """N_3sigma of the fits with so many parameters, by the name of the comparison, on the same toys."""
    return fits_of(spectrum, {"": signal}, n_parameters, EPSILONS, n_null, n_doped)[""]


def fits_of(
    spectrum: Spectrum,
    signals: Mapping[str, Signal],
    n_parameters: int,
    epsilons: Sequence[int],
    n_null: int,
    n_doped: int,
) -> dict[str, dict[str, Crossing]]:
    """N_3sigma of the fits with so many parameters, by signal and by the name of the comparison, counted."""
    rng = generator(SEED, Stream.STUDY, 4, n_parameters)
    fit = fit_dijet(spectrum.counts, spectrum.centres, n_parameters, sqrt_s=spectrum.sqrt_s)
    shape = (n_doped, spectrum.counts.size)
    null = statistics(rng.poisson(fit.expected, (n_null, shape[1])), spectrum, n_parameters)
    found = {}
    for name, signal in signals.items():
        doped = {
            epsilon: statistics(
                rng.poisson(fit.expected, shape) + signal.draw(epsilon, n_doped, rng), spectrum, n_parameters
            )
            for epsilon in epsilons
        }
        searches = [
            SearchStatistics(one, null[one], {epsilon: doped[epsilon][one] for epsilon in epsilons})
            for one in TITLES
        ]
        curves = sensitivity(searches, rng=rng, n_bootstrap=BOOTSTRAPS, readings=("counted",))
        found[name] = {one: curves[one].curves["counted"].crossing for one in TITLES}
    return found


def ratio_entry(above: Crossing, below: Crossing) -> dict[str, Any]:
    """A ratio of two N_3sigma of independent toys, with its 68 % interval; None where one of them is not known."""
    if above.epsilon is None or below.epsilon is None or above.bound or below.bound:
        return {"value": None, "low": None, "high": None, "bound": None}
    with np.errstate(divide="ignore", invalid="ignore"):
        replicas = above.replicas / below.replicas
    low, high = interval(replicas[~np.isnan(replicas)])
    return {"value": above.epsilon / below.epsilon, "low": low, "high": high, "bound": None}


def study(
    spectrum: Spectrum,
    signal: Signal,
    main: Crossing,
    *,
    orders: Sequence[int] = PARAMETERS,
    n_null: int = N_NULL,
    n_doped: int = N_DOPED,
) -> dict[str, Any]:
    """What ``fit_references.json`` says; `main` is N_3sigma of Cluster Scanning, counted."""
    fits = []
    for n_parameters in orders:
        for name, crossing in references(spectrum, signal, n_parameters, n_null, n_doped).items():
            fits.append(
                {
                    "parameters": n_parameters,
                    "comparison": name,
                    "readings": {"counted": {"n3sigma": crossing_entry(crossing)}},
                    "ratio": ratio_entry(main, crossing),
                }
            )
    content = {
        "signal": {"counts": signal.counts, "selected": signal.selected},
        "n_background_only": n_null,
        "n_doped": n_doped,
        "epsilon": EPSILONS,
        "template": {"relative_width": TEMPLATE_WIDTH, "step": TEMPLATE_STEP},
        "n3sigma": crossing_entry(main),
        "fits": fits,
    }
    found = plain(content)
    assert isinstance(found, dict)
    return found


def signal_of(card: LocatedCard) -> Signal:
    """The signal sample of a card, without its features.

    Raises
    ------
    ArgumentError
        If the card names none.
    """
    section = card.card.samples.signal
    if section is None:
        raise ArgumentError(f"{card.path}: no samples.signal; name the files of a signal sample")
    source = open_source(section, search_folders(card), cache_folder(card))
    m_jj = [
        select_dijets(source.read(chunk), card.card.jets, file=chunk.file, first_entry=chunk.start).m_jj
        for chunk in source.chunks()
    ]
    found = np.concatenate(m_jj)
    return Signal(np.histogram(found, mass_bins(card).edges)[0], found.size)


def stored_spectrum(facts: Mapping[str, Any]) -> Spectrum:
    """The background spectrum of ``facts.json``."""
    entry = facts["spectrum"]
    centres = np.array(entry["centres"])
    half = (centres[1] - centres[0]) / 2
    edges = np.append(centres - half, centres[-1] + half)
    return Spectrum(np.array(entry["counts"]), edges, entry["sqrt_s"])


def stored_crossing(results: Path) -> Crossing:
    """N_3sigma of Cluster Scanning, counted, from the stored statistics."""
    found = open_study(results / "statistics.json")
    alone = replace(found, searches=tuple(one for one in found.searches if one.name == MAIN))
    between = between_samples(results / "independent_samples.json")
    return measure(alone, between=between)[MAIN].curves["counted"].crossing


def table(found: Mapping[str, Any]) -> Table:
    """For people."""
    result = Table(title=f"Signal events for a median Z of 3, {found['n_background_only']:,} toys")
    for column in ("fit", "compared by", "N_3sigma", "Cluster Scanning / fit"):
        result.add_column(column, justify="left" if column in {"fit", "compared by"} else "right")
    for entry in found["fits"]:
        fit = f"{entry['parameters']} parameters"
        result.add_row(fit, TITLES[entry["comparison"]], n3sigma(entry), ratio_text(entry["ratio"]))
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the numbers."""
    parser = parser_of(__doc__)
    add_card(parser, "the signal sample of the stored results")
    parser.add_argument("--output", type=Path, required=True, help="folder of the stored results")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    facts = read_json(parsed.output / "facts.json")
    signal = signal_of(read_card(parsed.card, parsed.set))
    found = study(stored_spectrum(facts), signal, stored_crossing(parsed.output))
    write_json(parsed.output / "fit_references.json", found)
    console.print(table(found))


if __name__ == "__main__":
    sys.exit(main())
