"""From flat arrays and jagged columns to the packed record array that every source yields."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepcs._core.errors import InputError
from hepcs.config.sources import Units

#: One unit of a file in GeV.
IN_GEV: dict[Units, float] = {"MeV": 1e-3, "GeV": 1.0, "TeV": 1e3}
FIELDS = ("pt", "eta", "phi", "mass")


def pack_constituents(
    counts: NDArray[np.integer[Any]],
    pt: NDArray[Any],
    eta: NDArray[Any],
    phi: NDArray[Any],
    mass: NDArray[Any] | None = None,
    weight: NDArray[Any] | None = None,
    *,
    units: Units = "GeV",
) -> ak.Array:
    """Build the jagged array of a source from flat columns, without the zero-pT entries.

    A weight multiplies the four-momentum, that is pT and mass, so that entries of weight zero are left out too.

    Parameters
    ----------
    counts : ndarray of int, shape (n,)
        Number of entries of each event in the flat columns.
    pt, eta, phi : ndarray, shape (sum of counts,)
        pT in `units`, pseudorapidity, azimuth in radians. Only exact zeros in pT are left out.
    mass : ndarray or None
        Masses in `units`; zero if None.
    weight : ndarray or None
        Weights, such as those of PUPPI (arXiv:1407.6013, section 2); one if None.
    units : "MeV", "GeV" or "TeV"
        Units of pT and mass.

    Returns
    -------
    ak.Array
        n x var x {pt, eta, phi, mass}, float64, packed, GeV.
    """
    offsets = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    if weight is not None:
        weight = np.asarray(weight, dtype=np.float64)
        with np.errstate(invalid="ignore"):  # what is not finite stays so, for the selection to count
            pt, mass = pt * weight, None if mass is None else mass * weight
    columns = [pt, eta, phi] if mass is None else [pt, eta, phi, mass]
    keep = pt != 0
    if not keep.all():
        offsets = np.concatenate(([0], np.cumsum(keep, dtype=np.int64)))[offsets]
        columns = [column[keep] for column in columns]
    with np.errstate(invalid="ignore"):  # a signalling NaN is passed on as a NaN
        contents = [np.ascontiguousarray(column, dtype=np.float64) for column in columns]
        if units != "GeV":
            for index in (0, 3)[: len(contents) - 2]:
                contents[index] = contents[index] * IN_GEV[units]
    if mass is None:
        contents.append(np.zeros(offsets[-1]))
    records = ak.contents.RecordArray([ak.contents.NumpyArray(c) for c in contents], FIELDS, int(offsets[-1]))
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), records))


def polar_columns(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """pt, eta, phi and mass of flat columns px, py, pz and, if there is one, energy; without it they are massless.

    Others, such as weights, stay as they are. A negative square of a mass is rounding, so 0.
    """
    momentum = {key: np.asarray(columns[key], dtype=np.float64) for key in ("px", "py", "pz")}
    px, py, pz = momentum.values()
    pt = np.hypot(px, py)
    with np.errstate(divide="ignore", invalid="ignore"):  # where pt is zero, the particle is left out
        found = {"pt": pt, "eta": np.arcsinh(pz / pt), "phi": np.arctan2(py, px)}
        if "energy" in columns:
            energy = np.asarray(columns["energy"], dtype=np.float64)
            found["mass"] = np.sqrt(np.maximum(energy**2 - pt**2 - pz**2, 0.0))
    rest = {key: values for key, values in columns.items() if key not in (*momentum, "energy")}
    return {**found, **rest}


def count_weightless(pt: NDArray[Any], weight: NDArray[Any] | None) -> int:
    """How many constituents with pT have a weight of zero, and so are left out; both of one shape."""
    return 0 if weight is None else int(np.count_nonzero((weight == 0) & (pt != 0)))


def list_nearest(wanted: str, available: Iterable[str]) -> str:
    """The available names, nearest to the wanted one first, at most 20 of them, for messages."""
    names = list(dict.fromkeys(available))
    nearest = difflib.get_close_matches(wanted, names, n=20, cutoff=0.0)
    rest = len(names) - len(nearest)
    return (", ".join(nearest) or "none") + (f" and {rest} more" if rest > 0 else "")


def flatten_column(array: Any, file: str, name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Counts (n,) and flat values of a jagged column of numbers.

    Raises
    ------
    InputError
        The column is not one list of numbers for each entry, or has missing values.
    """
    content = array.type.content
    is_list = isinstance(content, ak.types.ListType | ak.types.RegularType)
    if not is_list or not isinstance(content.content, ak.types.NumpyType):
        raise InputError(
            f"{file}: `{name}` holds {content} in each entry; expected a list of numbers (var * float32)"
        )
    values = ak.to_numpy(ak.flatten(array, axis=1))
    if values.dtype.kind not in "fiu":
        raise InputError(f"{file}: `{name}` holds {values.dtype}; expected lists of numbers")
    return ak.to_numpy(ak.num(array, axis=1)).astype(np.int64), values


