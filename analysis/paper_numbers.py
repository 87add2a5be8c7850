"""Numbers of ``analysis/results`` as text for the page that compares with the paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]

MAIN, IDEAL = "cluster_scanning", "idealised_cluster_scanning"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def crossing(entry: Entry, reading: str = "counted") -> Entry | None:
    """N_3sigma of a search in one reading, with its interval; None where the reading was not possible."""
    found = entry["readings"].get(reading)
    return None if found is None else found["n3sigma"]


def n3sigma(entry: Entry, reading: str = "counted", *, interval: bool = True) -> str:
    """N_3sigma of a search as text."""
    found = crossing(entry, reading)
    return "-" if found is None else crossing_text(found, interval=interval)


def crossing_text(found: Entry, *, interval: bool = True) -> str:
    """N_3sigma as text."""
    if found["epsilon"] is None:
        return "-" if found["beyond"] is None else f"> {found['beyond']:.0f}"
    text = ("< " if found["bound"] == "upper" else "") + f"{found['epsilon']:.0f}"
    return f"{text} {ends(found['low'], found['high'])}" if interval else text


def is_counted(entry: Entry) -> bool:
    """Whether N_3sigma of a search is known, or bounded, by counting."""
    found = crossing(entry)
    return found is not None and (found["epsilon"] is not None or found["beyond"] is not None)


def ends(low: float | None, high: float | None, form: str = ".0f") -> str:
    """An interval as text."""
    return f"[{', '.join('?' if end is None else f'{end:{form}}' for end in (low, high))}]"


def find_ratio(study: Entry, a: str, b: str, reading: str = "counted") -> Entry | None:
    """The ratio of two N_3sigma of a study."""
    wanted = (a, b, reading)
    return next(
        (one for one in study["ratios"] if (one["numerator"], one["denominator"], one["reading"]) == wanted),
        None,
    )


def ratio(study: Entry, a: str, b: str, reading: str = "counted") -> str:
    """A ratio of two N_3sigma of a study as text."""
    return ratio_text(find_ratio(study, a, b, reading))


def ratio_text(found: Entry | None) -> str:
    """A ratio with its interval as text."""
    if found is None or found["value"] is None:
        return "not known"
    if found["bound"] is not None:
        return f"{'>' if found['bound'] == 'lower' else '<'} {found['value']:.2f}"
    return f"{found['value']:.2f} {ends(found['low'], found['high'], '.2f')}"


def best_fit(facts: Entry, references: Entry) -> Entry:
    """The fit that needs the least signal, of those with as many parameters as the F-test asks for, or more."""
    enough = facts["spectrum"]["recommended_parameters"]
    known = [
        one
        for one in references["fits"]
        if one["parameters"] >= enough and one["readings"]["counted"]["n3sigma"]["epsilon"] is not None
    ]
    return min(known, key=lambda one: float(one["readings"]["counted"]["n3sigma"]["epsilon"]))


def reference(references: Entry, parameters: int, comparison: str) -> Entry:
    """The fit with so many parameters that is compared in one way."""
    return next(
        one
        for one in references["fits"]
        if (one["parameters"], one["comparison"]) == (parameters, comparison)
    )


def masses_text(masses: Entry, name: str = MAIN) -> str:
    """N_3sigma of a search over that of the best fit, from the least to the largest of the masses."""
    values = [one["over_best_fit"][name]["value"] for one in masses["masses"]]
    return f"{min(values):.2f} to {max(values):.2f}" if None not in values else "not known"


def improvements(study: Entry, pair: str) -> str:
    """SI where both medians are known, or that of the search is a lower bound."""
    known = [
        f"{'> ' if one['bound'] == 'lower' else ''}{one['value']:.1f} at {one['epsilon']}"
        for one in study["significance_improvement"][pair]
        if one["value"] is not None and one["bound"] != "upper"
    ]
    return ", ".join(known) or "not known"


def span(values: Sequence[float], form: str = "d") -> str:
    """The range of some numbers as text."""
    low, high = min(values), max(values)
    return f"{low:{form}}" if low == high else f"{low:{form}} to {high:{form}}"


def percent(share: float, digits: int = 0) -> str:
    """A share as text."""
    return f"{100 * share:.{digits}f} %"


def probability(p: float) -> str:
    """A p-value as text."""
    return f"{p:.2f}" if p >= 0.01 else f"{p:.1g}"


def limit(found: Entry) -> str:
    """An upper limit as text."""
    if found["epsilon"] is None:
        return "-"
    sign = {"lower": "> ", "upper": "< ", None: ""}[found["bound"]]
    return f"{sign}{found['epsilon']:.0f}"


def verdict(studies: Sequence[Entry], name: str, reference: str = "cluster_scanning") -> str:
    """Whether a variant needs less signal than the reference in every study, by more than both intervals."""
    signs = set()
    for study in studies:
        one, other = (crossing(study["searches"][search]) for search in (name, reference))
        if one is None or other is None or None in (one["low"], one["high"], other["low"], other["high"]):
            return "not known everywhere"
        signs.add(-1 if one["high"] < other["low"] else 1 if one["low"] > other["high"] else 0)
    words = {
        frozenset({-1}): "a gain in all of them",
        frozenset({1}): "a loss in all of them",
        frozenset({-1, 0}): "a gain in some, nowhere a loss",
        frozenset({1, 0}): "a loss in some, nowhere a gain",
        frozenset({0}): "no difference beyond the intervals",
    }
    return words.get(frozenset(signs), "a gain in some, a loss in others")
