"""Whether a run folder is as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hepcs.errors import HepcsError
from hepcs.ledger import LEDGER, is_blank, read_ledger
from hepcs.output.reading import read_run
from hepcs.output.summary import results_digest
from hepcs.output.summary_file import SUMMARY, load_summary
from hepcs.storage import file_sha256


@dataclass(frozen=True)
class FolderCheck:
    """What became of the files of a run.

    Attributes
    ----------
    folder
        The run folder.
    n_files
        Files that the run wrote, the summary included.
    missing, altered
        Those that are gone, and those whose content is another one; names relative to the folder.
    foreign
        Files that the run did not write. They are no fault: notes may lie there.
    problems
        What else is wrong, one sentence each.
    digest
        The digest of the results, as the summary has it.
    """

    folder: Path
    n_files: int
    missing: tuple[str, ...]
    altered: tuple[str, ...]
    foreign: tuple[str, ...]
    problems: tuple[str, ...]
    digest: str

    @property
    def is_sound(self) -> bool:
        """Whether all files are there, as they were written, and the digest is that of the stored results."""
        return not (self.missing or self.altered or self.problems)

    def faults(self) -> tuple[str, ...]:
        """One line for each fault."""
        return (
            *(f"{self.folder / name}: missing" for name in self.missing),
            *(f"{self.folder / name}: altered since it was written" for name in self.altered),
            *self.problems,
        )


def verify_folder(folder: Path) -> FolderCheck:
    """Compare every file of a run with its checksum, and the digest with the one of the stored results.

    The summary carries the checksums of all files, and one of its own content. They tell damage and changes by
    accident; whoever wants to deceive can write new ones.

    Raises
    ------
    InputError
        If there is no summary, or it cannot be read.
    """
    summary = load_summary(folder / SUMMARY)
    files = summary.files
    missing, altered = [], []
    for name, checksum in files.items():
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            altered.append(SUMMARY)  # no run lists a file outside of its folder
        elif not path.is_file():
            missing.append(name)
        elif f"sha256:{file_sha256(path)}" != checksum:
            altered.append(name)
    if not summary.is_sound:
        altered.append(SUMMARY)
    known = {*files, SUMMARY, LEDGER}
    foreign = sorted(name for name in _names(folder) if name not in known)
    problems = () if missing or altered else tuple(_digest_problems(folder))
    problems += tuple(_ledger_problems(folder / LEDGER))
    return FolderCheck(
        folder=folder,
        n_files=len(files) + 1,
        missing=tuple(missing),
        altered=tuple(dict.fromkeys(altered)),
        foreign=tuple(foreign),
        problems=problems,
        digest=str(summary.content.get("digest")),
    )


def _ledger_problems(ledger: Path) -> Iterator[str]:
    """Whether a ledger, if there is one, is whole: its lines carry checksums of their own."""
    if not ledger.is_file() or is_blank(ledger):
        return
    try:
        damage = read_ledger(ledger).damage
    except HepcsError as error:
        damage = str(error)
    if damage:
        yield damage


def _names(folder: Path) -> Iterator[str]:
    """Files in a folder by their name relative to it."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _digest_problems(folder: Path) -> Iterator[str]:
    """Whether the results of an unaltered folder give the digest that it claims."""
    try:
        stored = read_run(folder)
    except HepcsError as error:
        yield str(error)
        return
    found = results_digest(stored.result)
    if found != stored.digest:
        yield (
            f"{folder / SUMMARY}: the digest is {stored.digest}, and that of the stored results is {found}: they "
            "are not of one run, or this version of hepcs takes the digest in another way"
        )
