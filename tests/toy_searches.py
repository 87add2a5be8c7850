"""Searches for tests of what runs them: they know no jets, and say what they were asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from toys import toy_pools

from hepcs.config.running import PseudoExperiments
from hepcs.config.searches import SearchSection
from hepcs.datasets.bootstrap import DataSet, EventView, Injection, Task, binned, with_background
from hepcs.results import MassSpectrum, Observation
from hepcs.running.pseudo_experiments import Campaign, FitGroup
from hepcs.searches.base import Inputs, Search


class ToySection(SearchSection):
    kind: Literal["toy"] = "toy"


class TruthSection(ToySection):
    @property
    def needs_truth(self) -> bool:
        return True


@dataclass(frozen=True)
class ToyFound:
    statistic: float
    valid: bool = True
    details: Mapping[str, float] = field(default_factory=dict)

    @property
    def members(self) -> tuple[float, ...]:
        return (self.statistic,)


@dataclass(frozen=True)
class ToySearch(Search):
    """The statistic is the number of events with an m_jj in a bin; data sets of some sizes give none."""

    bin: int = 4
    fails: Any = ()
    toys: bool = False
    asked: list[str] = field(default_factory=list)
    shared: str = ""

    @property
    def is_calibrated_by_toys(self) -> bool:
        return self.toys

    @property
    def fit_key(self) -> str:
        return self.shared or self.name

    def toy(self, data: DataSet, rng: np.random.Generator) -> EventView:
        return with_background(data.view, binned(rng.poisson(10, 16), data.view.bins), data.n_injected)

    def fit(self, data: EventView, inputs: Inputs, rng: np.random.Generator) -> float:
        self.asked.append("fit")
        return float(rng.random())

    def judge(self, fit: float, data: EventView, inputs: Inputs, rng: np.random.Generator) -> ToyFound:
        value = float(data.spectrum[self.bin])
        valid = not (callable(self.fails) and self.fails(data))
        details = {"fit": fit, "injected": -1.0 if inputs.injected is None else float(inputs.injected.sum())}
        return ToyFound(value if valid else float("nan"), valid, details)

    def observe(self, found: ToyFound, data: EventView, injected: Any) -> Observation:
        self.asked.append("observe")
        spectrum = data.spectrum
        return Observation(MassSpectrum(spectrum, spectrum, 0 * spectrum, 0 * spectrum, "events", "itself"))


def toy_search(name: str, **changes: Any) -> ToySearch:
    section = changes.pop("section", ToySection())
    return ToySearch(name, name, section, **changes)


def campaign(
    *searches: ToySearch,
    background_only: int = 40,
    doped: int = 5,
    epsilons: tuple[int, ...] = (0, 150),
    own: Mapping[str, Mapping[str, int]] | None = None,
    **changes: Any,
) -> Campaign:
    """Toy searches on toy data sets."""
    groups: dict[str, list[ToySearch]] = {}
    for search in searches:
        groups.setdefault(search.fit_key, []).append(search)
    usual = PseudoExperiments(background_only=background_only, doped=doped)
    return Campaign(
        pools=changes.pop("pools", None) or toy_pools(n_background=600, n_signal=300),
        seed=1,
        groups=tuple(FitGroup(tuple(group), {}) for group in groups.values()),
        wanted={one.name: usual.model_copy(update=dict((own or {}).get(one.name, {}))) for one in searches},
        injections=tuple(Injection(epsilon, "signal" if epsilon else "") for epsilon in epsilons),
    )


def by_task(outcomes: Any, name: str, null: str = "shared") -> Mapping[Task, Any]:
    """Outcomes of a search by task."""
    found: Mapping[Task, Any] = outcomes.by_search[name, null]
    return found
