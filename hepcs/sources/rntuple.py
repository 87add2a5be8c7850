"""Checksums of RNTuples, of which uproot verifies those of header, footer and anchor alone.

As the specification of the format has it (v1.0, "Page List Envelope" and "Page Locations"), the list of pages ends
with the XXH3-64 of what is before. A page whose number of elements has a negative sign is followed by the
XXH3-64 of its compressed bytes. Both have 8 bytes, little-endian, and the size of a page does not count them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import xxhash
from uproot.source.cursor import Cursor

from hepcs._core.errors import InputError

_CHECKSUM = struct.Struct("<Q")
_FETCH = "The file is damaged: compare its checksum with the original, or fetch it again"


@dataclass(frozen=True)
class _Page:
    """Where a page is in the file, and whether its checksum follows it."""

    offset: int
    n_bytes: int
    has_checksum: bool


def verify_page_lists(ntuple: Any, path: str) -> None:
    """Raise an InputError if a list of pages, by which all others are found, is not as it was written."""
    for number, record in enumerate(ntuple.footer.cluster_group_records):
        link = record.page_list_link
        chunk, cursor = ntuple.read_locator(link.locator, link.env_uncomp_size)
        begin = cursor.index
        data = bytes(chunk.get(begin, begin + link.env_uncomp_size, cursor, {}))
        if not _is_sound(data):
            raise InputError(
                f"{path}: list {number} of the pages has another checksum than at its end. {_FETCH}"
            )


def stores_page_checksums(ntuple: Any, fields: list[Any]) -> bool:
    """Whether all pages of some fields are followed by their checksums."""
    everything = range(len(ntuple.cluster_summaries))
    return all(page.has_checksum for field in fields for page in _pages(ntuple, field, everything))


def verify_pages(ntuple: Any, field: Any, start: int, stop: int, path: str) -> None:
    """Raise an InputError if a page that entries [start, stop) of a field are in is not as it was written.

    Pages without a checksum are passed over: :func:`stores_page_checksums` tells of them.
    """
    clusters = [
        index
        for index, cluster in enumerate(ntuple.cluster_summaries)
        if cluster.num_first_entry < stop and start < cluster.num_first_entry + cluster.num_entries
    ]
    for page in _pages(ntuple, field, clusters):
        if not page.has_checksum:
            continue
        end = page.offset + page.n_bytes + _CHECKSUM.size
        chunk = ntuple.file.source.chunk(page.offset, end)
        if not _is_sound(bytes(chunk.get(page.offset, end, Cursor(page.offset), {}))):
            raise InputError(
                f"{path}: cannot read entries [{start}, {stop}) of `{field.name}`: its page of {page.n_bytes} "
                f"bytes at {page.offset} has another checksum than the one stored with it. {_FETCH}"
            )


def _is_sound(data: bytes) -> bool:
    """Whether bytes end with the checksum of those before."""
    content, stored = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    return _CHECKSUM.pack(xxhash.xxh3_64_intdigest(content)) == stored


def _pages(ntuple: Any, field: Any, clusters: Any) -> Iterator[_Page]:
    """All pages of a field in some clusters."""
    columns = _columns(ntuple, field)
    for cluster in clusters:
        pages = ntuple.page_link_list[cluster]
        for column in columns:
            # A column that was added later has no pages in earlier clusters.
            for page in pages[column].pages if column < len(pages) else ():
                yield _Page(page.locator.offset, page.locator.num_bytes, page.has_checksum)


def _columns(ntuple: Any, field: Any) -> list[int]:
    """Numbers of the columns that hold a field: its own, those below it, and the offsets of what it is in."""
    records = ntuple.field_records
    ids = set(_above(records, field.field_id)) | set(_below(records, [field.field_id]))
    shown = [records[i].source_field_id for i in ids if records[i].source_field_id is not None]
    ids |= set(_below(records, shown))
    ids |= {above for one in shown for above in _above(records, one)}
    columns = {number for number, column in enumerate(ntuple.column_records) if column.field_id in ids}
    columns |= {alias.physical_id for alias in ntuple.alias_column_records if alias.field_id in ids}
    return sorted(columns)


def _above(records: Any, field: int) -> Iterator[int]:
    """The fields that a field is in; a field of the RNTuple itself is its own parent."""
    while records[field].parent_field_id != field:
        field = records[field].parent_field_id
        yield field


def _below(records: Any, fields: list[int]) -> Iterator[int]:
    """Fields, and all that they consist of."""
    while fields:
        yield from fields
        fields = [
            number
            for number, record in enumerate(records)
            if record.parent_field_id in fields and number not in fields
        ]
