"""``report.html``: a run for those who did not run it, in one file that needs nothing else.

It says what was searched and what was found, shows every figure with what to look for in it, and lists what the
numbers rest on. All is made from the :class:`~hepcs.results.RunResult` and the drawn figures.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hist
import numpy as np
from PIL import Image

from hepcs.output.captions import caption_of, epsilon_of
from hepcs.output.hyperparameters import hyperparameters
from hepcs.output.page import (
    Markup,
    definitions,
    element,
    join,
    page,
    picture,
    table,
)
from hepcs.output.report_origin import provenance_section, samples_section
from hepcs.output.sentences import (
    answer,
    bound_text,
    data_set,
    extrapolation_text,
    local_excess,
    plain_symbols,
    short_data_set,
)
from hepcs.output.summary import results_digest
from hepcs.output.table import NOTHING, p_text, table_rows, z_text
from hepcs.results import Observed, RunResult, SearchResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Dots per inch and colours of the pictures inside the page: sharp on a phone, and some 20 kB each.
RESOLUTION = 130
COLOURS = 256
# CSS pixels in an inch.
CSS_RESOLUTION = 96
# A figure that is this much wider than high gets the whole width of the page.
WIDE = 1.8


@dataclass(frozen=True)
class Picture:
    """A figure for the report.

    Attributes
    ----------
    name
        Its name in the run folder.
    png
        Its picture.
    width, height
        Its size in CSS pixels, if there is room.
    """

    name: str
    png: bytes
    width: int
    height: int


def report_picture(name: str, figure: Figure) -> Picture:
    """A figure as a small PNG."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=RESOLUTION, bbox_inches="tight", facecolor="white")
    drawn.seek(0)
    with Image.open(drawn) as image:
        small = io.BytesIO()
        # Lines and a few colours: a palette does, and takes a third of the bytes.
        image.convert("RGB").quantize(COLOURS).save(small, format="png", optimize=True)
        width, height = (round(size * CSS_RESOLUTION / RESOLUTION) for size in image.size)
        return Picture(name, small.getvalue(), width, height)


def render_report(result: RunResult, pictures: Sequence[Picture] = ()) -> str:
    """The report as HTML.

    Parameters
    ----------
    result
        The run.
    pictures
        Its figures, from :func:`report_picture`, in the order in which they are shown.
    """
    card = result.card.card
    sections = [
        ("answer", "The answer", _answer(result)),
        ("searched", "What was searched", _searched(result)),
        ("significance", "Local and global significance", _significance(result)),
        ("figures", "Figures", _figures(result, pictures)),
        ("fits", "Fits", _fits(result)),
        ("clusters", "Selected clusters", _clusters(result, pictures)),
        ("samples", "Samples and cutflow", samples_section(result)),
        ("provenance", "Provenance", provenance_section(result)),
    ]
    there = [section for section in sections if section[2]]
    links = element("ul", *(element("li", element("a", title, href=f"#{name}")) for name, title, _ in there))
    return page(
        f"{card.name}: report",
        element(
            "header",
            element("h1", card.name),
            element("p", card.description) if card.description else "",
            element(
                "p",
                f"Run of {_day(result.provenance.started)}; digest of the results ",
                element("code", results_digest(result)[:16]),
                class_="soft",
            ),
        ),
        element("nav", links, aria_label="Sections"),
        element(
            "main",
            *(element("section", element("h2", title), body, id=name) for name, title, body in there),
        ),
    )


# ------------------------------------------------------------------------------------------- the answer


def _answer(result: RunResult) -> Markup:
    """One sentence for each observed data set of the first search, all numbers in a table, and the warnings."""
    real = result.card.card.samples.is_real_search
    first = result.searches[0]
    sentences = []
    for observed in first.observed:
        sentences.append(element("p", answer(first, observed, real)))
        if observed.extrapolation is not None:
            sentences.append(element("p", extrapolation_text(observed.extrapolation), class_="soft"))
    rows = [
        (
            row.search,
            row.epsilon,
            row.data_set,
            row.statistic,
            row.p,
            join(row.z, " ", element("span", "bound", class_="flag")) if row.is_bound else row.z,
        )
        for row in table_rows(result)
    ]
    return join(
        element("div", *sentences, class_="answer"),
        _warnings(result),
        table(
            ("search", "signal events", "data set", "statistic", "p", "Z"),
            rows,
            caption="All searches. Observed: with 68 % intervals. Doped: median and quartiles over "
            "pseudo-experiments with injected signal. > and < mark bounds, for want of pseudo-experiments.",
            classes=("nowrap", "number", "nowrap", "number", "nowrap", "nowrap"),
        ),
    )


