"""The exceptions of hepcs, and the exit code that each one means on the command line.

================================  ====  =======================================================
exception                         exit  meaning
================================  ====  =======================================================
:class:`CardError`                2     the card, or an option of the command, is wrong
:class:`InputError`               3     input data are missing, unreadable or unusable
:class:`ComputationError`         4     a computation failed or did not converge
:class:`MissingDependencyError`   2     an optional package is needed and not installed
:class:`DifferenceError`          5     two runs that were compared have other results
KeyboardInterrupt                 130   Ctrl-C; 143 after SIGTERM, as batch systems send it
anything else                     1     a bug
================================  ====  =======================================================

What cannot be written ends with 2 where the place is wrong, which is found before the work begins: no folder,
read-only, without rights. It ends with 4 where the place is right and writing fails: a full disk, whenever it is
found, and anything else that happens while the work goes on.
"""

from __future__ import annotations

from typing import ClassVar


class HepcsError(Exception):
    """Base of every error that hepcs raises on purpose; its text is written for the user."""

    exit_code: ClassVar[int] = 1


class CardError(HepcsError):
    """The card or an argument of the command is wrong: one line for each problem."""

    exit_code = 2


class ArgumentError(HepcsError, ValueError):
    """A public function was called with an argument that it cannot use."""

    exit_code = 2


class MissingDependencyError(HepcsError):
    """An optional package is needed for what was asked, and is not installed."""

    exit_code = 2

    def __init__(self, package: str, purpose: str, install: str) -> None:
        super().__init__(package, purpose, install)

    def __str__(self) -> str:
        package, purpose, install = self.args
        return f"{package} is needed {purpose}, and is not installed. Install it with: {install}"


class InputError(HepcsError):
    """Input data are missing, unreadable or unusable; the text names the file and the entry."""

    exit_code = 3


class ComputationError(HepcsError):
    """A computation failed, or did not converge, in a way that makes its result unusable."""

    exit_code = 4


class DifferenceError(HepcsError):
    """Two runs were compared, and their results differ: an answer rather than a failure."""

    exit_code = 5
