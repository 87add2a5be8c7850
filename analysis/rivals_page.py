"""Write the page of the searches of the LHC Olympics from ``rivals.json``: every number of it comes from there.

Searches that the comparison of searches has on the same data sets are taken from its statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import rich.table
from numpy.typing import NDArray
from paper_numbers import crossing_text, table
from scipy.stats import norm
from sensitivity import PREFERRED, crossing_entry

from hepcs._core.randomness import Stream, generator
from hepcs.config.kinds import installed_kinds
from hepcs.studies.sensitivity import Curve, SearchStatistics, sensitivity

Content = Mapping[str, Any]

SIGNAL = "olympics"
# Of the comparison of searches, which has the same data sets.
COMPARED = (
    *("cluster_scanning", "window_scan", "fit_4_template", "cwola", "tag_n_train", "pca_outliers"),
    *("factorised_topics", "supervised_olympics"),
)
AUTOENCODERS = (
    "autoencoder",
    "autoencoder_images",
    "autoencoder_images_wide",
    "vae",
    "gan_ae",
    "vrnn",
    "particle_graph",
    "autoencoder_latent",
)
# Z is given at the number of signal events that is nearest to this one.
AT = 500
BOOTSTRAPS = 100
# Data sets of each number of signal events that an interval needs.
DOPED_FOR_INTERVAL = 5
# Of a local p that would be called a hint.
ALPHA = 0.01


@dataclass(frozen=True)
class Measured:
    """What the statistics of a search say.

    Attributes
    ----------
    null
        Those without signal that are valid.
    epsilon
        Signal events at which Z is given.
    counted, gaussian
        Median Z there, counted and by mean and SD of the null; a counted one may be a bound.
    n3sigma
        Where the median crosses 3: value, ends and what it is beyond.
    reading
        By which reading that is.
    n_doped
        Fewest data sets of a number of signal events.
    """

    null: NDArray[np.float64]
    epsilon: int
    counted: tuple[float, str | None]
    gaussian: float
    n3sigma: Content
    reading: str
    n_doped: int


def measured(entry: Content) -> Measured:
    """From the statistics of one search, with and without the signal."""
    null = np.array(entry["null"], dtype=np.float64)
    doped = {
        int(epsilon): np.array(values, dtype=np.float64) for epsilon, values in entry["doped"][SIGNAL].items()
    }
    found = sensitivity(
        [SearchStatistics("search", null, doped)],
        rng=generator(1, Stream.STUDY),
        n_bootstrap=BOOTSTRAPS,
        readings=PREFERRED,
    )["search"]
    reading = "counted" if found.reach.is_enough else "gaussian"
    counted, gaussian = found.curves["counted"], found.curves["gaussian"]
    place = int(np.argmin(np.abs(counted.epsilon - AT)))
    return Measured(
        null=null[np.isfinite(null)],
        epsilon=int(counted.epsilon[place]),
        counted=_z(counted, place),
        gaussian=_z(gaussian, place)[0],
        n3sigma=crossing_entry(found.curves[reading].crossing),  # type: ignore[index]
        reading=reading,
        n_doped=min(int(np.isfinite(values).sum()) for values in doped.values()),
    )


def _z(curve: Curve, place: int) -> tuple[float, str | None]:
    found = curve.median[place]
    return float(found.z), found.bound


def with_compared(content: Content, comparison: Content | None) -> dict[str, Content]:
    """The searches of ``rivals.json``, after those of ``comparison_statistics.json``, in one form.

    What is in both has a row for each.
    """
    if comparison is None:
        return dict(content)
    others = {
        f"compared_{name}" if name in content else name: {
            **comparison["searches"][name],
            "conditional_on": "",
            "training_seconds": None,
            "sic": [],
        }
        for name in COMPARED
        if name in comparison["searches"]
    }
    own = {
        name: {**entry, "title": f"{entry['title']}, other data sets"} if name in COMPARED else entry
        for name, entry in content.items()
    }
    return {**others, **own}


def page(content: Content, comparison: Content | None, lhco: Content, autoencoders: Content) -> str:
    """The page as Markdown, of ``rivals.json``, ``comparison_statistics.json`` and what is known of real features."""
    rows = with_compared(content, comparison)
    known = {name: measured(entry) for name, entry in rows.items()}
    first = next(iter(content.values()))
    parts = [
        "# The searches of the LHC Olympics on the same events",
        f"Data sets of some {first['n_events']:,.0f} background events in the evaluation region, drawn from "
        f"some {first['n_pool']:,} others (14 lack features that some searches need), with and without signal events of 3.5 TeV to 500 + 100 GeV. Each search is "
        "calibrated by itself; Z is global: by data sets without signal, with windows, cuts and categories in their "
        "trials. "
        "Those at the top are from [the comparison of searches](COMPARISON.md), on the same background.",
        "The priors of a deep ensemble and of QUAK are signals of the masses of that in the data, generated apart, or, "
        "as other priors, two prongs of 300 + 200 GeV and top pairs: told of the signal, both find it better than "
        "all that are told nothing; told of others, not at all. Embeddings are trained before, on 24,000 generated "
        "events with another strong coupling in their shower, of which no data set holds any; the time of that "
        "training is not in the table.",
        "## What they find",
        _found(rows, known),
        "Z: the median, counted (> is a lower bound: no data set without signal lies above), and in brackets by mean "
        "and standard deviation of the null, which is no tail. N_3sigma: ~ by the latter, since so few cannot count "
        "to 3, and no better than 20 % or so where there are some ten; brackets are 68 %, where each number of signal "
        "events has five data sets or more. SIC: largest eps_S / sqrt(eps_B) of any cut in the window of the signal that leaves "
        "20 background events, mean and spread of data sets with 250 signal events.",
        "![Z against signal events](results/figures/rivals.png)",
        "## What they cost, and how they shape the spectrum",
        _cost(rows),
        "delta_sys: mean of (S - B) / B without signal, for the three shares kept; bold where it exceeds the "
        "statistical error of B. Seconds are processor time of one core; the training is that before all data sets.",
        "## Numbers to hold against",
        _statements(rows, known, lhco, autoencoders),
        *_missing(rows),
        "## How to make this page",
        "`python analysis/rivals.py rivals.yaml --folder runs/rivals`, which can be stopped at any time and goes on. "
        "Files of background that were there already stand in for the generated one of the card, so that its data sets "
        "are others. Without a card, the page is made anew from `results/rivals.json`, which holds all statistics.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _trained(entry: Content) -> str:
    if entry["conditional_on"]:
        return "once" if entry["conditional_on"].startswith("One training") else "partly once"
    return "in each data set" if entry["retrain"] else "once"


def z_text(found: Measured) -> str:
    """Median Z as text, both readings."""
    value, bound = found.counted
    sign = {None: "", "lower": "> ", "upper": "< "}[bound]
    return f"{sign}{value:.1f} ({found.gaussian:.1f})"


def n3sigma_text(found: Measured) -> str:
    """N_3sigma as text."""
    crossing = found.n3sigma
    mark = " ~" if found.reading == "gaussian" and crossing["epsilon"] is not None else ""
    # A bootstrap of two or three data sets knows nothing of their scatter.
    known = crossing["bound"] is None and found.n_doped >= DOPED_FOR_INTERVAL
    return crossing_text(crossing, interval=known) + mark


def sic_text(values: Sequence[float]) -> str:
    """Mean and spread of significance improvements."""
    if not values:
        return "–"
    return f"{np.mean(values):.1f}" + (f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else "")


def _found(rows: Mapping[str, Content], known: Mapping[str, Measured]) -> str:
    return (
        table(
            ["search", "trained", "null: mean ± SD (data sets, doped)", "Z at 500 events", "N_3sigma", "SIC"],
            [
                [
                    entry["title"] + (" *" if entry["needs_truth"] else ""),
                    _trained(entry),
                    f"{found.null.mean():.2f} ± {found.null.std(ddof=1):.2f} ({found.null.size}, {found.n_doped})",
                    z_text(found) + ("" if found.epsilon == AT else f" at {found.epsilon}"),
                    n3sigma_text(found),
                    sic_text(entry["sic"]),
                ]
                for entry, found in zip(rows.values(), known.values(), strict=True)
            ],
        )
        + "\n\n\\* knows the truth."
    )


def _cost(rows: Mapping[str, Content]) -> str:
    return table(
        ["search", "training, s", "s a data set", "delta_sys, loosest to tightest cut", "failed"],
        [
            [
                entry["title"],
                "–" if entry["training_seconds"] is None else f"{entry['training_seconds']:.0f}",
                f"{entry['seconds']:.2g}",
                ", ".join(_bias(share, one) for share, one in _shares(entry)) or "–",
                f"{entry['n_failed']}",
            ]
            for entry in rows.values()
        ],
    )


def _shares(entry: Content) -> list[tuple[str, Content]]:
    return sorted(entry["delta_sys"].items(), key=lambda item: -float(item[0]))


def _bias(share: str, found: Content) -> str:
    text = f"{found['value']:+.1%} ± {found['error']:.1%}"
    large = abs(found["value"]) > max(found["statistical"], 2 * found["error"])
    return f"{100 * float(share):g} %: " + (f"**{text}**" if large else text)


def _missing(rows: Mapping[str, Content]) -> list[str]:
    """Kinds of searches that are not measured on these data sets."""
    known = {entry["kind"] for entry in rows.values()}
    others = [
        name.replace("_", " ")
        for name in installed_kinds("hepcs.searches")
        if name not in known and name != "idealised_fit"
    ]
    return ["## Not measured here", f"{', '.join(others)}. All are in the card."] if others else []


# ---------------------------------------------------------------------------------------- numbers to hold against


def _statements(
    rows: Mapping[str, Content], known: Mapping[str, Measured], lhco: Content, autoencoders: Content
) -> str:
    """What was expected, and what came out."""
    reached = {name: one["max_sic"] for name, one in lhco["bounds"].items()}
    priors = ("quak_right", "quak", "autoencoder", "autoencoder_latent")
    said = [
        (
            "trees on the signal region of the LHC Olympics reach a SIC of 13 (supervised) and 12 (idealised)",
            f"{', '.join(f'{one:.1f} ({name})' for name, one in reached.items())}, by "
            "[`lhco_signal_region.py`](lhco_signal_region.py)",
        ),
        (
            "CATHODE lies between CWoLa and the idealised bound in SIC, ANODE below",
            _sics(rows, "cwola", "cathode", "anode", "idealised"),
        ),
        (
            "the autoencoder has a SIC of 2 to 4, whatever the number of signal events",
            f"{_sics(rows, *AUTOENCODERS)}. {_no_outlier(autoencoders)}",
        ),
        (
            "Tag N' Train improves on the score that starts it, and again in the second iteration",
            f"{_sics(rows, 'tag_n_train_once', 'tag_n_train')}. "
            f"{_needed(rows, known, 'pca_outliers', 'tag_n_train_once', 'tag_n_train', 'compared_tag_n_train')}",
        ),
        (
            "QUAK with the right prior is near the supervised bound, with a wrong one no worse than the autoencoder",
            f"{_sics(rows, 'deep_ensemble_right', *priors)}. "
            f"{_needed(rows, known, 'supervised_olympics', *priors)}",
        ),
        (
            "PCA outliers and QUAK give no excess in empty data sets",
            f"calibrated, they do by construction as often as p says. Read by its best local Z, a data set without "
            f"signal has a p of 1 % or less in {_false(rows, known, 'pca_outliers', 'quak', 'quak_right')}",
        ),
    ]
    return "\n".join(f"- **{claim}**: {answer}." for claim, answer in said)


def _sics(rows: Mapping[str, Content], *names: str) -> str:
    found = [
        f"{rows[one]['title']} {sic_text(rows[one]['sic'])}"
        for one in names
        if one in rows and rows[one]["sic"]
    ]
    return f"SIC: {', '.join(found)}" if found else "not measured"


def _no_outlier(found: Content) -> str:
    """What autoencoders reach on real features of the olympics, and where the signal lies in them."""
    one = found["autoencoders"]["1"]["sic"]
    reached = ", ".join(
        f"{value:.1f} at eps_B = {float(kept):.1%} (eps_S = {value * float(kept) ** 0.5:.0%})"
        for kept, value in one.items()
    )
    more = ", ".join(
        f"{max(other['sic'].values()):.1f} with {latent}"
        for latent, other in found["autoencoders"].items()
        if latent != "1"
    )
    lighter, difference, *_ = found["features"].values()
    return (
        "Measured with 250 signal events only. Four substructure features of real events of the olympics give no more "
        f"([`lhco_autoencoder.py`](lhco_autoencoder.py), one training each): with a bottleneck of one number {reached}; at "
        f"most {more}. In them {lighter['background_above_median_of_signal']:.0%} of the background has a heavier lighter "
        f"jet than the median of the signal, and {difference['background_above_median_of_signal']:.0%} a larger difference "
        "of the masses. The claim is of convolutions on images, which were not run on real ones"
    )


def _needed(rows: Mapping[str, Content], known: Mapping[str, Measured], *names: str) -> str:
    found = [f"{rows[one]['title']} {n3sigma_text(known[one])}" for one in names if one in rows]
    return f"N_3sigma: {', '.join(found)}"


def _false(rows: Mapping[str, Content], known: Mapping[str, Measured], *names: str) -> str:
    return ", ".join(
        f"{(norm.sf(known[one].null) <= ALPHA).mean():.0%} ({rows[one]['title']})"
        for one in names
        if one in rows
    )


def console_table(content: Content) -> rich.table.Table:
    """For people."""
    result = rich.table.Table(title="searches of the LHC Olympics")
    for column in ("search", "null", "Z at 500", "N_3sigma", "SIC", "training, s", "s a data set"):
        result.add_column(column, justify="left" if column == "search" else "right")
    for entry in content.values():
        found = measured(entry)
        result.add_row(
            entry["title"],
            f"{found.null.mean():.2f} ± {found.null.std(ddof=1):.2f} ({found.null.size})",
            z_text(found),
            n3sigma_text(found),
            sic_text(entry["sic"]),
            f"{entry['training_seconds']:.0f}",
            f"{entry['seconds']:.2g}",
        )
    return result
