"""What to look for in each figure of a run."""

from __future__ import annotations

import re

#: By a part of the figure's name; the first one that is found in it counts.
CAPTIONS: dict[str, tuple[str, str]] = {
    "average_images": (
        "Average jet images",
        "Average images of the jets before reprocessing, each jet centred, rotated and flipped. Look for a second "
        "prong to the side of the core: a jet of a heavy particle that decays to two quarks has one, a QCD jet "
        "falls off smoothly. If all panels look the same, shape cannot tell the classes apart.",
    ),
    "nonzero_pixels": (
        "Filled pixels",
        "How many pixels of an image are not empty. Look for classes that differ, and for images that are nearly "
        "empty (few particles) or nearly full (noise, pile-up).",
    ),
    "normalised_spectra": (
        "Normalised spectra of the clusters",
        "Share of a cluster's jets in each bin of m_jj. Look for single clusters (signal-rich ones are coloured) "
        "that rise above the bundle in a few neighbouring bins. A bundle that widens as a whole, or clusters that "
        "differ in slope, mean that the jets of background change with m_jj in a way that the training region "
        "does not know.",
    ),
    "standardised_spectra": (
        "Standardised spectra of the clusters",
        "Deviation of each cluster from the robust mean over all clusters, in robust standard deviations. "
        "Clusters that cross the dashed threshold upwards in any bin are signal-rich. Look for several clusters "
        "that cross it in the same bins; single crossings here and there are expected from fluctuations.",
    ),
    "signal_rich": (
        "Signal-rich against signal-poor clusters",
        "Jets of the signal-rich clusters, and the signal-poor ones scaled to as many: the background estimate. "
        "Look for an excess in neighbouring bins with the width of the mass resolution, and for agreement "
        "elsewhere: pulls that rise or fall over the whole range mean that the selection shapes the spectrum. The "
        "largest excess is this scan's statistic, unless the card wants another. It is no significance by itself, "
        "since the clusters were selected to stand out: what it is worth, the calibration says.",
    ),
    "selected_clusters": (
        "Average jet images of the signal-rich clusters",
        "What the jets of each signal-rich cluster look like: the average image, before reprocessing, of all jets "
        "that the cluster holds in the scan nearest to the mean of the ensemble. Above each: its jets, largest "
        "deviation z, local significance Z of its own excess over the signal-poor clusters and, where the truth "
        "is known, how much richer in signal it is than all jets (SFI). Lower row: minus the average over all "
        "jets of the data, or of the background of a simulated sample. Look for a second prong, and for clusters "
        "that resemble each other: one kind of jet may fill several clusters.",
    ),
    "smallest_cluster": (
        "Smallest cluster-bins",
        "The smallest number of jets that any cluster has in any bin, over background-only pseudo-experiments. "
        "Look for values below some twenty: there the standardised spectra are no longer normal, and fewer "
        "clusters would be safer.",
    ),
    "deviation_distribution": (
        "Deviations over the clusters",
        "Distribution of the standardised spectra in each bin and in sum, against a normal one. Look for a core "
        "that follows the normal curve; signal shows as single entries far to the right.",
    ),
    "minus_total": (
        "Spectra minus the spectrum of all jets",
        "Normalised spectra of the clusters minus that of all jets, with plain and robust mean and standard "
        "deviation. Look for plain ones that bulge where the signal is, and robust ones that do not.",
    ),
    "enrichment": (
        "Enrichment by the truth",
        "By the truth label, which the search never sees: how much richer in signal each cluster is than all "
        "jets. Look whether the selected clusters are the rich ones.",
    ),
    "exclusion": (
        "Exclusion",
        "CLs against the number of signal events. Numbers of events where the observed curve is below 0.05 are "
        "excluded at 95 % confidence; look whether it stays inside the band expected without signal.",
    ),
    "fitted_spectrum": (
        "Spectrum of all events with the dijet fits",
        "Events in bins of m_jj and the smooth functions fitted to them, with pulls below. Look for neighbouring "
        "positive pulls at the mass of the excess. A trend of the pulls over the whole range means that the "
        "function does not describe the background, and its p-value says the same.",
    ),
    "calibration": (
        "Calibration",
        "Distribution of the statistic over background-only pseudo-experiments. The p-value is the share of them "
        "to the right of the observed line. Look for how far the line is from the bulk, and how many "
        "pseudo-experiments are left of the tail there: beyond the last one only a bound can be given.",
    ),
    "sensitivity": (
        "Sensitivity",
        "Median significance over doped pseudo-experiments, with quartiles, against the number of injected signal "
        "events. Look for where each search crosses 3; arrows and open markers are lower bounds, set by the "
        "number of background-only pseudo-experiments.",
    ),
}


def caption_of(name: str) -> tuple[str, str]:
    """Title and text of the caption of a figure, by its name in the run folder."""
    for part, caption in CAPTIONS.items():
        if part in name:
            return caption
    words = re.sub(r"_epsilon_\d+", "", name).replace("_", " ").strip()
    return words[:1].upper() + words[1:], ""


def epsilon_of(name: str) -> int | None:
    """Injected signal events of the data set that a figure shows, by its name."""
    found = re.search(r"_epsilon_(\d+)", name)
    return int(found.group(1)) if found else None
