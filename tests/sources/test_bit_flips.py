"""Single flipped bits: equal values or an error that names the file; and what stores no checksum says so."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import hdf5plugin
import numpy as np
import pytest
import uproot
import xxhash
from real_root import run_root
from uproot.writing import _cascadentuple as ntuples

from hepcs._core.errors import InputError
from hepcs.config.sources import LhcoSource, RootSource
from hepcs.sources import rootio
from hepcs.sources.files import checksums_by_file, file_digest
from hepcs.sources.opening import open_files
from hepcs.sources.skipping import Listing, list_files

FLIPS = 200
COUNTS = np.random.default_rng(9).integers(5, 30, 60)
# In steps of 1/8, so that every compression has something to save.
PT, ETA, PHI = (
    np.round(np.random.default_rng(i).uniform(low, high, COUNTS.sum()) * 8) / 8
    for i, (low, high) in enumerate([(1, 500), (-2, 2), (-3, 3)])
)
LABELS = np.arange(60) % 2


def write_hdf5(path: Path, **options: Any) -> None:
    table = np.zeros((60, 2101))
    row = np.repeat(np.arange(60), COUNTS)
    column = 3 * (np.arange(len(row)) - np.repeat(np.cumsum(COUNTS) - COUNTS, COUNTS))
    for i, values in enumerate((PT, ETA, PHI)):
        table[row, column + i] = values
    table[:, 2100] = LABELS
    with h5py.File(path, "w") as file:
        file.create_dataset("df/block0_values", data=table, **options)


def write_root(path: Path, kind: str, compression: Any) -> None:
    columns = {
        f"Particle_{name}": ak.unflatten(values.astype(np.float32), COUNTS)
        for name, values in (("pt", PT), ("eta", ETA), ("phi", PHI))
    }
    types = dict.fromkeys(columns, "var * float32") | {"label": np.dtype(np.int32)}
    with uproot.recreate(path, compression=compression) as file:
        tree = file.mktree("Events", types) if kind == "ttree" else file.mkrntuple("Events", types)
        tree.extend({**columns, "label": LABELS.astype(np.int32)})


def write_checked_ntuple(path: Path) -> None:
    """An RNTuple as ROOT writes it, with a checksum behind each page, which uproot's writer leaves out.

    The pages say that by a negative number of elements. What is behind other records is nobody's.
    """
    add, describe = ntuples.NTuple.add_rblob, ntuples.NTuple_PageDescription.serialize

    def add_checked(self: Any, sink: Any, data: Any, *arguments: Any) -> Any:
        checksum = struct.pack("<Q", xxhash.xxh3_64_intdigest(bytes(data)))
        return add(self, sink, bytes(data) + checksum, *arguments)

    def describe_checked(self: Any) -> bytes:
        return struct.pack("<i", -self.num_entries) + describe(self)[4:]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ntuples.NTuple, "add_rblob", add_checked)
        patch.setattr(ntuples.NTuple_PageDescription, "serialize", describe_checked)
        write_root(path, "rntuple", uproot.ZSTD(1))


@dataclass(frozen=True)
class Format:
    """How a file is written, and whether a flipped bit of its data cannot go unseen."""

    suffix: str
    write: Callable[[Path], None]
    protected: bool


FORMATS = {
    "hdf5-blosc": Format(".h5", lambda p: write_hdf5(p, chunks=(7, 2101), **hdf5plugin.Blosc()), False),
    "hdf5-contiguous": Format(".h5", write_hdf5, False),
    "hdf5-gzip": Format(".h5", lambda p: write_hdf5(p, chunks=(7, 2101), compression="gzip"), True),
    "hdf5-fletcher32": Format(
        ".h5", lambda p: write_hdf5(p, chunks=(7, 2101), fletcher32=True, **hdf5plugin.Blosc()), True
    ),
    "root-zlib": Format(".root", lambda p: write_root(p, "ttree", uproot.ZLIB(1)), True),
    "root-lzma": Format(".root", lambda p: write_root(p, "ttree", uproot.LZMA(1)), True),
    "root-lz4": Format(".root", lambda p: write_root(p, "ttree", uproot.LZ4(1)), True),
    "root-zstd": Format(".root", lambda p: write_root(p, "ttree", uproot.ZSTD(1)), False),
    "root-uncompressed": Format(".root", lambda p: write_root(p, "ttree", None), False),
    "rntuple": Format(".root", lambda p: write_root(p, "rntuple", uproot.ZLIB(1)), False),
    "rntuple-checksums": Format(".root", write_checked_ntuple, True),
}


@pytest.fixture(autouse=True)
def _close_files():
    yield
    rootio.close_opened()


def listed(path: Path, checksum: str | None = None) -> Listing:
    kind = LhcoSource if path.suffix == ".h5" else RootSource
    section = kind(kind="lhco" if path.suffix == ".h5" else "root", files=str(path), checksum=checksum)
    source = open_files(section, [])
    return list_files(source, skip=False, checksums=checksums_by_file(section, source.files))


def read(path: Path, checksum: str | None = None) -> tuple[ak.Array, list[int]]:
    listing = listed(path, checksum)
    parts = [listing.source.read(chunk) for chunk in listing.chunks]
    labels = [label for chunk in listing.chunks for label in listing.source.read_labels(chunk)]
    return ak.concatenate(parts), labels


def flip(raw: bytes, rng: np.random.Generator) -> bytes:
    spoilt = bytearray(raw)
    spoilt[rng.integers(len(raw))] ^= 1 << int(rng.integers(8))
    return bytes(spoilt)


@pytest.mark.parametrize("name", FORMATS)
def test_what_stores_no_checksum_says_so_unless_the_card_names_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a{FORMATS[name].suffix}"
    FORMATS[name].write(path)
    ((described,),) = listed(path).inputs.values()
    assert described.protected is FORMATS[name].protected
    ((described,),) = listed(path, file_digest(path)).inputs.values()
    assert described.protected


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("root-lzma", "root-uncompressed") else ())
        for name in FORMATS
    ],
)
def test_flipped_bits_without_a_checksum_in_the_card(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"flipped{FORMATS[name].suffix}"
    FORMATS[name].write(path)
    raw, (events, labels) = path.read_bytes(), read(path)
    rng = np.random.default_rng(5)
    refused = wrong = 0
    for _ in range(FLIPS):
        path.write_bytes(flip(raw, rng))
        try:
            found, found_labels = read(path)
        except InputError as error:
            refused += 1
            assert path.name in str(error)
        else:
            wrong += not (ak.array_equal(found, events, equal_nan=True) and found_labels == labels)
    assert refused > 0
    if FORMATS[name].protected:
        assert wrong == 0


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bits_with_a_checksum_in_the_card(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"flipped{FORMATS[name].suffix}"
    FORMATS[name].write(path)
    algorithm = "md5" if FORMATS[name].protected else "sha256"
    raw, checksum = path.read_bytes(), file_digest(path, algorithm=algorithm)
    assert len(read(path, checksum)[0]) == 60
    rng = np.random.default_rng(5)
    for _ in range(FLIPS):
        path.write_bytes(flip(raw, rng))
        with pytest.raises(InputError, match=f"{path.name}: its checksum is {algorithm}:.*{checksum}"):
            listed(path, checksum)


@pytest.mark.parametrize("name", FORMATS)
def test_zeroed_blocks_and_cuts(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"spoilt{FORMATS[name].suffix}"
    FORMATS[name].write(path)
    raw, (events, labels) = path.read_bytes(), read(path)
    cuts = [raw[: int(len(raw) * share)] for share in (0, 0.001, 0.1, 0.5, 0.9, 0.999)]
    starts = np.linspace(0, len(raw) - 256, 20).astype(int)
    zeroed = [raw[:start] + bytes(256) + raw[start + 256 :] for start in starts]
    for content in cuts + zeroed * FORMATS[name].protected:
        path.write_bytes(content)
        try:
            found, found_labels = read(path)
        except InputError as error:
            assert path.name in str(error)
        else:
            assert content not in cuts
            assert ak.array_equal(found, events)
            assert found_labels == labels


SNAPSHOT = """
import sys
import ROOT
options = ROOT.RDF.RSnapshotOptions()
options.fOutputFormat = ROOT.RDF.ESnapshotOutputFormat.kRNTuple
columns = ["Particle_pt", "Particle_eta", "Particle_phi", "label"]
ROOT.RDataFrame("Events", sys.argv[1]).Snapshot("Events", sys.argv[2], columns, options)
"""


@pytest.mark.slow
def test_an_ntuple_of_root_itself(tmp_path: Path) -> None:
    """What ROOT writes unless it is told otherwise has checksums; every page of our columns is looked at."""
    tree, path = tmp_path / "tree.root", tmp_path / "ntuple.root"
    write_root(tree, "ttree", uproot.ZLIB(1))
    run_root(SNAPSHOT, str(tree), str(path))
    events, labels = read(path)
    assert ak.array_equal(events, read(tree)[0])
    assert labels == LABELS.tolist()
    ((described,),) = listed(path).inputs.values()
    assert described.protected
    with uproot.open(path) as file:
        ntuple = file["Events"]
        names = [ntuple.field_records[column.field_id].field_name for column in ntuple.column_records]
        pages = [
            page.locator
            for name, column in zip(names, ntuple.page_link_list[0], strict=True)
            for page in column.pages
            if not name.startswith("nParticle_")  # numbers that ROOT adds, which nobody reads
        ]
    assert len(pages) == 7
    raw, rng = path.read_bytes(), np.random.default_rng(5)
    for page in pages:
        for byte in rng.integers(page.offset, page.offset + page.num_bytes + 8, 20):
            path.write_bytes(raw[:byte] + bytes([raw[byte] ^ (1 << int(rng.integers(8)))]) + raw[byte + 1 :])
            with pytest.raises(InputError, match=r"ntuple\.root.*another checksum"):
                read(path)
    for _ in range(FLIPS):
        path.write_bytes(flip(raw, rng))
        try:
            found, found_labels = read(path)
        except InputError as error:
            assert path.name in str(error)
        else:
            assert ak.array_equal(found, events)
            assert found_labels == labels
