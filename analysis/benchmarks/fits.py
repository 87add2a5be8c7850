"""Point 5: fits of the 4-parameter function to pseudo-experiments, and their agreement with plain iminuit."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from iminuit import Minuit
from iminuit.cost import ExtendedBinnedNLL
from numpy.typing import NDArray

from hepcs.background import fit_dijet
from hepcs.datasets.bootstrap import DataSet, EventView, whole
from hepcs.searches.base import Inputs
from hepcs.searches.dijet_fit.search import FitScan, FitSearch
from hepcs.searches.dijet_fit.section import DijetFitSection

from .report import Figure, Measured
from .sample import BINS, SEED, SQRT_S, PaperSample
from .sizes import Sizes
from .timing import Laps

PARAMETERS = 4
PSEUDO_EXPERIMENTS = 10_000
# Pseudo-experiments that are timed at a time.
BATCH = 100
# Roughly the paper's parameters: ln p1, p2, p3, p4.
PLAIN_START = (-2.0, 1.0, -14.0, -3.5)
# Migrad stops early where the parameters are nearly degenerate, and is called again.
PLAIN_CALLS = 10


@dataclass(frozen=True)
class Differences:
    """Largest differences from plain iminuit, over all pseudo-experiments.

    Attributes
    ----------
    parameters
        Of any parameter, in its standard deviations.
    statistic
        Of the maximum local significance.
    parameters_at_defaults
        As `parameters`, from iminuit with the default strategy and tolerance, called once.
    """

    parameters: float
    statistic: float
    parameters_at_defaults: float


def plain_fit(counts: NDArray[np.float64], *, to_the_end: bool) -> NDArray[np.float64]:
    """Log-parameters of a binned extended likelihood fit with iminuit in the parameters themselves, shape (4,).

    With its defaults Migrad ends up to a standard deviation away from the minimum; `to_the_end` gives it a strict
    tolerance, exact second derivatives and several calls.
    """
    width = (BINS.high - BINS.low) / BINS.n_bins

    def density(
        m_jj: NDArray[np.float64], log_p1: float, p2: float, p3: float, p4: float
    ) -> NDArray[np.float64]:
        return np.asarray(curve(m_jj, np.array([log_p1, p2, p3, p4])) / width)

    cost = ExtendedBinnedNLL(counts, BINS.edges, density, use_pdf="approximate")
    minuit = Minuit(cost, *PLAIN_START)
    if to_the_end:
        minuit.strategy = 2
        minuit.tol = 1e-7
    for _ in range(PLAIN_CALLS if to_the_end else 1):
        minuit.migrad(ncall=20_000)
    return np.array(minuit.values)


def curve(m_jj: NDArray[np.float64], log_parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts per bin, written out once more."""
    x = m_jj / SQRT_S
    log_p1, p2, p3, p4 = log_parameters
    # Minuit also tries parameters far off.
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(log_p1) * (1 - x) ** p2 * x ** (p3 + p4 * np.log(x)))


def pseudo_experiment(search: FitSearch, data: DataSet, index: int) -> FitScan:
    """Toy, fit and statistic, as a run does them."""
    rng = np.random.default_rng([SEED, index])
    toy: EventView = search.toy(data, rng)
    found: FitScan = search.judge(search.fit(toy, Inputs(), rng), toy, Inputs(), rng)
    return found


def compare(search: FitSearch, data: DataSet, n: int) -> Differences:
    """Fit n pseudo-experiments by the search and by plain iminuit."""
    parameters, statistic, defaults = [0.0], [0.0], [0.0]
    for index in range(n):
        scan = pseudo_experiment(search, data, index)
        errors = np.sqrt(np.diag(scan.fit.log_covariance))
        found = scan.fit.log_parameters[:PARAMETERS]
        plain = plain_fit(scan.observed, to_the_end=True)
        expected = curve(BINS.centres, plain)
        largest = float(np.max((scan.observed - expected) / np.sqrt(expected)))
        parameters.append(float(np.abs((plain - found) / errors).max()))
        statistic.append(abs(scan.statistic - max(largest, 0.0)))
        once = plain_fit(scan.observed, to_the_end=False)
        defaults.append(float(np.abs((once - found) / errors).max()))
    return Differences(max(parameters), max(statistic), max(defaults))


def run(sample: PaperSample, sizes: Sizes) -> Measured:
    """Time the pseudo-experiments of the fit search on one core: toy, fit and statistic."""
    search, data = search_of(sample), DataSet(whole(sample.pools.background, BINS))
    pseudo_experiment(search, data, PSEUDO_EXPERIMENTS)

    def some(first: int) -> None:
        for index in range(first, first + batch):
            pseudo_experiment(search, data, index)

    laps, batch = Laps(), min(BATCH, sizes.fits)
    for first in range(0, sizes.fits, batch):
        laps.time(some, first)
    return _measured(laps, batch, compare(search, data, sizes.compared_fits), sizes)


def search_of(sample: PaperSample) -> FitSearch:
    """The search by the 4-parameter fit, which sees only m_jj."""
    counts = BINS.counts(sample.pools.background.m_jj)
    fit = fit_dijet(counts, BINS.centres, PARAMETERS, sqrt_s=SQRT_S)
    return FitSearch("fit", "fit", DijetFitSection(parameters=PARAMETERS), SQRT_S, fit, fit.expected)


def _measured(laps: Laps, batch: int, found: Differences, sizes: Sizes) -> Measured:
    n_timed = batch * len(laps.wall)
    seconds = sum(laps.wall) * PSEUDO_EXPERIMENTS / n_timed
    figures = (
        Figure(
            f"{PSEUDO_EXPERIMENTS:,} fits of 4 parameters, one core",
            seconds,
            f"{seconds:.1f} s",
            f"{n_timed:,} timed: toy, iminuit fit and statistic, {1e3 * laps.median / batch:.2f} ms each",
            "<= 60 s",
            seconds <= 60,
            "fits_10000_seconds",
        ),
        Figure(
            "largest difference from plain iminuit, any parameter [standard deviations]",
            found.parameters,
            f"{found.parameters:.1e}",
            f"{sizes.compared_fits} pseudo-experiments; plain: ExtendedBinnedNLL in ln p1, p2, p3, p4, strategy "
            f"2, called {PLAIN_CALLS} times. With its defaults, called once, it ends up to "
            f"{found.parameters_at_defaults:.1g} standard deviations off",
            "<= 1e-3",
            found.parameters <= 1e-3,
            "fit_difference",
        ),
        Figure(
            "the same of the statistic",
            found.statistic,
            f"{found.statistic:.1e}",
            "maximum local significance",
            "<= 1e-3",
            found.statistic <= 1e-3,
            "fit_statistic_difference",
        ),
    )
    raw = {
        "fits_timed": n_timed,
        "batches": laps.to_json(),
        "fits_compared": sizes.compared_fits,
        "differences": asdict(found),
    }
    return Measured("5. Fits", figures, raw)
