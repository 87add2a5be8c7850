"""How much is run, where, and what leaves the run, on the card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from hepcs.config.values import (
    MOST_EVENTS,
    OneOrMore,
    PositiveNumber,
    Problem,
    SearchName,
    Section,
    Text,
    TextList,
    each_once,
)

SCHEDULER_ADDRESS = r"(tcp|tls)://[^\s/]+:[0-9]+"


class PseudoExperiments(Section):
    """How many pseudo-experiments (paper, sections 3.2 and 4)."""

    # Ten million calibrate 5 standard deviations.
    background_only: Annotated[int, Field(strict=True, ge=10, le=10_000_000)] = Field(
        3900, description="data sets without signal, which give p: the smallest one is 1 of so many"
    )
    doped: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = Field(
        0, description="for each injected epsilon"
    )


class OwnPseudoExperiments(Section):
    """Numbers of pseudo-experiments of one search, in place of the card's: the first so many of them."""

    background_only: Annotated[int, Field(strict=True, ge=10, le=10_000_000)] | None = Field(
        None, description="data sets without signal; the card's number if absent"
    )
    doped: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = Field(
        None, description="for each injected epsilon"
    )


_Epsilons = Annotated[
    tuple[Annotated[int, Field(strict=True, ge=0, le=MOST_EVENTS)], ...],
    Field(min_length=1, max_length=1000),
    OneOrMore,
    each_once("epsilon"),
]


def _how_injected(value: Any) -> str:
    return "by signal" if isinstance(value, dict) else "of every signal"


_Uncertainty = Annotated[float, Field(strict=True, ge=0, lt=1)]
_SmallUncertainty = Annotated[float, Field(strict=True, ge=0, le=0.2)]


class Nuisances(Section):
    """Systematic uncertainties of the signal, relative, drawn anew in each doped pseudo-experiment."""

    energy_scale: _SmallUncertainty | Literal["corrections"] = Field(
        0.0,
        description="of m_jj; `corrections`: of the jets of each event, by the `uncertainty` of its source's "
        "`energy_corrections`",
    )
    resolution: _SmallUncertainty | Literal["corrections"] = Field(
        0.0,
        description="of the width of the signal in m_jj; `corrections`: of the smearing of the jets of each "
        "event, by the `scale_factor` of its source's `energy_corrections`",
    )
    acceptance: _Uncertainty = Field(0.0, description="of the share of signal events that are selected")
    luminosity: _Uncertainty = Field(0.0, description="of the luminosity of the data")

    @property
    def vary_m_jj(self) -> bool:
        """Whether the m_jj of signal events is varied."""
        return bool(self.energy_scale or self.resolution)

    @property
    def of_corrections(self) -> tuple[str, ...]:
        """Those that corrections of the jets tell for each event: ``energy_scale``, ``resolution``."""
        named = {"energy_scale": self.energy_scale, "resolution": self.resolution}
        return tuple(name for name, value in named.items() if value == "corrections")


class Injections(Section):
    """Signal events added to the background, one data set for each number."""

    nuisances: Nuisances | None = Field(
        None,
        description="uncertainties of the signal, which widen limits and lower sensitivities; none if absent",
    )

    epsilon: Annotated[
        Annotated[_Epsilons, Tag("of every signal")]
        | Annotated[dict[SearchName, _Epsilons], Field(min_length=1, max_length=100), Tag("by signal")],
        Discriminator(_how_injected),
    ] = Field(
        (0,),
        description="numbers of signal events, of every signal, or of each of `samples.signals` by its name",
    )

    def of(self, signal: str) -> tuple[int, ...]:
        """The numbers of events of a signal."""
        return self.epsilon.get(signal, ()) if isinstance(self.epsilon, dict) else self.epsilon

    @property
    def numbers(self) -> tuple[int, ...]:
        """All numbers, of whatever signal, each once."""
        lists = self.epsilon.values() if isinstance(self.epsilon, dict) else (self.epsilon,)
        return tuple(dict.fromkeys(number for one in lists for number in one))


class Tls(Section):
    """PEM files with which a client proves to a ``tls://`` scheduler who it is."""

    ca: Text = Field(description="certificate of the authority")
    certificate: Text = Field(description="the client's certificate")
    key: Text = Field(description="the client's private key")


class Execution(Section):
    """Where the work runs. Nothing here changes a result."""

    kind: Literal["local", "dask"] = Field(
        "local", description="processes of this machine, or a Dask cluster"
    )
    workers: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = Field(
        None, description="processes, all cores if absent; with a running Dask cluster, how many to wait for"
    )
    scheduler: Text | None = Field(
        None,
        description="tcp://host:port or tls://host:port of a Dask scheduler; if absent $DASK_SCHEDULER_ADDRESS, "
        "else a cluster of `workers` processes on this machine",
    )
    tls: Tls | None = Field(None, description="for a tls:// scheduler; Dask's own configuration if absent")
    transfer: Literal["path", "broadcast"] = Field(
        "path",
        description="Dask workers open the features in `cache`, which all of them share, or are sent them",
    )
    patience: PositiveNumber = Field(
        600.0,
        description="seconds to wait for Dask workers where there are none, as in a batch system's queue",
    )
    cache: Text | None = Field(None, description="folder of prepared samples; the user's cache if absent")

    def _problems(self) -> Iterator[Problem]:
        if self.tls is not None and self.kind != "dask":
            yield "tls", f"is for a Dask scheduler, and kind is {self.kind}; add `kind: dask`"
        if self.scheduler is not None:
            if re.fullmatch(SCHEDULER_ADDRESS, self.scheduler) is None:
                yield "scheduler", f"found {self.scheduler!r}, expected tcp://host:port or tls://host:port"
            elif self.tls is not None and not self.scheduler.startswith("tls://"):
                yield "tls", f"needs a tls:// scheduler, found {self.scheduler}; change one of the two"
            if self.kind != "dask":
                yield "scheduler", f"is a Dask scheduler's, and kind is {self.kind}; add `kind: dask`"


class Output(Section):
    """What leaves the run."""

    folder: Text | None = Field(
        None, description="below the working folder; runs/<name> if absent, and --output names any other"
    )
    figures: Annotated[tuple[Literal["pdf", "png"], ...], OneOrMore] = Field(
        ("pdf", "png"), description="formats of the figures"
    )
    style: Literal["plain", "CMS", "ATLAS"] = Field(
        "plain", description="of the figures: ours, or an experiment's, by mplhep"
    )
    creators: TextList | None = Field(None, description="who made the run, for its metadata")
    licence: Text | None = Field(
        None, description="licence of the results, such as CC-BY-4.0, for the metadata"
    )

    def _problems(self) -> Iterator[Problem]:
        # A card may be somebody else's; where else to write is for the command to say.
        path = PurePath(self.folder or "")
        if path.is_absolute() or ".." in path.parts:
            yield (
                "folder",
                f"found {self.folder!r}, expected a path below the working folder; name another with --output",
            )
