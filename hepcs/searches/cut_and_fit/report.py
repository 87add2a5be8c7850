"""What a search by score and cut says in the report, and what it warns of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepcs.config.schema import Card
from hepcs.datasets.bootstrap import Kind
from hepcs.results import Outcome, RunResult, SearchResult
from hepcs.searches.cut_and_fit.columns import left_out_on_card, left_out_text
from hepcs.searches.cut_and_fit.section import CutAndFit, TreesCutAndFit
from hepcs.searches.cut_and_fit.windows import sliding_windows
from hepcs.searches.kinds import Block, Hyperparameter, Table


@dataclass(frozen=True)
class BiasOfCut:
    """A cut on background-only pseudo-experiments.

    Attributes
    ----------
    efficiency
        Share of events that it keeps.
    delta, error
        Mean of (S - B) / B over windows and data sets (delta_sys), and its standard error.
    statistical
        Mean relative error of B by its own variance.
    jsd, jsd_spread
        Jensen-Shannon divergence, bits, of the spectra after and before the cut: mean and SD over data sets.
    chi2_ndof
        Mean chi2 / ndof of the same two; copies of events in a bootstrap make it larger than 1.
    """

    efficiency: float
    delta: float
    error: float
    statistical: float
    jsd: float
    jsd_spread: float
    chi2_ndof: float

    @property
    def exceeds(self) -> bool:
        """Whether the bias is larger than the statistical error of B, and no fluctuation of its own."""
        return abs(self.delta) > max(self.statistical, 2 * self.error)


def bias_of(outcomes: Sequence[Outcome]) -> tuple[BiasOfCut, ...]:
    """Bias and sculpting of each cut of a search, from the outcomes of its background-only pseudo-experiments."""
    null = [one.details for one in outcomes if one.task.kind is Kind.BACKGROUND_ONLY and one.valid]
    names = [key.removeprefix("bias_") for key in (null[0] if null else ()) if key.startswith("bias_")]

    def values(what: str, name: str) -> NDArray[np.float64]:
        return np.array([details[f"{what}_{name}"] for details in null])

    found = []
    for name in names:
        bias, jsd = values("bias", name), values("jsd", name)
        found.append(
            BiasOfCut(
                efficiency=float(name.replace("p", ".").replace("m", "-")),
                delta=float(np.nanmean(bias)),
                error=float(np.nanstd(bias) / np.sqrt(bias.size)),
                statistical=float(np.nanmean(values("estimate_error", name))),
                jsd=float(np.nanmean(jsd)),
                jsd_spread=float(np.nanstd(jsd)),
                chi2_ndof=float(np.nanmean(values("chi2_ndof", name))),
            )
        )
    return tuple(found)


def warnings(result: RunResult, searches: Sequence[SearchResult]) -> Iterator[str]:  # noqa: ARG001
    """Cuts whose background estimate is wrong by more than its statistical error."""
    for search in searches:
        for bias in bias_of(search.outcomes):
            if bias.exceeds:
                yield (
                    f"{search.title}: without signal, the estimate in the windows is off by delta_sys = "
                    f"{bias.delta:+.1%} +- {bias.error:.1%} after the cut that keeps {100 * bias.efficiency:g} %, "
                    f"more than its statistical error of {bias.statistical:.1%}: the cut shapes the spectrum"
                )


def _measured(search: SearchResult) -> list[str]:
    """The uncertainty of the estimate, where bias tests measured it."""
    for one in search.observed:
        summary = one.observation.summary
        if error := summary.get("background_uncertainty"):
            names = summary.get("labels") or [f"{100 * share:g} % kept" for share in summary["efficiencies"]]
            found = (
                f"{100 * value:.2g} % ({name})" for name, value in zip(names, error["relative"], strict=True)
            )
            return [
                "The local Z knows an uncertainty of the estimate beside that of the fit, as bias tests measured "
                f"it in data sets without signal, beyond their fluctuations: {', '.join(found)}."
            ]
    return []


def report(result: RunResult, searches: Sequence[SearchResult]) -> Iterator[Block]:
    """How each search was trained, its bias and sculpting, and the most significant window of each data set."""
    for search in searches:
        section = result.card.card.searches[search.name]
        assert isinstance(section, CutAndFit)
        paragraphs = [
            f"The score is trained on {section.trained_on}, from the features {section.features!r}, "
            f"in {section.folds} folds by the event: no event is scored by a model that has seen it."
        ]
        if left_out := left_out_on_card(section.features, result.card.card):
            text = left_out_text(left_out, section.features)
            paragraphs.append(f"{text[0].upper()}{text[1:]}.")
        if section.decorrelate != "none":
            paragraphs.append(f"Its score is decorrelated from m_jj: {_DECORRELATED[section.decorrelate]}.")
        if section.conditional_on:
            paragraphs.append(section.conditional_on)
        if section.needs_truth:
            paragraphs.append(
                "It knows the truth: a bound for comparison, which no search of real data can reach."
            )
        paragraphs += _measured(search)
        tables = [_bias_table(bias_of(search.outcomes)), *_number_table(search, section)]
        windows = _window_table(search)
        yield Block(search.title, tuple(paragraphs), (*tables, *windows), (f"{search.name}_bias",))


def _bias_table(biases: Sequence[BiasOfCut]) -> Table:
    rows = tuple(
        (
            f"{100 * bias.efficiency:g} %",
            f"{bias.delta:+.3f} ± {bias.error:.3f}",
            f"{bias.statistical:.3f}",
            f"{bias.jsd:.2g} ± {bias.jsd_spread:.2g}",
            f"{bias.chi2_ndof:.2f}",
        )
        for bias in biases
    )
    return Table(
        ("events kept", "delta_sys", "statistical error of B", "JSD [bit]", "chi2 / ndof"),
        rows,
        "Background-only pseudo-experiments: bias of the estimate, mean over windows, and how the cut shapes the "
        "spectrum outside of them.",
    )


def _number_table(search: SearchResult, section: CutAndFit) -> Iterator[Table]:
    """What the trainings tell of themselves."""
    null = [one.details for one in search.outcomes if one.task.kind is Kind.BACKGROUND_ONLY and one.valid]
    if not section.number_titles or not null:
        return
    rows = []
    for name, title in section.number_titles.items():
        values = np.array([details[name] for details in null])
        shown = [f"{one.observation.summary['numbers'][name]:.3g}" for one in search.observed]
        rows.append((title, f"{values.mean():.3g} ± {values.std():.2g}", ", ".join(shown)))
    caption = (
        "Of the trainings: mean and SD over background-only pseudo-experiments, and the observed data sets."
    )
    yield Table(("what", "without signal", "observed"), tuple(rows), caption)


def _window_table(search: SearchResult) -> Iterator[Table]:
    for observed in search.observed:
        spectrum, summary = observed.observation.spectrum, observed.observation.summary
        if spectrum is None or spectrum.window is None:
            continue
        z = np.array(summary["local_z"], dtype=np.float64)
        window, cut = np.unravel_index(int(np.nanargmax(z)), z.shape)
        (low, high), efficiency = spectrum.window, summary["efficiencies"][cut]
        events, expected = summary["observed"][window][cut], summary["expected"][window][cut]
        error = summary["expected_error"][window][cut]
        injection = observed.injection
        yield Table(
            ("window [GeV]", "events kept", "observed", "expected", "local Z"),
            (
                (
                    f"[{low:g}, {high:g})",
                    f"{100 * efficiency:g} %",
                    f"{events:.0f}",
                    f"{expected:.1f} ± {error:.1f}",
                    f"{z[window, cut]:.2f}",
                ),
            ),
            f"Most significant window with {injection.epsilon:,} injected signal events."
            if injection.epsilon
            else "Most significant window.",
        )


def trials(section: CutAndFit, card: Card) -> str:
    """Where the search looks for an excess."""
    regions = card.regions
    windows = sliding_windows(regions.n_bins, section.window, section.sideband)
    low, high = regions.evaluation
    n = len(section.efficiencies)
    cuts = f"{n} cut" + ("" if n == 1 else "s")
    return (
        f"{windows.n_windows} windows of {regions.width_text(section.window)} in m_jj of "
        f"[{low:g}, {high:g}) GeV; {cuts}"
    )


# What a search says of its decorrelation.
_DECORRELATED = {
    "quantile": "thresholds follow m_jj (quantile regression outside of the window)",
    "planing": "training weights that flatten the m_jj spectrum of each class",
}


def hyperparameters(section: CutAndFit, card: Card) -> Iterator[Hyperparameter]:
    """The rows of the table."""
    yield Hyperparameter("score", f"trained on {section.trained_on}", "what the search is about")
    left_out = left_out_on_card(section.features, card)
    value = ", without ".join((section.features, *left_out))
    yield Hyperparameter(
        "features", value, "of each event" + (", m_jj not being among them" if left_out else "")
    )
    if section.decorrelate != "none":
        yield Hyperparameter(
            "decorrelation", _DECORRELATED[section.decorrelate], "a cut that leaves the spectrum its shape"
        )
    yield Hyperparameter("folds", f"{section.folds}", "no event is scored by a model that has seen it")
    width = card.regions.width_text(section.window)
    yield Hyperparameter("window", width, "the width of a resonance with the resolution")
    kept = ", ".join(f"{100 * share:g} %" for share in section.efficiencies)
    yield Hyperparameter("events kept", kept, "few enough to suppress the background, enough for a fit")
    yield Hyperparameter(
        "dijet function", f"{section.fit_parameters} parameters", "fitted outside of the window"
    )
    if isinstance(section, TreesCutAndFit):
        trees = section.trees
        yield Hyperparameter(
            "trees",
            f"{trees.rounds} of {trees.leaves} leaves, learning rate {trees.learning_rate:g}, {trees.members} "
            f"member{'' if trees.members == 1 else 's'}",
            "fast, and robust against features that tell nothing",
        )
