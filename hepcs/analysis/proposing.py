"""From a file to a section of a card: how it is written, and how its first events fare."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from hepcs._core.errors import HepcsError
from hepcs.config import LocatedCard
from hepcs.config.preparation import Jets
from hepcs.config.sources import LhcoSource, ParquetSource, RootSource
from hepcs.jets import select_dijets
from hepcs.sources.inspecting import Proposal
from hepcs.sources.opening import open_files

_SECTIONS: Mapping[str, Any] = {"lhco": LhcoSource, "root": RootSource, "parquet": ParquetSource}
# Above it, the largest pT of a typical event is none in GeV.
_MEV = 20_000.0


@dataclass(frozen=True)
class Probe:
    """How the first events of a file fare.

    Attributes
    ----------
    n_entries, n_tried, n_selected
        Entries of the file, those that were tried, and those that the selection of the card's defaults keeps.
    constituents, largest_pt
        Medians over events: number of constituents, and the largest pT of one.
    m_jj
        Smallest, median and largest m_jj of the selected events, GeV; None if there are none.
    trouble
        Why they could not be read; nothing if they could.
    """

    n_entries: int = 0
    n_tried: int = 0
    n_selected: int = 0
    constituents: float = 0.0
    largest_pt: float = 0.0
    m_jj: tuple[float, float, float] | None = None
    trouble: str = ""

    @property
    def share(self) -> float:
        """Share of the tried events that is selected."""
        return self.n_selected / max(self.n_tried, 1)

    def lines(self) -> Iterator[str]:
        """What is to be said of it."""
        if self.trouble:
            yield f"The first events cannot be used: {self.trouble}"
            return
        yield (
            f"Of the first {self.n_tried:,} of {self.n_entries:,} events, with {self.constituents:.0f} "
            f"constituents in the median, {self.n_selected:,} have two jets of which the first has pT > 1200 GeV"
        )
        if self.m_jj is not None:
            low, median, high = self.m_jj
            yield f"  m_jj from {low:,.0f} to {high:,.0f} GeV, median {median:,.0f}"
        if self.largest_pt > _MEV:
            yield f"  the hardest constituents have pT = {self.largest_pt:,.0f}: is it in MeV? Then `units: MeV`"
        elif not self.n_selected:
            yield "  a lower `jets.leading_pt_min` and `regions.evaluation` in the card would keep some"


def section_of(files: str | list[str], proposal: Proposal) -> Any:
    """The section of a card."""
    return _SECTIONS[proposal.keys["kind"]].model_validate({**proposal.keys, "files": files})


def section_text(files: str | list[str], proposal: Proposal) -> str:
    """The section as a line of a card, in YAML's flow style."""
    keys = {"kind": proposal.keys["kind"], "files": files, **proposal.keys}
    return _flow(keys)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    text = str(value)
    # Words that YAML takes as they are.
    plain = text.replace("_", "").replace(".", "").replace("/", "").replace("-", "").isalnum()
    return text if plain and not text[0].isdigit() else json.dumps(text)


def probe(path: str, proposal: Proposal, n_events: int, card: LocatedCard | None = None) -> Probe:
    """Read the first events of a file, and select dijets as a card would, or as its defaults do."""
    jets = Jets() if card is None else card.card.jets
    try:
        source = open_files(section_of(path, proposal), [])
        chunks = source.chunks()
        first = chunks[0]
        events = source.read(first)[:n_events]
        dijets = select_dijets(events, jets, file=path, first_entry=first.start)
    except HepcsError as error:
        return Probe(trouble=str(error))
    masses = np.asarray(dijets.m_jj, dtype=np.float64)
    some = masses.size > 0
    return Probe(
        n_entries=sum(chunk.n_entries for chunk in chunks),
        n_tried=len(events),
        n_selected=int(masses.size),
        constituents=float(np.median(ak.to_numpy(ak.num(events["pt"])))) if len(events) else 0.0,
        largest_pt=float(np.median(ak.to_numpy(ak.fill_none(ak.max(events["pt"], axis=1), 0.0)))),
        m_jj=(float(masses.min()), float(np.median(masses)), float(masses.max())) if some else None,
    )
