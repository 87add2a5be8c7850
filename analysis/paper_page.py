"""Write ``PAPER.md``: each published number beside ours, from the stored results alone.

python analysis/paper_page.py

Reads ``analysis/results/*.json`` (analysis/sensitivity.py and analysis/paper_facts.py write them) and names the
pictures in ``analysis/results/figures``. Every number of ours on the page comes from there.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hepcs.storage import write_text

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE / "PAPER.md"

# Of the paper: background events in the evaluation region, and in its first bin (SPEC, section 1).
PUBLISHED_EVENTS = 380_000
# N_3sigma of the best realistic search over that of idealised Cluster Scanning: what was aimed at.
GOAL = 1.1

DIFFERENCES = """\
- **Cluster Scanning gains more over the fit here than in the paper.** Most likely
  since the images are those of particles with a simple smearing, not of a detector: the best clusters have a higher SFI. The fits are not
  better than the paper's: on half the events the 4-parameter function is as flexible as there, and N_3sigma of the
  3-parameter fit is lower only because that function does not describe the background (F-test and spurious signal,
  below).
- **Fewer single scans give 0, and more clusters are selected.** k = 50 on half the training jets leaves fewer jets in
  a cluster, so clusters pass theta by fluctuation more often, and hardly ever none does.
- **The smallest cluster-bin** is smaller for the same reason, and it is the smallest of all scans of an ensemble here,
  of one scan there.
- **Normality** is tested with much signal in the data: some of it is in clusters that are not selected, which pulls on
  the tail that the Kolmogorov-Smirnov test sees.
- **Bootstraps of pseudo-data fluctuate more than data**, here as in the paper: the background-only pseudo-experiments of
  Cluster Scanning carry the sample's own fluctuation on top of a new one. Idealised Cluster Scanning, whose background is
  redistributed anew, and the fits, whose toys are Poisson, do not, so the comparison of Cluster Scanning with both is on
  the safe side."""


def page(sensitivity: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    return "\n\n".join(
        [
            "# The paper's results on a Pythia sample",
            _introduction(sensitivity, facts),
            "## Published numbers and ours",
            _comparison(sensitivity, facts),
            "### Where they differ, and why",
            DIFFERENCES,
            "## Signal events for 3 standard deviations",
            _table(sensitivity),
            _reading(sensitivity),
            "## Past the paper",
            _past(sensitivity, facts),
            "## The null distribution, the fits, the limits",
            _statistics(sensitivity, facts),
            "## Figures",
            _figures(),
            "## How to make this page",
            _recipe(),
        ]
    )


def _n(entry: Mapping[str, Any], reading: str = "counted") -> str:
    """N_3sigma of a search in one reading, as text."""
    found = entry["readings"].get(reading)
    if found is None:
        return "-"
    crossing = found["n3sigma"]
    if crossing["epsilon"] is None:
        return "-" if crossing["beyond"] is None else f"> {crossing['beyond']:.0f}"
    return ("< " if crossing["bound"] == "upper" else "") + f"{crossing['epsilon']:.0f}"


def _with_interval(entry: Mapping[str, Any], reading: str) -> str:
    found = entry["readings"].get(reading)
    if found is None or found["n3sigma"]["epsilon"] is None:
        return _n(entry, reading)
    low, high = (found["n3sigma"][key] for key in ("low", "high"))
    ends = ", ".join("?" if end is None else f"{end:.0f}" for end in (low, high))
    return f"{_n(entry, reading)} [{ends}]"


def _ratio(study: Mapping[str, Any], a: str, b: str, reading: str = "counted") -> str:
    """A ratio of N_3sigma with its interval, as text."""
    for ratio in study["ratios"]:
        if (ratio["numerator"], ratio["denominator"], ratio["reading"]) == (a, b, reading):
            if ratio["value"] is None:
                return "not known"
            sign = {"lower": "> ", "upper": "< ", None: ""}[ratio["bound"]]
            return f"{sign}{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"
    return "-"


def _value(study: Mapping[str, Any], a: str, b: str, reading: str = "gaussian") -> float | None:
    return next(
        (
            ratio["value"]
            for ratio in study["ratios"]
            if (ratio["numerator"], ratio["denominator"], ratio["reading"]) == (a, b, reading)
        ),
        None,
    )


def _introduction(sensitivity: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    n = sensitivity["n_background"]
    scale = math.sqrt(PUBLISHED_EVENTS / n)
    null = facts["null"]
    return f"""\
