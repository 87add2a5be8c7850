"""The data card: what every key means, which values it takes, and the paper's value as default.

All models are frozen, and unknown keys are refused. Energies are in GeV, windows are ``[low, high)``.
Defaults are the numbers of Table 1 of the Cluster Scanning paper (arXiv:2402.17714), so a card that names
only its input is the published analysis. The sections are in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from hepcs.config.preparation import Features, Images, Jets, Regions
from hepcs.config.running import Execution, Injection, Output, PseudoExperiments
from hepcs.config.samples import Samples
from hepcs.config.searches import ClusterScanning, Fits, Statistic, Variant, judgement_problems
from hepcs.config.values import Name, Problem, SearchName, Section, SectionError, Seed, readable

# Searches that a card has without naming them.
RESERVED_NAMES = ("cluster_scanning", "fit_3", "fit_4", "fit_5", "idealised_fit")
_NEEDS_TRUTH = "needs to know signal from background, and in a real search (`data`) nobody does"


class Card(Section):
    """One run of the analysis."""

    name: Name
    description: Annotated[str, AfterValidator(readable)] = ""
    seed: Seed = 1
    samples: Samples
    jets: Jets = Jets()
    images: Images = Images()
    features: Features = Features()
    regions: Regions = Regions()
    cluster_scanning: ClusterScanning = ClusterScanning()
    fits: Fits = Fits()
    statistic: Statistic = Statistic()
    variants: dict[SearchName, Variant] = Field(
        default_factory=dict,
        max_length=1000,
        description="further Cluster Scannings of the same data sets, by name",
    )
    pseudo_experiments: PseudoExperiments = PseudoExperiments()
    injection: Injection = Injection()
    execution: Execution = Execution()
    output: Output = Output()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        of_variants = [
            (name, error) for name, variant in self.variants.items() for error in self._errors_of(variant)
        ]
        unreadable = {name for name, _ in of_variants}
        problems = [*self._problems(), *self._variant_problems(unreadable)]
        if problems or of_variants:
            raise SectionError(problems, of_variants)
        return self

    def _problems(self) -> Iterator[Problem]:
        if any(self.injection.epsilon) and not self.samples.has_signal:
            wanted = "expected `labelled`, or `background` with `signal`, among the samples"
            yield "injection.epsilon", f"asks for signal events, and there is no signal; {wanted}"
        if self.regions.evaluation[1] > self.fits.sqrt_s:
            yield "regions.evaluation", f"ends above fits.sqrt_s = {self.fits.sqrt_s:g} GeV"
        widest, n_bins = self.statistic.max_width, self.regions.n_bins
        if widest is not None and widest > n_bins:
            yield "statistic.max_width", f"is {widest}, and there are {n_bins} bins of m_jj"
        for n in self.fits.parameters:
            if n_bins <= n:
                yield "fits.parameters", f"{n} parameters need more than the {n_bins} bins of m_jj"
        yield from judgement_problems(self.cluster_scanning, self.statistic, n_bins)
        if self.fits.idealised and self.samples.is_real_search:
            yield "fits.idealised", _NEEDS_TRUTH

    def _variant_problems(self, unreadable: set[str]) -> Iterator[Problem]:
        """What is wrong with the variants; of those that are `unreadable`, what can be told all the same."""
        low, high = self.regions.evaluation
        for name, variant in self.variants.items():
            where = f"variants.{name}"
            if name in RESERVED_NAMES:
                yield where, "is the name of another search; choose another one"
            if variant.needs_truth and self.samples.is_real_search:
                yield where, _NEEDS_TRUTH
            if variant.training is not None and not low <= variant.training[0] < variant.training[1] <= high:
                yield f"{where}.training", f"reaches out of regions.evaluation [{low:g}, {high:g})"
            if name not in unreadable:
                scanning, statistic = self.sections_of(variant)
                for key, text in judgement_problems(scanning, statistic, self.regions.n_bins):
                    yield f"{where}.{key}", text

    def _errors_of(self, variant: Variant) -> list[ErrorDetails]:
        """What is wrong in the sections of a variant, located as in a card."""
        found: list[ErrorDetails] = []
        for key in ("cluster_scanning", "statistic"):
            try:
                self._changed(key, variant)
            except ValidationError as error:
                found += [{**one, "loc": (key, *one["loc"])} for one in error.errors()]
        return found

    def _changed(self, key: str, variant: Variant) -> Any:
        """A section with the keys of a variant in place of the card's."""
        section = getattr(self, key)
        return type(section).model_validate({**section.model_dump(), **getattr(variant, key)})

    def sections_of(self, variant: Variant) -> tuple[ClusterScanning, Statistic]:
        """The card's sections `cluster_scanning` and `statistic` as a variant changes them."""
        return self._changed("cluster_scanning", variant), self._changed("statistic", variant)