def require_same_counts(
    counts: NDArray[np.int64], reference: NDArray[np.int64], names: tuple[str, str], file: str, start: int
) -> None:
    """Raise an InputError that names the first entry at which two columns differ in length.

    `start` is the entry of the file that the first element of the arrays belongs to.
    """
    if len(counts) == len(reference) and np.array_equal(counts, reference):
        return
    if len(counts) != len(reference):
        raise InputError(
            f"{file}: `{names[0]}` has {len(counts)} entries where `{names[1]}` has {len(reference)}"
        )
    first = int(np.flatnonzero(counts != reference)[0])
    raise InputError(
        f"{file}: entry {start + first}: `{names[0]}` has {counts[first]} particles where `{names[1]}` has "
        f"{reference[first]}; expected columns of the same collection"
    )


def require_same_columns(seen: dict[bool, str], massive: bool, name: str | None, path: str) -> None:
    """Raise an InputError if a column of masses, used where it is there, is in some files of a source only.

    `seen` collects the first file of each kind over the calls for one source.
    """
    other = seen.get(not massive)
    seen.setdefault(massive, path)
    if other is not None:
        has, lacks = (path, other) if massive else (other, path)
        raise InputError(
            f"{has}: has masses in `{name}`, and {lacks} has none; expected them in all files or in none. To read "
            "all without masses, name the `branches` of pt, eta and phi in the card"
        )


def require_entries(found: int, expected: int, file: str, start: int) -> None:
    """Raise an InputError if a chunk came back with another number of entries than was asked for."""
    if found != expected:
        raise InputError(
            f"{file}: entries [{start}, {start + expected}) were asked for and {found} came back; the file is "
            "truncated, or has changed since the run began"
        )


def as_labels(values: ArrayLike, file: str, start: int) -> NDArray[np.int8]:
    """Truth labels as int8, shape (n,), from whatever number type the file holds.

    Raises
    ------
    InputError
        A label is no small whole number; the message names file and entry (`start` is that of the first one).
    """
    labels = np.asarray(values)
    if labels.ndim != 1 or labels.dtype.kind not in "biuf":
        raise InputError(
            f"{file}: the labels have shape {labels.shape} and type {labels.dtype}; expected one number each"
        )
    if labels.dtype.kind == "b":
        return labels.astype(np.int8)
    whole = labels == np.trunc(labels)
    wrong = np.flatnonzero(~((labels >= -128) & (labels <= 127) & whole))
    if wrong.size:
        found = labels[wrong[0]]
        expected = (
            "a number from -128 to 127, 0 for background: a mass point, say, is no label"
            if whole[wrong[0]]
            else "a whole number, 0 for background"
        )
        raise InputError(
            f"{file}: entry {start + wrong[0]}: the label is {found}; expected {expected} ({wrong.size} such "
            "entries in this chunk)"
        )
    return labels.astype(np.int8)
