"""The command: arguments, logging and exit codes; everything else is in the library.

Exit codes: 0, 2 for a card or an argument, 3 for input data, 4 for a computation that failed, 130 for Ctrl-C,
1 for a bug.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from hepcs.analysis.reporting import console_for, set_up_logging
from hepcs.errors import HepcsError

logger = logging.getLogger("hepcs")

EXAMPLES = """\
examples:
  python -m hepcs.analysis demo.yaml
  python -m hepcs.analysis lhco.yaml --fetch --workers 8
  python -m hepcs.analysis root.yaml --set samples.background.files="qcd_*.root"
  python -m hepcs.analysis lhco.yaml --dry-run
  python -m hepcs.analysis convert events_anomalydetection_v2.h5 events.root
"""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Arguments of a run, or of ``convert``."""
    common = argparse.ArgumentParser(add_help=False)
    loudness = common.add_mutually_exclusive_group()
    loudness.add_argument("--quiet", action="store_true", help="only warnings and errors")
    loudness.add_argument("-v", "--verbose", action="count", default=0, help="say more")
    if arguments and arguments[0] == "convert":
        parser = argparse.ArgumentParser(
            prog="python -m hepcs.analysis convert",
            parents=[common],
            description="Convert events between LHCO HDF5, ROOT and Parquet, labels included.",
            epilog="example:\n  python -m hepcs.analysis convert events.h5 events.root",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("source", help="file to read")
        parser.add_argument("destination", type=Path, help="file to write; the suffix says the format")
        parser.add_argument("--tree", help="ROOT: tree to read")
        parser.add_argument(
            "--layout",
            default="flat",
            choices=("flat", "nanoaod", "pfnano", "delphes"),
            help="ROOT: known names",
        )
        parser.add_argument("--label", help="ROOT and Parquet: branch or column of the truth label (label)")
        parser.add_argument("--rntuple", action="store_true", help="write ROOT as RNTuple rather than TTree")
        parser.add_argument("--overwrite", action="store_true", help="replace the destination if it exists")
        parsed = parser.parse_args(arguments[1:])
        parsed.command = "convert"
        return parsed
    parser = argparse.ArgumentParser(
        prog="python -m hepcs.analysis",
        parents=[common],
        description="Run a data card: from constituents to a calibrated excess. "
        "`convert SOURCE DESTINATION` instead of a card converts files.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "card", help="a card, or the name of one in ./data_cards/ or among the installed ones"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        dest="overrides",
        help="change the card",
    )
    parser.add_argument("--output", type=Path, help="folder for the results (runs/<name>)")
    parser.add_argument("--overwrite", action="store_true", help="replace the results of an earlier run")
    parser.add_argument("--workers", type=int, help="processes (all cores); results do not depend on them")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would run, and how long it would take"
    )
    parser.add_argument(
        "--fetch", action="store_true", help="download missing input files that have a URL in the card"
    )
    parsed = parser.parse_args(arguments)
    parsed.command = "run"
    if parsed.workers is not None and parsed.workers < 1:
        parser.error(f"--workers: found {parsed.workers}, expected 1 or more")
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parsed = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    console, errors = console_for(sys.stdout), console_for(sys.stderr)
    set_up_logging(-1 if parsed.quiet else parsed.verbose, errors)
    try:
        # The libraries take seconds to load; --help and a typo in an option should not wait for them.
        from hepcs.analysis.commands import convert_file, dry_run, run_card

        if parsed.command == "convert":
            convert_file(parsed, console, errors)
        elif parsed.dry_run:
            dry_run(parsed, console, errors)
        else:
            run_card(parsed, console, errors)
    except HepcsError as error:
        errors.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        if parsed.verbose > 1:
            logger.debug("where it happened", exc_info=True)
        return error.exit_code
    except KeyboardInterrupt:
        errors.print(
            "stopped. Prepared samples are kept: the same command goes on from there.",
            markup=False,
            highlight=False,
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
