"""``convert``: events from one format to another."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from hepcs._core.errors import ArgumentError
from hepcs.analysis.reporting import progress_on
from hepcs.config.sources import LhcoSource, ParquetSource, RootSource

DESCRIPTION = "Convert events between LHCO HDF5, ROOT and Parquet, labels included."
EXAMPLES = "  python -m hepcs.analysis convert events.h5 events.root"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("source", help="file to read")
    parser.add_argument("destination", type=Path, help="file to write; the suffix says the format")
    parser.add_argument("--tree", help="ROOT: tree to read")
    parser.add_argument(
        "--layout", default="flat", choices=("flat", "nanoaod", "pfnano", "delphes"), help="ROOT: known names"
    )
    parser.add_argument("--label", help="ROOT and Parquet: branch or column of the truth label (label)")
    parser.add_argument("--rntuple", action="store_true", help="write ROOT as RNTuple rather than TTree")
    parser.add_argument("--overwrite", action="store_true", help="replace the destination if it exists")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Convert events between LHCO HDF5, ROOT and Parquet."""
    from hepcs.sources.convert import convert
    from hepcs.sources.files import resolve_files
    from hepcs.sources.opening import open_files

    if parsed.destination.exists() and not parsed.overwrite:
        raise ArgumentError(f"{parsed.destination}: exists already; give another name, or --overwrite")
    section = section_for(parsed.source, parsed.tree, parsed.layout, parsed.label)
    resolve_files(section, [Path.cwd()])
    with progress_on(errors, parsed.quiet) as progress:
        n_events = convert(
            open_files(section, [Path.cwd()]),
            parsed.destination,
            lambda done, total: progress("converting", done, total),
            kind="rntuple" if parsed.rntuple else "ttree",
        )
    console.print(
        f"{n_events} events are in {parsed.destination}", highlight=False, markup=False, soft_wrap=True
    )


def section_for(
    name: str, tree: str | None, layout: str, label: str | None
) -> LhcoSource | RootSource | ParquetSource:
    """The section of a card that would read a file, by its suffix."""
    match Path(name).suffix.lower():
        case ".h5" | ".hdf5" | ".hdf":
            return LhcoSource(kind="lhco", files=(name,))
        case ".parquet" | ".pq":
            return ParquetSource(kind="parquet", files=(name,), label=label)
        case ".root":
            keys = {"kind": "root", "files": [name], "tree": tree, "layout": layout, "label": label}
            return RootSource.model_validate(keys)
    raise ArgumentError(f"{name}: cannot tell what it is; expected a name in .h5, .hdf5, .root or .parquet")
