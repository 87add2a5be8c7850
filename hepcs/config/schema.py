"""The data card: what every key means, which values it takes, and the paper's value as default.

All models are frozen, and unknown keys are refused. Energies are in GeV, windows are ``[low, high)``.
A card that names only its input is the published analysis of Cluster Scanning (arXiv:2402.17714): its searches, with
the numbers of its Table 1. The sections are in the modules beside this one; those of features and searches stand
beside their code, and join the card by :mod:`hepcs.config.kinds`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from hepcs.config.features import AnyFeature, FeatureSection
from hepcs.config.kinds import installed_kinds, load_kind
from hepcs.config.messages import did_you_mean
from hepcs.config.preparation import Images, Jets, Regions
from hepcs.config.running import Execution, Injections, Output, OwnPseudoExperiments, PseudoExperiments
from hepcs.config.samples import Samples
from hepcs.config.searches import NEEDS_TRUTH, AnySearch, SearchSection
from hepcs.config.values import Name, Problem, SearchName, Section, Seed, readable


def published_searches() -> dict[str, Any]:
    """The searches of a card that names none: those that the installed kinds declare as published."""
    sections = [load_kind("hepcs.searches", name).section for name in installed_kinds("hepcs.searches")]
    return {name: section(**keys) for section in sections for name, keys in section.published.items()}


class Card(Section):
    """One run of the analysis."""

    model_config = ConfigDict(defer_build=True)

    name: Name
    description: Annotated[str, AfterValidator(readable)] = ""
    seed: Seed = 1
    samples: Samples
    jets: Jets = Jets()
    images: Images = Images()
    regions: Regions = Regions()
    features: dict[SearchName, AnyFeature] = Field(
        default_factory=dict,
        max_length=100,
        description="what searches are given of each jet or event, by name; a kind that is not listed has its defaults",
    )
    searches: dict[SearchName, AnySearch] = Field(
        default_factory=published_searches,
        min_length=1,
        max_length=1000,
        description="the searches, by name, all on the same data sets; the published ones if absent",
    )
    pseudo_experiments: PseudoExperiments = PseudoExperiments()
    injection: Injections = Injections()
    execution: Execution = Execution()
    output: Output = Output()

    @property
    def used_features(self) -> Mapping[str, FeatureSection]:
        """The features that some search looks at, by name; a kind's name alone means its defaults."""
        names = dict.fromkeys(name for search in self.searches.values() for name in search.feature_names)
        return {
            name: self.features[name]
            if name in self.features
            else load_kind("hepcs.features", name).section()
            for name in names
        }

    def pseudo_experiments_of(self, search: str) -> PseudoExperiments:
        """Numbers of pseudo-experiments of a search: the card's, where it has none of its own."""
        own: OwnPseudoExperiments = self.searches[search].pseudo_experiments
        return self.pseudo_experiments.model_copy(update=own.model_dump(exclude_none=True))

    def _problems(self) -> Iterator[Problem]:
        yield from self._signal_problems()
        for name, feature in self.features.items():
            for key, text in feature.problems_in(self):
                yield f"features.{name}.{key}", text
        for name, search in self.searches.items():
            for key, text in (*self._needs_of(search), *search.problems_in(self)):
                yield f"searches.{name}.{key}".rstrip("."), text

    def _signal_problems(self) -> Iterator[Problem]:
        signals, epsilon = self.samples.signal_names, self.injection.epsilon
        if any(self.injection.numbers) and not signals:
            wanted = "expected `labelled`, or `background` with `signal` or `signals`, among the samples"
            yield "injection.epsilon", f"asks for signal events, and there is no signal; {wanted}"
        elif isinstance(epsilon, dict):
            for name in epsilon:
                if name not in signals:
                    yield f"injection.epsilon.{name}", f"no such signal.{did_you_mean(name, set(signals))}"

    def _needs_of(self, search: SearchSection) -> Iterator[Problem]:
        """What a search needs, and the card does not have."""
        kinds = installed_kinds("hepcs.features")
        for name in search.feature_names:
            if name not in self.features and name not in kinds:
                known = {*self.features, *kinds}
                yield "features", f"found {name!r}, which no feature is named.{did_you_mean(name, known)}"
        for role in search.roles:
            if not (role == "signal" and self.samples.has_signal) and not getattr(self.samples, role, None):
                yield "", f"needs the sample {role!r}: give it as `samples.{role}`"
        if search.needs_truth and self.samples.is_real_search:
            yield "", NEEDS_TRUTH
