"""LHC Olympics HDF5 files."""

from __future__ import annotations

import pickle
from pathlib import Path

import awkward as ak
import h5py
import hdf5plugin
import numpy as np
import pytest

from hepcs._core.errors import HepcsError, InputError
from hepcs.sources.base import Chunk
from hepcs.sources.lhco import LhcoFiles


def make_table(n: int, labels: bool = True, seed: int = 1) -> np.ndarray:
    """Rows of 0 to 20 particles between zero padding, with values exact in float32."""
    rng = np.random.default_rng(seed)
    table = np.zeros((n, 2100 + labels))
    for row in table:
        for i in rng.choice(700, rng.integers(0, 21), replace=False):
            row[3 * i : 3 * i + 3] = np.float32(rng.uniform([1, -3, -3], [500, 3, 3]))
    if labels:
        table[:, 2100] = rng.integers(0, 2, n)
    return table


def save(path: Path, table: np.ndarray, name: str = "df/block0_values", **options) -> str:
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=table, **options)
    return str(path)


def read_all(source: LhcoFiles) -> ak.Array:
    return ak.concatenate([source.read(chunk) for chunk in source.chunks()])


def test_particles_of_two_rows_by_hand(tmp_path: Path) -> None:
    table = np.zeros((2, 2101))
    table[0, :9] = [500.0, 1.5, -3.0, 0.0, 9.0, 9.0, 2.0, -0.5, 0.25]  # padding in between
    table[0, 2097:2100] = [1.0, 0.0, 0.125]  # the last of the 700
    table[1, 2100] = 1
    source = LhcoFiles((save(tmp_path / "a.h5", table),))
    (chunk,) = source.chunks()
    events = source.read(chunk)
    assert events.to_list() == [
        [
            {"pt": 500.0, "eta": 1.5, "phi": -3.0, "mass": 0.0},
            {"pt": 2.0, "eta": -0.5, "phi": 0.25, "mass": 0.0},
            {"pt": 1.0, "eta": 0.0, "phi": 0.125, "mass": 0.0},
        ],
        [],
    ]
    assert str(events.type) == "2 * var * {pt: float64, eta: float64, phi: float64, mass: float64}"
    assert source.read_labels(chunk).tolist() == [0, 1]
    assert source.read_labels(chunk).dtype == np.int8


def test_only_exact_zeros_are_padding(tmp_path: Path) -> None:
    table = np.zeros((1, 2100))
    table[0, 0:18:3] = [np.nan, -1.0, np.inf, 1e-300, -0.0, 0.0]
    source = LhcoFiles((save(tmp_path / "a.h5", table),))
    pt = source.read(source.chunks()[0]).pt[0].to_numpy()
    np.testing.assert_array_equal(pt, [np.nan, -1.0, np.inf, 1e-300])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (7, 2101)},
        {"chunks": (7, 2101), **hdf5plugin.Blosc()},
        {"chunks": (5, 300), "compression": "gzip"},
    ],
    ids=["contiguous", "chunked", "blosc", "gzip"],
)
def test_storage_does_not_matter(tmp_path: Path, options) -> None:
    table = make_table(50)
    source = LhcoFiles((save(tmp_path / "a.h5", table, **options),))
    plain = LhcoFiles((save(tmp_path / "b.h5", table),))
    assert ak.array_equal(read_all(source), read_all(plain))
    assert int(ak.count(read_all(source).pt)) == int((table[:, :2100:3] != 0).sum())


def test_chunks_cover_every_row_once_and_are_small(tmp_path: Path) -> None:
    n = 7101
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("df/block0_values", (n, 2101), chunks=(7, 2101), dtype=float)
        data[:, 0] = np.arange(1, n + 1)
    source = LhcoFiles((str(tmp_path / "a.h5"),))
    chunks = source.chunks()
    assert max(chunk.n_entries for chunk in chunks) <= 3000
    assert all(chunk.start % 7 == 0 for chunk in chunks)
    parts = [source.read(chunk) for chunk in chunks]
    assert [len(part) for part in parts] == [chunk.n_entries for chunk in chunks]
    assert ak.flatten(ak.concatenate(parts).pt).to_list() == list(range(1, n + 1))


