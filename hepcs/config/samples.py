"""The samples of the card: what is searched, and what the pseudo-experiments are drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from hepcs.config.sources import FileSource, PythiaSource, RootSource, Source
from hepcs.config.values import PositiveNumber, Problem, SearchName, Section


class PseudoData(Section):
    """Pseudo-data made of a part of the background events; the pseudo-experiments come from the others.

    A bootstrap of the events that are searched carries their own fluctuation on top of a new one. Drawn from other
    and many more events, in the size of the pseudo-data, pseudo-experiments fluctuate as data do.
    """

    one_in: Annotated[int, Field(strict=True, ge=2, le=1000)] = Field(
        description="one in so many background events is pseudo-data"
    )
    which: Annotated[int, Field(strict=True, ge=0)] = Field(
        0, description="which of every `one_in` events, from 0 on: as many independent data sets"
    )

    @field_validator("which")
    @classmethod
    def _below(cls, value: int, info: ValidationInfo) -> int:
        one_in = info.data.get("one_in")
        if one_in is not None and value >= one_in:
            raise ValueError(
                f"expected 0 to {one_in - 1}, since one in {one_in} events is taken, found {value}"
            )
        return value


#: The only signal sample has this name, also where it comes from a labelled one.
SIGNAL = "signal"


class Samples(Section):
    """What is searched, and what the pseudo-experiments are drawn from.

    Either pseudo-data: `labelled` (one source whose label tells signal from background), or `background`
    and, to inject it, `signal` or several `signals`. Or a real search: `data`, unlabelled, and `background`, from
    which the pseudo-experiments are drawn to the size of the data; a signal is then injected into them alone.
    """

    labelled: Source | None = Field(
        None, description="background and signal in one sample, told apart by its label; stands alone"
    )
    background: Source | None = Field(
        None, description="events without signal, from which all pseudo-experiments are drawn"
    )
    signal: Source | None = Field(None, description="signal events, which are injected")
    signals: dict[SearchName, Source] = Field(
        default_factory=dict,
        max_length=100,
        description="several signal samples by name, each injected on its own",
    )
    data: Source | None = Field(
        None, description="unlabelled events of a real search; without them, pseudo-data are searched"
    )
    simulation: Source | None = Field(
        None, description="simulated background, for searches that compare the data with it"
    )
    training: Source | None = Field(
        None, description="events that embeddings learn from, and that are never searched"
    )
    priors: dict[SearchName, Source] = Field(
        default_factory=dict,
        max_length=100,
        description="signal hypotheses by name, for searches that train on them",
    )
    background_half: Literal["even", "odd"] | None = Field(
        None,
        description="of the background events in the evaluation region, only every second one: "
        "to choose on one half and to confirm on the other",
    )
    pseudo_data: PseudoData | None = Field(
        None, description="search a part of the background events, and calibrate with the others"
    )

    luminosity: PositiveNumber | None = Field(
        None,
        description="of the data, fb^-1: samples with a `cross_section` are scaled to it, and limits on a "
        "cross-section refer to it",
    )

    def _problems(self) -> Iterator[Problem]:
        energy = self.data.energy_corrections if isinstance(self.data, RootSource) else None
        if energy is not None and energy.resolution is not None:
            yield "data.energy_corrections.resolution", "smears jets of simulation; data are as they are"
        if isinstance(self.data, FileSource) and self.data.is_weighted:
            key = "cross_section" if self.data.cross_section is not None else "weight"
            yield (
                f"data.{key}",
                "recorded events of triggers without prescale count once each; remove it. Simulation that stands "
                "for data is `background` with `pseudo_data`",
            )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.labelled is not None:
            if self.background or self.signal or self.signals or self.data:
                raise ValueError("`labelled` stands alone; found background, signal or data beside it")
        elif self.background is None:
            raise ValueError(
                "no `background` sample: expected `labelled`, or `background` (with `signal` to inject), "
                "or `data` with `background`"
            )
        elif self.signal is not None and self.signals:
            raise ValueError("`signal` is the only one, `signals` are several; remove one of the two")
        if self.data is not None and self.pseudo_data is not None:
            raise ValueError("`data` are searched, so there is no `pseudo_data`; remove one of the two")
        generated = [source for source in self.by_role().values() if isinstance(source, PythiaSource)]
        streams = [(source.process, source.seed) for source in generated]
        if len(set(streams)) < len(streams):
            raise ValueError(
                "two samples of one process with the same seed hold the same events; change a `seed`"
            )
        return self

    @property
    def is_real_search(self) -> bool:
        """Whether unlabelled data are searched, rather than pseudo-data put together from labels."""
        return self.data is not None

    @property
    def has_signal(self) -> bool:
        """Whether there are signal events to inject."""
        return bool(self.signal_names)

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Names of the signals that can be injected."""
        if self.labelled is not None or self.signal is not None:
            return (SIGNAL,)
        return tuple(self.signals)

    def by_role(self) -> dict[str, Source]:
        """The sources that the card names, by their role, such as ``background`` or ``signals.wide``."""
        roles = ("labelled", "background", "signal", "data", "simulation", "training")
        single = {role: source for role in roles if (source := getattr(self, role)) is not None}
        several = {
            f"{group}.{name}": source
            for group, sources in (("signals", self.signals), ("priors", self.priors))
            for name, source in sources.items()
        }
        return {**single, **several}
