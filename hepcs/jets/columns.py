"""A jagged array of particles as flat columns, the form that the compiled and vectorised steps work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError


@dataclass(frozen=True)
class Columns:
    """Lists of particles, list after list.

    Attributes
    ----------
    offsets
        Shape (n + 1,): list i is ``[offsets[i], offsets[i + 1])``.
    fields
        One float64 column for each name, shape (offsets[-1],), in the order in which they were asked for.
    """

    offsets: NDArray[np.int64]
    fields: dict[str, NDArray[np.float64]]

    @property
    def n_lists(self) -> int:
        """Number n of lists."""
        return self.offsets.size - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Length of each list, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def list_index(self) -> NDArray[np.int64]:
        """For each particle the list that it is in, shape (offsets[-1],)."""
        return np.repeat(np.arange(self.n_lists), self.counts)

    def take_lists(self, mask: NDArray[np.bool_]) -> Columns:
        """The lists of `mask`, shape (n,)."""
        if mask.all():
            return self
        kept = np.repeat(mask, self.counts)
        return Columns(
            _offsets(self.counts[mask]), {name: values[kept] for name, values in self.fields.items()}
        )

    def order_lists(self, index: NDArray[np.int64]) -> Columns:
        """The lists of these numbers, in this order."""
        counts = self.counts[index]
        offsets = _offsets(counts)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[index] - offsets[:-1], counts)
        return Columns(offsets, {name: values[rows] for name, values in self.fields.items()})

    def take_particles(self, mask: NDArray[np.bool_]) -> Columns:
        """The particles of `mask`, shape (offsets[-1],); lists that lose all of theirs stay, empty."""
        if mask.all():
            return self
        counts = np.bincount(self.list_index[mask], minlength=self.n_lists)
        return Columns(_offsets(counts), {name: values[mask] for name, values in self.fields.items()})


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def flatten(particles: Any, names: tuple[str, ...]) -> Columns:
    """Take a jagged array of records apart.

    Parameters
    ----------
    particles
        Awkward array, n x var x record, with at least the fields `names`. Missing values become NaN, and a
        missing list an empty one.
    names
        The fields to keep.

    Raises
    ------
    ArgumentError
        If the array is not a list of lists of records with these fields.
    """
    if not isinstance(particles, ak.Array) or particles.ndim != 2 or not set(names) <= set(particles.fields):
        found = str(particles.type) if isinstance(particles, ak.Array) else type(particles).__name__
        raise ArgumentError(
            f"expected an awkward array of n x var x record with the fields {', '.join(names)}, found {found}"
        )
    counts = np.asarray(_filled(ak.num(particles, axis=1), 0), dtype=np.int64)
    flat = ak.flatten(particles, axis=1)
    fields = {
        name: np.ascontiguousarray(ak.to_numpy(_filled(flat[name], np.nan)), dtype=np.float64)
        for name in names
    }
    return Columns(_offsets(counts), fields)


def _filled(values: ak.Array, value: float) -> ak.Array:
    """The values with `value` where one is missing; to ask costs a millisecond, and a plain array misses none."""
    return values if isinstance(values.layout, ak.contents.NumpyArray) else ak.fill_none(values, value)
