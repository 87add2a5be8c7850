"""Write ``PAPER.md``: each published number beside ours, from the stored results alone.

python analysis/paper_page.py

Reads ``analysis/results/*.json`` (sensitivity.py, paper_facts.py, fit_references.py, cluster_toys.py, mass_points.py
and independent_samples.py write them) and names the pictures in ``analysis/results/figures``. Every number of
ours on the page comes from there.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paper_beyond import against_mass, calibration, fits, limits, past
from paper_comparison import PUBLISHED_EVENTS, comparison, differences, headline, scale
from paper_numbers import IDEAL, Entry, crossing, crossing_text, find_ratio, n3sigma, ratio, table
from paper_pictures import pictures

from hepcs._core.storage import write_text
from hepcs.config import read_card

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE / "PAPER.md"

# N_3sigma of the best realistic search over that of idealised Cluster Scanning: what was aimed at.
GOAL = 1.1
# Doped and background-only pseudo-experiments of disjoint events.
CROSSED = ("apart_even_by_odd", "apart_odd_by_even")


def page(
    sensitivity: Entry, facts: Entry, independent: Entry, references: Entry, toys: Entry, masses: Entry
) -> str:
    """The page as Markdown."""
    return (
        "\n\n".join(
            [
                "# The paper's results on a Pythia sample",
                f"**{headline(facts, references, masses)}.**",
                _introduction(sensitivity),
                "## Published numbers and ours",
                comparison(sensitivity, facts, references, toys, masses),
                "### Where they differ, and why",
                differences(sensitivity, facts, independent, references, toys),
                "## Signal events for 3 standard deviations",
                _table(sensitivity),
                _goal(sensitivity),
                "### Against the mass of the signal",
                against_mass(masses),
                "## Past the paper",
                past(sensitivity, facts),
                "## Is the calibration right?",
                calibration(sensitivity, facts, independent, toys),
                "## The fits",
                fits(facts, references),
                "## Upper limits, and what reuse needs",
                limits(sensitivity),
                "## Figures and Table 1",
                pictures(RESULTS / "figures", sensitivity, facts),
                "## How to make this page",
                _recipe(sensitivity, facts),
            ]
        )
        + "\n"
    )


def _introduction(sensitivity: Entry) -> str:
    return f"""\
The Cluster Scanning paper (arXiv:2402.17714) uses the LHC Olympics R&D set, {PUBLISHED_EVENTS:,} background events in
[3000, 4600] GeV with detector simulation. The sample here is Pythia 8 dijets with a simple smearing in place of a
detector, {sensitivity["n_background"]:,} background events there, and the same Z' -> XY signal (3.5 TeV, 500 and
100 GeV). At equal S / sqrt(B) a number of signal events of ours corresponds to {scale(sensitivity):.2f} times as many
of the paper's. That is the fair scale for one search; it does not make ratios of two searches comparable, since these
change with the size of the sample too, as the halves below show.

{sensitivity["n_background_only"]:,} background-only pseudo-experiments, each an ensemble of {sensitivity["ensemble"]}
scans with k = {sensitivity["k"]}; {sensitivity["n_doped"]} doped ones for each number of signal events. Every search
sees the same resamples (the fits: Poisson toys of the fit, as in the paper, with the same signal events). Z is counted
unless another reading is named; N_3sigma is where the median statistic reaches the threshold of Z = 3, interpolated.
p is (k + 1) / (N + 1) with k of N above. Brackets are 68 % intervals from the pseudo-experiments and, for bootstraps of
the sample that is searched, from what another sample moves thresholds by ("Is the calibration right?", last column of
the first table); "?" is an end, and ">" a value, beyond the numbers of signal events that were tried, "-" what a
reading cannot tell. Z is global, over 16 bins in [3000, 4600] GeV and all clusters; a local significance of one bin of
one scan is what the statistic is made of, and is quoted nowhere as a result.

