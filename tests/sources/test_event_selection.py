"""Certified sections, triggers and flags."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepcs._core.errors import ArgumentError, CardError, InputError
from hepcs.config import read_card
from hepcs.config.preparation import Jets
from hepcs.config.sources import RootSource
from hepcs.jets import select_block
from hepcs.sources.event_selection import EventSelection, read_lumi_mask
from hepcs.sources.opening import open_files
from hepcs.sources.root import RootFiles
from hepcs.sources.skipping import list_files

# Run, section, three triggers and two flags of eight events.
RECORDED = {
    "run": np.array([1, 1, 1, 2, 2, 2, 3, 3], np.uint32),
    "luminosityBlock": np.array([1, 5, 6, 1, 2, 9, 1, 1], np.uint32),
    "HLT_AK8PFJet500": np.array([1, 0, 1, 0, 0, 1, 1, 1], bool),
    "HLT_PFHT1050": np.array([0, 0, 1, 1, 0, 0, 1, 1], bool),
    "HLT_IsoMu27": np.array([0, 1, 0, 0, 1, 0, 0, 0], bool),
    "Flag_goodVertices": np.array([1, 1, 1, 0, 1, 1, 1, 1], bool),
    "Flag_eeBadScFilter": np.array([1, 1, 0, 1, 1, 1, 1, 1], np.uint8),
}
MASK = {"1": [[1, 5]], "2": [[1, 1], [2, 8]]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Events of two hard jets of three particles each, in ``a.root``, and the mask."""
    jets = np.array([[1500.0, 0.1, 0.2], [900.0, -0.4, 0.3], [700.0, 0.5, -2.9]], np.float32)
    with uproot.recreate(tmp_path / "a.root") as file:
        names = ("pt", "eta", "phi")
        types = {f"Particle_{name}": "var * float32" for name in names}
        tree = file.mktree("Events", types | {name: values.dtype for name, values in RECORDED.items()})
        columns = {f"Particle_{name}": ak.Array([jets[:, i]] * 8) for i, name in enumerate(names)}
        tree.extend(columns | RECORDED)
    (tmp_path / "mask.json").write_text(json.dumps(MASK))
    return tmp_path


def source(folder: Path, **keys: object) -> RootFiles:
    section = RootSource.model_validate({"kind": "root", "files": ["a.root"], **keys})
    opened = open_files(section, [folder])
    assert isinstance(opened, RootFiles)
    return opened


CASES = {
    "mask": ({"lumi_mask": "mask.json"}, [0, 1, 3, 4]),
    "trigger": ({"triggers": "HLT_PFHT1050"}, [2, 3, 6, 7]),
    "any of": ({"triggers": ["HLT_AK8PFJet500", "HLT_PFHT1050"]}, [0, 2, 3, 5, 6, 7]),
    "wildcard": ({"triggers": "HLT_*PF*"}, [0, 2, 3, 5, 6, 7]),
    "flag": ({"flags": ["Flag_goodVertices"]}, [0, 1, 2, 4, 5, 6, 7]),
    "all of": ({"flags": ["Flag_*"]}, [0, 1, 4, 5, 6, 7]),
    "all": ({"lumi_mask": "mask.json", "triggers": "HLT_*PF*", "flags": "Flag_*"}, [0]),
    "nothing": ({"lumi_mask": "mask.json", "triggers": "HLT_PFHT1050", "flags": "Flag_*"}, []),
}


@pytest.mark.parametrize(("keys", "entries"), CASES.values(), ids=CASES)
def test_which_events_pass(folder: Path, keys: dict, entries: list[int]) -> None:
    opened = source(folder, **keys)
    (chunk,) = opened.chunks()
    block = opened.read_block(chunk)
    assert block.entry.tolist() == entries
    assert ak.num(block.constituents).to_list() == [3] * len(entries)
    assert block.steps[0] == ("entries read", 8)
    assert block.steps[-1][1] == len(entries)
    # whatever is selected, a source has all its events
    assert len(opened.read(chunk)) == 8


def test_each_step_is_a_line_of_the_cutflow(folder: Path) -> None:
    keys = {
        "lumi_mask": "mask.json",
        "triggers": ["HLT_AK8PFJet500", "HLT_PFHT1050"],
        "flags": ["Flag_goodVertices", "Flag_eeBadScFilter"],
    }
    opened = source(folder, **keys)
    found = select_block(opened.read_block(opened.chunks()[0]), Jets(backend="fastjet"), file="a.root")
    assert list(found.cutflow.as_dict().items())[:6] == [
        ("entries read", 8),
        ("certified luminosity section", 4),
        ("trigger: HLT_AK8PFJet500 or HLT_PFHT1050", 2),
        ("flag: Flag_goodVertices", 1),
        ("flag: Flag_eeBadScFilter", 1),
        ("readable constituents", 1),
    ]
    assert found.cutflow.counts[-1] == found.n_events == 1
    assert found.entry.tolist() == [0]


def test_entries_and_rejections_keep_their_place_in_the_file(folder: Path) -> None:
    with uproot.update(folder / "a.root") as file:
        columns = {f"Particle_{name}": ak.Array([[np.float32(1.0)]] * 8) for name in ("pt", "eta", "phi")}
        types = {name: str(values.type.content) for name, values in columns.items()} | {"HLT_x": "bool"}
        tree = file.mktree("soft", types)
        tree.extend(columns | {"HLT_x": np.arange(8) >= 5})
    opened = source(folder, tree="soft", triggers="HLT_x")
    found = select_block(opened.read_block(opened.chunks()[0]), Jets(backend="fastjet"), file="a.root")
    assert [one.entry for one in found.rejections] == [5, 6, 7]
    assert found.cutflow.counts[:4] == (8, 3, 3, 0)


