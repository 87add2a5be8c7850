"""Why events cannot be used."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hepcs._core.errors import InputError
from hepcs.config.preparation import Jets
from hepcs.config.sources import Branches
from hepcs.jets import Cutflow, DijetChunk, select_dijets
from hepcs.jets.defects import count_unusable, explain_defects, explain_nothing_left, require_usable
from hepcs.sources.lhco import LhcoFiles
from hepcs.sources.root import RootFiles


@pytest.fixture(scope="module")
def dijets(real_data: Path) -> ak.Array:
    """Constituents of 300 simulated dijets of the region, GeV and radians."""
    source = RootFiles((str(real_data / "pythia_qcd_a_0.root"),), max_events=300)
    return source.read(source.chunks()[0])


def select(constituents: ak.Array, name: str = "x.root") -> DijetChunk:
    return select_dijets(constituents, Jets(backend="fastjet"), file=name, first_entry=0)


def altered(events: ak.Array, **fields: ak.Array) -> ak.Array:
    for name, values in fields.items():
        events = ak.with_field(events, values, name)
    return events


def int16(values: ak.Array, scale: float) -> ak.Array:
    return ak.values_astype(
        ak.values_astype(np.minimum(np.round(values * scale), 32767), np.int16), np.float64
    )


def test_each_kind_of_wrong_input_is_told_as_what_it_is(dijets: ak.Array) -> None:
    one_nan = ak.where(ak.local_index(dijets.pt) == 0, np.nan, dijets.pt)
    packed = {"pt": int16(dijets.pt, 10), "eta": int16(dijets.eta, 8000), "phi": int16(dijets.phi, 8000)}
    cases = (
        (altered(dijets, pt=dijets.pt * 1000), "energy above", "units: MeV"),
        (altered(dijets, pt=one_nan), "not finite", "pT of exactly zero"),
        (altered(dijets, phi=dijets.phi * 180 / np.pi), "|phi| above", "degrees"),
        (altered(dijets, **packed), "|eta| above", "packed integers"),
        (altered(dijets, pt=-dijets.pt), "negative pT", "which column"),
    )
    for constituents, kind, hint in cases:
        found = select(constituents)
        text = explain_nothing_left(found.cutflow, found.rejections)
        assert found.n_events == 0
        assert f"{kind}: 300 of 300 that are listed, in x.root" in text
        assert "x.root: entry 0: a constituent is unusable" in text
        assert hint in text
        assert ("GeV:" in text) == (kind == "energy above")


def test_padding_with_nan_is_told_as_such(real_data: Path) -> None:
    source = LhcoFiles((str(real_data / "lhco_rnd_1000_events.h5"),), max_events=50)
    events = source.read(source.chunks()[0])
    nothing = ak.Array([[{"pt": np.nan, "eta": np.nan, "phi": np.nan, "mass": 0.0}] * 3] * 50)
    found = select(ak.concatenate([events, nothing], axis=1), "lhco.h5")
    assert "not NaN" in explain_nothing_left(found.cutflow, found.rejections)


def test_tev_and_soft_events_are_told_by_the_step_that_they_fail(dijets: ak.Array) -> None:
    found = select(altered(dijets, pt=dijets.pt / 1000))
    text = explain_nothing_left(found.cutflow, found.rejections)
    assert "none of 300 events has leading jet pT > 1200 GeV" in text
    assert "`units`" in text
    assert str(found.cutflow) in text
    cutflow = Cutflow((*found.cutflow.names[:3], "m_jj in [3000, 4600) GeV"), (300, 300, 300, 0))
    text = explain_nothing_left(cutflow, ())
    assert "none of 300 events has m_jj in [3000, 4600) GeV: move `regions.evaluation`" in text


def test_too_many_unusable_events_are_refused_with_the_reason(dijets: ak.Array) -> None:
    bad = altered(dijets, pt=dijets.pt * 1000)
    good, mev = select(dijets[:150], "good.root"), select(bad, "mev.root")
    cutflow, rejections = good.cutflow + mev.cutflow, (*good.rejections, *mev.rejections)
    assert count_unusable(cutflow) == 300
    with pytest.raises(InputError) as caught:
        require_usable("background", cutflow, rejections, 0.05)
    text = str(caught.value)
    for part in ("background: 300 of 450 events are unusable (66.7%)", "5.0%", "in mev.root", "units: MeV"):
        assert part in text
    require_usable("background", cutflow, rejections, 0.7)
    require_usable("background", good.cutflow, (), 0.0)


def test_a_share_at_the_limit_passes() -> None:
    cutflow = Cutflow(("entries read", "readable constituents", "at least two jets"), (100, 97, 95))
    require_usable("data", cutflow, (), 0.05)
    with pytest.raises(InputError, match=r"5 of 100 events"):
        require_usable("data", cutflow, (), 0.049)


def test_the_most_frequent_defect_comes_first(dijets: ak.Array) -> None:
    mixed = ak.concatenate(
        [altered(dijets[:20], pt=-dijets[:20].pt), altered(dijets[:5], phi=dijets[:5].phi + 50)]
    )
    text = explain_defects(select(mixed).rejections)
    assert text.index("negative pT: 20 of 25") < text.index("|phi| above: 5 of 25")


@pytest.mark.parametrize("n_events", [100, 1000])
def test_eta_and_phi_taken_for_each_other_are_refused(real_data: Path, n_events: int) -> None:
    path = str(real_data / "pythia_qcd_a_0.root")
    swapped = Branches(pt="Particle_pt", eta="Particle_phi", phi="Particle_eta")
    source = RootFiles((path,), branches=(swapped,), max_events=n_events)
    with pytest.raises(InputError, match=r"pythia_qcd_a_0\.root: .*Exchange the columns of `eta` and `phi`"):
        select(source.read(source.chunks()[0]), path)


@pytest.mark.parametrize("name", ["lhco_rnd_1000_events.h5", "pythia_signal_1.root", "cms_nanoaod_v15.root"])
def test_real_events_are_not_taken_for_exchanged(real_data: Path, name: str) -> None:
    path = (str(real_data / name),)
    layout = "nanoaod" if "nanoaod" in name else "flat"
    source = LhcoFiles(path) if name.endswith("h5") else RootFiles(path, layout=layout, max_events=1000)
    (chunk, *_) = source.chunks()
    events = source.read(chunk)
    assert select(events).cutflow.counts[1] > 0
    # nor events that were turned to have their jets at one azimuth
    turned = altered(events, phi=events.phi - ak.firsts(events.phi[ak.argsort(-events.pt, axis=1)]))
    select(altered(turned, phi=np.arctan2(np.sin(turned.phi), np.cos(turned.phi))))
