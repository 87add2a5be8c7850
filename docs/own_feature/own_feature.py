"""A feature of your own: the soft-drop mass of each jet, at a z_cut of your choice."""

from dataclasses import dataclass
from typing import Literal

import awkward as ak
import numpy as np
from pydantic import Field

from hepcs.config.features import FeatureSection
from hepcs.features.kinds import FeatureKind
from hepcs.features.recombination import recombine
from hepcs.features.soft_drop import soft_drop
from hepcs.jets.kinematics import four_momenta


class SoftDropMass(FeatureSection):
    """Mass of each jet after soft drop with beta = 0, GeV."""

    kind: Literal["soft_drop_mass"] = "soft_drop_mass"
    z_cut: float = Field(0.1, gt=0, lt=0.5, description="least share of pT of the softer subjet")


@dataclass(frozen=True)
class SoftDropMaker:
    """Makes it: a frozen object, which is sent to other processes."""

    z_cut: float
    per, columns, about, base = "jet", ("softdrop_mass",), {}, None

    @property
    def key(self):
        """All that decides the values: what is in the cache is found by it. Raise the version with the code."""
        return {"version": 1, "z_cut": self.z_cut}

    def make(self, block):
        """Of m events, both jets: shape (m, 2, 1)."""
        jets = block.constituents  # 2m x var x {pt, eta, phi}
        pt, eta, phi = (ak.to_numpy(ak.flatten(jets[name])).astype(float) for name in ("pt", "eta", "phi"))
        offsets = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(jets)))])
        trees = recombine(four_momenta(pt, eta, phi, np.zeros_like(pt)), offsets, "cambridge")
        return soft_drop(trees, self.z_cut, 0.1).mass.astype(np.float32).reshape(-1, 2, 1)


KIND = FeatureKind(
    SoftDropMass, "soft-drop mass of both jets", lambda section, card: SoftDropMaker(section.z_cut)
)
