"""The answer of a search in words: p, its interval, Z, and whether that is only a bound."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from hepcs.calibration import Calibration, TailExtrapolation
from hepcs.results import Observed, RunResult, SearchResult

_SYMBOLS = {"theta": "θ", "gamma": "γ", "sigma": "σ", "epsilon": "ε", "chi": "χ", "times": "×"}

# Fewer pseudo-experiments above the observed statistic make k / N too small too often (hepcs.calibration).
FEW_ABOVE = 10


@dataclass(frozen=True)
class LocalExcess:
    """The largest local significance of an observed data set, and the m_jj bin [low, high), GeV, it is in."""

    z: float
    low: float
    high: float


def data_set(epsilon: int, is_real_search: bool) -> str:
    """What the observed data set is."""
    if is_real_search:
        return "the data"
    return f"the background with {epsilon:,} injected signal events" if epsilon else "the background alone"


def short_data_set(epsilon: int, is_real_search: bool) -> str:
    """The same for a cell of a table."""
    if is_real_search:
        return "data"
    return f"{epsilon:,} signal events" if epsilon else "no signal"


def scan_text(member: int, n: int) -> str:
    """A scan of an ensemble as people count, with its folder among the histograms."""
    return f"scan {member + 1} of {n} (member_{member:02d})"


def injection_text(result: RunResult) -> str:
    """Where injected events are counted, and how many lie inside if it is known; empty for real data."""
    if result.card.card.samples.is_real_search:
        return ""
    text = "Injected signal events are counted after the selection at any m_jj"
    by_class = {
        name: averages.n_events
        for sample in result.samples
        for name, averages in zip(sample.classes, sample.averages, strict=False)
    }
    if "background" not in by_class:
        return f"{text}."
    inside = [
        f"{outcome.n_events - by_class['background']:,} of {observed.epsilon:,}"
        for observed in result.searches[0].observed
        if observed.epsilon and (outcome := observed.observation.outcome).valid
    ]
    if not inside:
        return f"{text}."
    return f"{text}; inside the evaluation region of the observed data lie {', '.join(inside)}."


def answer(search: SearchResult, observed: Observed, is_real_search: bool) -> str:
    """What a search says of an observed data set, in one sentence, or two where the first needs a warning."""
    subject = data_set(observed.epsilon, is_real_search)
    calibration = observed.calibration
    if calibration is None:
        return f"{search.title} of {subject} gave no valid statistic, so there is no p-value."
    begin = f"{search.title} of {subject} finds a statistic of {calibration.observed:.2f}, which"
    n, above = calibration.n_null, calibration.n_above
    if calibration.bound == "upper":
        return (
            f"{begin} every one of {n:,} background-only pseudo-experiments reaches: there is no excess "
            f"(p > 1 - 1/{n}, Z < {calibration.z:.2f})."
        )
    if calibration.bound == "lower":
        sure = calibration.z_lower_95
        confidence = (
            ""
            if sure is None
            else f" At 95 % confidence p < {number(calibration.p_upper_95)} and Z > {sure:.2f}."
        )
        return (
            f"{begin} none of {n:,} background-only pseudo-experiments reaches: p < 1/{n}, so Z > "
            f"{calibration.z:.2f} is only a lower bound, set by their number.{confidence}"
        )
    low, high = (
        "none" if limit is None else f"{limit:.2f}" for limit in (calibration.z_low, calibration.z_high)
    )
    text = (
        f"{begin} {above:,} of {n:,} background-only pseudo-experiments {'reaches' if above == 1 else 'reach'}: "
        f"p = {number(calibration.p)} [{number(calibration.p_low)}, {number(calibration.p_high)}] and "
        f"Z = {calibration.z:.2f} [{low}, {high}] (68 % intervals)."
    )
    if above < FEW_ABOVE and calibration.z_smoothed is not None:
        text += (
            f" With so few above, (k + 1)/(N + 1) is the p-value to quote: p = {number(calibration.p_smoothed)}, "
            f"Z = {calibration.z_smoothed:.2f}."
        )
    return text


def extrapolation_text(extrapolation: TailExtrapolation) -> str:
    """What the extrapolation beside a lower bound says, or why it may not be quoted."""
    z = extrapolation.z_conservative
    if extrapolation.quotable and z is not None:
        return (
            f"Beyond the pseudo-experiments, and tested by none of them: Z = {z:.2f}, an {extrapolation.method} "
            f"(the smaller of the fitted and of an exponential one; {extrapolation.n_tail} in the tail, goodness "
            f"p = {number(extrapolation.goodness_p)})."
        )
    return f"The {extrapolation.method} may not be quoted: {'; '.join(extrapolation.reasons)}."


def local_excess(observed: Observed) -> LocalExcess | None:
    """The largest local significance among the histograms of an observation; None if it has none.

    Of an ensemble it is that of its representative member.
    """
    observation = observed.observation
    member = observation.summary.get("representative_member")
    path = "local_significance" if member is None else f"member_{member:02d}/local_significance"
    for named in observation.histograms:
        if named.path == path:
            values = np.asarray(named.histogram.values())
            edges = np.asarray(named.histogram.axes[0].edges)
            bin_ = int(np.argmax(values))
            return LocalExcess(float(values[bin_]), float(edges[bin_]), float(edges[bin_ + 1]))
    return None


def trials_text(result: RunResult, name: str) -> str:
    """Where a search looks for an excess, and how often: ``16 bins of 100 GeV in [3000, 4600) GeV, ...``.

    Parameters
    ----------
    result
        The run.
    name
        Name of the search.
    """
    card, bins = result.card.card, result.bins
    scans = {name: card.sections_of(variant) for name, variant in card.variants.items()}
    scans["cluster_scanning"] = (card.cluster_scanning, card.statistic)
    section, statistic = scans.get(name, (None, card.statistic))
    n, width = bins.n_bins, (bins.high - bins.low) / bins.n_bins
    where = f"{n} bins of {width:g} GeV"
    if section is not None and section.windows is not None:
        widths = tuple(section.windows.widths)
    elif statistic.kind == "bumphunter":
        widths = tuple(range(1, (statistic.max_width or n // 2) + 1))
    else:
        widths = (1,)
    if widths != (1,):
        windows = sum(max(n - one + 1, 0) for one in widths)
        where = f"{windows} windows of {min(widths)} to {max(widths)} among {where}"
    where += f", m_jj in [{bins.low:g}, {bins.high:g}) GeV"
    if section is None:
        return where
    members = f"{section.ensemble} scan" + ("" if section.ensemble == 1 else "s of an ensemble")
    return f"{where}; {section.k} clusters; {members}"


def bound_text(calibration: Calibration | None) -> str:
    """``lower bound`` or ``upper bound`` where Z is one, else nothing."""
    return "" if calibration is None or calibration.bound is None else f"{calibration.bound} bound"


def plain_symbols(text: str) -> str:
    """Text with $...$ mathematics as plain text: ``cluster selection threshold θ``."""
    for name, symbol in _SYMBOLS.items():
        text = text.replace(f"\\{name}", symbol)
    return re.sub(r"[$\\{}]", "", text)


def number(value: float) -> str:
    """Two digits: ``0.028``, ``5.5e-08``."""
    return f"{value:#.2g}"
