"""Jets of an experiment on the card: those that a file holds, and the corrections of their energy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hepcs.config.values import Problem, Section, Text, TextList


class JetTables(Section):
    """Branches of a table of jets and their constituents: one row for each pair."""

    jet: Text = Field(description="place of the jet among those of the event")
    constituent: Text = Field(description="place of the constituent among all candidates of the event")


class JetIdentification(Section):
    """Quality that the experiment asks of a jet; those that lack it are left out."""

    branch: Text = Field(description="of whole numbers, one for each jet")
    bits: Annotated[int, Field(strict=True, ge=1, lt=2**31)] = Field(
        description="of the whole number there, the bits that must all be set: 2 is CMS's tight jets"
    )


class StoredJets(Section):
    """Large-R jets as a file holds them, in place of reclustered ones."""

    collection: Text = Field(
        "FatJet",
        description="branches begin with it: FatJet_pt, FatJet_eta, FatJet_phi, FatJet_mass; in Delphes FatJet.PT",
    )
    momentum: Literal["stored", "constituents"] = Field(
        "stored", description="four-momenta of the file, or the sums of the jets' own constituents"
    )
    tables: JetTables | None = Field(
        None,
        description="which constituents are in which jet; if absent, as NanoAOD and PFNano name them, or the "
        "references of Delphes",
    )
    identification: JetIdentification | None = Field(
        None, description="quality that jets must have; all are taken if absent"
    )


class EnergyCorrections(Section):
    """Corrections of the jets' energy and their uncertainty, from a file of correctionlib (extra `[cms]`)."""

    file: Text = Field(description="JSON of correctionlib, gzipped or not")
    corrections: TextList | None = Field(
        None,
        description="corrections or compound ones, one after another, of uncorrected momenta; if absent, those of "
        "the file are kept",
    )
    uncertainty: Text | None = Field(
        None, description="relative uncertainty, by which m_jj is shifted up and down"
    )
    resolution: Text | None = Field(
        None, description="relative resolution of pT in simulation, with which its jets are smeared (JER)"
    )
    scale_factor: Text | None = Field(
        None,
        description="resolution in data over that in simulation, with its `nom`, `up` and `down` as `systematic`: "
        "jets of simulation are smeared to the first, and m_jj to the others as well",
    )
    rho: Text | None = Field(
        None, description="branch of the pile-up density; as CMS names it if absent, where a correction asks"
    )

    def _problems(self) -> Iterator[Problem]:
        if self.corrections is None and self.uncertainty is None and self.resolution is None:
            yield (
                "corrections",
                "neither `corrections` nor `uncertainty` nor `resolution` is named, so the file is of no use",
            )
        if (self.resolution is None) != (self.scale_factor is None):
            missing = "resolution" if self.resolution is None else "scale_factor"
            yield missing, "is missing: jets are smeared by `resolution` and `scale_factor` together"
