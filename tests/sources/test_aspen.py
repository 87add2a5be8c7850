"""Aspen Open Jets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
from toy_aspen import RUN, write_aspen

from hepcs._core.errors import InputError
from hepcs.config.preparation import Jets
from hepcs.config.sources import AspenSource
from hepcs.jets import pair_mass, select_block
from hepcs.sources.aspen import AspenFiles
from hepcs.sources.base import Chunk
from hepcs.sources.opening import open_files
from hepcs.sources.skipping import list_files

SECTION = Jets(backend="fastjet", leading_pt_min=100.0)


def opened(path: Path, **keys: object) -> AspenFiles:
    section = AspenSource.model_validate({"kind": "aspen", "files": [str(path)], **keys})
    source = open_files(section, [path.parent])
    assert isinstance(source, AspenFiles)
    return source


def test_jets_of_an_event_belong_together(tmp_path: Path) -> None:
    _, weight = write_aspen(tmp_path / "a.h5", 30, 1, single=7)
    source = opened(tmp_path / "a.h5")
    (chunk,) = source.chunks()
    block = source.read_block(chunk)
    assert block.steps == (("entries read", 67), ("events of these jets", 37))
    assert ak.num(block.jets, axis=1).to_list() == [2] * 30 + [1] * 7
    assert block.entry.tolist() == [*range(0, 60, 2), *range(60, 67)]
    assert block.event_ids is not None
    assert block.event_ids[:, 2].tolist() == list(range(37))
    assert set(block.event_ids[:, 0]) == {RUN}
    with h5py.File(tmp_path / "a.h5") as file:
        there = file["PFCands"][:, :, 3] > 0
    assert block.n_weightless == (there & (weight == 0)).sum() > 100
    counts = ak.num(ak.flatten(block.jets.constituents, axis=1))
    assert counts.to_list() == (weight > 0).sum(axis=1).tolist()
    found = select_block(block, SECTION, file="a.h5")
    # Of single jets, nobody asks why.
    assert found.cutflow.as_dict()["at least two stored jets"] == 30
    assert found.n_rejected == 0


@pytest.mark.parametrize(("momentum", "scale"), [("constituents", 1.0), ("stored", 1.1)])
def test_m_jj_of_the_sums_or_of_the_stored_jets(tmp_path: Path, momentum: str, scale: float) -> None:
    sums, _ = write_aspen(tmp_path / "a.h5", 30, 1)
    source = opened(tmp_path / "a.h5", momentum=momentum)
    found = select_block(source.read_block(source.chunks()[0]), SECTION, file="a.h5")
    pairs = (tuple(column.reshape(-1, 2).T) for column in (sums * [scale, 1, 1, scale]).T)
    np.testing.assert_allclose(found.m_jj, pair_mass(*pairs), rtol=1e-5)  # type: ignore[arg-type]
    # The sums of the constituents that are kept are the jets.
    px = ak.sum(found.jets.constituents.pt * np.cos(found.jets.constituents.phi), axis=2)
    py = ak.sum(found.jets.constituents.pt * np.sin(found.jets.constituents.phi), axis=2)
    np.testing.assert_allclose(scale * np.hypot(px, py), found.jets.pt, rtol=1e-5)


def test_an_event_across_chunks_is_read_once_and_whole(tmp_path: Path) -> None:
    write_aspen(tmp_path / "a.h5", 30, 1, single=3)
    source = opened(tmp_path / "a.h5")
    whole = source.read_block(source.chunks()[0])
    for edges in ([0, 7, 13, 14, 63], [0, 1, 2, 62, 63]):
        chunks = [Chunk(str(tmp_path / "a.h5"), low, high) for low, high in zip(edges, edges[1:])]  # noqa: B905, RUF007
        blocks = [source.read_block(chunk) for chunk in chunks]
        assert np.concatenate([block.entry for block in blocks]).tolist() == whole.entry.tolist()
        jets = ak.concatenate([block.jets.pt for block in blocks])
        assert jets.to_list() == whole.jets.pt.to_list()
        assert sum(block.steps[0][1] for block in blocks) == 63


def test_rows_in_another_order_are_refused(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(60)
    write_aspen(tmp_path / "a.h5", 30, 1, order=order)
    source = opened(tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"a\.h5: rows \[0, 60\).*Sort the rows by `event_info`"):
        source.read_block(source.chunks()[0])


def test_the_mask_of_sections_and_the_digest(tmp_path: Path) -> None:
    write_aspen(tmp_path / "a.h5", 150, 1)
    (tmp_path / "mask.json").write_text(json.dumps({str(RUN): [[2, 9]]}))
    source = opened(tmp_path / "a.h5", lumi_mask=str(tmp_path / "mask.json"))
    block = source.read_block(source.chunks()[0])
    assert block.steps[1:] == (("events of these jets", 150), ("certified luminosity section", 50))
    assert len(block.jets) == 50
    listing = list_files(source, skip=False, checksums={})
    data, mask = listing.inputs[str(tmp_path / "a.h5")]
    assert (data.n_entries, data.protected, Path(mask.path).name) == (300, True, "mask.json")


def test_few_rows_alone(tmp_path: Path) -> None:
    write_aspen(tmp_path / "a.h5", 30, 1)
    source = replace(opened(tmp_path / "a.h5"), max_events=11)
    blocks = [source.read_block(chunk) for chunk in source.chunks()]
    assert sum(len(block.entry) for block in blocks) == 6


@pytest.mark.parametrize("change", ["missing", "short", "shape", "empty", "no file"])
def test_other_files_are_refused_with_what_is_in_them(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.h5"
    write_aspen(path, 5, 1)
    with h5py.File(path, "a") as file:
        names = list(file) if change == "empty" else ["PFCands"]
        for name in names:
            values = file[name][:]
            del file[name]
            if change == "short":
                file[name] = values[:-1]
            elif change == "shape":
                file[name] = values[:, :, :4]
            elif change == "empty":
                file[name] = values[:0]
    if change == "no file":
        path.write_bytes(b"nothing of that kind")
    others = r"expected the datasets.*found"
    expected = {"empty": "no jets", "no file": "cannot read it as HDF5"}.get(change, others)
    with pytest.raises(InputError, match=rf"a\.h5.*{expected}"):
        opened(path).chunks()


def test_recorded_events_have_no_labels(tmp_path: Path) -> None:
    write_aspen(tmp_path / "a.h5", 5, 1)
    source = opened(tmp_path / "a.h5")
    assert not source.has_labels
    with pytest.raises(InputError, match="no truth labels"):
        source.read_labels(source.chunks()[0])
