"""Sources of events on the card: files of each kind, and the generator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from hepcs.config.stored_jets import EnergyCorrections, StoredJets
from hepcs.config.values import (
    Checksum,
    Energy,
    OneOrMore,
    PositiveEnergy,
    PositiveInteger,
    PositiveNumber,
    Problem,
    Section,
    Seed,
    Text,
    TextList,
)

#: Keys of a source that say where it lies and what may be missing of it, not what it holds.
WHEREABOUTS = frozenset(
    {
        "files",
        "label_files",
        "url",
        "checksum",
        "record",
        "doi",
        "licence",
        "on_bad_file",
        "on_repeated",
        "max_lost",
        "lumi_mask",
    }
)

#: Units of energy that files come in.
Units = Literal["MeV", "GeV", "TeV"]


class FileSource(Section):
    """What the sources that read files have in common."""

    files: TextList = Field(
        description="files, globs, URLs, or `@list.txt` with one of these a line; relative to the working folder, "
        "then to the card"
    )
    units: Units = Field("GeV", description="of pT and mass in the files")
    max_events: PositiveInteger | None = Field(None, description="read only so many entries")
    url: Text | None = Field(None, description="where `--fetch` gets the file, if it is missing")
    checksum: Annotated[tuple[Checksum, ...], Field(min_length=1), OneOrMore] | None = Field(
        None, description="md5:... or sha256:... of each of the files, in order; another file is refused"
    )
    record: Text | None = Field(None, description="the record that publishes the file, for messages")
    doi: Annotated[str, Field(strict=True, pattern=r"^10\.\d{4,9}/\S+$")] | None = Field(
        None, description="DOI of the published data, 10.7483/..., for the metadata of the run"
    )
    licence: Text | None = Field(
        None, description="licence of the data, such as CC0-1.0, for the metadata of the run"
    )
    on_bad_file: Literal["fail", "skip"] = Field(
        "fail", description="whether a file that cannot be read ends the run, or is left out and listed"
    )
    on_repeated: Literal["fail", "drop"] = Field(
        "fail",
        description="whether events that come more than once in the sample end the run, or are left out after the "
        "first and counted",
    )
    cross_section: Annotated[tuple[PositiveNumber, ...], Field(min_length=1), OneOrMore] | None = Field(
        None,
        description="pb, of each entry of `files`, which may be a glob or a list: slices of one process are put "
        "together by cross-section times luminosity over the sum of weights",
    )
    sum_of_weights: Annotated[tuple[PositiveNumber, ...], Field(min_length=1), OneOrMore] | None = Field(
        None,
        description="over all generated events of each entry of `files`, where the files hold a part of them; if "
        "absent, over all that are read",
    )
    max_lost: Annotated[float, Field(strict=True, ge=0, lt=1)] = Field(
        0.05,
        description="largest share of the events that skipped files may hold, or that may be unusable (0.05 at "
        "least); above it the run ends",
    )

    @property
    def is_weighted(self) -> bool:
        """Whether its events count with weights."""
        return self.cross_section is not None

    def _problems(self) -> Iterator[Problem]:
        for key in ("cross_section", "sum_of_weights"):
            values = getattr(self, key)
            if values is not None and len(values) != len(self.files):
                yield (
                    key,
                    f"found {len(values)} numbers for {len(self.files)} entries of `files`; expected one for each",
                )
        if self.sum_of_weights is not None and self.cross_section is None:
            yield "sum_of_weights", "is what `cross_section` is divided by, and there is none; add it"
        if self.cross_section is not None and self.max_events is not None:
            yield (
                "max_events",
                "cuts slices off, which `cross_section` is of; give fewer `files`, or remove it",
            )
        if self.sum_of_weights is not None and self.on_bad_file == "skip":
            yield "on_bad_file", "is skip, and events of skipped files are in `sum_of_weights`; expected fail"
        if self.is_weighted and self.on_repeated == "drop":
            yield "on_repeated", "is drop, and repeated events are in the sum of weights; mend `files`"


_EVENT_WEIGHT = (
    "of the events, such as that of the generator, of either sign; spectra, fits and trainings use it, and "
    "pseudo-experiments are unweighted events drawn by it. Each counts as one if absent"
)


class LhcoSource(FileSource):
    """LHC Olympics HDF5: rows of 700 x (pt, eta, phi), zero padded, then a label or none."""

    kind: Literal["lhco"]
    label_files: TextList | None = Field(None, description="text files with one label a line (black boxes)")


class Branches(Section):
    """Branch, field or column names of one collection of constituents."""

    pt: Text = Field(description="transverse momentum")
    eta: Text = Field(description="pseudorapidity")
    phi: Text = Field(description="azimuth, radians")
    mass: Text | None = Field(None, description="mass; without it, constituents are massless")
    weight: Text | None = Field(
        None, description="weight of each constituent, such as PUPPI's, which multiplies its four-momentum"
    )

    @property
    def named(self) -> tuple[str, ...]:
        """The names that are given: pt, eta, phi, and mass and weight if there are any."""
        names = (self.pt, self.eta, self.phi, self.mass, self.weight)
        return tuple(name for name in names if name is not None)

    def _problems(self) -> Iterator[Problem]:
        return _named_twice(self)


class Momenta(Section):
    """Branch names of one collection of constituents by their four-momenta; massless without `energy`."""

    px: Text = Field(description="momentum along x")
    py: Text = Field(description="momentum along y")
    pz: Text = Field(description="momentum along the beam")
    energy: Text | None = Field(None, description="energy; without it, constituents are massless")
    weight: Text | None = Field(None, description="weight of each constituent, such as PUPPI's")

    @property
    def named(self) -> tuple[str, ...]:
        """The names that are given: px, py, pz, and energy and weight if there are any."""
        names = (self.px, self.py, self.pz, self.energy, self.weight)
        return tuple(name for name in names if name is not None)

    def _problems(self) -> Iterator[Problem]:
        return _named_twice(self)


def _named_twice(section: Section) -> Iterator[Problem]:
    """Names that are given for two keys of a section."""
    named = {key: name for key, name in section if name is not None}
    for key, name in named.items():
        same = next(other for other in named if named[other] == name)
        if same != key:
            yield key, f"`{name}` is named for {same} already; expected another column for each"


def _how_named(value: Any) -> str:
    """Whether constituents are named by their momenta; what is neither is told of as if by pt, eta and phi."""
    keys = value if isinstance(value, dict) else dict(value) if isinstance(value, Section) else {}
    return "momenta" if {"px", "py", "pz"} & set(keys) else "polar"


class FriendTree(Section):
    """Another tree with as many entries, whose branches are found as if they were of the first."""

    tree: Text = Field(description="TTree or RNTuple")
    files: TextList | None = Field(
        None, description="one for each of the source's files, in their order; the same files if absent"
    )


class RootSource(FileSource):
    """ROOT TTree or RNTuple with jagged branches of constituents."""

    kind: Literal["root"]
    tree: Text | None = Field(
        None, description="TTree or RNTuple; the layout's own, or the only one, if absent"
    )
    friends: tuple[FriendTree, ...] | None = Field(None, description="friend trees, with further branches")
    layout: Literal["flat", "nanoaod", "pfnano", "scouting", "delphes"] = Field(
        "flat", description="names known for a format; `branches` overrides them"
    )
    branches: (
        tuple[
            Annotated[
                Annotated[Branches, Tag("polar")] | Annotated[Momenta, Tag("momenta")],
                Discriminator(_how_named),
            ],
            ...,
        ]
        | None
    ) = Field(
        None,
        description="pt, eta, phi (and mass, weight) branches, or px, py, pz (and energy, weight); a list of them "
        "is concatenated",
    )
    label: Text | None = Field(None, description="branch of the truth label, 0 for background")
    weight: Text | None = Field(None, description=f"branch of the weight {_EVENT_WEIGHT}")
    m_jj: Text | None = Field(
        None, description="branch of the dijet mass that the file holds, to be compared with ours"
    )
    lumi_mask: Text | None = Field(
        None,
        description="JSON of certified luminosity sections; other events are left out (needs `run` and "
        "`luminosityBlock` in the files)",
    )
    triggers: TextList | None = Field(
        None, description="branches or wildcards; events that fired none of them are left out"
    )
    flags: TextList | None = Field(
        None, description="branches or wildcards; events that lack any of these flags are left out"
    )

    stored_jets: StoredJets | None = Field(
        None, description="jets that the file holds, in place of reclustered ones"
    )
    energy_corrections: EnergyCorrections | None = Field(
        None, description="corrections of the jets' energy, and up and down variations of m_jj"
    )

    @property
    def is_weighted(self) -> bool:
        """Whether its events count with weights."""
        return self.weight is not None or super().is_weighted

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if self.stored_jets is not None and self.branches is not None and len(self.branches) > 1:
            yield (
                "stored_jets",
                "the tables of the jets point to one collection of candidates, and there are several; name one in "
                "`branches`, or remove `stored_jets`",
            )

    @model_validator(mode="before")
    @classmethod
    def _no_prescale(cls, value: Any) -> Any:
        if isinstance(value, dict) and "prescale" in value:
            raise ValueError(
                "`prescale`: events of a prescaled trigger would have to count several times, which bootstraps of "
                "events cannot do. Name unprescaled `triggers`, and begin `regions.evaluation` above their turn-on"
            )
        return value

    @field_validator("branches", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, dict) else value


class ParquetSource(FileSource):
    """Parquet with list columns of constituents, or one column of records with pt, eta and phi."""

    kind: Literal["parquet"]
    branches: Branches = Field(
        Branches(pt="pt", eta="eta", phi="phi"),
        description="list columns of constituents, or fields of the records of `constituents`",
    )
    constituents: Text | None = Field(None, description="the list-of-records column, if there is one")
    label: Text | None = Field(None, description="column of the truth label, 0 for background")
    weight: Text | None = Field(None, description=f"column of the weight {_EVENT_WEIGHT}")
    m_jj: Text | None = Field(
        None, description="column of the dijet mass that the file holds, to be compared with ours"
    )

    @property
    def is_weighted(self) -> bool:
        """Whether its events count with weights."""
        return self.weight is not None or super().is_weighted


_TOP_MASS = 173.0  # GeV


class AspenSource(FileSource):
    """Aspen Open Jets in HDF5: recorded large-R jets with their constituents, one row a jet."""

    kind: Literal["aspen"]
    units: Literal["GeV"] = Field("GeV", description="of these files, always")
    momentum: Literal["stored", "constituents"] = Field(
        "stored",
        description="pT, eta and phi of the file, with the mass of the constituents scaled as their pT is; or the "
        "sums of the constituents",
    )
    lumi_mask: Text | None = Field(
        None, description="JSON of certified luminosity sections; the published files hold only these"
    )


# One setting of Pythia, or one of a particle by its code.
_PYTHIA_SETTING = re.compile(r"[A-Za-z0-9]+:[A-Za-z0-9:]+\s*=\s*[^=\n;#!]+")
# What the source sets by keys of its own, in lower case as Pythia takes it, and the key.
_OWN_SETTINGS = {
    "random:": "seed",
    "beams:ecm": "sqrt_s",
    "phasespace:pthatmin": "pt_hat_min",
    "phasespace:mhatmin": "m_hat_min",
}


class PythiaSource(Section):
    """Events generated by Pythia 8 into the cache, then read as ROOT or LHCO files."""

    kind: Literal["pythia"]
    process: Literal["qcd", "zprime", "zprime_qq", "zprime_tt", "qstar", "hidden_valley"] = Field(
        "qcd",
        description="QCD dijets; Z' -> X Y with X, Y -> q qbar; Z' -> q qbar; Z' -> t tbar to quarks alone; "
        "q* -> q X with X -> q qbar; Z' -> dark quarks, whose mesons decay to quarks",
    )
    events: PositiveInteger = Field(description="number of generated events, before any selection")
    seed: Seed = Field(1, description="of the generation; samples of one process need different ones")
    sqrt_s: PositiveEnergy = Field(13000.0, description="GeV")
    pt_hat_min: PositiveEnergy = Field(1050.0, description="GeV, QCD only")
    m_hat_min: Energy = Field(
        0.0,
        description="least mass of the hard process, GeV, QCD only: stay well below the evaluation region",
    )
    resonance_mass: PositiveEnergy = Field(3500.0, description="m(Z') or m(q*), GeV")
    x_mass: PositiveEnergy = Field(500.0, description="m(X), GeV")
    y_mass: PositiveEnergy = Field(100.0, description="m(Y), GeV")
    dark_mass: PositiveEnergy = Field(20.0, description="mass of the dark mesons, GeV, hidden_valley only")
    settings: TextList | None = Field(
        None,
        description="further settings of Pythia, `Word:name = value`, such as `TimeShower:alphaSvalue = 0.12` "
        "of a simulation that is to differ from the data",
    )
    format: Literal["root", "lhco"] = Field("root", description="of the files in the cache")

    def _problems(self) -> Iterator[Problem]:
        given: dict[str, str] = {}
        for line in self.settings or ():
            name = line.partition("=")[0].strip()
            if not _PYTHIA_SETTING.fullmatch(line.strip()):
                yield "settings", f"{line!r} is no setting of Pythia, expected `Word:name = value`"
            elif name.lower() in given:
                yield "settings", f"`{name}` is set twice, by {given[name.lower()]!r} and {line!r}"
            elif key := next(
                (key for known, key in _OWN_SETTINGS.items() if name.lower().startswith(known)), ""
            ):
                yield "settings", f"`{name}` is what `{key}` of the source sets: give it there"
            given.setdefault(name.lower(), line)

    @model_validator(mode="after")
    def _open_decay(self) -> Self:
        products = {
            "zprime": ("x_mass + y_mass", self.x_mass + self.y_mass),
            "zprime_tt": ("twice the mass of the top quark", 2 * _TOP_MASS),
            "qstar": ("x_mass", self.x_mass),
            "hidden_valley": ("twice dark_mass", 2 * self.dark_mass),
        }
        what, least = products.get(self.process, ("", 0.0))
        if least >= self.resonance_mass:
            raise ValueError(
                f"{what} = {least:g} GeV leaves no room below resonance_mass = {self.resonance_mass:g} GeV"
            )
        return self


Source = Annotated[
    LhcoSource | RootSource | ParquetSource | AspenSource | PythiaSource, Field(discriminator="kind")
]
#: What `kind` can be.
SOURCE_KINDS: tuple[str, ...] = tuple(
    get_args(one.model_fields["kind"].annotation)[0] for one in get_args(get_args(Source)[0])
)
