"""Jets as a source gives them, with corrected energies; smeared, and varied by the uncertainty of these."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs.jets.backends import LeadingJets
from hepcs.jets.columns import flatten
from hepcs.sources.jet_corrections import JetEnergy

Floats = NDArray[np.float64]

_PLACE = ("pt", "eta", "phi")


def stored_leading_jets(jets: Any, energy: JetEnergy | None) -> LeadingJets:
    """The two jets of highest pT of each event, of all jets that a source gives.

    Parameters
    ----------
    jets
        Awkward array n x var x {pt, eta, phi, mass, area, constituents}, GeV, see
        :class:`~hepcs.sources.base.SourceBlock`.
    energy
        Corrections, applied before the jets are put into order; None for none.
    """
    n_jets = ak.to_numpy(ak.num(jets, axis=1)).astype(np.int64)
    flat = ak.flatten(jets, axis=1)
    pt, eta, phi, mass, area = (ak.to_numpy(flat[name]) for name in ("pt", "eta", "phi", "mass", "area"))
    all_jets = LeadingJets(n_jets, pt, eta, phi, mass, flatten(flat.constituents, _PLACE))
    factor = np.ones(pt.size)
    if energy is not None and energy.corrections.names:
        factor = energy.corrections.factor(inputs_of(all_jets, energy, area))
    ordered = all_jets.scaled(factor)
    place = np.arange(pt.size) - np.repeat(np.cumsum(n_jets) - n_jets, n_jets)
    return ordered.take_jets(place < 2)


def correct_reclustered(jets: LeadingJets, energy: JetEnergy, radius: float) -> LeadingJets:
    """The two leading jets with corrected energies; their area is that of a circle."""
    if not energy.corrections.names:
        return jets
    area = np.full(jets.pt.size, np.pi * radius**2)
    return jets.scaled(energy.corrections.factor(inputs_of(jets, energy, area)))


def smeared_jets(
    jets: LeadingJets, energy: JetEnergy, radius: float
) -> tuple[LeadingJets, dict[str, LeadingJets]]:
    """The two leading jets, corrected, as they are smeared where they are, and as they are varied.

    Variations by one standard deviation: ``up`` and ``down`` of both energies, if there is an uncertainty, and
    ``resolution_up`` and ``resolution_down`` of their smearing, if there is one. Both jets and all events are
    varied together, as a common scale is. What asks for an area is given that of a circle.
    """
    area = np.full(jets.pt.size, np.pi * radius**2)
    smearing = energy.corrections.smearing(inputs_of(jets, energy, area))
    nominal = jets.scaled(smearing["nom"]) if smearing else jets
    varied = {
        f"resolution_{value}": jets.scaled(factor) for value, factor in smearing.items() if value != "nom"
    }
    if energy.corrections.uncertainty is not None:
        relative = energy.corrections.relative_uncertainty(inputs_of(nominal, energy, area))
        varied = {"up": nominal.scaled(1 + relative), "down": nominal.scaled(1 - relative)} | varied
    return nominal, varied


def inputs_of(jets: LeadingJets, energy: JetEnergy, area: Floats) -> dict[str, Floats]:
    """What corrections may ask of jets and of their n events, shape (j,) each."""
    of_jets = {"JetPt": jets.pt, "JetEta": jets.eta, "JetPhi": jets.phi, "JetMass": jets.mass, "JetA": area}
    return of_jets | {name: np.repeat(values, jets.n_jets) for name, values in energy.events.items()}
