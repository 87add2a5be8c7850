"""Parquet files."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hepcs._core.errors import HepcsError, InputError
from hepcs.config.sources import Branches
from hepcs.sources.base import Chunk
from hepcs.sources.parquet import ParquetFiles

COUNTS = np.random.default_rng(9).integers(0, 12, 100)


def make_events(n_fields: int = 3) -> ak.Array:
    rng = np.random.default_rng(2)
    names = ("pt", "eta", "phi", "mass")[:n_fields]
    return ak.zip({name: ak.unflatten(rng.uniform(0.5, 9, COUNTS.sum()), COUNTS) for name in names})


def save(path: Path, columns: dict, **options) -> str:
    pq.write_table(pa.table({k: pa.array(v) for k, v in columns.items()}), path, **options)
    return str(path)


def lists(events: ak.Array, names: dict[str, str] | None = None) -> dict:
    return {(names or {}).get(field, field): events[field].to_list() for field in ak.fields(events)}


def read_all(source: ParquetFiles) -> ak.Array:
    return ak.concatenate([source.read(chunk) for chunk in source.chunks()])


@pytest.mark.parametrize("rows", [100, 7])
def test_list_columns(tmp_path: Path, rows: int) -> None:
    events = make_events()
    path = save(tmp_path / "a.parquet", lists(events) | {"label": [0, 1] * 50}, row_group_size=rows)
    source = ParquetFiles((path,))
    (chunk,) = source.chunks()
    read = source.read(chunk)
    assert str(read.type) == "100 * var * {pt: float64, eta: float64, phi: float64, mass: float64}"
    assert ak.array_equal(read[["pt", "eta", "phi"]], events)
    assert not ak.any(read.mass)
    assert source.has_labels
    assert source.read_labels(chunk).tolist() == [0, 1] * 50
    part = Chunk(path, 33, 58)
    assert ak.array_equal(source.read(part), read[33:58])
    assert source.read_labels(part).tolist() == ([0, 1] * 50)[33:58]


def test_column_of_records(tmp_path: Path) -> None:
    events = make_events(4)
    path = save(
        tmp_path / "a.parquet", {"particles": events.to_list(), "other": [1.0] * 100}, row_group_size=13
    )
    source = ParquetFiles((path,), constituents="particles")
    assert ak.array_equal(read_all(source), events)
    assert ak.array_equal(source.read(Chunk(path, 20, 30)), events[20:30])
    assert not source.has_labels
    with pytest.raises(InputError, match="no truth labels"):
        source.read_labels(source.chunks()[0])


def test_other_names_types_and_no_mass_unless_named(tmp_path: Path) -> None:
    events = make_events(4)
    names = {"pt": "p", "eta": "e", "phi": "f"}
    columns = lists(events, names)
    table = pa.table(
        {
            "p": pa.array(columns["p"], pa.large_list(pa.float32())),
            "e": pa.array(columns["e"], pa.list_(pa.float64())),
            "f": pa.array(columns["f"], pa.list_(pa.float64())),
            "mass": pa.array(columns["mass"], pa.list_(pa.float64())),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    path = str(tmp_path / "a.parquet")
    read = read_all(ParquetFiles((path,), branches=Branches(pt="p", eta="e", phi="f")))
    assert not ak.any(read.mass)
    assert ak.array_equal(read.pt, ak.values_astype(ak.values_astype(events.pt, np.float32), np.float64))
    read = read_all(ParquetFiles((path,), branches=Branches(pt="p", eta="e", phi="f", mass="mass")))
    assert ak.array_equal(read.mass, events.mass)


def test_fixed_size_lists_with_padding(tmp_path: Path) -> None:
    rows = pa.array([[2.0, 1.0, 0.0], [3.0, 0.0, 0.0]], pa.list_(pa.float32(), 3))
    pq.write_table(pa.table({"pt": rows, "eta": rows, "phi": rows}), tmp_path / "a.parquet")
    assert read_all(ParquetFiles((str(tmp_path / "a.parquet"),))).phi.to_list() == [[2.0, 1.0], [3.0]]


def test_chunks_follow_row_groups_and_max_events(tmp_path: Path, monkeypatch) -> None:
    path = save(tmp_path / "a.parquet", lists(make_events()), row_group_size=10)
    n_bytes = 32 * COUNTS.sum() / 100
    monkeypatch.setattr("hepcs.sources.parquet._CHUNK_BYTES", 25 * n_bytes)
    source = ParquetFiles((path,))
    assert [chunk.stop for chunk in source.chunks()] == [20, 40, 60, 80, 100]
    assert ak.array_equal(read_all(source)[["pt", "eta", "phi"]], make_events())
    monkeypatch.setattr("hepcs.sources.parquet._CHUNK_BYTES", 4.5 * n_bytes)
    assert max(chunk.n_entries for chunk in source.chunks()) == 4
    assert ak.array_equal(read_all(source)[["pt", "eta", "phi"]], make_events())
    assert sum(chunk.n_entries for chunk in ParquetFiles((path, path), max_events=130).chunks()) == 130


def test_missing_and_wrong_columns(tmp_path: Path) -> None:
    events = make_events()
    path = save(tmp_path / "a.parquet", lists(events, {"pt": "pT"}) | {"n": [1.0] * 100})
    with pytest.raises(InputError, match=r"a\.parquet: has no column `pt`; it has: pT"):
        ParquetFiles((path,)).chunks()
    with pytest.raises(InputError, match="no column `truth`"):
        ParquetFiles((path,), branches=Branches(pt="pT", eta="eta", phi="phi"), label="truth").chunks()
    with pytest.raises(InputError, match="no column `jets`"):
        ParquetFiles((path,), constituents="jets").chunks()
    with pytest.raises(InputError, match=r"`pT` holds .*expected a list of records"):
        ParquetFiles((path,), constituents="pT").chunks()
    with pytest.raises(InputError, match=r"`n` holds double.*expected lists"):
        read_all(ParquetFiles((path,), branches=Branches(pt="pT", eta="n", phi="phi")))


def test_columns_that_do_not_fit_and_nulls(tmp_path: Path) -> None:
    columns = {
        "pt": [[1.0], [2.0, 3.0]],
        "eta": [[1.0], [2.0]],
        "phi": [[1.0], [2.0, None]],
        "x": [[1.0], None],
        "y": [[1.0], [2.0, 3.0]],
    }
    path = save(tmp_path / "a.parquet", columns)
    for eta, phi, message in (
        ("eta", "y", "entry 1: `eta` has 1 particles where `pt` has 2"),
        ("y", "phi", "`phi` holds double with 1 nulls"),
        ("x", "y", "`x` holds .* with 1 nulls"),
    ):
        source = ParquetFiles((path,), branches=Branches(pt="pt", eta=eta, phi=phi))
        with pytest.raises(InputError, match=message):
            read_all(source)


def test_empty_files(tmp_path: Path, caplog) -> None:
    schema = pa.schema([(name, pa.list_(pa.float32())) for name in ("pt", "eta", "phi")])
    pq.write_table(schema.empty_table(), tmp_path / "empty.parquet")
    full = save(tmp_path / "full.parquet", lists(make_events()))
    empty = str(tmp_path / "empty.parquet")
    assert len(ParquetFiles((empty, full)).chunks()) == 1
    assert "empty.parquet" in caplog.text
    with pytest.raises(InputError, match=r"empty\.parquet: no rows"):
        ParquetFiles((empty,)).chunks()


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut(tmp_path: Path, share: float) -> None:
    raw = Path(save(tmp_path / "a.parquet", lists(make_events()))).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(InputError, match=r"cut\.parquet: cannot read"):
        ParquetFiles((str(tmp_path / "cut.parquet"),)).chunks()


def test_flipped_bits_never_change_a_value(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    save(path, lists(make_events()), write_page_checksum=True)
    raw, expected = path.read_bytes(), read_all(ParquetFiles((str(path),)))
    rng = np.random.default_rng(3)
    failed = 0
    for position in rng.integers(4, len(raw), 60):
        spoilt = bytearray(raw)
        spoilt[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoilt)
        try:
            assert ak.array_equal(read_all(ParquetFiles((str(path),))), expected)
        except HepcsError as error:
            failed += 1
            assert "a.parquet" in str(error)
    assert failed > 20


def test_urls_are_not_read() -> None:
    with pytest.raises(InputError, match="local disk"):
        ParquetFiles(("https://host.example/a.parquet",)).chunks()


def test_input_files(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", lists(make_events()))
    (described,) = ParquetFiles((path,)).input_files()
    assert (described.size, described.n_entries) == (Path(path).stat().st_size, 100)
    assert described.digest.startswith("sha256:")


@pytest.mark.parametrize("name", ["", "particles"])
def test_the_only_column_of_records_needs_no_name(tmp_path: Path, name: str) -> None:
    events = make_events(4)
    ak.to_parquet(events if not name else ak.zip({name: events}, depth_limit=1), tmp_path / "a.parquet")
    source = ParquetFiles((str(tmp_path / "a.parquet"),))
    assert ak.array_equal(read_all(source), events)
    assert not source.has_labels


@pytest.mark.parametrize("constituents", [None, "particles"])
def test_weights_multiply_four_momenta(tmp_path: Path, constituents: str | None) -> None:
    events = ak.Array([[{"pt": 8.0, "eta": 1.0, "phi": 2.0, "mass": 3.0, "w": w} for w in (0.5, 0.0)], []])
    columns = lists(events) if constituents is None else {constituents: events.to_list()}
    names = Branches(pt="pt", eta="eta", phi="phi", mass="mass", weight="w")
    source = ParquetFiles((save(tmp_path / "a.parquet", columns),), names, constituents)
    block = source.read_block(source.chunks()[0])
    assert block.constituents.to_list() == [[{"pt": 4.0, "eta": 1.0, "phi": 2.0, "mass": 1.5}], []]
    assert block.n_weightless == 1
    assert block.entry.tolist() == [0, 1]


def test_masses_in_some_files_only_are_refused_and_units(tmp_path: Path) -> None:
    massive = save(tmp_path / "a.parquet", lists(make_events(4)))
    massless = save(tmp_path / "b.parquet", lists(make_events()))
    with pytest.raises(InputError, match=r"a\.parquet: has masses in `mass`, and .*b\.parquet has none"):
        ParquetFiles((massless, massive)).chunks()
    events = read_all(ParquetFiles((massive,), units="MeV"))
    assert ak.array_equal(events.pt, make_events().pt * 1e-3)
    assert ak.array_equal(events.mass, make_events(4).mass * 1e-3)