The Cluster Scanning paper (arXiv:2402.17714) uses the LHC Olympics R&D set, {PUBLISHED_EVENTS:,} background events in
[3000, 4600] GeV with detector simulation. The sample here is Pythia 8 dijets without a detector simulation,
{n:,} background events there, and the same Z' -> XY signal (3.5 TeV, 500 and 100 GeV). At equal S / sqrt(B) a number
of signal events of ours corresponds to {scale:.2f} times as many of the paper's; ratios need no such factor.

{null["n"]:,} background-only pseudo-experiments, each an ensemble of {null["ensemble"]} scans; 60 doped ones for each
number of signal events; every search sees the same resamples (the fits: Poisson toys of the fit, as in the
paper, with the same signal events). k = 50 as in the paper. Z is read off by counting, unless another reading is
named; brackets are 68 % intervals from the pseudo-experiments alone."""


def _comparison(sensitivity: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    searches, null, spectrum = sensitivity["searches"], facts["null"], facts["spectrum"]
    scale = math.sqrt(PUBLISHED_EVENTS / sensitivity["n_background"])
    largest = facts["scans"][max(facts["scans"], key=int)]
    epsilon = max(facts["scans"], key=int)
    fits = {fit["n_parameters"]: fit for fit in spectrum["fits"]}
    training = facts["others"]["training"]["searches"]
    pixels = facts["images"]["background"]
    poor = largest["signal_poor_normality"]

    def chi2(n: int) -> str:
        fit = fits[n]
        return f"{fit['chi2'] / fit['ndof']:.2f} (p = {fit['p_value']:.2f})"

    def gaussian(name: str) -> str:
        entry = training[name]
        return "-" if entry["gaussian"] is None else f"{entry['gaussian']:.0f}"

    rows = [
        (
            "background in [3000, 4600] GeV; first bin / last bin",
            "about 380,000; 56,366 / 6,002 = 9.4",
            f"{spectrum['n_events']:,.0f}; {spectrum['first_bin']:,.0f} / {spectrum['last_bin']:,.0f} = "
            f"{spectrum['first_bin'] / spectrum['last_bin']:.1f}",
        ),
        ("chi2 / ndof of the 3-parameter fit", "1.201 (p = 0.28)", chi2(3)),
        ("chi2 / ndof of the 4-parameter fit", "1.338 (p = 0.18)", chi2(4)),
        (
            "N_3sigma of Cluster Scanning / that of the 4-parameter fit",
            "0.61 (the better fit)",
            _ratio(sensitivity, "cluster_scanning", "fit_4"),
        ),
        ("the same over the 3-parameter fit", "", _ratio(sensitivity, "cluster_scanning", "fit_3")),
        (
            "N_3sigma of idealised Cluster Scanning / idealised fit",
            "0.69",
            _ratio(sensitivity, "idealised_cluster_scanning", "idealised_fit"),
        ),
        (
            "SI of Cluster Scanning over the fit",
            "2 and more for most of 1500 to 4000 events",
            _improvements(sensitivity, "cluster_scanning/fit_4", scale),
        ),
        (
            "SI of idealised Cluster Scanning",
            "up to 1.5",
            _improvements(sensitivity, "idealised_cluster_scanning/idealised_fit", scale),
        ),
        (
            "single scans with a statistic of exactly 0",
            "about 300 of 3,900 (8 %)",
            f"{null['single_zero']:,} of {null['single_scans']:,} ({null['single_zero'] / null['single_scans']:.1%})",
        ),
        (
            "spread of the null statistic, ensemble against single scans",
            "the ensemble is narrower",
            f"{null['sd']:.2f} against {null['single_sd']:.2f}, around {null['mean']:.2f}",
        ),
        (
            "smallest cluster-bin, median over background-only runs",
            "about 55; below 20 once in 1000",
            f"{null['smallest_cluster_bin_median']:.0f}, the smallest of {null['ensemble']} scans; below 20 in "
            f"{null['smallest_cluster_bin_below_20']:,} of {null['n']:,}",
        ),
        (
            "non-zero pixels an image",
            "mostly below 100 of 1600",
            f"median {pixels['median']}; {pixels['share_below_100']:.0%} below 100",
        ),
        (
            f"clusters with SFI > 2; the best (epsilon = 5000 there, {epsilon} here)",
            "8; about 9",
            f"{_range(largest['clusters_with_sfi_above_2'])} in {null['ensemble']} scans; "
            f"{_range(largest['best_sfi'], '.1f')}",
        ),
        (
            "clusters selected there",
            "3 to 4",
            f"{_range(largest['selected_clusters'])} in {null['ensemble']} scans",
        ),
        (
            "normality of the signal-poor deviations: Shapiro-Wilk, Kolmogorov-Smirnov, Jarque-Bera",
            "compatible with N(0, 1)",
            ", ".join(f"p = {p:.2g}" if p is not None else "-" for p in poor.values()),
        ),
        (
            "training without signal",
            "same as nominal",
            f"N_3sigma {gaussian('training_without_signal')} against {gaussian('cluster_scanning')} (Gaussian reading)",
        ),
        (
            "training in [3450, 3550] GeV",
            "clearly better",
            f"N_3sigma {gaussian('training_3450_3550')} against {gaussian('cluster_scanning')} (Gaussian reading)",
        ),
        (
            "N_3sigma of Cluster Scanning, signal events",
            "",
            f"{_with_interval(searches['cluster_scanning'], 'counted')}, {scale:.2f} times as many at the paper's "
            "S / sqrt(B)",
        ),
    ]
    lines = ["| what | published | here |", "|---|---|---|"]
    return "\n".join(lines + [f"| {what} | {published} | {ours} |" for what, published, ours in rows])


def _range(values: list[float], form: str = "d") -> str:
    low, high = min(values), max(values)
    return f"{low:{form}}" if low == high else f"{low:{form}} to {high:{form}}"


def _improvements(sensitivity: Mapping[str, Any], pair: str, scale: float) -> str:
    """SI where both medians are known or the search's is a lower bound, with epsilon at the paper's scale."""
    known = [
        f"{'> ' if one['bound'] == 'lower' else ''}{one['value']:.1f} at {one['epsilon']}"
        for one in sensitivity["significance_improvement"][pair]
        if one["value"] is not None and one["bound"] != "upper" and one["epsilon"] >= 600
    ]
    return ", ".join(known[:6]) + f" (times {scale:.2f} at the paper's S / sqrt(B))"


def _table(sensitivity: Mapping[str, Any]) -> str:
    halves = sensitivity["halves"]
    lines = [
        "| search | all, counted | all, Gaussian reading | even half, Gaussian | odd half, Gaussian |",
        "|---|---|---|---|---|",
    ]
    for name, entry in sensitivity["searches"].items():
        cells = [_with_interval(entry, "counted"), _with_interval(entry, "gaussian")]
        cells += [_with_interval(half["searches"][name], "gaussian") for half in halves.values()]
        lines.append(f"| {entry['title']} | {' | '.join(cells)} |")
    even, odd = (halves[key] for key in ("even", "odd"))
    lines.append("")
    lines.append(
        f"The halves hold {even['n_background']:,} and {odd['n_background']:,} background events, chosen by event "
        "number; k = 30 there. At equal S / sqrt(B) a number of theirs corresponds to 1.41 times as many of all."
    )
    return "\n".join(lines)


def _reading(sensitivity: Mapping[str, Any]) -> str:
    best, halves = sensitivity["best_realistic"], sensitivity["halves"]
    title = sensitivity["searches"][best]["title"]
    pair = (best, "idealised_cluster_scanning")
    samples = {
        "the even half (where it was chosen)": halves["even"],
        "the odd half": halves["odd"],
        "all": sensitivity,
    }
    meets = [name for name, study in samples.items() if (_value(study, *pair) or math.inf) <= GOAL]
    misses = [name for name in samples if name not in meets]
    verdict = f"By the Gaussian reading it is at most {GOAL} on {' and on '.join(meets) or 'none of them'}"
    verdict += f", and above on {' and on '.join(misses)}." if misses else "."
    return f"""\
