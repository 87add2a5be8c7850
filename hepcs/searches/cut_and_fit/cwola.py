"""CWoLa hunting: in each window, a classifier of the window against its sidebands scores all events.

If the window holds a signal, it and the sidebands are mixtures of the same two kinds of events in different
proportions, and the best classifier between mixtures is the best one between signal and background (classification
without labels: Metodiev, Nachman, Thaler, JHEP 10 (2017) 174; the search: Collins, Howe, Nachman, PRL 121 (2018)
241803, PRD 99 (2019) 014038).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import ArgumentError
from hepcs.datasets.folds import assign_folds
from hepcs.searches.cut_and_fit.classifier import BoostedTrees, Classifier
from hepcs.searches.cut_and_fit.cuts import checked_efficiencies
from hepcs.searches.cut_and_fit.folded import out_of_fold_scores
from hepcs.searches.cut_and_fit.scan import CutScan, Form, NParameters, scan_scores
from hepcs.searches.cut_and_fit.windows import Windows


@dataclass(frozen=True)
class HuntSettings:
    """Settings of a CWoLa hunt.

    Attributes
    ----------
    classifier
        What is trained.
    efficiencies
        Shares of the events that the cuts keep.
    n_folds
        k of the k-fold training.
    n_parameters, form
        Of the fit and of the local Z, see :func:`~hepcs.searches.cut_and_fit.scan.scan_cuts`.
    """

    classifier: Classifier = field(default_factory=BoostedTrees)
    efficiencies: tuple[float, ...] = (0.01,)
    n_folds: int = 5
    n_parameters: NParameters = 3
    form: Form = "asymptotic"


def hunt(
    mass_bin: NDArray[np.integer],
    multiplicity: NDArray[np.integer],
    event_ids: NDArray[np.integer],
    features: NDArray[np.floating],
    windows: Windows,
    centres: ArrayLike,
    rng: np.random.Generator,
    *,
    sqrt_s: float,
    settings: HuntSettings | None = None,
) -> CutScan:
    """Hunt in one data set: train, cut and fit in each window.

    Parameters
    ----------
    mass_bin
        m_jj bin of each event, 0 to b - 1, shape (n,).
    multiplicity
        How often each event is in the data set, >= 0, shape (n,).
    event_ids
        Identity of each event, shape (n,); rows of one event stay in one fold.
    features
        Shape (n, d), without m_jj.
    windows
        w windows over b bins.
    centres
        Bin centres, GeV, shape (b,).
    rng
        For folds, training and order among equal scores.
    sqrt_s
        Centre-of-mass energy, GeV.
    settings
        How to train, cut and fit; the defaults of :class:`HuntSettings` if None.

    Raises
    ------
    ArgumentError
        For shapes that do not match, bins outside of the windows' b, more folds than events, or a window or
        sideband without events outside of a fold.
    """
    settings = settings or HuntSettings()
    checked_efficiencies(settings.efficiencies)  # before the training rather than after it
    _check(mass_bin, multiplicity, event_ids, features, windows)
    present = np.flatnonzero(multiplicity > 0)
    bins, times, x = mass_bin[present], multiplicity[present], features[present]
    folds = assign_folds(event_ids[present], settings.n_folds, rng)
    trainer = settings.classifier.on(x)
    scores = np.empty((windows.n_windows, present.size))
    regions = zip(windows.inside, windows.lower, windows.upper, strict=True)
    for i, (inside, lower, upper) in enumerate(regions):
        rows = np.flatnonzero((inside | lower | upper)[bins])
        weights = training_weights(bins[rows], times[rows], inside, lower, upper)
        scores[i] = out_of_fold_scores(trainer, x, rows, weights, inside[bins[rows]], folds, rng)
    return scan_scores(
        scores,
        bins,
        times,
        folds,
        windows,
        settings.efficiencies,
        centres,
        rng,
        sqrt_s=sqrt_s,
        n_parameters=settings.n_parameters,
        form=settings.form,
    )


def training_weights(
    bins: NDArray[np.integer],
    multiplicity: NDArray[np.integer],
    inside: NDArray[np.bool_],
    lower: NDArray[np.bool_],
    upper: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Weights by which the window has one half of all, each sideband a quarter, whatever the spectrum's slope.

    So a feature that changes linearly with m_jj tells nothing in the mean (Collins et al. 2019, section III).

    Parameters
    ----------
    bins, multiplicity
        m_jj bin and multiplicity > 0 of each event, shape (m,).
    inside, lower, upper
        Bins of the window and of its sidebands, shape (b,).

    Returns
    -------
    ndarray
        Shape (m,); their mean over the events of the data set, copies counted, is one.

    Raises
    ------
    ArgumentError
        If the window or a sideband holds no event.
    """
    weights = np.zeros(bins.size)
    total = float(multiplicity.sum())
    for name, region, share in (
        ("window", inside, 0.5),
        ("lower sideband", lower, 0.25),
        ("upper sideband", upper, 0.25),
    ):
        here = region[bins]
        events = float(multiplicity[here].sum())
        if events == 0:
            first, last = np.flatnonzero(region)[[0, -1]]
            raise ArgumentError(f"the {name} of bins {first} to {last} holds no event to train on")
        weights[here] = multiplicity[here] * (share * total / events)
    return weights


def _check(
    mass_bin: NDArray[np.integer],
    multiplicity: NDArray[np.integer],
    event_ids: NDArray[np.integer],
    features: NDArray[np.floating],
    windows: Windows,
) -> None:
    n = mass_bin.shape
    if len(n) != 1 or not multiplicity.shape == event_ids.shape == features.shape[:1] == n:
        raise ArgumentError(
            f"bins, multiplicities, identities and features must be of the same n events, found {n}, "
            f"{multiplicity.shape}, {event_ids.shape} and {features.shape}"
        )
    if n[0] == 0 or mass_bin.min() < 0 or mass_bin.max() >= windows.n_bins:
        raise ArgumentError(f"a hunt needs events, all in bins 0 to {windows.n_bins - 1}")
    if multiplicity.min() < 0:
        raise ArgumentError("multiplicities must not be negative")
