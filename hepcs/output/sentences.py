"""The answer of a search in words: p, its interval, Z, and whether that is only a bound."""

from __future__ import annotations

import re

from hepcs.calibration import Calibration, TailExtrapolation
from hepcs.output.table import BLIND
from hepcs.results import Combined, Observed, RunResult, SearchResult
from hepcs.results.wording import KNOWS_TRUTH, data_set
from hepcs.searches.kinds import bins_text, kind_of

_SYMBOLS = {"theta": "θ", "gamma": "γ", "sigma": "σ", "epsilon": "ε", "chi": "χ", "times": "×"}

# Fewer pseudo-experiments above the observed statistic make k / N too small too often (hepcs.calibration).
FEW_ABOVE = 10


def injection_text(result: RunResult) -> str:
    """Where injected events are counted, and how many lie inside if it is known; empty for real data."""
    if result.is_real_search:
        return ""
    text = "Injected signal events are counted after the selection at any m_jj"
    by_class = {
        name: averages.n_events
        for sample in result.samples
        for name, averages in zip(sample.classes, sample.averages, strict=False)
    }
    inside = [
        f"{one.outcome.n_events - by_class['background']:,} of {one.injection.epsilon:,}"
        for one in result.searches[0].observed
        if one.injection.epsilon and one.outcome.valid and "background" in by_class
    ]
    if not inside or result.card.card.samples.pseudo_data is not None:
        return f"{text}."
    return f"{text}; inside the evaluation region of the observed data lie {', '.join(inside)}."


def answer(result: RunResult, search: SearchResult, observed: Observed) -> str:
    """What a search says of an observed data set, in one sentence, or two where the first needs a warning."""
    title = f"{search.title} ({KNOWS_TRUTH})" if result.knows_truth(search.name) else search.title
    subject, calibration = data_set(result, observed.injection), observed.calibration
    if calibration is None:
        return f"{title} of {subject} gave no valid statistic, so there is no p-value."
    return _verdict(
        f"{title} of {subject} finds a statistic of {calibration.observed:.2f}, which", calibration
    )


def combined_answer(result: RunResult, combined: Combined) -> str:
    """What all searches together say of an observed data set."""
    found, subject = combined.combination, data_set(result, combined.injection)
    name = combined.best
    if found is None or name is None:
        return f"No search of {subject} gave a valid statistic."
    titles = {search.name: search.title for search in result.searches}
    begin = (
        f"All {len(combined.searches)} searches together: the smallest p in {subject} is "
        f"{number(found.smallest_p)} ({titles.get(name, name)}). Among all searches, one as extreme"
    )
    return _verdict(begin, found.calibration, reach="is found in")


def blind_answer() -> str:
    """That nothing was looked at."""
    return f"{BLIND[:1].upper()}{BLIND[1:]}."


def _verdict(begin: str, calibration: Calibration, reach: str = "") -> str:
    """A sentence about the share of pseudo-experiments that reach the observed statistic, with p and Z."""
    n, above = calibration.n_null, calibration.n_above
    of = f"{n:,} background-only pseudo-experiments"

    def counted(how_many: str, verb: str) -> str:
        return f"{begin} {reach} {how_many} of {of}" if reach else f"{begin} {how_many} of {of} {verb}"

    if calibration.bound == "upper":
        return (
            f"{counted('every one', 'reaches')}: there is no excess (p > 1 - 1/{n}, Z < {calibration.z:.2f})."
        )
    if calibration.bound == "lower":
        sure = calibration.z_lower_95
        confidence = (
            ""
            if sure is None
            else f" At 95 % confidence p < {number(calibration.p_upper_95)} and Z > {sure:.2f}."
        )
        return (
            f"{counted('none', 'reaches')}: p < 1/{n}, so Z > "
            f"{calibration.z:.2f} is only a lower bound, set by their number.{confidence}"
        )
    low, high = (
        "none" if limit is None else f"{limit:.2f}" for limit in (calibration.z_low, calibration.z_high)
    )
    text = (
        f"{counted(f'{above:,}', 'reaches' if above == 1 else 'reach')}: "
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


def trials_text(result: RunResult, search: str) -> str:
    """Where a search looks for an excess, and how often: ``16 bins of 100 GeV, m_jj in [3000, 4600) GeV``."""
    card = result.card.card
    section = card.searches[search]
    trials = kind_of(section).trials
    return bins_text(card) if trials is None else trials(section, card)


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
