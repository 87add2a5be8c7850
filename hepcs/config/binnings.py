"""Binnings of m_jj that experiments use, by name: bin edges in GeV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

BinningName = Literal["cms_dijet"]

#: ``cms_dijet``: bins about as wide as the resolution in m_jj, of the dijet resonance searches of CMS since 2010
#: (PRL 105 (2010) 211801; up to 14 TeV in JHEP 05 (2020) 033).
BINNINGS: Mapping[str, tuple[float, ...]] = {
    "cms_dijet": (
        *(1, 3, 6, 10, 16, 23, 31, 40, 50, 61, 74, 88, 103, 119, 137, 156, 176, 197, 220, 244, 270, 296, 325),
        *(354, 386, 419, 453, 489, 526, 565, 606, 649, 693, 740, 788, 838, 890, 944, 1000, 1058, 1118, 1181),
        *(1246, 1313, 1383, 1455, 1530, 1607, 1687, 1770, 1856, 1945, 2037, 2132, 2231, 2332, 2438, 2546),
        *(2659, 2775, 2895, 3019, 3147, 3279, 3416, 3558, 3704, 3854, 4010, 4171, 4337, 4509, 4686, 4869),
        *(5058, 5253, 5455, 5663, 5877, 6099, 6328, 6564, 6808, 7060, 7320, 7589, 7866, 8152, 8447, 8752),
        *(9067, 9391, 9726, 10072, 10430, 10798, 11179, 11571, 11977, 12395, 12827, 13272, 13732, 14000),
    )
}
assert set(BINNINGS) == set(get_args(BinningName))


def edges_inside(name: str, low: float, high: float) -> tuple[float, ...]:
    """The edges of a binning from `low` to `high`, both included."""
    return tuple(float(edge) for edge in BINNINGS[name] if low <= edge <= high)


def nearest_edges(name: str, mass: float) -> tuple[float, ...]:
    """The edge of a binning that a mass is, or else those on either side of it."""
    edges = BINNINGS[name]
    if mass in edges:
        return (mass,)
    below = [edge for edge in edges if edge < mass][-1:]
    return (*below, *[edge for edge in edges if edge > mass][:1])