The words: k-means sorts the jets into k clusters. A cluster whose normalised m_jj spectrum is more than theta standard
deviations above the robust mean of all in any bin is *signal-rich*; the others, scaled to as many jets, are the
background estimate, and the statistic is the largest local significance, averaged over an ensemble of scans that differ
in their random numbers. *Doped* pseudo-experiments hold injected signal events, epsilon of them. *Idealised* searches
know the truth: Cluster Scanning has its background jets distributed over the clusters in every bin as they are in the
first, and the fit has the true background for its estimate. SI, significance improvement, is the median Z of one
search over that of another; SFI, signal-fraction improvement, is the ratio of signal to background in a cluster over
that in all of them."""


def _table(sensitivity: Entry) -> str:
    halves, apart = sensitivity["halves"], sensitivity["apart"]
    studies = [*halves.values(), *apart.values()]
    rows = [
        (
            entry["title"],
            n3sigma(entry),
            n3sigma(entry, "gaussian", interval=False),
            n3sigma(entry, "exponential", interval=False),
            *(n3sigma(study["searches"][name]) for study in studies),
            *(crossing_text(sensitivity["crossed"][key][name]) for key in CROSSED),
        )
        for name, entry in sensitivity["searches"].items()
    ]
    columns = (
        "search",
        "all",
        "Gaussian",
        "exponential tail",
        "even half",
        "odd half",
        "even, apart",
        "odd, apart",
        "even, apart, read with odd",
        "odd, apart, read with even",
    )
    even, odd, one = halves["even"], halves["odd"], apart["even"]
    return f"""\
{table(columns, rows)}

Even and odd events are two samples of {even["n_background"]:,} and {odd["n_background"]:,} background events, with random
numbers of their own, k = {even["k"]}, {even["n_background_only"]:,} background-only and {even["n_doped"]} doped pseudo-experiments. *Apart*:
data sets of {one["n_background"]:,} events, one in four of a half, and pseudo-experiments of that size from the other three
(`samples.pseudo_data`), k = {one["k"]}, {one["n_background_only"]:,} and {one["n_doped"]}. *Read with*:
doped pseudo-experiments of the one and background-only ones of the other, which share no event. At equal S / sqrt(B) a number of the halves
corresponds to {math.sqrt(sensitivity["n_background"] / even["n_background"]):.2f} times as many of all, one of *apart* to
{math.sqrt(sensitivity["n_background"] / one["n_background"]):.2f} times. The Gaussian reading takes the null for normal, which flatters
skewed ones; the exponential tail is an extrapolation that errs to the other side."""


def _goal(sensitivity: Entry) -> str:
    halves, apart = sensitivity["halves"], sensitivity["apart"]
    best, best_apart = sensitivity["best_realistic"], apart["even"]["best_realistic"]
    rows = []
    for label, study, name in (
        ("even half, where it was chosen", halves["even"], best),
        ("odd half", halves["odd"], best),
        ("all", sensitivity, best),
        ("even, apart, where it was chosen", apart["even"], best_apart),
        ("odd, apart", apart["odd"], best_apart),
    ):
        title = study["searches"][name]["title"]
        rows.append(
            (
                label,
                title,
                *(ratio(study, name, IDEAL, one) for one in ("counted", "gaussian", "exponential")),
            )
        )
    return f"""\
The best realistic search is the one that needs the least signal on the even half. Its N_3sigma over that of idealised
Cluster Scanning, for which at most {GOAL} was aimed at:

{table(("sample", "search", "counted", "Gaussian reading", "exponential tail"), rows)}

{_met(sensitivity, best)} {_met_apart(sensitivity, best_apart)} Idealised Cluster Scanning is no upper limit in
principle: it still standardises over clusters and has windows of one bin, and its members redistribute the background
independently of each other, so its reference gains more by the ensemble than that of a real search can. The honest
distance is that of the window scan to itself, idealised in the same way, with {n3sigma(sensitivity["searches"]["idealised_window_scan"])}: a factor of
{_distance(sensitivity):.2f}. The odd half confirms the choice for another background. It holds the same signal: other masses follow, other
topologies are left to the comparison of searches."""


def _distance(sensitivity: Entry) -> float:
    """N_3sigma of the window scan over that of the idealised one."""
    real, ideal = (
        crossing(sensitivity["searches"][name]) for name in ("window_scan", "idealised_window_scan")
    )
    return math.nan if real is None or ideal is None else real["epsilon"] / ideal["epsilon"]


def _met(sensitivity: Entry, best: str) -> str:
    samples = {"the even half": "even", "the odd half": "odd"}
    values = {where: find_ratio(sensitivity["halves"][key], best, IDEAL) for where, key in samples.items()}
    values["all events"] = find_ratio(sensitivity, best, IDEAL)
    return _sentence("With bootstraps of the sample that is searched, as in the paper,", values)


def _met_apart(sensitivity: Entry, best: str) -> str:
    samples = {"the even half": "even", "the odd half": "odd"}
    values = {where: find_ratio(sensitivity["apart"][key], best, IDEAL) for where, key in samples.items()}
    return _sentence("With pseudo-experiments from other events,", values)


def _sentence(start: str, values: Mapping[str, Entry | None]) -> str:
    """Where the goal is met, by counting."""
    known = {where: found["value"] for where, found in values.items() if found and found["value"] is not None}
    met = [f"{where} ({value:.2f})" for where, value in known.items() if value <= GOAL]
    missed = [f"{where} ({value:.2f})" for where, value in known.items() if value > GOAL]
    parts = [f"it is met on {' and '.join(met)}"] if met else []
    parts += [f"it is missed on {' and '.join(missed)}"] if missed else []
    return f"{start} {', and '.join(parts)}."


def _recipe(sensitivity: Entry, facts: Entry) -> str:
    return f"""\
