"""The data card: what every key means, which values it takes, and the paper's value as default.

All models are frozen, and unknown keys are refused. Energies are in GeV, windows are ``[low, high)``.
A card that names only its input is the published analysis of Cluster Scanning (arXiv:2402.17714): its searches,
with the numbers of its Table 1. The sections are in the modules beside this one; those of features and searches
stand beside their code, and join the card by :mod:`hepcs.config.kinds`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from hepcs.config.consistency import problems_between, used_features
from hepcs.config.features import AnyFeature, FeatureSection
from hepcs.config.kinds import installed_kinds, load_kind
from hepcs.config.preparation import Images, Jets, Regions
from hepcs.config.running import Execution, Injections, Output, OwnPseudoExperiments, PseudoExperiments
from hepcs.config.samples import Samples
from hepcs.config.searches import AnySearch
from hepcs.config.values import Name, Problem, SearchName, Section, Seed, readable


def published_searches() -> dict[str, Any]:
    """The searches of a card that names none: those that the installed kinds declare as published."""
    sections = [load_kind("hepcs.searches", name).section for name in installed_kinds("hepcs.searches")]
    return {name: section(**keys) for section in sections for name, keys in section.published.items()}


class Card(Section):
    """One run of the analysis.

    Made in Python, it takes what a card's file says, as plain values or as sections
    (:mod:`hepcs.interactive.sections`), and raises CardError with all that is wrong.
    """

    model_config = ConfigDict(defer_build=True)

    name: Name = Field(description="of the run and its folder: letters, digits, `_`, `-` and `.`")
    description: Annotated[str, AfterValidator(readable)] = Field(
        "", description="a sentence for the report and for those who find the run later"
    )
    seed: Seed = Field(
        1, description="of all random draws: the same card with the same seed gives the same results"
    )
    samples: Samples = Field(description="the events, by their role")
    jets: Jets = Field(Jets(), description="reclustering, and the selection of dijets")
    images: Images = Field(
        Images(), description="of jets, for the features that are made of them, and for figures"
    )
    regions: Regions = Field(Regions(), description="the m_jj that is searched, and its bins")
    features: dict[SearchName, AnyFeature] = Field(
        default_factory=dict,
        max_length=100,
        description="what searches are given of each jet or event, by name; the name of a kind that is not listed "
        "means its defaults",
    )
    searches: dict[SearchName, AnySearch] = Field(
        default_factory=published_searches,
        min_length=1,
        max_length=1000,
        description="the searches, by name, all on the same data sets; the published ones if absent",
    )
    pseudo_experiments: PseudoExperiments = Field(
        PseudoExperiments(), description="how many calibrate each search, where it has no numbers of its own"
    )
    injection: Injections = Field(Injections(), description="signal that is added to pseudo-data")
    execution: Execution = Field(Execution(), description="where the work is done; no result depends on it")
    output: Output = Field(Output(), description="what leaves the run, and how figures look")

    def __init__(
        self,
        *,
        name: str,
        samples: Samples | Mapping[str, Any],
        description: str = "",
        seed: int = 1,
        jets: Jets | Mapping[str, Any] | None = None,
        images: Images | Mapping[str, Any] | None = None,
        regions: Regions | Mapping[str, Any] | None = None,
        features: Mapping[str, Any] | None = None,
        searches: Mapping[str, Any] | None = None,
        pseudo_experiments: PseudoExperiments | Mapping[str, Any] | None = None,
        injection: Injections | Mapping[str, Any] | None = None,
        execution: Execution | Mapping[str, Any] | None = None,
        output: Output | Mapping[str, Any] | None = None,
    ) -> None:
        # Written out, for completion.
        from hepcs.config.reading import checked_keys

        keys = {
            "name": name, "samples": samples, "description": description, "seed": seed, "jets": jets,
            "images": images, "regions": regions, "features": features, "searches": searches,
            "pseudo_experiments": pseudo_experiments, "injection": injection, "execution": execution,
            "output": output,
        }  # fmt: skip
        super().__init__(**checked_keys(keys))

    # Cards of files are validated as ever, and do not come here.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @property
    def used_features(self) -> Mapping[str, FeatureSection]:
        """The features that some search looks at, by name; a kind's name alone means its defaults."""
        return used_features(self)

    def pseudo_experiments_of(self, search: str) -> PseudoExperiments:
        """Numbers of pseudo-experiments of a search: the card's, where it has none of its own."""
        own: OwnPseudoExperiments = self.searches[search].pseudo_experiments
        return self.pseudo_experiments.model_copy(update=own.model_dump(exclude_none=True))

    def _problems(self) -> Iterator[Problem]:
        return problems_between(self)


# For completion before the schema is built: until then pydantic gives none.
_given = inspect.signature(Card.__init__)
Card.__signature__ = _given.replace(parameters=list(_given.parameters.values())[1:])
