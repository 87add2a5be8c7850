"""Event weights that nobody uses are told of."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from hepcs.sources.event_weights import find_weights
from hepcs.sources.parquet import ParquetFiles
from hepcs.sources.root import RootFiles

SIGNS = np.where(np.arange(20) % 10 == 0, -1.0, 1.0)
LISTS = ak.values_astype(ak.Array([[1.0, 2.0]] * 20), np.float32)


def save_root(path: Path, **columns: np.ndarray) -> str:
    with uproot.recreate(path) as file:
        particles = {f"Particle_{name}": "var * float32" for name in ("pt", "eta", "phi")}
        tree = file.mktree("Events", particles | {name: values.dtype for name, values in columns.items()})
        tree.extend(dict.fromkeys(particles, LISTS) | columns)
    return str(path)


def test_weights_of_both_signs_in_a_tree_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = RootFiles((save_root(tmp_path / "a.root", genWeight=SIGNS, event=np.arange(20)),))
    source.chunks()
    source.chunks()
    (record,) = caplog.records
    text = record.getMessage()
    assert "a.root: `genWeight` holds event weights from -1 to 1, 10.0 % of them negative" in text
    assert "not used" in text


def test_weights_in_parquet_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    columns = dict.fromkeys(("pt", "eta", "phi"), LISTS.to_list()) | {"weight": np.linspace(0.5, 2, 20)}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    ParquetFiles((str(tmp_path / "a.parquet"),)).chunks()
    assert "a.parquet: `weight` holds event weights from 0.5 to 2, 0.0 % of them negative" in caplog.text


def test_weights_that_are_all_the_same_are_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    RootFiles((save_root(tmp_path / "a.root", genWeight=np.full(20, 37.5), Weight_x=SIGNS),)).chunks()
    assert not caplog.records


def test_names_of_weights() -> None:
    names = ["Event.Weight", "genWeight", "PFCands_puppiWeight", "mcEventWeight", "LHEPdfWeight", "genWeight"]
    assert find_weights(names) == ["Event.Weight", "genWeight", "mcEventWeight"]
