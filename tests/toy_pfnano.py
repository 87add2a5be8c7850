"""Toy events in the layout of PFNano: candidates with PUPPI weights, stored jets, tables, triggers, filters."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import uproot
from toy_events import PARTICLES, toy_events

RUN, LUMI = 278820, 1  # of 2016 G
TRIGGERS = (
    "HLT_PFHT800",
    "HLT_PFHT900",
    "HLT_PFJet450",
    "HLT_PFJet500",
    "HLT_AK8PFJet450",
    "HLT_AK8PFJet500",
)
FLAGS = (
    "Flag_goodVertices",
    "Flag_globalSuperTightHalo2016Filter",
    "Flag_HBHENoiseFilter",
    "Flag_HBHENoiseIsoFilter",
    "Flag_EcalDeadCellTriggerPrimitiveFilter",
    "Flag_BadPFMuonFilter",
    "Flag_eeBadScFilter",
)
PILE_UP = 10  # candidates of weight zero behind those of the two jets


def write_pfnano(path: Path, n: int, seed: int, *, recorded: bool) -> Path:
    """n events of two jets; of recorded ones, one in ten is not certified, and one in ten fired no trigger."""
    rng = np.random.default_rng(seed)
    events = toy_events(n, rng)
    shape = (n, 2 * PARTICLES)
    pt, eta, phi = (ak.to_numpy(events[name]).reshape(shape) for name in ("pt", "eta", "phi"))
    pt = 0.78 * pt  # so that m_jj of the corrected jets begins at 2500 GeV
    jets = np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    energy, px, py, pz = jets.reshape(4, n, 2, PARTICLES).sum(axis=3)
    jet_pt = np.hypot(px, py)
    correction = 1.1
    of_jets = {
        "pt": correction * jet_pt,
        "eta": np.arcsinh(pz / jet_pt),
        "phi": np.arctan2(py, px),
        "mass": correction * np.sqrt(np.maximum(energy**2 - jet_pt**2 - pz**2, 0)),
        "rawFactor": np.full((n, 2), 1 - 1 / correction),
        "area": np.full((n, 2), 2.0),
    }
    soft = {
        "pt": rng.exponential(2, (n, PILE_UP)),
        "eta": rng.normal(0, 2, (n, PILE_UP)),
        "phi": rng.uniform(-3, 3, (n, PILE_UP)),
    }
    candidates = {
        name: np.concatenate([hard, soft[name]], axis=1)
        for name, hard in (("pt", pt), ("eta", eta), ("phi", phi))
    }
    candidates["mass"] = np.zeros((n, 2 * PARTICLES + PILE_UP))
    candidates["puppiWeight"] = np.concatenate([np.ones(shape), np.zeros((n, PILE_UP))], axis=1)
    floats = {f"PFCands_{name}": values for name, values in candidates.items()}
    floats |= {f"FatJet_{name}": values for name, values in of_jets.items()}
    table = np.broadcast_to(np.arange(2 * PARTICLES), shape)
    whole = {
        "FatJet_jetId": np.full((n, 2), 6),
        "FatJetPFCands_jetIdx": table // PARTICLES,
        "FatJetPFCands_pFCandsIdx": table,
    }
    number = np.arange(n)
    each = {
        "run": np.full(n, RUN if recorded else 1, np.uint32),
        "luminosityBlock": np.where((number % 10 == 0) & recorded, 99999, LUMI).astype(np.uint32),
        "event": (number + 1).astype(np.uint64),
        "fixedGridRhoFastjetAll": np.full(n, 20.0, np.float32),
    }
    fired = (number % 10 != 1) | (not recorded)
    each |= {name: fired & (index % 2 == 0) for index, name in enumerate(TRIGGERS)}
    each |= {name: np.ones(n, bool) for name in FLAGS}
    arrays = {name: ak.from_regular(values.astype(np.float32)) for name, values in floats.items()}
    arrays |= {name: ak.from_regular(values.astype(np.int32)) for name, values in whole.items()}
    with uproot.recreate(path) as file:
        types = dict.fromkeys(floats, "var * float32") | dict.fromkeys(whole, "var * int32")
        types |= {name: values.dtype for name, values in each.items()}
        file.mktree("Events", types).extend(arrays | each)
    return path
