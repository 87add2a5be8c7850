"""Two bounds on real features of the LHC Olympics: what trees reach that know the truth, or the true background.

examples:
  python analysis/lhco_signal_region.py DATA/lhco_signal_region --output analysis/results
  HEPCS_TEST_DATA=DATA python analysis/lhco_signal_region.py --output analysis/results

The folder holds events with 3.3 < m_jj < 3.7 TeV of the R&D set, from the public repository of the CATHODE paper
(arXiv:2109.00546). Its four features are used: the mass of the lighter jet, the difference of the two, and tau21
of both; m_jj is left out. The mass of the heavier jet, their sum, can be a fifth: it holds nothing new, but trees
cut on one feature at a time, and see its peak at once.

*supervised*: signal against background, by the truth. *idealised*: the events of the window (1000 signal events
injected, 772 of them inside) against independent background of the window, which no search has as pure as this.
The figure of merit is the significance improvement SIC = eps_S / sqrt(eps_B). Its largest value is sought above a
least eps_B, since below there are too few background events for it to be anything but a fluctuation.

Judged are the background of ``innerdata_test`` and the signal of ``extra_signal``, in folds: no event is scored by
trees that were grown on it. The trees of each bound, and whether they get the fifth feature, are chosen on
``innerdata_train`` and the two samples of ``extra_qcd_and_signal`` alone, by the mean SIC between 1 and 10 times
the least eps_B. Each bound is trained several times, with other folds and bags.

Writes ``lhco_signal_region.json`` and ``figures/lhco_signal_region.pdf`` and ``.png``; takes a quarter
of an hour of one core.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from script import ended, parser_of

from hepcs._core.errors import ArgumentError, InputError
from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import write_json
from hepcs.datasets.folds import assign_folds
from hepcs.output import save_figure
from hepcs.output.summary import plain
from hepcs.plots.style import BLUE, GREY, VERMILION, line_width, new_figure, style_context
from hepcs.searches.cut_and_fit.classifier import BoostedTrees, Scorer, TreeModel

Bound = Literal["supervised", "idealised"]
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

BOUNDS: tuple[Bound, ...] = ("supervised", "idealised")
# Largest SIC, at smaller eps_B and with seven times as much background (arXiv:2109.00546, 2309.13111).
PUBLISHED: Mapping[Bound, float] = {"supervised": 16.5, "idealised": 16.0}
GOALS: Mapping[Bound, float] = {"supervised": 13.0, "idealised": 12.0}
LEAST_EPS_B = 4e-4
FOLDS = 5
# The supervised trees see much more signal, and gain little by averaging.
MEMBERS: Mapping[Bound, int] = {"supervised": 4, "idealised": 10}
MEMBERS_TO_CHOOSE: Mapping[Bound, int] = {"supervised": 2, "idealised": 5}
GRID = np.geomspace(1e-4, 1.0, 61)
LEVELS = (0.16, 0.84)
BOOTSTRAPS = 100
HALVES = 100
LIGHTER, DIFFERENCE, LABEL = 1, 2, 5
NAME = "lhco_signal_region"


# ------------------------------------------------------------------------------------------------ samples


@dataclass(frozen=True)
class Events:
    """The four features and the mass of the heavier jet, shape (n, 5); whether an event is signal, shape (n,)."""

    features: Floats
    signal: Booleans

    def where(self, mask: Booleans) -> Events:
        """Some of the events."""
        return Events(self.features[mask], self.signal[mask])


@dataclass(frozen=True)
class Samples:
    """The files, none of which shares an event with another.

    Attributes
    ----------
    train, test
        Events of the window, with the injected signal.
    background
        Independent background of the window.
    signal, judged_signal
        Independent signal in the window, to train on and to judge by.
    """

    train: Events
    test: Events
    background: Events
    signal: Events
    judged_signal: Events


def read_samples(folder: Path) -> Samples:
    """Read the four files; raises InputError where one is missing or holds something else."""
    extra = _read(folder / "extra_qcd_and_signal.npy")
    return Samples(
        _read(folder / "innerdata_train.npy"),
        _read(folder / "innerdata_test.npy"),
        extra.where(~extra.signal),
        extra.where(extra.signal),
        _read(folder / "extra_signal.npy"),
    )


def _read(path: Path) -> Events:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}). Give the folder of the files of the CATHODE repository"
        ) from error
    if array.ndim != 2 or array.shape[1] != LABEL + 1 or not np.isfinite(array).all():
        raise InputError(f"{path}: expected finite numbers of shape (n, {LABEL + 1}), found {array.shape}")
    heavier = array[:, LIGHTER] + array[:, DIFFERENCE]
    return Events(np.column_stack([array[:, 1:LABEL], heavier]), array[:, LABEL] == 1)


# -------------------------------------------------------------------------------------------------- trees


@dataclass(frozen=True)
class SmoothTrees(Scorer):
    """Boosted trees that each see other events, with leaves drawn towards zero.

    The package's own draw the events once for a member, which is faster; for a bound, time counts less.

    Attributes
    ----------
    rounds, leaves, learning_rate, min_leaf, bins, members
        As in :class:`BoostedTrees`.
    bagging
        Share of the events that each tree is grown on.
    l2
        Penalty on the score of a leaf, in events.
    """

    rounds: int = 100
    leaves: int = 31
    learning_rate: float = 0.05
    min_leaf: int = 20
    bins: int = 63
    bagging: float = 0.5
    l2: float = 100.0
    members: int = 1

    def fit(
        self,
        x: NDArray[np.floating],
        weights: NDArray[np.floating],
        labels: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> TreeModel:
        """Grow the members; see :class:`Scorer`."""
        import lightgbm

        parameters = {
            "objective": "binary",
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_leaf,
            "max_bin": self.bins,
            "bagging_fraction": self.bagging,
            "bagging_freq": 1,
            "lambda_l2": self.l2,
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        binned = lightgbm.Dataset(x, labels, weight=weights / weights.mean(), params=parameters).construct()
        seeds = rng.integers(2**31, size=self.members)
        boosters = [lightgbm.train({**parameters, "seed": int(seed)}, binned, self.rounds) for seed in seeds]
        return TreeModel(x.shape[1], tuple(booster.free_dataset() for booster in boosters))


@dataclass(frozen=True)
class Candidate:
    """Trees, and whether they get the mass of the heavier jet."""

    trees: BoostedTrees | SmoothTrees
    heavier_mass: bool

    @property
    def n_features(self) -> int:
        """Columns of the features that are used."""
        return 5 if self.heavier_mass else 4

    def with_members(self, members: int) -> Candidate:
        """The same with another number of members."""
        return replace(self, trees=replace(self.trees, members=members))

    def settings(self) -> dict[str, Any]:
        """For the results."""
        return {"kind": type(self.trees).__name__, "heavier_mass": self.heavier_mass, **asdict(self.trees)}


# The first has the rounds and leaves of the package's defaults.
CANDIDATES: tuple[Candidate, ...] = (
    Candidate(
        BoostedTrees(rounds=25, leaves=31, learning_rate=0.15, min_leaf=100, bins=63, bagging=0.5), False
    ),
    Candidate(
        BoostedTrees(rounds=100, leaves=31, learning_rate=0.05, min_leaf=100, bins=63, bagging=0.5), True
    ),
    Candidate(
        BoostedTrees(rounds=100, leaves=31, learning_rate=0.1, min_leaf=20, bins=255, bagging=0.8), True
    ),
    Candidate(SmoothTrees(), False),
    Candidate(SmoothTrees(), True),
)


# ----------------------------------------------------------------------------------------------- training


@dataclass(frozen=True)
class Layout:
    """Who is trained on, and who is judged.

    Attributes
    ----------
    always, always_labels
        Events that all folds are trained on, features (m, 5) and labels (m,).
    folded
        Events in folds, n of them.
    labels
        Those of the training, shape (n,).
    trained, judged
        Which of them are trained on in the other folds, and which are judged, shape (n,).
    """

    always: Floats
    always_labels: Booleans
    folded: Events
    labels: Booleans
    trained: Booleans
    judged: Booleans


def layout(
    bound: Bound, background: Events, others: Sequence[Events], window: Events, signal: Events
) -> Layout:
    """The events of a bound.

    Parameters
    ----------
    bound
        What the labels are: truth, or whether an event belongs to the window's data.
    background
        True background of the window.
    others
        More events to train on: of the window's data, and for the supervised bound of the signal.
    window
        Data of the window in folds, whose background is judged.
    signal
        Signal in folds, which is judged; the idealised bound is not trained on it.
    """
    supervised = bound == "supervised"
    folded = _joined(window, signal)
    from_window = np.arange(folded.signal.size) < window.signal.size
    always = _joined(background, *others)
    in_data = np.arange(always.signal.size) >= background.signal.size
    return Layout(
        always.features,
        always.signal if supervised else in_data,
        folded,
        folded.signal if supervised else np.ones(folded.signal.size, dtype=bool),
        from_window | supervised,
        ~(from_window & folded.signal),
    )


def to_choose(bound: Bound, samples: Samples) -> Layout:
    """The layout that trees are chosen on: no event of it is judged later."""
    return layout(bound, samples.background, (), samples.train, samples.signal)


def to_judge(bound: Bound, samples: Samples) -> Layout:
    """The layout of the result."""
    others = (samples.train, samples.signal) if bound == "supervised" else (samples.train,)
    return layout(bound, samples.background, others, samples.test, samples.judged_signal)


def _joined(*events: Events) -> Events:
    return Events(
        np.concatenate([one.features for one in events]), np.concatenate([one.signal for one in events])
    )


def folded_scores(
    events: Layout, candidate: Candidate, rng: np.random.Generator, n_folds: int = FOLDS
) -> tuple[Floats, Floats]:
    """Scores of the judged background and signal, each event by trees that have not seen it."""
    n, used = events.labels.size, slice(0, candidate.n_features)
    fold = assign_folds(np.arange(n), n_folds, rng)
    scores = np.zeros(n)
    for index in range(n_folds):
        grown = events.trained & (fold != index)
        x = np.concatenate([events.always, events.folded.features[grown]])[:, used]
        y = np.concatenate([events.always_labels, events.labels[grown]])
        model = candidate.trees.fit(x, balanced(y), y, rng)
        asked = events.judged & (fold == index)
        scores[asked] = model.score(events.folded.features[asked, used])
    signal = events.folded.signal
    return scores[events.judged & ~signal], scores[events.judged & signal]


def balanced(labels: Booleans) -> Floats:
    """Weights by which both classes count the same, shape (n,)."""
    share = labels.mean()
    return np.asarray(np.where(labels, 0.5 / share, 0.5 / (1 - share)))


# ---------------------------------------------------------------------------------- significance improvement


@dataclass(frozen=True)
class Best:
    """The largest SIC, where it is, and the score that the cut is at."""

    sic: float
    eps_b: float
    eps_s: float
    threshold: float


@dataclass(frozen=True)
class Efficiencies:
    """Efficiencies of a cut at each background event, the tightest first, shape (n,) each."""

    thresholds: Floats
    eps_b: Floats
    eps_s: Floats

    @property
    def sic(self) -> Floats:
        """eps_S / sqrt(eps_B)."""
        return np.asarray(self.eps_s / np.sqrt(self.eps_b))

    def best(self, least_eps_b: float = LEAST_EPS_B) -> Best:
        """The largest SIC with eps_B above the least one."""
        first = int(np.searchsorted(self.eps_b, least_eps_b, side="right"))
        index = first + int(np.argmax(self.sic[first:]))
        return Best(
            float(self.sic[index]),
            float(self.eps_b[index]),
            float(self.eps_s[index]),
            float(self.thresholds[index]),
        )

    def sic_at(self, eps_b: Floats) -> Floats:
        """SIC of the loosest cut with at most these eps_B; NaN where that keeps no background event."""
        index = np.searchsorted(self.eps_b, eps_b * (1 + 1e-12), side="right") - 1
        return np.asarray(np.where(index >= 0, self.sic[np.maximum(index, 0)], np.nan))


def efficiencies(background: Floats, signal: Floats) -> Efficiencies:
    """Shares of background and signal that score at least as high as each background event.

    Raises ArgumentError if one of them is empty.
    """
    if not background.size or not signal.size:
        raise ArgumentError(
            f"efficiencies need both classes, found {background.size} background and {signal.size} signal events"
        )
    thresholds = np.sort(background)[::-1]
    # Of equal scores, all or none pass.
    passing = background.size - np.searchsorted(thresholds[::-1], thresholds, side="left")
    above = signal.size - np.searchsorted(np.sort(signal), thresholds, side="left")
    return Efficiencies(thresholds, passing / background.size, above / signal.size)


def replicas(background: Floats, signal: Floats, rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """On `n` bootstraps of the judged events: the largest SIC (n,), and SIC on `GRID` (n, g)."""
    curves = (
        efficiencies(rng.choice(background, background.size), rng.choice(signal, signal.size))
        for _ in range(n)
    )
    largest, on_grid = zip(*((curve.best().sic, curve.sic_at(GRID)) for curve in curves), strict=True)
    return np.array(largest), np.array(on_grid)


def sic_of_other_half(background: Floats, signal: Floats, rng: np.random.Generator, n: int) -> float:
    """SIC at the cut that is best on one half of the judged events, measured on the other: mean of `n` splits.

    The largest SIC of a curve owes a part to the fluctuation that makes it the largest; this one does not.
    """
    found = []
    for _ in range(n):
        b, s = rng.permutation(background), rng.permutation(signal)
        cut = efficiencies(b[::2], s[::2]).best().threshold
        # At least one event, where chance leaves none.
        eps_b = max(int((b[1::2] >= cut).sum()), 1) / b[1::2].size
        found.append(float((s[1::2] >= cut).mean()) / np.sqrt(eps_b))
    return float(np.mean(found))


# ------------------------------------------------------------------------------------------------- results


def choose(bound: Bound, samples: Samples, candidates: Sequence[Candidate], seed: int) -> Floats:
    """Mean SIC of each candidate, log-uniform in eps_B, on the events that are not judged."""
    grid = np.geomspace(LEAST_EPS_B, 10 * LEAST_EPS_B, 21)
    events = to_choose(bound, samples)
    means = []
    for candidate in candidates:
        # The same folds for all.
        rng = generator(seed, Stream.STUDY, NAME, "choice", bound)
        curve = efficiencies(*folded_scores(events, candidate.with_members(MEMBERS_TO_CHOOSE[bound]), rng))
        # Where no cut is as tight, none is found.
        means.append(float(np.nan_to_num(curve.sic_at(grid)).mean()))
    return np.array(means)


def measure(
    bound: Bound, samples: Samples, candidate: Candidate, trainings: int, seed: int
) -> dict[str, Any]:
    """Train several times; the largest SIC with its interval and spread, and the curve with its band."""
    events = to_judge(bound, samples)
    best: list[Best] = []
    curves, resampled, largest, other_half = [], [], [], []
    for training in range(trainings):
        rng = generator(seed, Stream.STUDY, NAME, bound, training)
        scores = folded_scores(events, candidate, rng)
        found = efficiencies(*scores)
        best.append(found.best())
        curves.append(found.sic_at(GRID))
        in_replicas, on_grid = replicas(*scores, rng, BOOTSTRAPS)
        largest.append(in_replicas)
        resampled.append(on_grid)
        other_half.append(sic_of_other_half(*scores, rng, HALVES))
    of_trainings = np.array([one.sic for one in best])
    middle = best[int(np.argsort(of_trainings)[(trainings - 1) // 2])]
    n_background = int((events.judged & ~events.folded.signal).sum())
    return {
        "trees": candidate.settings(),
        "n_trained_on": int(events.always_labels.size + events.trained.sum() * (FOLDS - 1) // FOLDS),
        "n_judged": {"background": n_background, "signal": int((events.judged & events.folded.signal).sum())},
        "max_sic": float(np.median(of_trainings)),
        "interval": np.quantile(largest, LEVELS),
        "of_trainings": of_trainings,
        "sd_of_trainings": float(of_trainings.std(ddof=1)) if trainings > 1 else None,
        "eps_b": middle.eps_b,
        "eps_s": middle.eps_s,
        "background_events": round(middle.eps_b * n_background),
        "sic_of_other_half": float(np.mean(other_half)),
        "curve": _band(np.array(curves), np.concatenate(resampled)),
    }


def study(samples: Samples, trainings: int, seed: int = 1) -> dict[str, Any]:
    """Both bounds: trees chosen, then measured."""
    bounds: dict[str, Any] = {}
    for bound in BOUNDS:
        sics = choose(bound, samples, CANDIDATES, seed)
        chosen = CANDIDATES[int(np.argmax(sics))].with_members(MEMBERS[bound])
        choice = [
            {"trees": one.settings(), "mean_sic": sic} for one, sic in zip(CANDIDATES, sics, strict=True)
        ]
        bounds[bound] = {
            "goal": GOALS[bound],
            "published": PUBLISHED[bound],
            **measure(bound, samples, chosen, trainings, seed),
            "choice": choice,
        }
    return {"least_eps_b": LEAST_EPS_B, "folds": FOLDS, "eps_b": GRID, "bounds": bounds}


def _band(curves: Floats, resampled: Floats) -> dict[str, Floats]:
    """Median over trainings, and quantiles over bootstraps of the judged events in all trainings."""
    low, high = np.quantile(resampled, LEVELS, axis=0).round(3)
    return {"sic": np.median(curves, axis=0).round(3), "low": low, "high": high}


# --------------------------------------------------------------------------------------------------- output


def draw(found: Mapping[str, Any]) -> Figure:
    """SIC against eps_B, with bands; what lies below the least eps_B is shaded."""
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    eps_b, least = np.asarray(found["eps_b"], dtype=np.float64), float(found["least_eps_b"])
    axes.axvspan(eps_b[0], least, color=GREY, alpha=0.15, linewidth=0)
    for (name, entry), colour in zip(found["bounds"].items(), (VERMILION, BLUE), strict=False):
        curve = {key: np.asarray(values, dtype=np.float64) for key, values in entry["curve"].items()}
        label = (
            rf"{name}: {entry['max_sic']:.1f} at $\epsilon_B = {1e4 * entry['eps_b']:.1f} \times 10^{{-4}}$"
        )
        axes.fill_between(eps_b, curve["low"], curve["high"], color=colour, alpha=0.25, linewidth=0)
        axes.plot(eps_b, curve["sic"], color=colour, label=label)
        axes.plot(entry["eps_b"], entry["max_sic"], "o", color=colour)
        axes.hlines(entry["published"], eps_b[0], least, color=colour, linestyle=":")
    axes.plot(
        eps_b, np.sqrt(eps_b), color=GREY, linestyle="--", linewidth=line_width(0.7), label="random cut"
    )
    axes.plot([], [], color=GREY, linestyle=":", label=r"published maxima, at smaller $\epsilon_B$")
    axes.set_xscale("log")
    axes.set_xlim(eps_b[0], 1)
    axes.set_ylim(0, 20)
    axes.text(
        np.sqrt(eps_b[0] * least),
        0.5,
        "too few\nevents",
        ha="center",
        va="bottom",
        color=GREY,
        fontsize="small",
    )
    axes.set_xlabel(r"Background efficiency $\epsilon_B$")
    axes.set_ylabel(r"SIC = $\epsilon_S / \sqrt{\epsilon_B}$")
    axes.legend(loc="upper right", alignment="left", title="bands: 68 %, judged events and trainings")
    return figure


def table(found: Mapping[str, Any]) -> Table:
    """The largest SIC of both bounds."""
    rows = Table(title=f"largest SIC at eps_B > {found['least_eps_b']:g}")
    for heading in ("bound", "max SIC", "68 %", "trainings", "eps_B", "other half", "goal", "published"):
        rows.add_column(heading, justify="left" if heading == "bound" else "right")
    for name, entry in found["bounds"].items():
        low, high = entry["interval"]
        rows.add_row(
            name,
            f"{entry['max_sic']:.1f}",
            f"[{low:.1f}, {high:.1f}]",
            f"{min(entry['of_trainings']):.1f} to {max(entry['of_trainings']):.1f}",
            f"{entry['eps_b']:.1e}",
            f"{entry['sic_of_other_half']:.1f}",
            f"{entry['goal']:g}",
            f"{entry['published']:g}",
        )
    return rows


def folder_of(given: Path | None) -> Path:
    """The folder that is given, or that of the test data; raises ArgumentError without either."""
    if given is not None:
        return given
    data = os.environ.get("HEPCS_TEST_DATA")
    if not data:
        raise ArgumentError(f"give the folder {NAME}, or set HEPCS_TEST_DATA to the folder that holds it")
    return Path(data) / NAME


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both bounds, and write them."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="with the four .npy files")
    parser.add_argument("--trainings", type=int, default=5, help="independent trainings of each bound")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help=f"folder for {NAME}.json and figures/")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    if parsed.trainings < 1:
        raise ArgumentError(f"--trainings must be 1 or more, found {parsed.trainings}")
    found = plain(study(read_samples(folder_of(parsed.folder)), parsed.trainings, parsed.seed))
    write_json(parsed.output / f"{NAME}.json", found)
    with style_context("plain"):
        save_figure(draw(found), parsed.output / "figures", NAME, ("pdf", "png"))
    console.print(table(found))


if __name__ == "__main__":
    sys.exit(main())
