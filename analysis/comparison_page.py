"""Write the page of the comparison of searches from ``comparison.json``: every number of it comes from there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from paper_numbers import ends, percent, table

Content = Mapping[str, Any]

FITS = "dijet_fit"
# Who said what of the empty second black box of the LHC Olympics 2020 (arXiv:2101.08320), by the kind of search.
OLYMPICS = {
    "pca_outliers": ("PCA outliers", "a resonance of 4.8 TeV, p = 0.008"),
    "vrnn": ("VRNN", "4.4 TeV, p = 0.23; later a hint at 4.2 TeV"),
    "embedding": ("embedding clustering", "4.6 TeV, p = 0.04"),
    "lda": ("LDA", "no bump"),
    "quak": ("QUAK", "3 standard deviations, local, near 5 TeV"),
}
TOGETHER = "all together: "
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
        _null(content),
        "## All together",
        _together(content),
        *(["## Black boxes", _boxes(boxes)] if boxes is not None else []),
        "## What to run first",
        _advice(content),
        "## How to make this page",
        "`hepcs run comparison.yaml`, then `python analysis/comparison.py runs/comparison --output analysis/results`. "
        "`comparison_statistics.json` holds the statistics of all pseudo-experiments, and all numbers of this page are "
        "computed from it.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# ------------------------------------------------------------------------------------------------- numbers as text


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
    words += [f"no value for {_names(unknown)}"] if unknown else []
    return f"{entry['title'].removeprefix(TOGETHER)}, {'; '.join(words)}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def realistic(content: Content) -> dict[str, Content]:
    """The searches that need no truth, by name."""
    return {name: one for name, one in content["searches"].items() if not one["needs_truth"]}


def _mean_over_bound(content: Content, entry: Content) -> tuple[float, bool] | None:
    """Geometric mean over signals, and whether it is only a lower bound."""
    ratios = [over_bound(content, entry, signal, beyond=True) for signal in content["signals"]]
    known = [one for one in ratios if one is not None]
    if not known:
        return None
    is_least = any(entry["n3sigma"][signal]["value"] is None for signal in content["signals"])
    return math.exp(math.fsum(map(math.log, known)) / len(known)), is_least


# ------------------------------------------------------------------------------------------------- parts


def _headline(content: Content) -> str:
    winners: dict[str, list[str]] = {}
    for signal, best in content["best"].items():
        winners.setdefault(content["searches"][best]["title"] if best else "none", []).append(signal)
    words = [f"{title} for {_names(signals)}" for title, signals in winners.items()]
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
        _names([name]) + (f" (as {_names(signals)} here, by other events)" if signals else "")
        for name, signals in content["priors"].items()
    ]
    return f" {_names(told)}: told of signals that might be there, {', '.join(priors)}."


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
    return table(("search", *(_names([one]) for one in signals)), rows) + f"\n\n{note}" + halves


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
        + table(("search", *(_names([one]) for one in signals)), rows)
    )


def _cost(content: Content) -> str:
    rows = []
    for entry in realistic(content).values():
        mean = _mean_over_bound(content, entry)
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


def _null(content: Content) -> str:
    rows = []
    together = {name: one for name, one in content["combined"].items() if one.get("size")}
    for entry in (*realistic(content).values(), *together.values()):
        bias = ", ".join(
            f"{100 * float(cut):g} %: {100 * one['value']:+.1f} ± {100 * one['error']:.1f} %"
            for cut, one in sorted(entry.get("delta_sys", {}).items(), key=lambda item: -float(item[0]))
        )
        sizes = entry.get("local_p_size") or {}
        naive = ", ".join(percent(one["value"], 1) for one in sizes.values())
        one_look = entry.get("local_p_one")
        own = ", ".join(
            f"{percent(one['value'], 1)} [{100 * one['low']:.1f}, {100 * one['high']:.1f}]"
            for one in (entry["size"] or {}).values()
        )
        ks = "–" if entry["null_ks_p"] is None else f"{entry['null_ks_p']:.2f}"
        null = entry.get("null")
        about = f" (of {entry['n_uniform']} searches)" if "n_uniform" in entry else ""
        rows.append(
            (
                entry["title"] + about,
                f"{null['mean']:.2f} ± {null['sd']:.2f} ({null['n']})" if null else "–",
                bias or "–",
                ", ".join(percent(one_look[size]["value"], 1) for size in ("0.05", "0.01"))
                if one_look
                else "–",
                naive or "–",
                own or "–",
                ks,
            )
        )
    columns = (
        "search",
        "null statistic (data sets)",
        "delta_sys by share kept",
        "local p of one window and cut ≤ 5 %, ≤ 1 %",
        "of the best one",
        "calibrated p ≤ 5 %, ≤ 1 %",
        "uniform: KS p",
    )
    return (
        table(columns, rows)
        + "\n\nThe local p is that of a window and a cut that are chosen before, and of the best ones, without trials: "
        f"what a search would quote that does not calibrate. {_one_look(content)}{_independent(content)}\n\nWhat was said of the empty black box of the LHC Olympics 2020, and how often the same would be said "
        "here of data without signal:\n\n" + _olympics(content)
    )


def _one_look(content: Content) -> str:
    """What one window and cut says, apart from trials, and how much of it is the pool's."""
    known = {
        entry["title"]: entry["local_p_one"]
        for entry in realistic(content).values()
        if entry.get("local_p_one")
    }
    if not known:
        return ""
    n = max(one["n_data_sets"] for one in known.values())
    widths = ", ".join(
        f"{one['sd']:.2f} and {one['sd_of_means']:.2f} ({title})" for title, one in known.items()
    )
    pool = math.sqrt(content["n_background"] / content["n_pool"])
    return (
        f"Of one window and cut, in {n} data sets or fewer (`local_p.py`), local Z scatters by its SD from data set to "
        f"data set, 1 if its error is right, and its mean from window to window: {widths}. Fluctuations of the pool that "
        f"all data sets are drawn from make the means of a fixed cut scatter by {pool:.2f}, and with them small p more "
        "frequent, as they do for all searches here; an SD above 1 is the search's own. "
    )


