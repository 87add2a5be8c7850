"""ROOT's packed numbers, ``pt[n]/f`` and ``pt[n]/d[-5,5,20]``: Float16_t, and Double32_t of a range.

Without a range, a Float16_t is stored as one byte of exponent and two of mantissa and sign; with a range, either
type is stored as a whole number of so many bits in it. As documented with
`TBufferFile <https://root.cern.ch/doc/master/classTBufferFile.html>`_ (WriteWithFactor, WriteWithNbits).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import uproot

_FLOAT16, _DOUBLE32 = "TLeafF16", "TLeafD32"
_BITS = {_FLOAT16: 12, _DOUBLE32: 32}  # where no other number is named
_RANGE = re.compile(r"/[fd]\[([^\]]*)\]$")


@dataclass(frozen=True)
class PackedFloats:
    """How the numbers of a branch are packed: between `low` and `high` where these differ, in so many bits."""

    low: float
    high: float
    bits: int

    @property
    def dtype(self) -> Any:
        """What is stored of each number."""
        return (
            np.dtype(">u4") if self.low < self.high else np.dtype([("exponent", "u1"), ("mantissa", ">u2")])
        )

    def unpack(self, stored: Any) -> Any:
        """The numbers, float64, of a flat or jagged array of what is stored."""
        if self.low < self.high:
            return self.low + stored * ((self.high - self.low) / 2.0**self.bits)
        mantissa = ak.values_astype(stored["mantissa"], np.uint32)
        size = 1 << (self.bits + 1)
        exponent = ak.values_astype(stored["exponent"], np.uint32) * np.uint32(1 << 23)
        pattern = exponent | ((mantissa & np.uint32(size - 1)) * np.uint32(1 << (23 - self.bits)))
        layout = ak.to_packed(pattern).layout
        values = ak.transform(_as_float32, ak.Array(layout))
        return ak.values_astype(ak.where((mantissa & np.uint32(size)) > 0, -values, values), np.float64)


def _as_float32(layout: Any, **_: Any) -> Any:
    if isinstance(layout, ak.contents.NumpyArray):
        return ak.contents.NumpyArray(np.ascontiguousarray(layout.data).view(np.float32))
    return None


def packing_of(branch: Any) -> PackedFloats | None:
    """How a branch of a TTree is packed; None where its numbers are stored as they are, or uproot reads them."""
    leaves: list[Any] = list(branch.member("fLeaves", none_if_missing=True) or ())
    if len(leaves) != 1 or leaves[0].classname not in _BITS:
        return None
    kind = leaves[0].classname
    found = _RANGE.search(str(leaves[0].member("fTitle")))
    parts = [part.strip() for part in str(found.group(1)).split(",")] if found is not None else []
    low, high = (_number(part) for part in [*parts, "0", "0"][:2])
    named = int(parts[2]) if len(parts) > 2 else 0
    if low >= high and named >= 15:
        named = 0  # ROOT takes so many bits for none at all
    if low >= high and kind == _DOUBLE32 and not named:
        return None  # stored as float32
    bits = named or (_BITS[kind] if low >= high else 32)
    return PackedFloats(low, high, bits)


def _number(text: str) -> float:
    """A bound of a range, which may be a multiple of pi."""
    found = re.fullmatch(r"(-?)(two|\d*\.?\d*)\s*\*?\s*pi(?:\s*/\s*(\d+))?", text)
    if found is None:
        return float(text)
    factor = 2.0 if found[2] == "two" else float(found[2] or 1)
    return (-1.0 if found[1] else 1.0) * factor * np.pi / float(found[3] or 1)


def interpretation_of(branch: Any, packed: PackedFloats) -> Any:
    """How uproot has to read the stored numbers of a packed branch."""
    stored = uproot.AsDtype(packed.dtype)
    counted = branch.member("fLeaves")[0].member("fLeafCount", none_if_missing=True) is not None
    return uproot.AsJagged(stored) if counted else stored
