"""The ledger: what every finished pseudo-experiment gave, on disk as soon as it is there.

One file of JSON lines. The first says what the run is (:mod:`hepcs.running.identity`); each of the others is one finished
chunk of tasks with the outcomes of every search of a family, or says that another machine or program text took
over. A line carries the SHA-256 of the first line and its own content. Lines are only ever appended, each in one
write that is on disk before work goes on, so a killed run leaves at most its last line cut.
"""

from hepcs.running.ledger.lines import Chunk, Searches
from hepcs.running.ledger.merging import merge_ledgers
from hepcs.running.ledger.reading import LEDGER, Recorded, is_blank, read_ledger, refuse_unlike
from hepcs.running.ledger.writing import Ledger, open_ledger

__all__ = [
    "LEDGER",
    "Chunk",
    "Ledger",
    "Recorded",
    "Searches",
    "is_blank",
    "merge_ledgers",
    "open_ledger",
    "read_ledger",
    "refuse_unlike",
]
