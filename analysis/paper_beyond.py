"""The second half of the page that compares with the paper: past the paper, calibration, fits, limits."""

from __future__ import annotations

import numpy as np
from fit_references import TITLES
from paper_numbers import (
    MAIN,
    Entry,
    best_fit,
    crossing_text,
    ends,
    is_counted,
    limit,
    n3sigma,
    percent,
    probability,
    ratio_text,
    reference,
    table,
    verdict,
)
from scipy import stats

from hepcs._core.randomness import Stream, generator
from hepcs.studies.readings import largest_z

# What the families of functions are called on the page.
FAMILIES = {
    "dijet_3": "3 parameters",
    "dijet_4": "4 parameters",
    "dijet_5": "5 parameters",
    "ua2": "the UA2 function",
}


def past(sensitivity: Entry, facts: Entry) -> str:
    """What the paper's outlook names, and other choices."""
    searches, halves = sensitivity["searches"], sensitivity["halves"]
    studies = [sensitivity, *halves.values()]

    def line(name: str) -> str:
        return f"{n3sigma(searches[name], interval=False)} ({verdict(studies, name)})"

    lines = [
        f"Signal events for 3 standard deviations, against {n3sigma(searches[MAIN])} of Cluster Scanning as published; in "
        "brackets whether the intervals are apart on all events and on both halves. Each is a choice in the card.",
        "",
        "- **Each cluster against its own trend, window by window** (`windows`): a straight line in m_jj, fitted to the "
        "cluster's share of the jets outside of the tested window and its neighbours; all clusters with an excess count, "
        f"by the squares of their significances. Windows of two bins {line('window_scan_2')}, of one bin "
        f"{line('window_scan_1')}, of both {line('window_scan')}; the median of the ensemble "
        f"{line('window_scan_median')}; the sum of the clusters above theta instead {line('window_scan_sum')}. It sees "
        "the counts of the clusters alone, and all windows are in the maximum. The signal at 3.5 TeV lies across the edge "
        "of two bins, which favours windows of two.",
        f"- **Transfer factor** between signal-rich and signal-poor spectra, a straight line outside of the tested bin: "
        f"{line('transfer_factor')}.",
        f"- **Dijet fit** of the signal-rich sum with 3 parameters {line('dijet_fit_3_of_the_sum')}, with 4 "
        f"{line('dijet_fit_4_of_the_sum')}; of each signal-rich cluster with 3 {line('dijet_fit_3_of_each')}. A fit that "
        "does not leave out the tested bin follows a part of the signal.",
        f"- **Neighbours** of the selected clusters: {line('neighbours')}. **theta** = 2.5: {line('theta_2_5')}; 4: "
        f"{line('theta_4')}. **Median** of the ensemble: {line('median')}. **BumpHunter's statistic** over the signal-rich "
        f"spectrum: {line('bumphunter')}.",
    ]
    return "\n".join(lines + [f"\n{_other(name, study)}" for name, study in facts["others"].items()])


def _other(name: str, study: Entry) -> str:
    """What another run finds: by counting too where its pseudo-experiments reach that far."""
    entries = study["searches"].values()
    counted = any(map(is_counted, entries))
    comment = {
        "training": "Other training regions, fewer clusters, and one jet of each event in place of both. The region "
        "around the signal is where the paper finds it better, too; nobody knows it before a search. ",
        "clusterers": "Other clusterers, which are too slow for more: small ensembles, few pseudo-experiments, and "
        "trained on a part of the jets, so only their comparison with each other means something. ",
    }.get(name, "")
    n_null, largest = study["n_background_only"], _largest(study)
    how = "" if counted else ", so all is by the Gaussian reading"
    readings = {"counted": "N_3sigma", "gaussian": "Gaussian"} if counted else {"gaussian": "N_3sigma"}
    rows = [
        (
            entry["title"],
            *(n3sigma(entry, reading) for reading in readings),
            f"{entry['gaussian_z_there']:.1f}",
            f"{entry['null_mean']:.2f} +- {entry['null_sd']:.2f}",
        )
        for entry in entries
    ]
    return f"""\
{comment}{n_null:,} background-only pseudo-experiments, ensembles of {study["ensemble"]}, count to Z = {largest_z(n_null):.1f}{how}; {study["n_doped"]} doped ones for each number of signal events:

{table(("", *readings.values(), f"median Z at {largest}, Gaussian", "null statistic"), rows)}"""