def test_what_a_file_lacks_is_told_before_any_work(folder: Path) -> None:
    with pytest.raises(
        InputError, match=r"no branch is named as `HLT_PFHT1500` of `triggers`; it has: HLT_PFHT1050"
    ):
        source(folder, triggers=["HLT_PFHT1050", "HLT_PFHT1500"]).chunks()
    with pytest.raises(InputError, match=r"`Flag_bad\*` of `flags`"):
        source(folder, flags="Flag_bad*").chunks()
    with uproot.update(folder / "a.root") as file:
        types = {f"Particle_{name}": "var * float32" for name in ("pt", "eta", "phi")}
        tree = file.mktree("other", types | {"run": "uint32", "lumi": "uint32"})
        one = ak.values_astype(ak.Array([[1.0]]), np.float32)
        tree.extend(dict.fromkeys(types, one) | dict.fromkeys(("run", "lumi"), np.ones(1, np.uint32)))
    with pytest.raises(
        InputError, match=r"no branch `luminosityBlock`, so nobody knows which.*mask\.json certifies"
    ):
        source(folder, tree="other", lumi_mask="mask.json").chunks()
    with pytest.raises(InputError, match=r"there is no file `gone\.json`"):
        source(folder, lumi_mask="gone.json")
    with pytest.raises(InputError, match=r"`Particle_pt` holds .*expected one number each"):
        opened = source(folder, flags="Particle_pt")
        opened.read_block(opened.chunks()[0])


def test_the_mask_is_part_of_the_input(folder: Path) -> None:
    def digests(opened: RootFiles) -> list[str]:
        (inputs,) = list_files(opened, skip=False, checksums={}).inputs.values()
        return [file.digest for file in inputs]

    first = digests(source(folder, lumi_mask="mask.json"))
    (folder / "mask.json").write_text(json.dumps({"1": [[1, 6]]}))
    assert digests(source(folder))[:1] == first[:1]
    assert digests(source(folder, lumi_mask="mask.json"))[1] != first[1]


BAD_MASKS = [
    "[]",
    "{}",
    "3",
    '{"1": 3}',
    '{"1": [[1]]}',
    '{"1": [[5, 1]]}',
    '{"x": [[1, 2]]}',
    '{"1": [[1, 2.5]]}',
]


@pytest.mark.parametrize("content", [*BAD_MASKS, "{", '{"1": [[true, 2]]}', '{"-1": [[1, 2]]}'])
def test_what_is_no_mask(tmp_path: Path, content: str) -> None:
    (tmp_path / "mask.json").write_text(content)
    with pytest.raises(InputError, match=r"mask\.json"):
        read_lumi_mask(tmp_path / "mask.json")


def test_the_real_mask(real_data: Path) -> None:
    path = real_data / "cms" / "golden_2016.json"
    mask, content = read_lumi_mask(path), json.loads(path.read_text())
    # the ends of each range of each run, and what lies beside them
    ends = [(int(run), *pair) for run, pairs in content.items() for pair in pairs]
    runs, first, last = np.array(ends).T
    assert len(content) == 393
    assert mask.certified(runs, first).all()
    assert mask.certified(runs, last).all()
    listed = {(run, one) for run, low, high in ends for one in range(low, high + 1)}
    beside = [(run, edge) for run, low, high in ends for edge in (low - 1, high + 1)]
    expected = [one in listed for one in beside]
    assert mask.certified(*np.array(beside).T).tolist() == expected
    assert not mask.certified([1, 273157, 400000], [1, 1, 1]).any()
    with pytest.raises(ArgumentError, match=r"expected \(n,\)"):
        mask.certified(runs, first[:3])


def test_a_real_file(real_data: Path) -> None:
    path = real_data / "cms_pfnano.root"
    section = {"kind": "root", "files": [str(path)], "layout": "pfnano"}
    keys = {
        "triggers": ["HLT_PFHT890", "HLT_AK8PFJet*"],
        "flags": ["Flag_goodVertices", "Flag_BadPFMuonFilter"],
    }
    opened = open_files(RootSource.model_validate(section | keys), [])
    block = opened.read_block(opened.chunks()[0])
    with uproot.open(path) as file:
        tree = file["Events"]
        fired = [name for name in tree.keys() if name.startswith("HLT_AK8PFJet") or name == "HLT_PFHT890"]  # noqa: SIM118
        expected = np.any([tree[name].array() for name in fired], axis=0)
        expected &= np.all([tree[name].array() for name in keys["flags"]], axis=0)
    assert 0 < expected.sum() <= 10
    assert block.entry.tolist() == np.flatnonzero(expected).tolist()
    # simulated events are of run 1, which no detector recorded
    mask = {"lumi_mask": str(real_data / "cms" / "golden_2016.json")}
    opened = open_files(RootSource.model_validate(section | mask), [])
    assert opened.read_block(opened.chunks()[0]).steps[1] == ("certified luminosity section", 0)


def test_many_names_are_one_line() -> None:
    selection = EventSelection(
        triggers=tuple(f"HLT_AK8PFJet{pt}" for pt in (450, 500, 550)), flags=("Flag_a",)
    )
    assert selection.steps == ("trigger: one of 3, HLT_AK8PFJet450 or another", "flag: Flag_a")


def test_a_prescale_is_refused_with_the_reason(tmp_path: Path) -> None:
    card = "name: x\nsamples: {background: {kind: root, files: a.root, triggers: HLT_x, prescale: 10}}\n"
    (tmp_path / "card.yaml").write_text(card)
    with pytest.raises(CardError, match=r"prescale.*bootstraps of events cannot do"):
        read_card(tmp_path / "card.yaml")
