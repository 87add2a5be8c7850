"""What searches say where there is no signal: bias and size on the page of the comparison."""

from __future__ import annotations

import math

from comparison_rows import Content, realistic
from paper_numbers import percent, table

# Who said what of the empty second black box of the LHC Olympics 2020 (arXiv:2101.08320), by the kind of search.
OLYMPICS = {
    "pca_outliers": ("PCA outliers", "a resonance of 4.8 TeV, p = 0.008"),
    "vrnn": ("VRNN", "4.4 TeV, p = 0.23; later a hint at 4.2 TeV"),
    "embedding": ("embedding clustering", "4.6 TeV, p = 0.04"),
    "lda": ("LDA", "no bump"),
    "quak": ("QUAK", "3 standard deviations, local, near 5 TeV"),
}


def without_signal(content: Content) -> str:
    """The tables of null statistics, bias and small p, and what they mean."""
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
        + "\n\nThe local p is that of a window and a cut that are chosen before, and of the best ones, without "
        "trials: what a search would quote that does not calibrate. "
        f"{_one_look(content)}{_independent(content)}\n\n"
        "What was said of the empty black box of the LHC Olympics 2020, and how often the same would be said here "
        "of data without signal:\n\n" + _olympics(content)
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
        f"Of one window and cut, in {n} data sets or fewer (`local_p.py`), local Z scatters by its SD from data "
        f"set to data set, 1 if its error is right, and its mean from window to window: {widths}. "
        "Fluctuations of the "
        f"pool that all data sets are drawn from make the means of a fixed cut scatter by {pool:.2f}, and with "
        "them small p more frequent, as they do for all searches here; an SD above 1 is the search's own. "
    )


def _independent(content: Content) -> str:
    """What the calibrated p-values are of."""
    about = content["uniformity"]
    if not about:
        return ""
    return (
        f"The calibrated p are of {about['n_parts']} disjoint data sets of {about['n_events']:,} background "
        f"events, calibrated in {about['n_folds']} groups by {about['n_null']:,} pseudo-experiments each, drawn "
        "from the events of the others; data sets so small have wider cuts and fewer clusters, and the "
        "intervals are "
        "68 %. Of all together it is the p that a run gives."
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
