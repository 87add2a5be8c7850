"""Bytes overwritten, removed and spliced in small valid files: a reading, or an error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hepcs._core.errors import InputError
from hepcs.config.preparation import Jets
from hepcs.config.sources import LhcoSource, ParquetSource, RootSource
from hepcs.jets import select_dijets
from hepcs.sources import rootio
from hepcs.sources.opening import open_files
from hepcs.sources.skipping import list_files
from hepcs.sources.writing import LhcoWriter, ParquetWriter, RootWriter

SECTIONS = {
    "lhco": (LhcoSource, LhcoWriter),
    "root": (RootSource, RootWriter),
    "rntuple": (RootSource, lambda path: RootWriter(path, kind="rntuple")),
    "parquet": (ParquetSource, ParquetWriter),
}
COUNTS = np.array([3, 0, 5, 2, 7, 1])

EDITS = st.tuples(
    st.floats(0, 1, exclude_max=True),  # where, as a share of the file
    st.integers(0, 300),  # bytes removed there
    st.one_of(
        st.binary(max_size=40), st.integers(0, 300).map(bytes), st.integers(0, 40).map(b"\xff".__mul__)
    ),
)


@pytest.fixture(scope="module", params=SECTIONS)
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    path = tmp_path_factory.mktemp("fuzz") / "whole"
    rng = np.random.default_rng(2)
    values = {name: ak.unflatten(rng.uniform(0.5, 3, COUNTS.sum()), COUNTS) for name in ("pt", "eta", "phi")}
    with SECTIONS[request.param][1](path) as writer:
        writer.write(ak.zip(values), np.arange(6) % 2)
    yield request.param, path
    rootio.close_opened()


def read_or_refuse(kind: str, path: Path) -> None:
    section, _ = SECTIONS[kind]
    source = open_files(section(kind="root" if kind == "rntuple" else kind, files=str(path)), [])
    try:
        listing = list_files(source, skip=False, checksums={})
        for chunk in listing.chunks[:20]:
            events = listing.source.read(chunk)
            assert events.fields == ["pt", "eta", "phi", "mass"]
            assert len(events) == chunk.n_entries
            if listing.source.has_labels:
                assert listing.source.read_labels(chunk).shape == (chunk.n_entries,)
    except InputError as error:
        assert path.name in str(error)


@given(edits=st.lists(EDITS, min_size=1, max_size=4))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_spoilt_bytes(whole: tuple[str, Path], edits: list[tuple[float, int, bytes]]) -> None:
    kind, path = whole
    content = path.read_bytes()
    for where, removed, inserted in edits:
        start = int(where * len(content))
        content = content[:start] + inserted + content[start + removed :]
    spoilt = path.with_name("spoilt")
    spoilt.write_bytes(content)
    read_or_refuse(kind, spoilt)


@given(
    rows=st.lists(
        st.lists(st.tuples(*[st.floats(width=64)] * 4), max_size=4),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_numbers_are_clustered_or_listed(rows: list[list[tuple[float, ...]]]) -> None:
    flat = np.array([particle for event in rows for particle in event], dtype=float).reshape(-1, 4)
    events = ak.unflatten(
        ak.zip(dict(zip(("pt", "eta", "phi", "mass"), flat.T, strict=True))), [len(event) for event in rows]
    )
    section = Jets(backend="fastjet", leading_pt_min=0.0, abs_eta_max=100.0)
    found = select_dijets(events, section, file="a.root", first_entry=0)
    assert [one.entry for one in found.rejections] == sorted({one.entry for one in found.rejections})
    assert len(found.rejections) == found.n_rejected == found.cutflow.counts[0] - found.cutflow.counts[2]
    assert np.isfinite(found.m_jj).all()
    for name in ("pt", "eta", "phi"):
        kept = ak.to_numpy(ak.flatten(found.jets.constituents[name], axis=None)).astype(np.float32)
        assert np.isfinite(kept).all()
