"""Features of events from the substructure of both jets: the standard four, and extended sets.

The standard four are those of Nachman and Shih, PRD 101 (2020) 075042 (arXiv:2001.04990); the extended sets those
of Finke et al., PRD 109 (2024) 034033 (arXiv:2309.13111). Masses are in TeV, or in units of m_jj.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.features.making import EventBlock
from hepcs.features.substructure import COLUMNS, MOST_AXES, AllColumnsMaker

if TYPE_CHECKING:
    from hepcs.config.schema import Card
    from hepcs.features import sections

# Part of the key of what is on disk: raised when the same substructure would give other features.
VERSION = 1

_TEV = 1000.0
# Of the published features: keeps tau_21 finite for jets of one constituent.
_SMALL = 1e-5

_RATIOS = tuple(f"tau_{n + 1}{n}" for n in range(1, MOST_AXES))
_TAUS = tuple(f"tau_{n}" for n in range(1, MOST_AXES + 1))


def _of_both(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{jet}" for name in names for jet in ("lighter", "heavier"))


_MASSES = ("mass_lighter", "mass_difference")

#: The features of each set, in order. `mass_lighter` [TeV], `mass_difference` [TeV]: heavier minus lighter jet;
#: `tau_21` ... `tau_54`: tau_{N+1} / (1e-5 + tau_N); `tau_1` ... `tau_5`: N-subjettiness.
SETS: dict[str, tuple[str, ...]] = {
    "standard": (*_MASSES, *_of_both("tau_21")),
    "extended": (*_MASSES, *_of_both(*_RATIOS)),
    "all_tau": (*_MASSES, *_of_both(*_TAUS)),
}

#: Of the two jets: distance in pseudorapidity and azimuth, and the absolute difference in pseudorapidity.
ANGLES = ("delta_r", "delta_eta")


@dataclass(frozen=True)
class EventFeatures:
    """Features of n events.

    Attributes
    ----------
    values
        Shape (n, d), float32.
    names
        What each column is.
    incomplete
        Events that lack a value, which is NaN; shape (n,).
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    incomplete: NDArray[np.bool_]


def feature_names(kind: str, *, divided: bool = False, angles: bool = False) -> tuple[str, ...]:
    """Names of the features that :func:`event_features` makes; `divided`: masses in units of m_jj."""
    if kind not in SETS:
        raise ArgumentError(f"unknown set of event features {kind!r}; expected one of {', '.join(SETS)}")
    names = tuple(f"{name}_over_m_jj" if divided and name in _MASSES else name for name in SETS[kind])
    return names + ANGLES if angles else names


def event_features(
    jets: NDArray[np.floating],
    kind: str,
    *,
    columns: Sequence[str] = COLUMNS,
    m_jj: NDArray[np.floating] | None = None,
    angles: bool = False,
) -> EventFeatures:
    """Features of events, the lighter jet before the heavier one.

    Parameters
    ----------
    jets
        Substructure of both jets, in any order, shape (n, 2, d).
    kind
        A set of :data:`SETS`.
    columns
        What the d columns of `jets` are.
    m_jj
        Shape (n,), GeV: masses are divided by it, so that they tell less of it. None leaves them in TeV.
    angles
        Whether to add :data:`ANGLES`.

    Raises
    ------
    ArgumentError
        If shapes do not fit, the set is unknown, or a column is missing.
    """
    names = feature_names(kind, divided=m_jj is not None, angles=angles)
    if jets.ndim != 3 or jets.shape[1:] != (2, len(columns)):
        raise ArgumentError(
            f"expected the columns of two jets an event, (n, 2, {len(columns)}), found {jets.shape}"
        )
    if m_jj is not None and (m_jj.shape != jets.shape[:1] or not (m_jj > 0).all()):
        raise ArgumentError(f"expected m_jj > 0 for each of {len(jets)} events, found shape {m_jj.shape}")
    ordered = _Pairs(jets, tuple(columns)).by_mass()
    unit = np.full(len(jets), _TEV) if m_jj is None else m_jj
    parts = [_feature(name, ordered, unit) for name in SETS[kind]]
    if angles:
        parts += _angles(ordered)
    values = np.stack(parts, axis=1).astype(np.float32)
    return EventFeatures(values, names, np.any(np.isnan(values), axis=1))


@dataclass(frozen=True)
class _Pairs:
    """Columns of both jets by name, each of shape (n, 2), the lighter jet first."""

    values: NDArray[np.floating]
    columns: tuple[str, ...]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name not in self.columns:
            raise ArgumentError(f"event features need the column {name!r} of jets; found {self.columns}")
        return self.values[:, :, self.columns.index(name)].astype(np.float64)

    def by_mass(self) -> _Pairs:
        masses = self["mass"]
        swap = masses[:, 0] > masses[:, 1]
        return _Pairs(
            np.where(swap[:, np.newaxis, np.newaxis], self.values[:, ::-1], self.values), self.columns
        )


def _feature(name: str, jets: _Pairs, unit: NDArray[np.floating]) -> NDArray[np.float64]:
    """One feature by name, shape (n,)."""
    if name == "mass_lighter":
        return jets["mass"][:, 0] / unit
    if name == "mass_difference":
        return (jets["mass"][:, 1] - jets["mass"][:, 0]) / unit
    tau, which = name.rsplit("_", 1)
    side = ("lighter", "heavier").index(which)
    if tau in _TAUS:
        return jets[tau][:, side]
    upper, lower = tau[-2], tau[-1]
    return jets[f"tau_{upper}"][:, side] / (_SMALL + jets[f"tau_{lower}"][:, side])


def _angles(jets: _Pairs) -> list[NDArray[np.float64]]:
    eta = np.subtract(*jets["eta"].T)
    phi = np.subtract(*jets["phi"].T)
    return [np.hypot(eta, np.arctan2(np.sin(phi), np.cos(phi))), np.abs(eta)]


@dataclass(frozen=True)
class EventMaker:
    """Makes features of events, by the keys of the card's section."""

    set: str
    divide_by_m_jj: bool
    angles: bool

    per: ClassVar[Literal["event"]] = "event"
    about: ClassVar[Mapping[str, Any]] = {}
    base: ClassVar[AllColumnsMaker] = AllColumnsMaker()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features."""
        return feature_names(self.set, divided=self.divide_by_m_jj, angles=self.angles)

    @property
    def key(self) -> Mapping[str, Any]:
        """All that decides them beside their names."""
        return {"version": VERSION}

    def make(self, block: EventBlock) -> NDArray[np.float32]:
        """Shape (m, d)."""
        m_jj = block.m_jj if self.divide_by_m_jj else None
        return event_features(block.base, self.set, m_jj=m_jj, angles=self.angles).values


def maker(section: sections.EventFeaturesSection, card: Card) -> EventMaker:  # noqa: ARG001
    """The maker of a section of the card."""
    return EventMaker(section.set, section.divide_by_m_jj, section.angles)
