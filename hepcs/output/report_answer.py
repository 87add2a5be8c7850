"""The first sections of a report: the answer, what was searched, and local and global significance."""

from __future__ import annotations

from hepcs.config import Card
from hepcs.output.hyperparameters import hyperparameters
from hepcs.output.page import Markup, definitions, element, join, table
from hepcs.output.sentences import (
    answer,
    bound_text,
    extrapolation_text,
    injection_text,
    local_excess,
    plain_symbols,
    short_data_set,
    trials_text,
)
from hepcs.output.table import NOTHING, p_text, table_rows, z_text
from hepcs.results import RunResult


def answer_section(result: RunResult) -> Markup:
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


def searched_section(result: RunResult) -> Markup:
    """The set-up in words."""
    card = result.card.card
    rows = [
        (plain_symbols(row.name), plain_symbols(row.value), plain_symbols(row.motivation))
        for row in hyperparameters(card)
    ]
    return join(
        element("p", _kind_of_search(card)),
        definitions(_set_up(result)),
        table(
            ("parameter", "value", "the paper's reason for its own value"),
            rows,
            caption="Hyperparameters of Cluster Scanning. The other searches differ in what their titles say",
            classes=("", "", ""),
        ),
    )


def _kind_of_search(card: Card) -> str:
    if card.samples.is_real_search:
        return "A real search: unlabelled data; pseudo-experiments are drawn from a background sample."
    if any(card.injection.epsilon):
        return (
            "Pseudo-data: the background of a simulated sample with injected signal events. The label is used for "
            "nothing else."
        )
    return "Pseudo-data: the background of a simulated sample, with no signal added."


def _set_up(result: RunResult) -> list[tuple[str, str]]:
    card, bins = result.card.card, result.bins
    wanted = card.pseudo_experiments
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
        pairs.append(("Injected signal events", f"{numbers}. {injection_text(result)}"))
    return pairs


def significance_section(result: RunResult) -> Markup:
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
            "largest; of Cluster Scanning in the scan nearest to the mean of the ensemble. It leaves out that so "
            "much was looked at, that clusters were selected to stand out, and how well the "
            "background is known. The global significance counts all that in: its p is the share of "
            "background-only pseudo-experiments, searched in the same way, whose statistic reaches the observed "
            "one anywhere.",
        ),
        element("p", "Where each search looks for an excess:"),
        definitions((search.title, trials_text(result, search.name)) for search in result.searches),
        table(
            ("search", "data set", "local Z", "m_jj [GeV]", "global p", "global Z"),
            rows,
            caption="Local and global significance of the observed data sets",
            classes=("nowrap", "nowrap", "number", "nowrap", "nowrap", "nowrap"),
        ),
    )
