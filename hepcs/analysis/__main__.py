"""The command: arguments, logging and exit codes; everything else is in the library.

Exit codes: 0, 2 for a card or an argument, 3 for input data, 4 for a computation that failed, 5 for runs that were
compared and differ, 130 for Ctrl-C, 143 for SIGTERM, 1 for a bug.

What takes time to import is imported where a Ctrl-C ends the command with a word, rather than a traceback.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from hepcs._core.errors import HepcsError
from hepcs.analysis.card_arguments import MODULE, program
from hepcs.analysis.stopping import sigterm_as_interrupt

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("hepcs")

# One module for each command, with DESCRIPTION, EXAMPLES, add_arguments and execute. Without a name, `run`.
COMMANDS = {
    "run": "run a data card",
    "init": "write a card, from a look into your files",
    "searches": "the kinds of searches and features that are installed",
    "inspect": "what is in a file of events, and how a card reads it",
    "convert": "convert events between file formats",
    "merge": "join the checkpoints of independent jobs",
    "verify": "check that a run folder is complete and unaltered",
    "compare": "say what differs between two runs",
    "represent": "learn a representation of event objects, and search for anomalies in it",
    "boxes": "make black boxes, and judge the answers",
    "export": "write a finished run for HEPData and pyhf",
    "doctor": "try every part of this installation",
    "keys": "the keys of a card, with their meaning and defaults",
    "schema": "the JSON schema of cards, for editors",
    "completion": "completion of commands and options, for shells",
}


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Arguments of the command that is named, or of ``run``; `execute` in the result carries it out."""
    named = bool(arguments) and arguments[0] in COMMANDS
    name = arguments[0] if named else "run"
    parsed = parser_of(name, named=named).parse_args(arguments[1:] if named else arguments)
    parsed.execute = import_module(f"hepcs.analysis.{name}").execute
    return parsed


def parser_of(name: str, *, named: bool = True) -> argparse.ArgumentParser:
    """The parser of a command; that of `run` lists the others where no command was `named`."""
    module = import_module(f"hepcs.analysis.{name}")
    others = "\n".join(f"  {command:12}{what}" for command, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=f"{program()} {name if named else ''}".strip(),
        description=module.DESCRIPTION,
        epilog=f"examples:\n{module.EXAMPLES.replace(MODULE, program())}"
        + ("" if named else f"\n\ncommands (COMMAND --help):\n{others}"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("--quiet", action="store_true", help="only warnings and errors")
    loudness.add_argument("-v", "--verbose", action="count", default=0, help="say more")
    return parser


def main(arguments: Sequence[str] | None = None, client: Client | None = None) -> int:
    """Run the command and return its exit code; a card runs on the workers of a client, if one is given."""
    with sigterm_as_interrupt() as stop:
        try:
            return execute(sys.argv[1:] if arguments is None else arguments, client)
        except KeyboardInterrupt as interrupt:
            # A command that keeps something says where it is.
            how = str(interrupt) or "The same command begins anew."
            sys.stderr.write(f"{stop.describe()}. {how}\n")
            return stop.exit_code


def execute(arguments: Sequence[str], client: Client | None) -> int:
    """Execute the command, and return its exit code; what is wrong is said."""
    parsed = parse_arguments(arguments)
    parsed.client = client

    from hepcs.analysis.memory import shortage_in_words
    from hepcs.analysis.reporting import console_for, hold_standard_streams, set_up_logging

    hold_standard_streams()
    console, errors = console_for(sys.stdout), console_for(sys.stderr)
    set_up_logging(-1 if parsed.quiet else parsed.verbose, errors)
    if sys.stdout is None:
        logger.warning(
            "the standard output is closed: what is printed is lost. Files are written all the same"
        )
    try:
        with shortage_in_words():
            parsed.execute(parsed, console, errors)
    except HepcsError as error:
        errors.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        if parsed.verbose > 1:
            logger.debug("where it happened", exc_info=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
