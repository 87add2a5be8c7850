"""The processes that can be generated, as settings of Pythia 8: QCD dijets, and dijet resonances.

Z' -> X Y is the signal of the LHC Olympics 2020, two jets with two prongs each; the others have what that lacks:
three prongs (Z' -> t t), one jet without any (q* -> q X), many soft particles (a hidden valley, Strassler and
Zurek, PLB 651 (2007) 374), and jets that look like the background's (Z' -> q q).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hepcs.config.sources import PythiaSource

_QUARKS = "onIfAny = 1 2 3 4 5"
# Mesons of the hidden valley: pseudoscalars and vectors of one and of two flavours.
_DARK_MESONS = (4900111, 4900211, 4900113, 4900213)


@dataclass(frozen=True)
class Process:
    """What is generated.

    Attributes
    ----------
    label
        Truth label of its events: 0 for background.
    code
        Part of the spawn keys of the seeds: it never changes, and is no key of another use of the card's seeds.
    settings
        Settings of Pythia for a section of the card, beside those of all processes.
    text
        What it is, for messages.
    """

    label: int
    code: int
    settings: Callable[[PythiaSource], tuple[str, ...]]
    text: Callable[[PythiaSource], str]


def _qcd(section: PythiaSource) -> tuple[str, ...]:
    return (
        "HardQCD:all = on",
        f"PhaseSpace:pTHatMin = {section.pt_hat_min!r}",
        f"PhaseSpace:mHatMin = {section.m_hat_min!r}",
    )


def _qcd_text(section: PythiaSource) -> str:
    return (
        f"QCD dijets with pt_hat_min = {section.pt_hat_min:g} GeV and m_hat_min = {section.m_hat_min:g} GeV"
    )


def _zprime(section: PythiaSource) -> tuple[str, ...]:
    """Pythia's W' with the only decay W' -> W Z, where W and Z are given the masses of X and Y."""
    return (
        "NewGaugeBoson:ffbar2Wprime = on",
        "Wprime:coup2WZ = 1",
        *_narrow_resonance(34, section.resonance_mass, "onIfMatch = 24 23"),
        *_narrow_resonance(24, section.x_mass, _QUARKS),
        *_narrow_resonance(23, section.y_mass, _QUARKS),
    )


def _zprime_to(decay: str, *more: str) -> Callable[[PythiaSource], tuple[str, ...]]:
    def settings(section: PythiaSource) -> tuple[str, ...]:
        production = ("NewGaugeBoson:ffbar2gmZZprime = on", "Zprime:gmZmode = 3")
        return (*production, *_narrow_resonance(32, section.resonance_mass, decay), *more)

    return settings


def _qstar(section: PythiaSource) -> tuple[str, ...]:
    """An excited quark that decays to a quark and a W, which is given the mass of X."""
    mass = section.resonance_mass
    return (
        "ExcitedFermion:dg2dStar = on",
        "ExcitedFermion:ug2uStar = on",
        f"ExcitedFermion:Lambda = {mass!r}",
        *(line for code in (4000001, 4000002) for line in _narrow_resonance(code, mass, "onIfAny = 24")),
        *_narrow_resonance(24, section.x_mass, _QUARKS),
    )


def _hidden_valley(section: PythiaSource) -> tuple[str, ...]:
    """A Z' to two dark quarks of SU(3), whose mesons all decay to strange quarks: two jets of many jets."""
    mass = section.dark_mass
    return (
        "HiddenValley:ffbar2Zv = on",
        *_narrow_resonance(4900023, section.resonance_mass, "onIfAny = 4900101"),
        "HiddenValley:Ngauge = 3",
        "HiddenValley:nFlav = 2",
        "HiddenValley:FSR = on",
        "HiddenValley:fragment = on",
        # The scale of confinement is half of the mass of the mesons, and the shower ends a tenth above it.
        "HiddenValley:alphaOrder = 1",
        f"HiddenValley:Lambda = {0.5 * mass!r}",
        f"HiddenValley:pTminFSR = {0.55 * mass!r}",
        # By the number of spin states, three in four mesons are vectors.
        "HiddenValley:probVector = 0.75",
        f"4900101:m0 = {0.5 * mass!r}",
        *(f"{code}:m0 = {mass!r}" for code in _DARK_MESONS),
        *(f"{code}:oneChannel = 1 1.0 91 -3 3" for code in _DARK_MESONS),
    )


def _narrow_resonance(pdg_code: int, mass: float, decay: str) -> tuple[str, ...]:
    """Settings of a resonance with a width of at most a GeV and the given decays only.

    The limits of its mass belong to the new mass: the particle's own ones may exclude it.
    """
    values = {
        "m0": mass,
        "mWidth": min(1.0, 0.01 * mass),
        "mMin": 0.8 * mass,
        "mMax": 1.2 * mass,
    }
    return (
        *(f"{pdg_code}:{name} = {value!r}" for name, value in values.items()),
        f"{pdg_code}:doForceWidth = on",
        f"{pdg_code}:onMode = off",
        f"{pdg_code}:{decay}",
    )


_HADRONIC_W = ("24:onMode = off", f"24:{_QUARKS}")

PROCESSES = {
    "qcd": Process(0, 100, _qcd, _qcd_text),
    "zprime": Process(
        1,
        101,
        _zprime,
        lambda one: f"Z' -> X Y ({one.resonance_mass:g} -> {one.x_mass:g} + {one.y_mass:g} GeV)",
    ),
    "zprime_qq": Process(1, 102, _zprime_to(_QUARKS), lambda one: f"Z' -> q q ({one.resonance_mass:g} GeV)"),
    "zprime_tt": Process(
        1,
        103,
        _zprime_to("onIfAny = 6", *_HADRONIC_W),
        lambda one: f"Z' -> t t ({one.resonance_mass:g} GeV)",
    ),
    "qstar": Process(1, 104, _qstar, lambda one: f"q* -> q X ({one.resonance_mass:g} -> {one.x_mass:g} GeV)"),
    "hidden_valley": Process(
        1,
        105,
        _hidden_valley,
        lambda one: f"Z' -> dark quarks ({one.resonance_mass:g} GeV, mesons of {one.dark_mass:g} GeV)",
    ),
}
"""By their names on the card."""
