"""Corrections of jet energies, and their uncertainty, evaluated with correctionlib."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError, MissingDependencyError
from hepcs._core.requirements import pip_install
from hepcs.sources.files import reading
from hepcs.sources.packing import list_nearest

#: What a jet has, and what an event has, by the names that CMS gives to the inputs of its corrections.
OF_JETS, OF_EVENTS = ("JetPt", "JetEta", "JetPhi", "JetMass", "JetA"), ("Rho", "run")
#: What a scale factor of the resolution is asked for, by the name that CMS gives to its values.
SYSTEMATIC, VALUES = "systematic", ("nom", "up", "down")
# Least factor of a jet that is smeared: none has a negative energy.
_LEAST = 0.01

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JetCorrections:
    """Corrections of the energy of jets.

    Attributes
    ----------
    path
        JSON of correctionlib.
    names
        Corrections or compound ones: each is a factor on pT and mass, evaluated at what the one before left.
    uncertainty
        Relative uncertainty of the corrected pT; None for none.
    resolution, scale_factor
        Relative resolution of pT in simulation, and that in data over it; None where jets are not smeared.
    """

    path: str
    names: tuple[str, ...] = ()
    uncertainty: str | None = None
    resolution: str | None = None
    scale_factor: str | None = None

    def __post_init__(self) -> None:
        for name in self._named:
            known = {*OF_JETS, *OF_EVENTS, *([SYSTEMATIC] if name == self.scale_factor else ())}
            inputs = _inputs(_correction(self.path, name))
            if name == self.scale_factor and SYSTEMATIC not in inputs:
                raise InputError(
                    f"{self.path}: `{name}` has no input `{SYSTEMATIC}`, and so no uncertainty; it asks for: "
                    f"{', '.join(inputs)}"
                )
            other = [one for one in inputs if one not in known]
            if other:
                raise InputError(
                    f"{self.path}: `{name}` asks for {', '.join(other)}, which no jet here has; expected some of "
                    f"{', '.join((*OF_JETS, *OF_EVENTS))}"
                )

    @property
    def event_inputs(self) -> tuple[str, ...]:
        """Of :data:`OF_EVENTS`, what is asked for."""
        asked = {one for name in self._named for one in _inputs(_correction(self.path, name))}
        return tuple(name for name in OF_EVENTS if name in asked)

    @property
    def _named(self) -> tuple[str, ...]:
        return (*self.names, *filter(None, [self.uncertainty, self.resolution, self.scale_factor]))

    def factor(self, jets: Mapping[str, Floats]) -> Floats:
        """Factor on pT and mass of uncorrected jets, shape (j,).

        Parameters
        ----------
        jets
            Inputs by name, shape (j,) each; GeV.
        """
        inputs, total = dict(jets), np.ones(len(jets["JetPt"]))
        for name in self.names:
            factor = self._evaluate(name, inputs)
            inputs["JetPt"], inputs["JetMass"] = inputs["JetPt"] * factor, inputs["JetMass"] * factor
            total *= factor
        return total

    def relative_uncertainty(self, jets: Mapping[str, Floats]) -> Floats:
        """Relative uncertainty of corrected jets, shape (j,); zero if there is none."""
        if self.uncertainty is None:
            return np.zeros(len(jets["JetPt"]))
        return np.abs(self._evaluate(self.uncertainty, jets))

    def smearing(self, jets: Mapping[str, Floats]) -> dict[str, Floats]:
        """Factors that smear corrected jets, shape (j,), for each of :data:`VALUES`; none without a resolution.

        1 + x sigma sqrt(max(s^2 - 1, 0)), the stochastic smearing of CMS (JINST 12 (2017) P02014): x is normal,
        and a hash of the jet, so that it is the same in whatever chunk, and for all of the values.
        """
        if self.resolution is None or self.scale_factor is None:
            return {}
        width = _normal(jets) * self._evaluate(self.resolution, jets)
        scales = {value: self._evaluate(self.scale_factor, {**jets, SYSTEMATIC: value}) for value in VALUES}
        return {
            value: np.maximum(1 + width * np.sqrt(np.maximum(scale**2 - 1, 0.0)), _LEAST)
            for value, scale in scales.items()
        }

    def _evaluate(self, name: str, jets: Mapping[str, Any]) -> Floats:
        correction = _correction(self.path, name)
        if not len(jets["JetPt"]):
            return np.empty(0)
        with reading(self.path, f"`{name}`"):
            return np.asarray(correction.evaluate(*(jets[one] for one in _inputs(correction))))


@dataclass(frozen=True)
class JetEnergy:
    """What is needed to correct the jets of some events.

    Attributes
    ----------
    corrections
        The corrections.
    events
        Of each event what they ask for, shape (n,), by the names of :data:`OF_EVENTS`.
    """

    corrections: JetCorrections
    events: Mapping[str, Floats]

    def take(self, events: NDArray[np.bool_] | NDArray[np.int64]) -> JetEnergy:
        """The same for some of the events, by a mask or by their numbers."""
        return JetEnergy(self.corrections, {name: values[events] for name, values in self.events.items()})


def _normal(jets: Mapping[str, Floats]) -> Floats:
    """Normal numbers, shape (j,), told by pT, eta and phi alone: rounded, so that no last bit of them matters."""
    return np.asarray(_hash().evaluate(*(np.round(jets[name], 3) for name in OF_JETS[:3])))


@functools.lru_cache(maxsize=1)
def _hash() -> Any:
    from correctionlib import schemav2

    data = schemav2.HashPRNG(nodetype="hashprng", inputs=list(OF_JETS[:3]), distribution="normal")
    inputs = [schemav2.Variable(name=name, type="real") for name in OF_JETS[:3]]
    output = schemav2.Variable(name="x", type="real")
    return schemav2.Correction(name="x", version=1, inputs=inputs, output=output, data=data).to_evaluator()


def _inputs(correction: Any) -> list[str]:
    return [one.name for one in correction.inputs]


def _correction(path: str, name: str) -> Any:
    with reading(path, "the file"):
        mtime_ns = Path(path).stat().st_mtime_ns
    single, compound = _opened(path, mtime_ns)
    if name in single:
        return single[name]
    if name in compound:
        return compound[name]
    available: Sequence[str] = (*compound, *single)
    raise InputError(f"{path}: has no correction `{name}`; it has: {list_nearest(name, available)}")


@functools.lru_cache(maxsize=4)
def _opened(path: str, _mtime_ns: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Corrections of a file, and compound ones, by name."""
    try:
        import correctionlib
    except ImportError as error:
        raise MissingDependencyError(
            "correctionlib", f"to read {path}", pip_install("correctionlib")
        ) from error
    with reading(path, "it as JSON of correctionlib"):
        found = correctionlib.CorrectionSet.from_file(path)
        return dict(found.items()), dict(found.compound.items())
