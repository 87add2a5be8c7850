"""Figures with their captions, and Table 1, on the page that compares with the paper."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from paper_numbers import Entry

from hepcs.studies.readings import largest_z

# Standard deviation of the median of n numbers of unit variance, times the root of n.
MEDIAN_ERROR = math.sqrt(math.pi / 2)


def pictures(folder: Path, sensitivity: Entry, facts: Entry) -> str:
    """Every figure of the folder above its caption, and the table of hyperparameters."""
    captions = captions_of(sensitivity, facts)
    parts = [
        f"![{name.replace('_', ' ')}](results/figures/{name}.png)\n\n{caption}"
        for name, caption in captions.items()
        if (folder / f"{name}.png").exists()
    ]
    rows = (folder / "table_1_hyperparameters.md").read_text(encoding="utf-8").strip()
    return "\n\n".join([*parts, "Table 1 of the paper, with the values of this run.", rows])


def captions_of(sensitivity: Entry, facts: Entry) -> Mapping[str, str]:
    """What each figure shows, by the name of its file."""
    end = largest_z(sensitivity["n_background_only"])
    return {
        "figure_01_average_images": "Fig. 1: average images of the jets. The heavier signal jets have two prongs.",
        "figure_02_normalised_spectra": "Fig. 2: spectra of the clusters of one scan, each divided by its sum.",
        "figure_03_standardised_spectra": "Fig. 3: the same, standardised in each bin by robust mean and SD over the "
        "clusters. A cluster that is above theta in any bin is signal-rich.",
        "figure_04_signal_rich": "Fig. 4: jets in the signal-rich clusters, S, over those in the signal-poor ones, "
        "scaled to as many, B. Signal among S makes B too high in all other bins; in the first ones it is so by more: "
        "there the share of the selected clusters rises with m_jj (mass sculpting).",
        "figure_05a_sensitivity": "Fig. 5a: median and quartiles of Z against the signal, and SI over the 4-parameter "
        "fit. Thin lines are N_3sigma, and the bars below them its intervals; it is interpolated in the statistic and "
        "not in Z, so it may lie beside the curve. "
        f"Z by counting ends at {end:.1f}, where triangles are lower bounds: SI falls there only because Z of the fit "
        "comes up to that end.",
        "figure_05b_idealised_sensitivity": "Fig. 5b: the same of the idealised searches.",
        "figure_06_nonzero_pixels": "Fig. 6: non-zero pixels of an image.",
        "figure_07_smallest_cluster_bin": f"Fig. 7: smallest cluster-bin of all {sensitivity['ensemble']} scans of an "
        "ensemble, where the paper has that of one scan.",
        "figure_08_deviations": "Fig. 8: deviations of all clusters, bin by bin and in sum, and tests of their "
        "normality.",
        "figure_09_minus_total": "Fig. 9: normalised minus total spectrum. Plain mean and SD bulge at 3.5 TeV, the "
        "robust ones do not.",
        "figure_10_calibration": "Fig. 10: null distributions of one scan, of ensembles, and of idealised ensembles. "
        "Dashed lines are medians of doped pseudo-experiments, bands their quartiles.",
        "figure_11_training_region": _trainings(sensitivity, facts["others"]["training"]),
        "signal_fraction_improvement": "SFI of each cluster, as in appendix C of the paper.",
        "upper_limits": "Expected upper limits at 95 % CLs.",
    }


def _trainings(sensitivity: Entry, training: Entry) -> str:
    """How far the pseudo-experiments of the trainings carry; the fits are those of the main run."""
    n_null, n_doped = training["n_background_only"], training["n_doped"]
    return (
        "Fig. 11: another training region, and a training without signal; SI is over the training of the paper. "
        f"{n_null:,} background-only pseudo-experiments of the trainings count to Z = {largest_z(n_null):.1f} (those of the "
        f"fits, {sensitivity['n_background_only']:,}, to {largest_z(sensitivity['n_background_only']):.1f}), and a median "
        f"of {n_doped} doped ones is uncertain by some {MEDIAN_ERROR / math.sqrt(n_doped):.1f}."
    )
