"""The processes of the ADC 2021 as settings of Pythia 8: four backgrounds with a lepton, four signals.

Cerri et al., JHEP 05 (2019) 036, section 2. Simpler than there: no multiple parton interactions and no pile-up,
which add soft jets; further jets of W, Z and top quarks come from the shower alone; QCD is the hard production
of pairs of heavy quarks alone. l is e, mu or tau.
"""

from __future__ import annotations

from dataclasses import dataclass

_LEPTONS = "onIfAny = 11 13 15"
_HIGGS = ("HiggsSM:gg2H = on", "25:onMode = off")


@dataclass(frozen=True)
class ObjectProcess:
    """What is generated.

    Attributes
    ----------
    code
        Part of the spawn keys of the seeds: it never changes, and is no key of another use of a seed.
    settings
        Settings of Pythia, beside those of all processes.
    text
        What it is, for messages.
    heavy_decays
        Whether its leptons are those of heavy hadrons, which are decayed by themselves.
    """

    code: int
    settings: tuple[str, ...]
    text: str
    heavy_decays: bool = False


OBJECT_PROCESSES = {
    "w": ObjectProcess(
        120, ("WeakSingleBoson:ffbar2W = on", "24:onMode = off", f"24:{_LEPTONS}"), "W -> l nu"
    ),
    # A lepton above 23 GeV that is isolated takes most of a hadron: softer quarks have none.
    "qcd": ObjectProcess(
        121,
        ("HardQCD:hardbbbar = on", "HardQCD:hardccbar = on", "PhaseSpace:pTHatMin = 25"),
        "QCD with heavy flavour",
        heavy_decays=True,
    ),
    "z": ObjectProcess(
        122,
        ("WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off", f"23:{_LEPTONS}", "23:mMin = 50"),
        "Z -> l l",
    ),
    "tt": ObjectProcess(123, ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"), "t tbar"),
    "a_4l": ObjectProcess(
        130,
        (
            *_HIGGS,
            "25:m0 = 50",
            "25:mMin = 40",
            "25:onIfMatch = 23 23",
            "23:onMode = off",
            f"23:{_LEPTONS}",
            "23:mMin = 1",
        ),
        "A -> Z* Z* -> 4 l (50 GeV)",
    ),
    "lq_btau": ObjectProcess(
        131,
        (
            "LeptoQuark:gg2LQLQbar = on",
            "LeptoQuark:qqbar2LQLQbar = on",
            "42:m0 = 80",
            "42:mMin = 60",
            "42:mMax = 100",
            "42:0:products = 5 -15",
        ),
        "pairs of LQ -> b tau (80 GeV)",
    ),
    "h0_tautau": ObjectProcess(
        132, (*_HIGGS, "25:m0 = 60", "25:mMin = 50", "25:onIfAny = 15"), "h0 -> tau tau (60 GeV)"
    ),
    # Its only lepton is that of the tau: what decays to hadrons passes no trigger.
    "hpm_taunu": ObjectProcess(
        133,
        (
            "Higgs:useBSM = on",
            "HiggsBSM:ffbar2H+- = on",
            "37:m0 = 60",
            "37:mWidth = 0.1",
            "37:doForceWidth = on",
            "37:mMin = 50",
            "37:mMax = 70",
            "37:onMode = off",
            "37:onIfAny = 15",
            "15:onMode = off",
            "15:onIfAny = 11 13",
        ),
        "h+- -> tau nu (60 GeV)",
    ),
}
"""By their names on the card."""

PROPORTIONS = {"w": 0.592, "qcd": 0.338, "z": 0.067, "tt": 0.003}
"""Shares of the background after the trigger (Cerri et al., section 2)."""