def _largest(study: Entry) -> int:
    return int(max(entry["largest_epsilon"] for entry in study["searches"].values()))


def against_mass(masses: Entry) -> str:
    """N_3sigma of Cluster Scanning, the window scan and fits at several masses."""
    names = ("cluster_scanning", "window_scan", "windows", "template")
    rows = [
        (
            f"{one['mass']}",
            percent(one["share_inside"]),
            *(crossing_text(one["n3sigma"][name]) for name in names),
            *(ratio_text(one["over_best_fit"][name]) for name in names[:2]),
        )
        for one in masses["masses"]
    ]
    columns = (
        "mass [GeV]",
        "in the region",
        "Cluster Scanning",
        "window scan",
        "4-parameter fit, windows",
        "4-parameter fit, template",
        "Cluster Scanning over the best fit",
        "window scan over it",
    )
    new = ", ".join(f"p = {probability(one['kolmogorov_smirnov'])}" for one in masses["new_null"].values())
    count = next(iter(masses["new_null"].values()))["n"]
    return f"""\
The signal of 3.5 TeV lies across the edge of two bins: a number of one mass is a number of that edge. Here the m_jj of
the signal events is scaled, and their features are kept; {masses["n_doped"]} doped pseudo-experiments or more for each of five
numbers of signal events, so intervals are wide. The background-only ones are those above: {count} new ones agree with them
(Kolmogorov-Smirnov {new}), though not to the last digit: the stored ones are of an earlier version, and were not all
made anew. Fits: {masses["n_toys"]:,} toys, {masses["n_doped_toys"]} for each number.

{table(columns, rows)}"""


def calibration(sensitivity: Entry, facts: Entry, independent: Entry, toys: Entry) -> str:
    """Uniformity of p-values on data sets that share no event."""
    both, searches = independent["both_jets"], independent["searches"]
    # All p-values as large, or as small, as counting lets them be.
    least = (independent["n_null"] + 1.0) ** -independent["parts"]
    rows = [
        (
            entry["title"],
            _uniform(entry["others"]["kolmogorov_smirnov"], least),
            _uniform(entry["own"]["kolmogorov_smirnov"], least),
            f"{entry['own']['median_p']:.2f}",
            f"{entry['inflation']:.2f}",
            f"{entry['own']['sd_of_means'] / entry['own']['sd']:.2f}",
        )
        for entry in searches.values()
    ]
    columns = (
        "search",
        "from the others: uniform?",
        "from itself: uniform?",
        "from itself: median p",
        "statistic grows by",
        "spread of null means / sd",
    )
    return f"""\
**Independent data sets.** The background cut into {independent["parts"]} disjoint data sets of some {independent["n_events"]:,} events (k =
{independent["k"]}, ensembles of {independent["ensemble"]}), each calibrated by {independent["n_null"]} pseudo-experiments of its size from all others, and by
{independent["n_null"]} bootstraps of itself. *Uniform?* is the Kolmogorov-Smirnov p of the {independent["parts"]} p-values.

{table(columns, rows)}

Calibrated by other events the p-values are uniform as far as {independent["parts"]} of them tell, which is not far: those of a normal
null that is 1.3 times too narrow would pass the same test in {percent(_power(independent["parts"]))}. Calibrated by bootstraps of the data
themselves they are too large for every search that measures deviations between clusters: those of the bootstraps are the sample's own plus
new ones, larger by up to sqrt(2), and a statistic of what is above a threshold grows by more. The last column is what
another sample would change: the mean of a null distribution from bootstraps moves between samples by so many of its
standard deviations. A real search should draw its pseudo-experiments from a background sample of ten times the data
(`samples.data`), a study can do so by `samples.pseudo_data`.

**Data that are sculpted more than the simulation.** All of this takes simulation and data for alike. Toys of the spectra
of single scans, with the trends of the clusters in m_jj, and data with these trends times a factor: the share that passes
1 %, with its 68 % interval. The trends are straight lines or parabolas, fitted to the sample, its own fluctuation included.
The window scan takes up straight lines, whatever their slope, and curvature moves it more than Cluster Scanning.

{_sculpted(toys)}

**Halves.** Background-only statistics of one half read with those of the other, with which it shares no event: the share
with p <= 1 %, which is 1 % for equal distributions. Both are bootstraps of samples that fluctuate on their own.

{_halves(sensitivity, facts)}

**Both jets of an event** enter the spectra. Signal-rich clusters hold {percent(both["share_of_jets"], 1)} of the jets of the background,
and the variance of their number is {both["variance_over_mean"]:.2f} times that of a Poisson count: the local significance is too large by
the root of that, which the calibration takes in."""


