"""Write the page of the comparison of searches from ``comparison.json``: every number of it comes from there."""

from __future__ import annotations

import math
from collections.abc import Sequence

from comparison_null_page import without_signal
from comparison_rows import (
    FITS,
    Content,
    cell,
    mean_over_bound,
    names,
    over_text,
    realistic,
    rows_of,
)
from paper_numbers import ends, percent, table

# Searches as people would choose among them: seconds of a data set up to which one is cheap.
CHEAP = 0.5


def page(content: Content, boxes: Content | None = None) -> str:
    """The page as Markdown."""
    parts = [
        "# Which search finds what",
        _headline(content),
        _introduction(content),
        "## Signals",
        _signals(content),
        "## Signal events for 3 standard deviations",
        "![N_3sigma of each search and signal](results/figures/comparison_n3sigma.png)",
        "Colours: over the least of all searches, those included that know the truth. Grey: not reached within the list.",
        _needed(content),
        "![Z against signal events](results/figures/comparison_curves.png)",
        "Dotted: by the mean and standard deviation of the null, where there are too few pseudo-experiments to count. "
        "Triangles: lower bounds, counting ends there.",
        "## Over the best dijet fit",
        _over_fits(content),
        "## What it costs",
        "![Cost against sensitivity](results/figures/comparison_cost.png)",
        _cost(content),
        "## Without signal",
        "![Bias and size](results/figures/comparison_null.png)",
        without_signal(content),
        "## All together",
        _together(content),
        *(["## Black boxes", _boxes(boxes)] if boxes is not None else []),
        "## What to run first",
        _advice(content),
        "## How to make this page",
        "`hepcs run comparison.yaml`, then `python analysis/comparison.py runs/comparison --output analysis/results`, with "
        "`--halves`, `--uniformity`, `--local` and `--boxes` for what `uniformity.py`, `local_p.py` and `black_boxes.py` "
        "found. "
        "`comparison_statistics.json` holds the statistics of all pseudo-experiments, and all numbers of this page are "
        "computed from it.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# ------------------------------------------------------------------------------------------------- parts


def _headline(content: Content) -> str:
    winners: dict[str, list[str]] = {}
    for signal, best in content["best"].items():
        winners.setdefault(content["searches"][best]["title"] if best else "none", []).append(signal)
    words = [f"{title} for {names(signals)}" for title, signals in winners.items()]
    line = (
        "**The fewest signal events for a median of 3 standard deviations, counted, of the searches that are told "
        f"nothing, need: {'; '.join(words)}.**"
    )
    together = content["combined"].get("smallest_p")
    return line + (f" All together by the {over_text(together)}." if together else "")


def _introduction(content: Content) -> str:
    return (
        f"All searches look at the same data sets of {content['n_background']:,.0f} background events in the evaluation "
        f"region, drawn from {content['n_pool']:,} others, with and without signal. Each is scanned and calibrated in "
        "each of them as it would be on data, so that Z is global: no window or cut is known before. Each is trained in "
        f"each of them, too, if the table of costs does not say once.{_told(content)} "
        "N_3sigma is the number of signal events in the region for which half of the data sets reach Z = 3. Intervals "
        "are 68 %, by bootstrap of pseudo-experiments with and without signal."
    )


def _told(content: Content) -> str:
    """Which searches are told of signals before, and of which."""
    told = [one["title"] for one in realistic(content).values() if one["is_told_of_priors"]]
    if not told:
        return ""
    priors = [
        names([name]) + (f" (as {names(signals)} here, by other events)" if signals else "")
        for name, signals in content["priors"].items()
    ]
    return f" {names(told)}: told of signals that might be there, {', '.join(priors)}."


def _signals(content: Content) -> str:
    rows = [
        (
            name.replace("_", " "),
            percent(one["selected"]),
            percent(one["in_region"]),
            *(f"{one[key]:.0f}" if key in one else "–" for key in ("heavier", "lighter")),
        )
        for name, one in content["signals"].items()
    ]
    columns = ("signal", "selected", "in the region", "median mass of the heavier jet, GeV", "of the lighter")
    return table(columns, rows)


def _needed(content: Content) -> str:
    signals = list(content["signals"])

    def text(found: Content | None) -> str:
        if found is None or found["value"] is None:
            return cell(found)
        mark = "" if found["reading"] == "counted" else " ~"
        return f"{cell(found)} {ends(found['low'], found['high'])}{mark}"

    rows = [
        (
            one["title"],
            *(text(one["n3sigma"].get(signal)) for signal in signals),
        )
        for one in rows_of(content).values()
    ]
    note = (
        "~ by mean and standard deviation of the null, since counting does not reach 3. * of those too that know the "
        "truth, or are told of the signal: what is known to be possible."
    )
    halves = _halves(content)
    return table(("search", *(names([one]) for one in signals)), rows) + f"\n\n{note}" + halves


def _halves(content: Content) -> str:
    """How far N_3sigma moves with the sample of background."""
    moved = []
    for entry in content["searches"].values():
        if "halves" not in entry:
            continue
        first, second = entry["halves"]
        for signal in content["signals"]:
            values = [one.get(signal, {}).get("value") for one in (first, second)]
            if None not in values:
                moved.append(abs(math.log(values[0] / values[1])) / math.sqrt(2))
    if not moved:
        return ""
    rms = math.sqrt(math.fsum(one**2 for one in moved) / len(moved))
    return (
        f" From one sample of background to another, drawn from two halves of the events, N_3sigma moves by "
        f"{percent(rms)} (rms of {len(moved)} pairs), which is not in the intervals."
    )


def _over_fits(content: Content) -> str:
    signals = list(content["signals"])

    def text(found: Content | None) -> str:
        if found is None or found["value"] is None:
            return "–"
        sign = {"lower": "> ", "upper": "< ", None: ""}[found["bound"]]
        interval = "" if found["bound"] else f" {ends(found['low'], found['high'], '.1f')}"
        return f"{sign}{found['value']:.1f}{interval}"

    rows = [
        (one["title"], *(text(one["si_over_fit"].get(signal)) for signal in signals))
        for one in realistic(content).values()
        if one["kind"] != "dijet_fit"
    ]
    return (
        "Events that the better of the dijet fits needs, over those that a search needs: above 1 it gains.\n\n"
        + table(("search", *(names([one]) for one in signals)), rows)
    )


def _cost(content: Content) -> str:
    rows = []
    for entry in realistic(content).values():
        mean = mean_over_bound(content, entry)
        mean_text = "–" if mean is None else f"{'> ' if mean[1] else ''}{mean[0]:.1f}"
        trained = "in each data set" if entry["retrain"] else "once"
        trained = "–" if entry["kind"] == FITS else trained
        seconds = "–" if entry["seconds"] is None else f"{entry['seconds']:.2g}"
        rows.append((entry["title"], seconds, trained, mean_text))
    columns = (
        "search",
        "seconds a data set",
        "trained",
        "N_3sigma over the best of any, mean of all signals",
    )
    return table(columns, rows)


def _together(content: Content) -> str:
    if not content["combined"]:
        return "No two searches have pseudo-experiments enough to be put together."
    first = next(iter(content["combined"].values()))
    members = [content["searches"][name]["title"] for name in first["members"]]
    signals = list(content["signals"])
    rows = [
        (
            one["title"],
            *(
                "–" if one["over_best"][signal] is None else f"{one['over_best'][signal]:.2f}"
                for signal in signals
            ),
        )
        for one in content["combined"].values()
    ]
    gains = [
        (
            content["searches"][name]["title"],
            *(_gain_text(one["gain_over"][name]) for one in content["combined"].values()),
        )
        for name in first["members"]
    ]
    titles = [one["title"] for one in content["combined"].values()]
    return (
        f"{len(members)} searches as one: {', '.join(members)}. Their joint null is that of the same data sets, whatever "
        f"they have in common. {_left_out(content, first['members'])}N_3sigma over that of the best of them for each "
        "signal, which nobody knows before:\n\n"
        + table(("", *(names([one]) for one in signals)), rows)
        + "\n\nWhat a fixed search needs over what the combination needs, mean of signals (least to most):\n\n"
        + table(("instead of", *titles), gains)
    )


def _left_out(content: Content, members: Sequence[str]) -> str:
    """Searches with too few pseudo-experiments to be put together, and where all together need more than they do."""
    words = []
    together = content["combined"]["smallest_p"]["n3sigma"]
    for name, one in realistic(content).items():
        if name in members:
            continue
        over = {
            signal: together[signal]["value"] / found["value"]
            for signal, found in one["n3sigma"].items()
            if found["value"] is not None and together[signal]["value"] is not None
        }
        more = ", ".join(f"{ratio:.2f} for {names([signal])}" for signal, ratio in over.items() if ratio > 1)
        least = f": over it, by mean and SD, the smallest p needs {more}" if more else ""
        words.append(f"{one['title']} ({one['null']['n']}){least}")
    return f"Not among them, for want of pseudo-experiments: {'; '.join(words)}. " if words else ""


def _gain_text(gain: Content) -> str:
    if gain["mean"] is None:
        return "–"
    sign = "> " if gain["is_least"] else ""
    return f"{sign}{gain['mean']:.2f} ({gain['least']:.2f} to {sign}{gain['most']:.2f})"


def _boxes(boxes: Content | None) -> str:
    assert boxes is not None
    rows = [
        (one["box"], one["truth"], one["answer"], one["verdict"], one["mass"], one["number"])
        for one in boxes["boxes"]
    ]
    columns = (
        "box",
        "what is in it",
        "answer",
        "verdict",
        "mass within its resolution",
        "number within its interval",
    )
    return f"{boxes['text']}\n\n" + table(columns, rows)


def _advice(content: Content) -> str:
    # Told nothing, and with pseudo-experiments enough to count.
    members = next((one["members"] for one in content["combined"].values()), [*realistic(content)])
    ranked = sorted(
        (*found, name)
        for name, one in realistic(content).items()
        if name in members and not one["is_told_of_priors"] and (found := mean_over_bound(content, one))
    )
    if not ranked:
        return "Nothing reaches 3 standard deviations here."
    searches = content["searches"]
    mean, is_least, name = ranked[0]
    best = searches[name]
    cheap = [name for _, _, name in ranked if (searches[name]["seconds"] or 0) <= CHEAP]
    lines = [
        f"- **{best['title']}**: over all signals it needs the fewest events, {'> ' if is_least else ''}{mean:.1f} times the "
        f"least of any in the mean, at {best['seconds']:.2g} s a data set.",
    ]
    if cheap and searches[cheap[0]] is not best:
        one = searches[cheap[0]]
        lines.append(
            f"- **{one['title']}** first, while that trains: the best of those below {CHEAP:g} s, at {one['seconds']:.2g} s."
        )
    alone = {
        signal: [
            name for name in realistic(content) if searches[name]["n3sigma"][signal]["value"] is not None
        ]
        for signal in content["signals"]
    }
    for signal, finders in alone.items():
        if len(finders) <= 2:
            seen = " and ".join(searches[name]["title"] for name in finders)
            lines.append(
                f"- {names([signal])}: found by {f'{seen} alone' if finders else 'no search'} within the list."
            )
    if content["combined"]:
        entry = min(
            content["combined"].values(),
            key=lambda item: max(
                (one for one in item["over_best"].values() if one is not None), default=math.inf
            ),
        )
        lines.append(f"- **All of them as one**, where the computing allows it: {over_text(entry)}.")
    return "\n".join(lines)
