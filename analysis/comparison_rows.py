"""What is compared: the rows of tables and figures of ``comparison.json``, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Content = Mapping[str, Any]

FITS = "dijet_fit"
TOGETHER = "all together: "


def cell(found: Content | None) -> str:
    """N_3sigma as text, or what it is beyond."""
    if found is None:
        return "–"
    if found["value"] is None:
        return "–" if found["beyond"] is None else f"> {found['beyond']:.0f}"
    return ("< " if found["bound"] == "upper" else "") + f"{found['value']:.0f}"


def bound_of(content: Content, signal: str) -> str | None:
    """The search, of those too that know the truth, that needs the fewest events of a signal."""
    found: str | None = content["bounds"].get(signal)
    return found


def rows_of(content: Content) -> dict[str, Content]:
    """What is compared: searches of real data, all of them together, and the best of any, truth known or not."""
    best = {
        signal: content["searches"][name]["n3sigma"][signal]
        for signal in content["signals"]
        if (name := bound_of(content, signal)) is not None
    }
    bound = {"title": "the least of any *", "n3sigma": best}
    return {**realistic(content), **content["combined"], "best_of_any": bound}


def over_bound(content: Content, entry: Content, signal: str, *, beyond: bool = False) -> float | None:
    """N_3sigma over the least of any; where 3 is not reached, with the largest epsilon if `beyond`."""
    name = bound_of(content, signal)
    found = entry["n3sigma"].get(signal)
    if name is None or found is None:
        return None
    value = found["value"] if found["value"] is not None or not beyond else found["beyond"]
    least = content["searches"][name]["n3sigma"][signal]["value"]
    return None if value is None else float(value / least)


def over_text(entry: Content) -> str:
    """How a combination does beside the best of its members, and where that is not known."""
    known = {signal: ratio for signal, ratio in entry["over_best"].items() if ratio is not None}
    unknown = [signal for signal in entry["over_best"] if signal not in known]
    words = (
        [f"at most {max(known.values()):.2f} times what the best of its searches for a signal needs"]
        if known
        else []
    )
    words += [f"no value for {names(unknown)}"] if unknown else []
    return f"{entry['title'].removeprefix(TOGETHER)}, {'; '.join(words)}"


def names(of: Sequence[str]) -> str:
    """As words."""
    return ", ".join(name.replace("_", " ") for name in of)


def realistic(content: Content) -> dict[str, Content]:
    """The searches that need no truth, by name."""
    return {name: one for name, one in content["searches"].items() if not one["needs_truth"]}


def mean_over_bound(content: Content, entry: Content) -> tuple[float, bool] | None:
    """Geometric mean over signals, and whether it is only a lower bound."""
    ratios = [over_bound(content, entry, signal, beyond=True) for signal in content["signals"]]
    known = [one for one in ratios if one is not None]
    if not known:
        return None
    is_least = any(entry["n3sigma"][signal]["value"] is None for signal in content["signals"])
    return math.exp(math.fsum(map(math.log, known)) / len(known)), is_least