def _warnings(result: RunResult) -> Markup:
    if not result.warnings:
        return element("p", "The run gave no warnings.", class_="soft")
    listed = element("ul", *(element("li", warning) for warning in result.warnings))
    return element("div", element("strong", "Warnings"), listed, class_="warning", role="note")


def _searched(result: RunResult) -> Markup:
    """The set-up in words."""
    card, bins = result.card.card, result.bins
    wanted = card.pseudo_experiments
    if card.samples.is_real_search:
        kind = "A real search: unlabelled data; pseudo-experiments are drawn from a background sample."
    elif any(card.injection.epsilon):
        kind = (
            "Pseudo-data: the background of a simulated sample with injected signal events. The label is used for "
            "nothing else."
        )
    else:
        kind = "Pseudo-data: the background of a simulated sample, with no signal added."
    events = ", ".join(
        f"{sample.n_evaluation:,} {'' if sample.role == 'labelled' else sample.role + ' '}events"
        for sample in result.samples
    )
    (low, high), width = bins.training, (bins.high - bins.low) / bins.n_bins
    pairs = [
        ("Searches", ", ".join(search.title for search in result.searches)),
        (
            "Selection",
            f"two anti-kT jets with R = {card.jets.radius:g}, |eta| < {card.jets.abs_eta_max:g}; leading jet "
            f"pT > {card.jets.leading_pt_min:g} GeV",
        ),
        (
            "Evaluation region",
            f"m_jj in [{bins.low:g}, {bins.high:g}) GeV, {bins.n_bins} bins of {width:g} GeV: {events}",
        ),
        ("Training region", f"m_jj in [{low:g}, {high:g}) GeV"),
        (
            "Pseudo-experiments",
            f"{wanted.background_only:,} background-only for each search"
            + (f", {wanted.doped:,} doped for each number of injected events" if wanted.doped else ""),
        ),
    ]
    if not card.samples.is_real_search:
        numbers = ", ".join(f"{epsilon:,}" for epsilon in card.injection.epsilon)
        pairs.append(("Injected signal events", numbers))
    rows = [
        (plain_symbols(row.name), plain_symbols(row.value), plain_symbols(row.motivation))
        for row in hyperparameters(card)
    ]
    return join(
        element("p", kind),
        definitions(pairs),
        table(
            ("parameter", "value", "because"),
            rows,
            caption="Cluster Scanning, but for what a search's title says is otherwise",
            classes=("", "", ""),
        ),
    )


def _significance(result: RunResult) -> Markup:
    """Where each search finds most, and what that is worth."""
    real = result.card.card.samples.is_real_search
    rows = []
    for search in result.searches:
        for observed in search.observed:
            local, calibration = local_excess(observed), observed.calibration
            flag = bound_text(calibration)
            rows.append(
                (
                    search.title,
                    short_data_set(observed.epsilon, real),
                    NOTHING if local is None or local.z <= 0 else f"{local.z:.2f}",
                    NOTHING if local is None or local.z <= 0 else f"[{local.low:g}, {local.high:g})",
                    NOTHING if calibration is None else p_text(calibration),
                    NOTHING
                    if calibration is None
                    else join(z_text(calibration), " ", element("span", flag, class_="flag") if flag else ""),
                )
            )
    return join(
        element(
            "p",
            "The local significance is the excess of one bin in units of its expected fluctuation, where it is "
            "largest; of Cluster Scanning in the scan nearest to the mean of the ensemble. It leaves out that "
            "many bins were looked at, that clusters were selected to stand out, and how well the background is "
            "known. The global significance counts all that in: its p is the share of background-only "
            "pseudo-experiments, searched in the same way, whose statistic reaches the observed one anywhere.",
        ),
        table(
            ("search", "data set", "local Z", "m_jj [GeV]", "global p", "global Z"),
            rows,
            caption="Local and global significance of the observed data sets",
            classes=("nowrap", "nowrap", "number", "nowrap", "nowrap", "nowrap"),
        ),
    )


# ---------------------------------------------------------------------------------------------- figures


def _figures(result: RunResult, pictures: Sequence[Picture]) -> Markup:
    """Figures of the samples first, then those of each data set, then those of the searches."""
    shown = [one for one in pictures if not _of_clusters(one)]
    return element("div", *(_figure(result, one) for one in shown), class_="figures") if shown else Markup()


def _of_clusters(one: Picture) -> bool:
    """Whether a figure stands with the selected clusters."""
    return "selected_clusters" in one.name


def _search_of(result: RunResult, one: Picture) -> SearchResult | None:
    """The search whose name a figure's name begins with: of several, the one with the longest name."""
    owners = [search for search in result.searches if one.name.startswith(f"{search.name}_")]
    return max(owners, key=lambda search: len(search.name), default=None)


