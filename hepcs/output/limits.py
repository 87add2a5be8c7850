"""Upper limits of a run on its signals, as numbers of events and, with a luminosity, as cross-sections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hepcs.config.samples import SIGNAL
from hepcs.output.findings import signal_limits
from hepcs.results import RunResult
from hepcs.results.wording import NOTHING
from hepcs.searches.kinds import Table
from hepcs.studies.limits import CrossSectionLimits, Limit, UpperLimits

# Of numbers of injected events: between two of them a limit is interpolated.
FEWEST_EPSILONS = 2


@dataclass(frozen=True)
class SignalLimits:
    """Limits of one search on one signal.

    Attributes
    ----------
    search, signal
        Names; the signal's is empty for the only one.
    events
        Limits on the number of events that pass the selection.
    cross_section
        The same as cross-sections; None without a luminosity, or a signal sample of its own.
    """

    search: str
    signal: str
    events: UpperLimits
    cross_section: CrossSectionLimits | None


def run_limits(result: RunResult) -> Iterator[SignalLimits]:
    """Limits of each search on each signal that was injected in two or more sizes.

    Observed are those of the data, or of pseudo-data without injected signal; none if there are no such, or they
    were not looked at. Systematic uncertainties are in them as far as the doped pseudo-experiments have them.
    """
    for search in result.searches:
        data = next(
            (one for one in search.observed if one.injection.epsilon == 0 and one.outcome.valid), None
        )
        for signal, limits in signal_limits(search, data, result.card.card.seed).items():
            if limits.epsilon.size >= FEWEST_EPSILONS:
                yield SignalLimits(search.name, signal, limits, _cross_section(result, signal, limits))


def _cross_section(result: RunResult, signal: str, limits: UpperLimits) -> CrossSectionLimits | None:
    luminosity = result.card.card.samples.luminosity
    role = SIGNAL if signal == SIGNAL else f"signals.{signal}"
    sample = next((one for one in result.samples if one.role == role), None)
    if luminosity is None or sample is None:
        return None
    acceptance, error = sample.acceptance
    return CrossSectionLimits(limits, luminosity, acceptance, error) if 0 < acceptance <= 1 else None


def limits_table(result: RunResult) -> Table | None:
    """All limits, in words; None if there are none."""
    found = tuple(run_limits(result))
    if not found:
        return None
    titles = {search.name: search.title for search in result.searches}
    rows = []
    for one in found:
        expected = one.events.expected
        rows.append((titles[one.search], one.signal, "events", *_cells(one.events.observed, expected, None)))
        if one.cross_section is not None:
            cells = _cells(one.events.observed, expected, one.cross_section)
            rows.append((titles[one.search], one.signal, "cross-section [fb]", *cells))
    bases = dict.fromkeys(one.cross_section.text for one in found if one.cross_section is not None)
    return Table(
        ("search", "signal", "limit on", "observed", "expected", "68 %", "95 %"),
        tuple(rows),
        " ".join(
            (
                f"Upper limits at {found[0].events.confidence:.0%} CLs. {_nuisances(result)}",
                *dict.fromkeys(f"{one.events.text[0].upper()}{one.events.text[1:]}." for one in found),
                *(f"{text[0].upper()}{text[1:]}." for text in bases),
            )
        ),
    )


def _nuisances(result: RunResult) -> str:
    nuisances = result.card.card.injection.nuisances
    named = {} if nuisances is None else {name: value for name, value in nuisances if value}
    if not named:
        return "Without systematic uncertainties of the signal."
    listed = ", ".join(
        f"{name.replace('_', ' ')} {'of each jet' if isinstance(value, str) else f'{100 * value:g} %'}"
        for name, value in named.items()
    )
    return f"Uncertainties of the signal, drawn in each doped pseudo-experiment: {listed}."


def _cells(
    observed: Limit | None, expected: tuple[Limit, ...], sections: CrossSectionLimits | None
) -> tuple[str, str, str, str]:
    texts = [_text(limit, sections) for limit in expected]
    return _text(observed, sections), texts[2], f"{texts[1]} to {texts[3]}", f"{texts[0]} to {texts[4]}"


def _text(limit: Limit | None, sections: CrossSectionLimits | None) -> str:
    if limit is None or limit.epsilon is None:
        return NOTHING
    value = limit.epsilon if sections is None else sections.of(limit)
    mark = {"lower": "> ", "upper": "< ", None: ""}[limit.bound]
    return f"{mark}{value:.4g}"


def limits_entry(result: RunResult) -> list[dict[str, Any]]:
    """All limits for the summary."""
    return [
        {
            "search": one.search,
            "signal": one.signal,
            "confidence": one.events.confidence,
            "events": {"observed": one.events.observed, "expected": one.events.expected},
            "resolution": one.events.resolution,
            "cross_section_fb": None
            if one.cross_section is None
            else {
                "observed": one.cross_section.observed,
                "expected": one.cross_section.expected,
                "luminosity": one.cross_section.luminosity,
                "acceptance": one.cross_section.acceptance,
                "acceptance_error": one.cross_section.acceptance_error,
            },
        }
        for one in run_limits(result)
    ]