def _independent(content: Content) -> str:
    """What the calibrated p-values are of."""
    about = content["uniformity"]
    if not about:
        return ""
    return (
        f"The calibrated p are of {about['n_parts']} disjoint data sets of {about['n_events']:,} background events, "
        f"calibrated in {about['n_folds']} groups by {about['n_null']:,} pseudo-experiments each, drawn from the events of "
        "the others; data sets so small have wider cuts and fewer clusters, and the intervals are 68 %. Of all together "
        "it is the p that a run gives."
    )


def _olympics(content: Content) -> str:
    rows = []
    for kind, (title, said) in OLYMPICS.items():
        found = next((one for one in realistic(content).values() if one["kind"] == kind), None)
        # As far out as was said, or nearly.
        size, as_far = (
            (None, "")
            if found is None
            else (found["local_3_sigma"], "3 standard deviations, local, or more")
            if kind == "quak"
            else ((found["local_p_size"] or {}).get("0.01"), "a local p of 1 % or less")
        )
        here = (
            "not in this run" if size is None else f"{percent(size['value'], 1)} of data sets with {as_far}"
        )
        rows.append((title, said, here))
    return table(("search", "2020", "here, uncalibrated"), rows)


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
        + table(("", *(_names([one]) for one in signals)), rows)
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
        more = ", ".join(f"{ratio:.2f} for {_names([signal])}" for signal, ratio in over.items() if ratio > 1)
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
        if name in members and not one["is_told_of_priors"] and (found := _mean_over_bound(content, one))
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
    for signal, names in alone.items():
        if len(names) <= 2:
            seen = " and ".join(searches[name]["title"] for name in names)
            lines.append(
                f"- {_names([signal])}: found by {f'{seen} alone' if names else 'no search'} within the list."
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