def _uniform(p: float, least: float) -> str:
    """p of the Kolmogorov-Smirnov test; below `least` counting tells nothing apart."""
    return probability(p) if p >= least else f"< {probability(least)}"


def _power(parts: int) -> float:
    """How often the Kolmogorov-Smirnov test at 5 % passes so many p-values by a null that is 1.3 times too narrow."""
    rng = generator(1, Stream.STUDY, "power")
    p = stats.norm.sf(1.3 * rng.normal(size=(400, parts)))
    return float(np.mean([stats.kstest(one, "uniform").pvalue > 0.05 for one in p]))


def _sculpted(toys: Entry) -> str:
    names = {"cluster_scanning": "Cluster Scanning", "window_scan": "window scan"}
    kinds = {"straight_sculpting": "straight lines", "sculpting": "parabolas"}
    factors = [one["factor"] for one in toys["sculpting"]["cluster_scanning"]]
    rows = [
        (
            title,
            trends,
            *(
                f"{percent(one['share'], 1)} {ends(100 * one['low'], 100 * one['high'], '.1f')}"
                for one in toys[kind][name]
            ),
        )
        for kind, trends in kinds.items()
        for name, title in names.items()
    ]
    return table(("search", "trends", *(f"{factor:g} times" for factor in factors)), rows)


def _halves(sensitivity: Entry, facts: Entry) -> str:
    rows = []
    for name, found in facts["uniformity"].items():
        cells = []
        for way in ("odd_by_even", "even_by_odd"):
            size = next(one for one in found[way]["sizes"] if one["alpha"] == 0.01)
            cells.append(percent(size["rate"], 1))
        rows.append((sensitivity["searches"][name]["title"], *cells))
    return table(("search", "odd read with even", "even read with odd"), rows)


def fits(facts: Entry, references: Entry) -> str:
    """Order, goodness and spurious signal of the dijet fits, and what they can do."""
    spectrum = facts["spectrum"]
    tests = "; ".join(
        f"{one['n_simple']} against {one['n_full']} parameters p = {probability(one['p'])}"
        for one in spectrum["f_tests"]
        if one["n_full"] == one["n_simple"] + 1
    )
    goodness = "; ".join(
        f"{fit['n_parameters']} parameters p = {probability(fit['goodness']['likelihood_ratio']['p'])}"
        for fit in spectrum["fits"]
    )
    rows = []
    for one in spectrum["spurious_signal"]:
        low, high = (100 * end for end in one["interval"])
        rows.append(
            (
                FAMILIES[one["fitted"]],
                FAMILIES[one["generating"]],
                f"{one['largest_bias']:.2f}",
                str(one["bin"] + 1),
                f"{percent(one['false_positive_rate'], 1)} {ends(low, high, '.1f')}",
            )
        )
    columns = ("fitted", "toys of", "largest bias [sigma]", "in bin", "pass where 5 % should")
    return f"""\
- F-tests on the background spectrum: {tests}; at 5 % they ask for {spectrum["recommended_parameters"]} parameters.
- Goodness of fit by toys: {goodness}.
- Spurious signal: one function is fitted to toys of another, which hold no signal. The bias is the mean excess over
  the fit in a bin; the last column is the share of the toys in which a search that is calibrated with the fitted
  function sees a signal at 5 %:

{table(columns, rows)}

{_compared(facts, references)}"""