The samples are ROOT files of generated events, `pythia_qcd_*.root` and `pythia_signal_*.root`, in the working folder
or named by `--set samples.background.files=...`: Pythia 8.317, `HardQCD:all` from pTHatMin = 1050 GeV and W' -> XY, at
13 TeV, without multiple interactions, smeared; the leading jet above 1.2 TeV, both within |eta| < 2.5. A card with
`kind: pythia`, such as `demo.yaml`, generates similar ones.

```console
HALF="--set searches.cluster_scanning.k=30 --set pseudo_experiments.background_only=3000 --set pseudo_experiments.doped=60"
HALF="$HALF --set injection.epsilon=[0,200,300,350,400,450,500,600,700,850,1000,1300,1700]"
APART="--set searches.cluster_scanning.k=15 --set samples.pseudo_data.one_in=4 --set pseudo_experiments.background_only=2000"
APART="$APART --set pseudo_experiments.doped=40 --set injection.epsilon=[0,90,120,150,180,220,270,350,500,700,1000,1400]"
run="python -m hepcs.analysis sensitivity.yaml"
$run
$run $HALF --set samples.background_half=even --output runs/even
$run $HALF --set samples.background_half=odd --set seed=2 --output runs/odd
$run $APART --set samples.background_half=even --output runs/apart_even
$run $APART --set samples.background_half=odd --set seed=2 --output runs/apart_odd
python -m hepcs.analysis training.yaml{_counts("training.yaml", facts["others"]["training"])}
python -m hepcs.analysis clusterers.yaml
python analysis/independent_samples.py sensitivity.yaml --set searches.cluster_scanning.k=12 \\
    --set searches.cluster_scanning.ensemble=6 --null 100 --output analysis/results
python analysis/sensitivity.py runs/sensitivity --halves runs/even runs/odd \\
    --apart runs/apart_even runs/apart_odd --between analysis/results/independent_samples.json --output analysis/results
python analysis/paper_facts.py runs/sensitivity --others runs/training runs/clusterers \\
    --halves runs/even runs/odd --output analysis/results
python analysis/fit_references.py sensitivity.yaml --output analysis/results
python analysis/cluster_toys.py sensitivity.yaml --output analysis/results
python analysis/mass_points.py sensitivity.yaml --store runs/masses.jsonl --output analysis/results
python analysis/paper_figures.py --run runs/sensitivity --training runs/training \\
    --best {sensitivity["best_realistic"]} --output analysis/results/figures
python analysis/paper_page.py
```"""


def _counts(card: str, study: Entry) -> str:
    """The numbers of pseudo-experiments of a run, where the card has others."""
    section = read_card(card).card.pseudo_experiments
    if (section.background_only, section.doped) == (study["n_background_only"], study["n_doped"]):
        return ""
    return (
        f" --set pseudo_experiments.background_only={study['n_background_only']} "
        f"--set pseudo_experiments.doped={study['n_doped']}"
    )


def stored(folder: Path = RESULTS) -> tuple[dict[str, Any], ...]:
    """The stored results: sensitivity, facts, the disjoint data sets, other fits, toys of clusters, and masses."""
    names = (
        "sensitivity.json",
        "facts.json",
        "independent_samples.json",
        "fit_references.json",
        "cluster_toys.json",
        "mass_points.json",
    )
    return tuple(json.loads((folder / name).read_text(encoding="utf-8")) for name in names)


if __name__ == "__main__":
    write_text(PAGE, page(*stored()))
    sys.exit(0)
