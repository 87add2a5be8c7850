"""Names of trees and branches in known formats of ROOT files."""

from __future__ import annotations

from dataclasses import dataclass

from hepcs.config.sources import Branches


@dataclass(frozen=True)
class Layout:
    """Names that a format gives to its tree and branches; `mass` and `label` are used if they are there.

    Where versions of a format differ, `other` is taken for files that have not the branches of `collections`.
    """

    tree: str
    collections: tuple[Branches, ...]
    mass: str | None = None
    label: str | None = None
    other: Layout | None = None


def _of_collection(name: str) -> Branches:
    return Branches(pt=f"{name}_pt", eta=f"{name}_eta", phi=f"{name}_phi")


LAYOUTS: dict[str, Layout] = {
    "flat": Layout(
        "Events",
        (Branches(pt="Particle_pt", eta="Particle_eta", phi="Particle_phi"),),
        mass="Particle_mass",
        label="label",
    ),
    "nanoaod": Layout(
        "Events", (Branches(pt="PFCand_pt", eta="PFCand_eta", phi="PFCand_phi", mass="PFCand_mass"),)
    ),
    "pfnano": Layout(
        "Events",
        # Before PUPPI, unlike those of NanoAOD: most of the candidates have a weight of zero.
        (
            Branches(
                pt="PFCands_pt",
                eta="PFCands_eta",
                phi="PFCands_phi",
                mass="PFCands_mass",
                weight="PFCands_puppiWeight",
            ),
        ),
    ),
    # Candidates of the trigger of CMS since 2022: as offline ones, or as they were packed.
    "scouting": Layout(
        "Events",
        (_of_collection("ScoutingPFCandidate"),),
        mass="ScoutingPFCandidate_mass",
        other=Layout("Events", (_of_collection("ScoutingParticle"),), mass="ScoutingParticle_mass"),
    ),
    "delphes": Layout(
        "Delphes",
        tuple(
            Branches(pt=f"{name}.{energy}", eta=f"{name}.Eta", phi=f"{name}.Phi")
            for name, energy in (("EFlowTrack", "PT"), ("EFlowPhoton", "ET"), ("EFlowNeutralHadron", "ET"))
        ),
    ),
}
