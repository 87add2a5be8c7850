"""The cards for recorded data: on small real files, and on made ones in the same layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_aspen import write_aspen
from toy_pfnano import LUMI, RUN, write_pfnano

from hepcs._core.errors import InputError
from hepcs.config import LocatedCard, read_card
from hepcs.config.sources import RootSource
from hepcs.datasets.loading import load
from hepcs.jets import select_block
from hepcs.running.dry_run import estimate, render_estimate
from hepcs.sources.opening import open_files

MASK = "Cert_271036-284044_13TeV_Legacy2016_Collisions16_JSON.txt"
SMALL = ["searches.cluster_scanning.k=8", "searches.cluster_scanning.ensemble=2"]


@pytest.fixture
def pfnano(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the card expects it."""
    (tmp_path / "pfnano").mkdir()
    write_pfnano(tmp_path / "pfnano" / "JetHT_Run2016G_0.root", 700, 1, recorded=True)
    write_pfnano(tmp_path / "pfnano" / "JetHT_Run2016H_0.root", 300, 2, recorded=False)
    write_pfnano(tmp_path / "pfnano" / "QCD_HT2000toInf_0.root", 1500, 3, recorded=False)
    (tmp_path / MASK).write_text(json.dumps({str(RUN): [[LUMI, LUMI]], "1": [[LUMI, LUMI]]}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def card(name: str, folder: Path, *changes: str) -> LocatedCard:
    return read_card(name, [f"execution.cache={folder / 'cache'}", *SMALL, *changes])


def test_cms_open_data_on_made_files(pfnano: Path) -> None:
    found = card("cms_open_data.yaml", pfnano)
    reports = {report.role: report for report in load(found).reports}
    data, background = reports["data"], reports["background"]
    steps = dict(zip(data.cutflow.names, data.cutflow.counts, strict=True))
    assert list(steps)[:3] == [
        "entries read",
        "certified luminosity section",
        "trigger: one of 6, HLT_PFHT800 or another",
    ]
    assert list(steps.values())[:3] == [1000, 930, 860]
    assert [name for name in steps if name.startswith("flag")] == [
        f"flag: {flag}"
        for flag in found.card.samples.data.flags  # type: ignore[union-attr]
    ]
    for name in ("at least two stored jets", "second jet pT > 300 GeV", "m_jj > 1455 GeV"):
        assert name in steps
    assert any(name.startswith("|delta eta| < 1.3") for name in steps)
    assert 300 < data.n_evaluation < 860
    assert background.n_weightless + data.n_weightless == 10 * 2500


@pytest.mark.slow
def test_cms_open_data_dry_runs_on_made_files(pfnano: Path) -> None:
    told = estimate(card("cms_open_data.yaml", pfnano), workers=1)
    assert [sample.n_entries for sample in told.samples] == [1500, 1000]
    assert render_estimate(told)


@pytest.fixture
def aspen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the card expects it."""
    (tmp_path / "aspen").mkdir()
    for seed, name in enumerate(("RunG_batch0", "RunH_batch0")):
        write_aspen(tmp_path / "aspen" / f"{name}.h5", 700, seed, first_event=10_000 * seed, single=50)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_aspen_open_jets_on_made_files(aspen: Path) -> None:
    found = card("aspen_open_jets.yaml", aspen)
    (report,) = load(found).reports
    assert report.cutflow.counts[:2] == (2900, 1500)
    assert 400 < report.n_evaluation < 800
    assert report.n_weightless > 10_000


@pytest.mark.slow
def test_aspen_open_jets_dry_runs_on_made_files(aspen: Path) -> None:
    told = estimate(card("aspen_open_jets.yaml", aspen), workers=1)
    assert [sample.n_entries for sample in told.samples] == [2900]
    assert render_estimate(told)


def test_cms_open_data_on_real_files(real_data: Path) -> None:
    """Simulated events of another year: without the two triggers that these did not have, and a mask."""
    found = read_card("cms_open_data.yaml").card
    section = found.samples.data
    assert isinstance(section, RootSource)
    assert section.flags is not None
    local = section.model_copy(
        update={
            "files": (str(real_data / "cms_pfnano.root"),),
            "lumi_mask": None,
            "triggers": ("HLT_PFJet450", "HLT_AK8PFJet5*"),
        }
    )
    source = open_files(local, [real_data])
    jets = found.jets.model_copy(update={"backend": "fastjet"})
    selected = select_block(source.read_block(source.chunks()[0]), jets, file="cms_pfnano.root")
    steps = selected.cutflow.as_dict()
    assert steps["flag: Flag_EcalDeadCellTriggerPrimitiveFilter"] == 9  # of ten, one does not pass it
    assert steps["at least two stored jets"] == 9
    assert selected.n_events == list(steps.values())[-1] >= 5
    assert ((selected.m_jj > 2000) & (selected.m_jj < 5000)).all()


def test_a_trigger_that_the_real_file_lacks_is_told_with_those_that_are_near(real_data: Path) -> None:
    section = read_card("cms_open_data.yaml").card.samples.data
    assert isinstance(section, RootSource)
    section = section.model_copy(update={"lumi_mask": None, "stored_jets": None})
    for name in ("cms_pfnano.root", "cms/pfnano_skim.root"):
        local = section.model_copy(update={"files": (str(real_data / name),)})
        with pytest.raises(
            InputError, match=r"no branch is named as `HLT_PFHT800` of `triggers`.*HLT_PFHT890"
        ):
            open_files(local, [real_data]).chunks()
