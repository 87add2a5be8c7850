"""Jets: anti-kT reclustering, the dijet selection with its cutflow, and m_jj."""

from hepcs.jets.backends import Backend, cluster_jets, resolve_backend
from hepcs.jets.columns import Columns, flatten
from hepcs.jets.cutflow import Cutflow, Rejection
from hepcs.jets.kinematics import invariant_mass, pair_mass
from hepcs.jets.selection import MAX_LISTED_REJECTIONS, DijetChunk, select_block, select_dijets

__all__ = [
    "Backend",
    "Columns",
    "Cutflow",
    "DijetChunk",
    "MAX_LISTED_REJECTIONS",
    "Rejection",
    "cluster_jets",
    "flatten",
    "invariant_mass",
    "pair_mass",
    "resolve_backend",
    "select_block",
    "select_dijets",
]