def _compared(facts: Entry, references: Entry) -> str:
    """Signal events of the fits by what they are compared by, and of Cluster Scanning over them."""
    rows = [
        (
            str(entry["parameters"]),
            TITLES[entry["comparison"]],
            n3sigma(entry),
            ratio_text(entry["ratio"])
            if entry["parameters"] >= facts["spectrum"]["recommended_parameters"]
            else "-",
        )
        for entry in references["fits"]
    ]
    best, few = best_fit(facts, references), reference(references, 3, "template")
    test = next(one for one in facts["spectrum"]["f_tests"] if (one["n_simple"], one["n_full"]) == (3, 4))
    rate = next(
        one["false_positive_rate"]
        for one in facts["spectrum"]["spurious_signal"]
        if (one["fitted"], one["generating"]) == ("dijet_3", "dijet_4")
    )
    columns = ("parameters", "compared by", "N_3sigma", "Cluster Scanning over it")
    template = references["template"]
    return f"""\
**What a fit can do.** The paper compares a spectrum with its fit bin by bin. A signal on the edge of two bins shares its
excess between them, so a fit's author looks at windows too, or fits a signal of given width ({percent(template["relative_width"])} here,
at masses {template["step"]:.0f} GeV apart) together with the background, so that the background does not follow the signal. All are
calibrated by {references["n_background_only"]:,} Poisson toys of the fit, with {references["n_doped"]:,} doped ones for each number of signal events,
where the fits above have as many as the other searches: so few leave the threshold of 3 standard deviations to the
fifth largest of them, and with 4 parameters there is a gap below it. Ratios to fits are those of this table:

{table(columns, rows)}

The best of the fits has {best["parameters"]} parameters and needs {n3sigma(best)} signal events; {ratio_text(best["ratio"])} is the ratio to quote for Cluster
Scanning at this mass. With 3 parameters the template needs {n3sigma(few)}, but there is no ratio to quote: the F-test rejects these
(p = {probability(test["p"])}), and a search that is calibrated with them takes {percent(rate, 1)} of spectra of the 4-parameter function for
a signal at 5 %."""


def limits(sensitivity: Entry) -> str:
    """Upper limits, and how to reuse the search."""
    rows = []
    for name, entry in sensitivity["upper_limits"].items():
        low2, low1, median, high1, high2 = (limit(one) for one in entry["expected"])
        rows.append(
            (
                sensitivity["searches"][name]["title"],
                f"{median} {ends(entry['low'], entry['high'])}",
                f"{low1} to {high1}",
                f"{low2} to {high2}",
                percent(float(np.mean(sensitivity["coverage"][name]["share"][-5:]))),
            )
        )
    return f"""\
Upper limits on the number of signal events at 95 % CLs without signal in the data, from {sensitivity["n_doped"]} doped
pseudo-experiments for each number, whose distributions are described together (`hepcs.studies.response`), so that a
limit never falls as the statistic rises; where a tail is not known, an end of a band is that of the lowest statistic for
which it is. Coverage: of the doped data sets of the five largest numbers, limited by the other half of them, those
whose limit is not below the injected number.

{table(("search", "expected", "68 %", "95 %", "coverage"), rows)}

Whoever reinterprets a search for another signal model (RECAST) needs four things, all in a run's folder or on this page:
the background-only statistics (`statistics.json`), the observed statistic (`summary.json`), the card, and events of the
model in any format of the sources. Doped pseudo-experiments of the model come from the same card with
`samples.signal` replaced; `hepcs.studies.limits.upper_limits` turns their statistics into a limit on the number of
events that pass the selection, inside the evaluation region or not, which acceptance times luminosity turns into a
cross-section:

```python
import json
from pathlib import Path

import numpy as np

from hepcs.studies.limits import upper_limits

stored = json.loads(Path("analysis/results/statistics.json").read_text())["searches"]["cluster_scanning"]
doped = {{int(epsilon): values for epsilon, values in stored["doped"].items()}}  # of your model instead
limits = upper_limits(stored["background_only"], doped, observed=4.5, rng=np.random.default_rng(1))
print(limits.observed, limits.expected)
```"""
