"""The columns of the LHC Olympics in the other ways in which users store them."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import h5py
import hdf5plugin
import numpy as np
import pytest

from hepcs._core.errors import InputError
from hepcs.sources.lhco import LhcoFiles

N = 40


def make_table(labels: bool = True) -> np.ndarray:
    rng = np.random.default_rng(4)
    table = np.zeros((N, 2100 + labels))
    table[:, :60] = np.float32(rng.uniform([1, -3, -3] * 20, [500, 3, 3] * 20, (N, 60)))
    if labels:
        table[:, 2100] = rng.integers(0, 2, N)
    return table


TABLE = make_table()


def pickled(columns) -> bytes:
    """How PyTables stores the list of column numbers: a pickle of protocol 0."""
    return b"(lp0\n" + b"a".join(b"I%d\n" % column for column in columns) + b"a."


def save_frame(path: Path, blocks: dict[int, tuple[np.ndarray, np.ndarray]]) -> str:
    """A fixed-format frame of pandas: values and column numbers of each block."""
    with h5py.File(path, "w") as file:
        for number, (values, columns) in blocks.items():
            file[f"df/block{number}_values"] = values
            file[f"df/block{number}_items"] = columns
        file["df/axis0"], file["df/axis1"] = np.arange(2101), np.arange(N)
    return str(path)


def save_table(path: Path, fields: dict[str, np.ndarray], kinds: dict[str, bytes], **options) -> str:
    """A table-format frame of pandas, as PyTables lays it out, with the index that it makes beside it."""
    dtype = [("index", "<i8"), *((name, values.dtype, values.shape[1:]) for name, values in fields.items())]
    records = np.zeros(N, dtype=dtype)
    records["index"] = np.arange(N)
    for name, values in fields.items():
        records[name] = values
    with h5py.File(path, "w") as file:
        table = file.create_dataset("df/table", data=records, maxshape=(None,), chunks=(15,), **options)
        table.attrs.update({f"{name}_kind": np.bytes_(kind) for name, kind in kinds.items()})
        file["df/_i_table/index/sorted"] = np.zeros((0, 1024), np.int64)
    return str(path)


def require_the_events(path: str, labels: bool = True) -> None:
    source = LhcoFiles((path,))
    events = ak.concatenate([source.read(chunk) for chunk in source.chunks()])
    for place, name in enumerate(("pt", "eta", "phi")):
        np.testing.assert_array_equal(ak.to_numpy(events[name]), TABLE[:, place:60:3])
    assert source.has_labels == labels
    if labels:
        (chunk,) = source.chunks()
        assert source.read_labels(chunk).tolist() == TABLE[:, 2100].astype(int).tolist()
    assert source.input_files()[0].n_entries == N


def save(path: Path, name: str, values: np.ndarray, **options) -> str:
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=values, **options)
        file["history/loss"] = np.zeros(3)
    return str(path)


def test_the_only_table_has_any_name(tmp_path: Path) -> None:
    require_the_events(save(tmp_path / "a.h5", "Particles", TABLE))
    require_the_events(
        save(tmp_path / "b.h5", "x/y/z", TABLE.astype("f4"), compression="gzip", chunks=(7, 300))
    )
    require_the_events(save(tmp_path / "c.h5", "events", TABLE[:, :2100]), labels=False)


@pytest.mark.parametrize("options", [{}, {"chunks": (7, 100, 3)}], ids=["contiguous", "chunked"])
def test_three_axes(tmp_path: Path, options) -> None:
    values = TABLE[:, :2100].reshape(N, 700, 3)
    require_the_events(save(tmp_path / "a.h5", "particles", values, **options), labels=False)


def test_pandas_table_format(tmp_path: Path) -> None:
    kinds = {"values_block_0": pickled(range(2101))}
    require_the_events(save_table(tmp_path / "a.h5", {"values_block_0": TABLE}, kinds))
    require_the_events(save_table(tmp_path / "b.h5", {"values_block_0": TABLE}, kinds, **hdf5plugin.Blosc()))


def test_whole_numbers_as_labels_in_a_block_of_their_own(tmp_path: Path) -> None:
    particles, labels = TABLE[:, :2100], TABLE[:, 2100:].astype(np.int64)
    blocks = {0: (particles, np.arange(2100)), 1: (labels, np.array([2100]))}
    require_the_events(save_frame(tmp_path / "a.h5", blocks))
    require_the_events(save_frame(tmp_path / "b.h5", {0: blocks[1], 1: blocks[0]}))
    fields = {"values_block_0": particles, "values_block_1": labels}
    kinds = {"values_block_0": pickled(range(2100)), "values_block_1": pickled([2100])}
    require_the_events(save_table(tmp_path / "c.h5", fields, kinds))


def test_columns_in_another_order_are_refused(tmp_path: Path) -> None:
    order = np.arange(2101)
    order[[3, 7]] = [7, 3]
    fixed = save_frame(tmp_path / "a.h5", {0: (TABLE[:, order], order)})
    table = save_table(
        tmp_path / "b.h5", {"values_block_0": TABLE[:, order]}, {"values_block_0": pickled(order)}
    )
    for path in (fixed, table):
        with pytest.raises(InputError, match=r"holds column 7 at place 3; expected columns 0, 1, 2"):
            LhcoFiles((path,)).chunks()


def test_what_is_no_such_table_is_listed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", "df/block0_values", TABLE.T)
    message = r"shape \(2101, 40\).*expected numbers in 2101 columns.*store the transpose"
    with pytest.raises(InputError, match=message):
        LhcoFiles((path,)).chunks()
    path = save(tmp_path / "b.h5", "x", TABLE.T)
    with pytest.raises(InputError, match=r"found: .*x \(2101, 40\).*store the transpose"):
        LhcoFiles((path,)).chunks()
    with h5py.File(path, "w") as file:
        file["one"], file["two"] = TABLE, TABLE
    with pytest.raises(InputError, match=r"several datasets hold events.*one \(40, 2101\), two \(40, 2101\)"):
        LhcoFiles((path,)).chunks()


def test_storage_blocks_of_a_table_that_are_missing_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dtype = [("index", "<i8"), ("values_block_0", "<f8", (2101,))]
        table = file.create_dataset("df/table", (N,), dtype, maxshape=(None,), chunks=(15,))
        table[:15] = np.ones(15, dtype)
    with pytest.raises(InputError, match=r"of 3 storage blocks of `/df/table` some are missing"):
        LhcoFiles((str(tmp_path / "a.h5"),)).chunks()