def test_max_events_counts_over_all_files(tmp_path: Path) -> None:
    files = tuple(save(tmp_path / f"{i}.h5", make_table(10, seed=i)) for i in range(3))
    source = LhcoFiles(files, max_events=14)
    assert source.chunks() == (Chunk(files[0], 0, 10), Chunk(files[1], 0, 4))
    assert len(read_all(source)) == 14


def test_another_group_name(tmp_path: Path) -> None:
    table = make_table(5)
    source = LhcoFiles((save(tmp_path / "a.h5", table, name="events/block0_values"),))
    assert len(read_all(source)) == 5


def test_no_table_names_the_datasets(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", np.zeros((3, 4)), name="jets/features")
    with pytest.raises(InputError, match=r"a\.h5.*df/block0_values.*jets/features \(3, 4\)"):
        LhcoFiles((path,)).chunks()
    with h5py.File(tmp_path / "b.h5", "w") as file:
        for group in ("x", "y"):
            file.create_dataset(f"{group}/block0_values", data=make_table(1))
    with pytest.raises(InputError, match=r"x/block0_values.*y/block0_values"):
        LhcoFiles((str(tmp_path / "b.h5"),)).chunks()


@pytest.mark.parametrize("shape", [(5, 2099), (5, 2102), (2101,), (5, 2101, 1)])
def test_wrong_shape(tmp_path: Path, shape) -> None:
    path = save(tmp_path / "a.h5", np.ones(shape))
    with pytest.raises(InputError, match=r"a\.h5.*shape .*expected numbers in 2101 columns"):
        LhcoFiles((path,)).chunks()


def test_empty_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows"):
        LhcoFiles((save(tmp_path / "a.h5", np.zeros((0, 2101))),)).chunks()


def test_missing_file_text_file_and_url(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("pt eta phi\n1 2 3\n")
    with pytest.raises(InputError, match=r"a\.h5.*HDF5"):
        LhcoFiles((str(tmp_path / "a.h5"),)).chunks()
    with pytest.raises(InputError, match=r"gone\.h5"):
        LhcoFiles((str(tmp_path / "gone.h5"),)).chunks()
    with pytest.raises(InputError, match="local disk"):
        LhcoFiles(("https://host.example/a.h5",)).chunks()


@pytest.fixture(scope="module")
def blosc_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lhco") / "whole.h5"
    save(path, make_table(60), chunks=(7, 2101), **hdf5plugin.Blosc())
    return path


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut(blosc_file: Path, tmp_path: Path, share: float) -> None:
    raw = blosc_file.read_bytes()
    (tmp_path / "cut.h5").write_bytes(raw[: int(len(raw) * share)])
    source = LhcoFiles((str(tmp_path / "cut.h5"),))
    with pytest.raises(InputError, match=r"cut\.h5: cannot read"):
        read_all(source)


def test_flipped_bits_raise_nothing_but_input_errors(blosc_file: Path, tmp_path: Path) -> None:
    raw = blosc_file.read_bytes()
    rng = np.random.default_rng(5)
    path = tmp_path / "flipped.h5"
    failed = 0
    for position in rng.integers(0, len(raw), 60):
        spoilt = bytearray(raw)
        spoilt[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoilt)
        try:
            read_all(LhcoFiles((str(path),)))
        except HepcsError as error:
            failed += 1
            assert "flipped.h5" in str(error)
    assert failed > 0


def test_a_spoilt_chunk_is_named_with_its_entries(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", make_table(50), chunks=(10, 2101), compression="gzip")
    with h5py.File(path, "r+") as file:
        file["df/block0_values"].id.write_direct_chunk((20, 0), b"nonsense")
    source = LhcoFiles((path,))
    assert len(source.read(Chunk(path, 0, 20))) == 20
    with pytest.raises(InputError, match=r"a\.h5: cannot read entries \[20, 30\)"):
        source.read(Chunk(path, 20, 30))


def test_no_labels(tmp_path: Path) -> None:
    source = LhcoFiles((save(tmp_path / "a.h5", make_table(5, labels=False)),))
    assert not source.has_labels
    assert len(read_all(source)) == 5
    with pytest.raises(InputError, match=r"a\.h5.*no truth labels"):
        source.read_labels(source.chunks()[0])


def test_label_files(tmp_path: Path) -> None:
    files = tuple(save(tmp_path / f"{i}.h5", make_table(4, labels=False, seed=i)) for i in range(2))
    for i, text in enumerate(("0\n2\n1\n0\n", "1.0\n0.000e+00\n0.0\n2.0\n")):
        (tmp_path / f"{i}.txt").write_text(text)
    source = LhcoFiles(files, tuple(str(tmp_path / f"{i}.txt") for i in range(2)))
    assert source.has_labels
    assert [source.read_labels(chunk).tolist() for chunk in source.chunks()] == [[0, 2, 1, 0], [1, 0, 0, 2]]
    assert source.read_labels(Chunk(files[1], 1, 3)).tolist() == [0, 0]


def test_label_files_that_do_not_fit(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", make_table(4, labels=False))
    labels = tmp_path / "labels.txt"
    source = LhcoFiles((path,), (str(labels),))
    with pytest.raises(InputError, match=r"labels\.txt"):
        source.chunks()
    for text, message in (
        ("0\n1\n0\n", "3 labels; expected 4"),
        ("0\n1\nx\n0", "label"),
        ("0\n1\n0.5\n0", "entry 2"),
    ):
        labels.write_text(text)
        with pytest.raises(InputError, match=f"labels.txt.*{message}"):
            source.chunks()
    labels.write_text("0\n1\n0\n0\n")
    assert len(source.chunks()) == 1
    with pytest.raises(InputError, match="1 label files for 2 data files"):
        LhcoFiles((path, path), (str(labels),)).chunks()
    with pytest.raises(InputError, match="remove `label_files`"):
        LhcoFiles((save(tmp_path / "b.h5", make_table(4)),), (str(labels),)).chunks()


def test_files_with_and_without_labels_do_not_mix(tmp_path: Path) -> None:
    files = (save(tmp_path / "a.h5", make_table(4)), save(tmp_path / "b.h5", make_table(4, labels=False)))
    with pytest.raises(InputError, match=r"b\.h5: has 2100 columns"):
        LhcoFiles(files).chunks()


@pytest.mark.parametrize("wrong", [np.nan, 0.5, 1000.0])
def test_a_label_that_is_no_label(tmp_path: Path, wrong: float) -> None:
    table = make_table(5)
    table[3, 2100] = wrong
    source = LhcoFiles((save(tmp_path / "a.h5", table),))
    with pytest.raises(InputError, match=r"a\.h5: entry 3"):
        source.read_labels(source.chunks()[0])


def test_a_file_that_shrank_since(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", make_table(5))
    with pytest.raises(InputError, match="has 5 rows, and entry 9"):
        LhcoFiles((path,)).read(Chunk(path, 0, 10))


def test_travels_to_another_process(tmp_path: Path) -> None:
    source = LhcoFiles((save(tmp_path / "a.h5", make_table(5)),))
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert copy == source
    assert ak.array_equal(read_all(copy), read_all(source))


def test_input_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hepcs.sources.files._SETTLED_AFTER", -1.0)
    path = save(tmp_path / "a.h5", make_table(5, labels=False))
    (tmp_path / "l.txt").write_text("0\n" * 5)
    data, labels = LhcoFiles(
        (path,), (str(tmp_path / "l.txt"),), digest_memo=tmp_path / "memo.json"
    ).input_files()
    assert (data.path, data.size, data.n_entries) == (path, Path(path).stat().st_size, 5)
    assert data.digest.startswith("sha256:")
    assert (labels.n_entries, labels.size) == (5, 10)
    assert (tmp_path / "memo.json").exists()


def test_the_organisers_extract(real_data: Path) -> None:
    source = LhcoFiles((str(real_data / "lhco_rnd_1000_events.h5"),))
    labels = np.concatenate([source.read_labels(chunk) for chunk in source.chunks()])
    assert len(labels) == 1000
    assert np.unique(labels, return_counts=True)[1].tolist() == [907, 93]
    events = read_all(source)
    with h5py.File(real_data / "lhco_rnd_1000_events.h5") as file:
        table = file["df/block0_values"][:]
    # the sums do not depend on where the padding is
    np.testing.assert_allclose(ak.sum(events.pt, axis=1), table[:, :2100:3].sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(ak.sum(events.phi, axis=1), table[:, 2:2100:3].sum(axis=1), atol=1e-9)
    assert float(ak.min(events.pt)) > 0
    assert float(ak.max(abs(events.phi))) <= np.pi + 1e-6