The best realistic search by the even half is the **{title}**. Its N_3sigma over that of idealised Cluster Scanning:

| | Gaussian reading | counted |
|---|---|---|
| even half, where it was chosen | {_ratio(halves["even"], *pair, "gaussian")} | {_ratio(halves["even"], *pair)} |
| odd half | {_ratio(halves["odd"], *pair, "gaussian")} | {_ratio(halves["odd"], *pair)} |
| all | {_ratio(sensitivity, *pair, "gaussian")} | {_ratio(sensitivity, *pair)} |

{verdict} On the halves counting at Z = 3 rests on two of {halves["even"]["searches"][best]["n_background_only"]:,}
background-only pseudo-experiments, and is rough. Idealised Cluster Scanning is no upper limit in principle: its
members redistribute the background independently, so its reference improves with the size of the ensemble more than
a real search can, and it still standardises over clusters, which the window scan does not."""


def _past(sensitivity: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    searches = sensitivity["searches"]
    nominal = _n(searches["cluster_scanning"])

    def n(name: str) -> str:
        return _n(searches[name])

    lines = [
        f"Signal events for 3 standard deviations by counting, against {nominal} of Cluster Scanning as published:",
        "",
        f"- **Each cluster against its own trend, window by window** (`windows`): {n('window_scan')} with windows of "
        f"one and two bins, {n('window_scan_2')} with two bins, {n('window_scan_median')} with the median of the "
        f"ensemble, {n('window_scan_sum')} with the sum of the clusters above theta in place of all in quadrature. "
        "Kept: this is what the outlook's transfer factor grows into when it is fitted outside of the tested window "
        "for each cluster alone, and selection is done in the tested window.",
        f"- **Transfer factor** between signal-rich and signal-poor spectra (a straight line outside of the tested "
        f"bin): {n('transfer_factor')}. Kept.",
        f"- **Dijet fit of the signal-rich set**: 3 parameters {n('dijet_fit_3_of_the_sum')}, 4 parameters "
        f"{n('dijet_fit_4_of_the_sum')}; of each cluster, 3 parameters: {n('dijet_fit_3_of_each')}. A fit that does "
        "not leave out the tested bin follows part of the signal. It stays as a choice for comparison.",
        f"- **Neighbours** of the selected clusters: {n('neighbours')}; **theta** = 2.5: {n('theta_2_5')}, 4: "
        f"{n('theta_4')}; **median** of the ensemble: {n('median')}; **BumpHunter's statistic**: {n('bumphunter')}. "
        "None is a gain beyond the uncertainties; choices, not recommendations.",
    ]
    for study in facts["others"].values():
        lines += [
            "",
            f"Further studies with {study['n_background_only']} background-only pseudo-experiments, so by the "
            "Gaussian reading alone:",
            "",
            f"| | N_3sigma | median Z at {_largest(study)} | null statistic |",
            "|---|---|---|---|",
            *(_other_row(entry) for entry in study["searches"].values()),
        ]
    return "\n".join(lines)


def _other_row(entry: Mapping[str, Any]) -> str:
    value = "not reached" if entry["gaussian"] is None else f"{entry['gaussian']:.0f}"
    if entry["gaussian"] is not None:
        ends = (
            "?" if entry[key] is None else f"{entry[key]:.0f}" for key in ("gaussian_low", "gaussian_high")
        )
        value += f" [{', '.join(ends)}]"
    there = f"{entry['gaussian_z_there']:.1f}"
    return f"| {entry['title']} | {value} | {there} | {entry['null_mean']:.2f} +- {entry['null_sd']:.2f} |"


def _largest(study: Mapping[str, Any]) -> int:
    return int(max(entry["largest_epsilon"] for entry in study["searches"].values()))


def _statistics(sensitivity: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    spectrum, uniformity = facts["spectrum"], facts["uniformity"]
    tests = "; ".join(
        f"{one['n_simple']} against {one['n_full']} parameters p = {one['p']:.2f}"
        for one in spectrum["f_tests"]
        if one["n_full"] == one["n_simple"] + 1
    )
    goodness = "; ".join(
        f"{fit['n_parameters']} parameters p = {fit['goodness']['likelihood_ratio']['p']:.2f}"
        for fit in spectrum["fits"]
    )
    spurious = "; ".join(
        f"{one['fitted']} fitted to {one['generating']}: largest bias {one['largest_bias']:.2f} sigma, "
        f"{one['false_positive_rate']:.1%} pass where 5 % should"
        for one in spectrum["spurious_signal"]
    )
    names = {name: sensitivity["searches"][name]["title"] for name in uniformity}
    uniform = "; ".join(
        f"{names[name]} p {_p(entry['kolmogorov_smirnov']['p'])}"
        for name, entry in uniformity.items()
        if name in ("cluster_scanning", "window_scan", "idealised_cluster_scanning", "fit_4")
    )
    limits = ["| search | expected | 68 % | 95 % |", "|---|---|---|---|"]
    for name, entry in sensitivity["upper_limits"].items():
        limits.append(_limit_row(sensitivity["searches"][name]["title"], entry))
    return "\n".join(
        [
            f"- F-tests on the background spectrum: {tests}; {spectrum['recommended_parameters']} parameters are "
            "enough.",
            f"- Goodness of fit by toys: {goodness}.",
            f"- Spurious signal: {spurious}.",
            "- Uniformity of the background-only p-values of the odd half, calibrated with the even half, with which "
            f"it shares no event (Kolmogorov-Smirnov): {uniform}. The two are bootstraps of different samples: a "
            "small p says that calibrations by bootstrap carry the fluctuations of their sample.",
            "",
            "Upper limits on the number of signal events at 95 % CLs, without signal in the data (- where 60 doped "
            "pseudo-experiments are too few for so low a statistic):",
            "",
            *limits,
        ]
    )


def _p(p: float) -> str:
    return "< 0.01" if p < 0.01 else f"= {p:.2f}"


def _limit_row(title: str, entry: Mapping[str, Any]) -> str:
    def shown(limit: Mapping[str, Any]) -> str:
        if limit["epsilon"] is None:
            return "-"
        sign = {"lower": "> ", "upper": "< ", None: ""}[limit["bound"]]
        return f"{sign}{limit['epsilon']:.0f}"

    low2, low1, median, high1, high2 = (shown(limit) for limit in entry["expected"])
    return f"| {title} | {median} | {low1} to {high1} | {low2} to {high2} |"


def _figures() -> str:
    pictures = sorted((RESULTS / "figures").glob("*.png"))
    return "\n\n".join(f"![{path.stem.replace('_', ' ')}](results/figures/{path.name})" for path in pictures)


def _recipe() -> str:
    return """\
```
python -m hepcs.analysis sensitivity.yaml
python -m hepcs.analysis sensitivity.yaml --set samples.background_half=even --set cluster_scanning.k=30 \\
    --set pseudo_experiments.background_only=1500 --output runs/even        # and odd
python -m hepcs.analysis training.yaml
python -m hepcs.analysis clusterers.yaml
python analysis/sensitivity.py runs/sensitivity --halves runs/even runs/odd --output analysis/results
python analysis/paper_facts.py runs/sensitivity --others runs/training runs/clusterers \\
    --halves runs/even runs/odd --output analysis/results
python analysis/paper_figures.py --run runs/sensitivity --training runs/training --output analysis/results/figures
python analysis/paper_page.py
```
"""


def stored(folder: Path = RESULTS) -> tuple[dict[str, Any], dict[str, Any]]:
    """The stored results: sensitivity and facts."""
    names = ("sensitivity.json", "facts.json")
    sensitivity, facts = (json.loads((folder / name).read_text(encoding="utf-8")) for name in names)
    return sensitivity, facts


if __name__ == "__main__":
    write_text(PAGE, page(*stored()))
    sys.exit(0)
