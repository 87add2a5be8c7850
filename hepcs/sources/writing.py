"""Writing samples in chunks: ROOT (TTree or RNTuple), the LHC Olympics HDF5 layout, and Parquet.

Each writer is a context manager. It writes to a temporary name in the same folder, which becomes the file when
the block ends well, and is removed when it does not: a file with its right name is always whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError
from hepcs.sources.lhco_writing import LhcoWriter
from hepcs.sources.writer import EventWriter

__all__ = ["EventWriter", "LhcoWriter", "ParquetWriter", "RootWriter"]


def _typed(events: Any, field: str) -> Any:
    return ak.values_astype(ak.to_packed(events[field]), np.float32)


class RootWriter(EventWriter):
    """ROOT: TTree or RNTuple `Events` with jagged ``Particle_pt``, ``Particle_eta``, ``Particle_phi`` as float32.

    Beside them ``event`` (int64, counted from 0), ``label`` (int32) if there are labels, and ``Particle_mass``
    if there are masses. :class:`~hepcs.sources.root.RootFiles` reads it as the layout `flat`.

    Parameters
    ----------
    destination : Path
        The file to write.
    kind : "ttree" or "rntuple"
        What to write.
    mass : bool or None
        See :class:`EventWriter`.
    """

    def __init__(
        self, destination: Path, *, kind: Literal["ttree", "rntuple"] = "ttree", mass: bool | None = None
    ) -> None:
        super().__init__(destination, mass=mass)
        if kind not in ("ttree", "rntuple"):
            raise ArgumentError(f"kind = {kind!r}; expected 'ttree' or 'rntuple'")
        self._kind = kind
        self._file: Any = None
        self._tree: Any = None

    def _open(self) -> None:
        # Zlib has a checksum: a flipped bit is an error. Zstandard in ROOT files has none.
        self._file = uproot.recreate(self._temporary, compression=uproot.ZLIB(1))

    def _fields(self) -> list[str]:
        return ["pt", "eta", "phi", *(["mass"] if self._mass else [])]

    def _make_tree(self) -> None:
        fields = self._fields()
        columns: dict[str, Any] = {"event": np.dtype(np.int64)}
        if self._labelled:
            columns["label"] = np.dtype(np.int32)
        if self._kind == "rntuple":
            jagged = {f"Particle_{field}": "var * float32" for field in fields}
            self._tree = self._file.mkrntuple("Events", {**jagged, **columns})
        else:
            # as one record, the fields share one counter
            record = ", ".join(f"{field}: float32" for field in fields)
            self._tree = self._file.mktree("Events", {"Particle": f"var * {{{record}}}", **columns})

    def _append(self, events: Any, labels: NDArray[np.int8] | None) -> None:
        if self._tree is None:
            self._make_tree()
        particles = {field: _typed(events, field) for field in self._fields()}
        block: dict[str, Any] = {
            "event": np.arange(self.n_written, self.n_written + len(events), dtype=np.int64)
        }
        if labels is not None:
            block["label"] = labels.astype(np.int32)
        if self._kind == "rntuple":
            block.update({f"Particle_{field}": values for field, values in particles.items()})
        else:
            block["Particle"] = ak.zip(particles)
        self._tree.extend(block)

    def _close(self, complete: bool) -> None:
        if complete and self._tree is None:
            self._make_tree()
        self._file.close()


class ParquetWriter(EventWriter):
    """Parquet: list columns ``pt``, ``eta``, ``phi`` (float32), ``event``; ``label`` and ``mass`` if any."""

    _parquet: pq.ParquetWriter | None = None

    def _open(self) -> None:
        self._temporary.touch()

    def _schema(self) -> pa.Schema:
        lists = ["pt", "eta", "phi", *(["mass"] if self._mass else [])]
        fields = [pa.field(name, pa.list_(pa.float32())) for name in lists]
        label = [pa.field("label", pa.int8())] if self._labelled else []
        return pa.schema([*fields, *label, pa.field("event", pa.int64())])

    def _make_file(self, schema: pa.Schema) -> pq.ParquetWriter:
        return pq.ParquetWriter(self._temporary, schema, compression="zstd", write_page_checksum=True)

    def _append(self, events: Any, labels: NDArray[np.int8] | None) -> None:
        schema = self._schema()
        if self._parquet is None:
            self._parquet = self._make_file(schema)
        offsets = np.concatenate(([0], np.cumsum(ak.to_numpy(ak.num(events)), dtype=np.int32)))
        columns: dict[str, Any] = {"event": pa.array(np.arange(self.n_written, self.n_written + len(events)))}
        if labels is not None:
            columns["label"] = pa.array(labels)
        for name in schema.names:
            if name not in ("event", "label"):
                values = ak.to_numpy(ak.flatten(events[name])).astype(np.float32)
                columns[name] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values))
        self._parquet.write_table(pa.table(columns, schema=schema))

    def _close(self, complete: bool) -> None:
        if complete and self._parquet is None:
            self._parquet = self._make_file(self._schema())
        if self._parquet is not None:
            self._parquet.close()