def _figure(result: RunResult, one: Picture) -> Markup:
    """A figure with its caption."""
    title, text = caption_of(one.name)
    search = _search_of(result, one)
    owner = "" if search is None else search.title
    epsilon = epsilon_of(one.name)
    subject = "" if epsilon is None else data_set(epsilon, result.card.card.samples.is_real_search)
    heading = ", ".join(part for part in (title, owner, subject) if part)
    caption = element("figcaption", element("strong", f"{heading}. "), text)
    kind = {"class_": "wide"} if one.width > WIDE * one.height else {}
    return element("figure", picture(one.png, one.width, one.height, heading), caption, **kind)


# --------------------------------------------------------------------------------- fits and the clusters


def _fits(result: RunResult) -> Markup:
    """Parameters and quality of each fit to an observed spectrum."""
    real = result.card.card.samples.is_real_search
    rows = [
        _fit_row(search, observed, fit, real)
        for search in result.searches
        for observed in search.observed
        if isinstance(fit := observed.observation.summary.get("fit"), Mapping)
    ]
    if not rows:
        return Markup()
    return table(
        ("fit", "data set", "parameters", "chi2 / ndof", "p-value", "converged"),
        rows,
        caption="Dijet functions fitted to the spectrum of all events; errors from the covariance. p1 is given by "
        "its logarithm. A small p-value says that the function does not describe the spectrum.",
        classes=("nowrap", "nowrap", "", "nowrap", "number", ""),
    )


def _fit_row(search: SearchResult, observed: Observed, fit: Mapping[str, Any], real: bool) -> tuple[str, ...]:
    covariance = np.array(fit["covariance"], dtype=np.float64)
    errors = np.sqrt(np.clip(np.diag(covariance), 0, None))
    parameters = [
        element("div", f"{name} = {value:.4g} ± {error:.2g}", class_="nowrap")
        for name, value, error in zip(fit["parameter_names"], fit["parameters"], errors, strict=True)
    ]
    return (
        search.title,
        short_data_set(observed.epsilon, real),
        join(*parameters),
        f"{fit['chi2']:.1f} / {fit['ndof']}",
        f"{fit['p_value']:#.2g}",
        "yes" if fit["converged"] else "no",
    )


def _clusters(result: RunResult, pictures: Sequence[Picture]) -> Markup:
    """The signal-rich clusters of each observed data set, with what their jets look like."""
    real = result.card.card.samples.is_real_search
    parts: list[Markup] = []
    for search in result.searches:
        for observed in search.observed:
            rows = _cluster_rows(observed)
            if rows is None:
                continue
            subject = data_set(observed.epsilon, real)
            parts.append(element("h3", f"{search.title}: {subject}"))
            if not rows:
                parts.append(element("p", "No cluster of the representative scan is signal-rich."))
                continue
            parts.append(
                table(
                    ("cluster", "jets", "largest deviation", "at m_jj [GeV]"),
                    rows,
                    caption="Signal-rich clusters of the scan nearest to the mean of the ensemble",
                    classes=("number", "number", "number", "nowrap"),
                )
            )
            parts += [
                _figure(result, one)
                for one in pictures
                if _of_clusters(one)
                and _search_of(result, one) is search
                and epsilon_of(one.name) == observed.epsilon
            ]
    return join(*parts)


def _cluster_rows(observed: Observed) -> list[tuple[str, ...]] | None:
    """Signal-rich clusters by falling deviation; None for a search without clusters."""
    observation = observed.observation
    member = observation.summary.get("representative_member")
    if member is None or "members" not in observation.summary:
        return None
    found: dict[str, hist.Hist] = {
        named.path.rpartition("/")[2]: named.histogram
        for named in observation.histograms
        if named.path.startswith(f"member_{member:02d}/")
    }
    if "spectra" not in found or "deviations" not in found:
        return None
    jets, deviations = found["spectra"].values().sum(axis=1), found["deviations"].values()
    edges = found["deviations"].axes[1].edges
    chosen = observation.summary["members"][member]["signal_rich_clusters"]
    rows: list[tuple[str, ...]] = []
    for cluster in sorted(chosen, key=lambda cluster: -float(deviations[cluster].max())):
        at = int(np.argmax(deviations[cluster]))
        rows.append(
            (
                str(cluster),
                f"{jets[cluster]:,.0f}",
                f"{deviations[cluster, at]:.1f}",
                f"[{edges[at]:g}, {edges[at + 1]:g})",
            )
        )
    return rows


def _day(time: str) -> str:
    """``2024-02-27T12:00:00+00:00`` as ``2024-02-27 12:00 UTC``; another text as it is."""
    day, separator, rest = time.partition("T")
    return f"{day} {rest[:5]} UTC" if separator and rest.endswith("+00:00") else time
