"""What does not go together in a card: keys of one section with those of another, and with what is installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from hepcs._core.requirements import pip_install
from hepcs.config.features import FeatureSection
from hepcs.config.kinds import installed_kinds, load_kind
from hepcs.config.messages import did_you_mean
from hepcs.config.samples import SIGNAL
from hepcs.config.values import Problem

if TYPE_CHECKING:
    from hepcs.config.schema import Card
    from hepcs.config.searches import SearchSection

_NEEDS_TRUTH = "needs to know signal from background, and in a real search (`samples.data`) nobody does"

# What the samples are that searches ask for by their role, and how a card gives them.
_ROLES = {
    "signal": "signal events, as `samples.signal`, or by name as `samples.signals`",
    "simulation": "simulated background to compare the data with, as `samples.simulation`",
    "priors": "signal hypotheses by name, as `samples.priors`",
}


class UnknownPartError(Exception):
    """A part of the card that a check looks at is not valid itself, so that the check can say nothing."""


def problems_between(card: Card) -> Iterator[Problem]:
    """Dotted keys of the card, and what is wrong with them in view of other sections."""
    for check in (
        _turn_on_problems,
        _signal_problems,
        _nuisance_problems,
        _problems_of_features,
        _problems_of_searches,
    ):
        yield from _as_far_as_known(check(card))


def missing_packages(card: Card) -> Iterator[Problem]:
    """Dotted keys of the searches and features whose packages are not installed, and how to get them."""
    for sections in (_packages_of_searches, _packages_of_features):
        for key, package in _as_far_as_known(sections(card)):
            try:
                distribution(package)
            except PackageNotFoundError:
                yield key, f"needs the package {package}, which is not installed: {pip_install(package)}"


def used_features(card: Card) -> dict[str, FeatureSection]:
    """The features that some search looks at, by name; the name of a kind alone means its defaults."""
    kinds, found = installed_kinds("hepcs.features"), {}
    for name in dict.fromkeys(name for search in card.searches.values() for name in search.feature_names):
        feature = card.features.get(name)
        if name not in card.features and name in kinds:
            feature = load_kind("hepcs.features", name).section()
        if feature is not None:
            found[name] = feature
    return found


def _problems_of_features(card: Card) -> Iterator[Problem]:
    for name, feature in {**card.features, **used_features(card)}.items():
        yield from _located(f"features.{name}", feature.problems_in(card))


def _problems_of_searches(card: Card) -> Iterator[Problem]:
    for name, search in card.searches.items():
        for check in (_feature_problems, _role_problems, _truth_problems):
            yield from _located(f"searches.{name}", check(search, card))
        yield from _located(f"searches.{name}", search.problems_in(card))


def _packages_of_searches(card: Card) -> Iterator[tuple[str, str]]:
    for name, search in card.searches.items():
        yield from ((f"searches.{name}", package) for package in search.packages)


def _packages_of_features(card: Card) -> Iterator[tuple[str, str]]:
    for name, feature in used_features(card).items():
        yield from ((f"features.{name}", package) for package in feature.packages)


def _located(section: str, problems: Iterator[Problem]) -> Iterator[Problem]:
    """Problems with their keys relative to the card; an empty key is that of the section."""
    for key, text in _as_far_as_known(problems):
        yield f"{section}.{key}" if key else section, text


def _as_far_as_known(problems: Iterator[Problem]) -> Iterator[Problem]:
    try:
        yield from problems
    except UnknownPartError:
        return


def _nuisance_problems(card: Card) -> Iterator[Problem]:
    nuisances, samples = card.injection.nuisances, card.samples
    if nuisances is None:
        return
    if not any(card.injection.numbers):
        yield "injection.nuisances", "are of injected signals, and `epsilon` asks for none"
    if nuisances.vary_m_jj and samples.labelled is not None:
        yield (
            "injection.nuisances",
            "`energy_scale` and `resolution` move events into the evaluation region: give the signal as a source "
            "of its own, `samples.signal` beside `samples.background`",
        )
    for role, source in samples.by_role().items():
        if role != SIGNAL and not role.startswith("signals."):
            continue
        found = getattr(source, "energy_corrections", None)
        for name, key in (("energy_scale", "uncertainty"), ("resolution", "scale_factor")):
            if name in nuisances.of_corrections and getattr(found, key, None) is None:
                yield (
                    f"injection.nuisances.{name}",
                    f"is that of corrections of the jets, and samples.{role} has no `energy_corrections` with "
                    f"`{key}`; expected one there, or a number here",
                )


def _signal_problems(card: Card) -> Iterator[Problem]:
    signals, injection = card.samples.signal_names, card.injection
    if any(injection.numbers) and not signals:
        wanted = "expected `labelled`, or `background` with `signal` or `signals`, among the samples"
        yield "injection.epsilon", f"asks for signal events, and there is no signal; {wanted}"
    elif isinstance(injection.epsilon, dict):
        for name in injection.epsilon:
            if name not in signals:
                yield f"injection.epsilon.{name}", f"no such signal.{did_you_mean(name, set(signals))}"


def _turn_on_problems(card: Card) -> Iterator[Problem]:
    turn_on, low = card.jets.m_jj_min, card.regions.evaluation[0]
    if turn_on is not None and low < turn_on:
        yield (
            "regions.evaluation",
            f"begins at {low:g} GeV, below jets.m_jj_min = {turn_on:g} GeV: the spectrum would have an edge "
            "there, and searches find edges",
        )


def _feature_problems(search: SearchSection, card: Card) -> Iterator[Problem]:
    kinds = installed_kinds("hepcs.features")
    for name in search.feature_names:
        if name not in card.features and name not in kinds:
            meant = did_you_mean(name, {*card.features, *kinds})
            yield (
                "features",
                f"found {name!r}, which is no feature of the card, and no kind of feature.{meant}",
            )


def _role_problems(search: SearchSection, card: Card) -> Iterator[Problem]:
    for role in search.roles:
        there = {"signal": card.samples.has_signal, "background": True}
        if not there.get(role, getattr(card.samples, role, None)):
            how = _ROLES.get(role, f"`samples.{role}`")
            yield "", f"needs the sample {role!r}, which the card does not have: {how}"


def _truth_problems(search: SearchSection, card: Card) -> Iterator[Problem]:
    if search.needs_truth and card.samples.is_real_search:
        yield "", _NEEDS_TRUTH
