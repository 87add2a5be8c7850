"""``convert``: events from one format to another."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from hepcs._core.errors import ArgumentError
from hepcs.analysis.reporting import progress_on
from hepcs.config.sources import Branches, LhcoSource, Momenta, ParquetSource, RootSource, Units

DESCRIPTION = "Convert events between LHCO HDF5, ROOT and Parquet, labels included."
EXAMPLES = "  python -m hepcs.analysis convert events.h5 events.root"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("source", help="file to read")
    parser.add_argument("destination", type=Path, help="file to write; the suffix says the format")
    parser.add_argument("--tree", help="ROOT: tree to read")
    parser.add_argument(
        "--layout",
        default="flat",
        choices=get_args(RootSource.model_fields["layout"].annotation),
        help="ROOT: known names",
    )
    parser.add_argument(
        "--branches",
        type=_branches,
        metavar="pt=NAME,eta=NAME,phi=NAME[,mass=NAME][,weight=NAME]",
        help="ROOT and Parquet: branches or columns of the constituents; of ROOT also px=..., py=..., pz=... and "
        "energy=...",
    )
    parser.add_argument(
        "--units", default="GeV", choices=get_args(Units), help="of pT and mass in the file (GeV)"
    )
    parser.add_argument("--label", help="ROOT and Parquet: branch or column of the truth label (label)")
    parser.add_argument("--rntuple", action="store_true", help="write ROOT as RNTuple rather than TTree")
    parser.add_argument("--overwrite", action="store_true", help="replace the destination if it exists")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Convert events between LHCO HDF5, ROOT and Parquet."""
    from hepcs.sources.convert import convert
    from hepcs.sources.opening import open_files

    if parsed.destination.exists() and not parsed.overwrite:
        raise ArgumentError(f"{parsed.destination}: exists already; give another name, or --overwrite")
    section = section_for(
        parsed.source, parsed.tree, parsed.layout, parsed.label, branches=parsed.branches, units=parsed.units
    )
    source = open_files(section, [Path.cwd()])
    with progress_on(errors, parsed.quiet) as progress:
        n_events = convert(
            source,
            parsed.destination,
            lambda done, total: progress("converting", done, total),
            kind="rntuple" if parsed.rntuple else "ttree",
        )
    console.print(
        f"{n_events} events are in {parsed.destination}", highlight=False, markup=False, soft_wrap=True
    )


def _branches(text: str) -> Branches | Momenta:
    """Names of branches from ``pt=NAME,eta=NAME,phi=NAME``, or ``px=NAME,py=NAME,pz=NAME``."""
    try:
        names = dict(item.split("=", maxsplit=1) for item in text.split(","))
        return (Momenta if "px" in names else Branches).model_validate(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"found {text!r}, expected pt=NAME,eta=NAME,phi=NAME, each name once, and mass=NAME or weight=NAME "
            "if there is one; or px=NAME,py=NAME,pz=NAME with energy=NAME"
        ) from error


def section_for(
    name: str,
    tree: str | None,
    layout: str,
    label: str | None,
    *,
    branches: Branches | Momenta | None = None,
    units: Units = "GeV",
) -> LhcoSource | RootSource | ParquetSource:
    """The section of a card that would read a file, by its suffix; a tree may stand behind ``.root:``."""
    from hepcs.sources.files import split_tree

    keys: dict[str, Any] = {"files": [name], "units": units}
    match Path(split_tree(name, [Path.cwd()])[0]).suffix.lower():
        case ".h5" | ".hdf5" | ".hdf":
            return LhcoSource.model_validate({"kind": "lhco", **keys})
        case ".parquet" | ".pq":
            named = {} if branches is None else {"branches": branches}
            return ParquetSource.model_validate({"kind": "parquet", "label": label, **named, **keys})
        case ".root":
            several = None if branches is None else (branches,)
            keys |= {"tree": tree, "layout": layout, "label": label, "branches": several}
            return RootSource.model_validate({"kind": "root", **keys})
    raise ArgumentError(f"{name}: cannot tell what it is; expected a name in .h5, .hdf5, .root or .parquet")
