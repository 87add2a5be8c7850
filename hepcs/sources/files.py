"""Finding, fetching and fingerprinting input files."""

from __future__ import annotations

import glob
import hashlib
import json
import logging
import os
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from hepcs._core.errors import CardError, ComputationError, HepcsError, InputError
from hepcs._core.storage import file_sha256, write_json
from hepcs.config import LocatedCard
from hepcs.config.sources import FileSource
from hepcs.sources.base import InputFile
from hepcs.sources.failures import explain

log = logging.getLogger(__name__)

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]+://")
# The colon of a port comes before the name of the file.
_WITH_TREE = re.compile(r"^(?P<file>.*\.root):(?P<tree>[^:]+)$")
_SETTLED_AFTER = 2.0  # seconds, the coarsest time stamps of file systems in use
_NO_FILE_NEEDED = "`demo.yaml` needs no file: it generates its events."


def is_url(name: str) -> bool:
    """Whether a file of the card is a URL (``root://``, ``https://``, ...) and not a local path."""
    return _URL.match(name) is not None


def as_names(files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Paths or URLs as text: one of them, or several."""
    if isinstance(files, str | os.PathLike):
        files = (files,)
    return tuple(os.fspath(file) for file in files)


@contextmanager
def reading(file: str, what: str) -> Iterator[None]:
    """Turn whatever a reading library raises into an InputError that names the file.

    Damaged files make uproot, h5py and pyarrow raise nearly anything (``zlib.error``, ``struct.error``,
    ``AssertionError``, ...), so this catches all of it: put nothing but calls of those libraries inside. The text
    tells servers, locks, rights and types apart from damage, see :func:`~hepcs.sources.failures.explain`.

    Parameters
    ----------
    file : str
        Path or URL, for the message.
    what : str
        What was read, for the message: "entries [0, 20000) of Particle_pt".
    """
    try:
        yield
    except (HepcsError, ImportError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        detail = f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
        raise InputError(f"{file}: cannot read {what} ({detail}). {explain(error)}") from error


def _absolute(pattern: str, search: Sequence[Path]) -> list[str]:
    """The absolute places in which a path or glob is looked for, in order, each once."""
    expanded = os.path.expanduser(os.path.expandvars(pattern))  # noqa: PTH111 - Path raises for ~nobody
    folders = search or (Path.cwd(),)
    places = (os.path.abspath(Path(folder).expanduser() / expanded) for folder in folders)  # noqa: PTH100
    return list(dict.fromkeys(places))


def _matches(place: str) -> list[str]:
    """The files of a path or glob, sorted.

    A name may hold [ ], and an accented letter be one character or two (NFC, NFD), as it was typed: what is not
    found is looked for with these taken the other way.
    """
    for form in dict.fromkeys(
        (place, unicodedata.normalize("NFC", place), unicodedata.normalize("NFD", place))
    ):
        if Path(form).is_file():  # before the glob
            return [form]
        for pattern in dict.fromkeys((form, form.replace("[", "[[]"))):
            if not glob.has_magic(pattern):
                continue
            found = sorted(
                name
                for name in glob.glob(pattern, recursive=True)  # noqa: PTH207
                if Path(name).is_file()
            )
            if found:
                return found
    return []


def named_trees(patterns: Sequence[str], search: Sequence[Path]) -> dict[str, str | None]:
    """The tree behind a colon, ``file.root:Events``, of each file of patterns and lists; None where there is none.

    Raises InputError as :func:`resolve_patterns`.
    """
    lines = (split_tree(name, search) for one in patterns for name in _listed(one, search))
    return {file: tree for pattern, tree in lines for file in resolve_patterns((pattern,), search)}


def split_tree(pattern: str, search: Sequence[Path]) -> tuple[str, str | None]:
    """A file and the tree behind a colon, ``file.root:Events``; the tree is None where there is no such colon.

    A file that really has this name comes first.
    """
    found = _WITH_TREE.match(pattern)
    if found is None or any(Path(place).is_file() for place in _absolute(pattern, search)):
        return pattern, None
    return found["file"], found["tree"]


def _listed(pattern: str, search: Sequence[Path]) -> list[str]:
    """What a pattern stands for: itself, or the lines of the text file in ``@list.txt``."""
    if not pattern.startswith("@"):
        return [pattern]
    places = _absolute(pattern[1:], search)
    place = next((place for place in places if Path(place).is_file()), None)
    if place is None:
        raise InputError("\n".join([f"there is no list of files `{pattern}`. Looked for:", *places]))
    with reading(place, "it as a list of files, one a line"):
        lines = [line.strip() for line in Path(place).read_text(encoding="utf-8").splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names or any(name.startswith("@") for name in names):
        problem = "names another list" if names else "names no file"
        raise InputError(f"{place}: {problem}; expected one file, glob or URL a line")
    return names


def _not_found(pattern: str, places: Sequence[str], section: FileSource | None) -> str:
    kind = "no file matches" if glob.has_magic(pattern) else "there is no file"
    lines = [f"{kind} `{pattern}`. Looked for:", *(f"    {place}" for place in places)]
    if any("$" in place for place in places):
        lines.append("  An environment variable in it is not set.")
    if any(Path(place).is_dir() for place in places):
        lines.append("  It is a folder: expected files, or a glob such as `folder/*.root`.")
    if section is not None:
        checksums = ", ".join(section.checksum or ())
        published = (("record", section.record), ("URL", section.url), ("checksum", checksums))
        lines += [f"  {name}: {value}" for name, value in published if value]
    if section is not None and section.url:
        lines.append("  To fetch it, run again with --fetch.")
    else:
        lines.append("  Correct `files` in the card, or put the file into one of these places.")
    return "\n".join([*lines, f"  {_NO_FILE_NEEDED}"])


def resolve_patterns(
    patterns: Sequence[str], search: Sequence[Path], section: FileSource | None = None
) -> tuple[str, ...]:
    """Expand paths and globs into files that exist; see :func:`resolve_files`.

    Parameters
    ----------
    patterns : sequence of str
        Paths, globs or URLs, or `@list.txt` with one of these a line; a tree behind a colon is left out.
    search : sequence of Path
        Folders that relative paths are looked for in, in this order; the working folder if empty.
    section : FileSource or None
        Section of the card whose record, URL and checksum stand in the message if a file is missing.
    """
    found: list[str] = []
    problems: list[str] = []
    for pattern in [split_tree(name, search)[0] for one in patterns for name in _listed(one, search)]:
        if is_url(pattern):
            if "*" in pattern.partition("?")[0]:
                problems.append(
                    f"`{pattern}`: a URL with a wildcard, and no one lists what is behind it. Name each file, or "
                    "put their URLs into a text file, one a line, and name that as `@list.txt`"
                )
            found.append(pattern)
            continue
        places = _absolute(pattern, search)
        matches = next((names for place in places if (names := _matches(place))), [])
        if not matches:
            problems.append(_not_found(pattern, places, section))
        found += matches
    if problems:
        raise InputError("\n".join(problems))
    identities = [name if is_url(name) else os.path.realpath(name) for name in found]
    twice = sorted({name for name, key in zip(found, identities, strict=True) if identities.count(key) > 1})
    if twice:
        raise InputError(
            f"the card names the same file more than once, and its events would count twice: {', '.join(twice)}. "
            "Expected each file once: correct `files`. Of several trees in one file, `hepcs convert "
            "file.root:tree other.root` makes a file of each"
        )
    return tuple(found)


def resolve_files(section: FileSource, search: Sequence[Path]) -> tuple[str, ...]:
    """Find the files of a section of the card.

    ``~`` and environment variables are expanded, globs sorted, URLs passed on untouched. A relative path is
    looked for in each folder of `search`; the first one that has it wins.

    Parameters
    ----------
    section : FileSource
        Section of the card.
    search : sequence of Path
        Folders, in the order of the search.

    Returns
    -------
    tuple of str
        Absolute paths, and URLs.

    Raises
    ------
    InputError
        A file is missing, a glob matches nothing (all of them in one message, with the places looked in, the
        published record and how to fetch it), or one file is named twice.
    """
    return resolve_patterns(section.files, search, section)


def search_folders(card: LocatedCard) -> tuple[Path, ...]:
    """Where relative paths of input files are looked for: the working folder, then the card's."""
    return (Path.cwd(), card.path.absolute().parent)


def require_files(card: LocatedCard) -> None:
    """Look for all input files of a card, before anything that takes time.

    Raises InputError with all that are missing.
    """
    problems = []
    for section in card.card.samples.by_role().values():
        if isinstance(section, FileSource):
            try:
                resolve_files(section, search_folders(card))
            except InputError as error:
                problems.append(str(error))
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))


class _LoggedProgress:
    """What pooch wants of a progress bar: logs every tenth of a download."""

    def __init__(self) -> None:
        self.total = 0
        self._done = 0
        self._tenths = 0

    def update(self, n: int) -> None:
        self._done += n
        tenths = 10 * self._done // self.total if self.total else 0
        if tenths > self._tenths:
            self._tenths = tenths
            log.info("fetched %d of %d MB", self._done // 10**6, self.total // 10**6)

    def reset(self) -> None:
        # pooch resets the bar when all is there, only to fill it again
        self._done = 0

    def close(self) -> None:
        self._tenths = 10


def fetch_folder(section: FileSource, search: Sequence[Path], cache: Path, key: str) -> Path:
    """Where the missing file of a section is fetched to: the first place in which it is looked for.

    A card from elsewhere must not write where it likes: without a checksum to verify what comes, the place
    is below one of the folders in `search` or below `cache`.

    Parameters
    ----------
    section : FileSource
        The section; the first of its files.
    search : sequence of Path
        Folders that relative paths are looked for in.
    cache : Path
        The cache folder.
    key : str
        Where the section is in the card, for the message.

    Raises
    ------
    CardError
        The place is outside of these folders, and there is no checksum.
    """
    place = Path(_absolute(section.files[0], search)[0])
    allowed = [folder.resolve() for folder in (*search, cache)]
    if section.checksum is None and not any(place.resolve().is_relative_to(folder) for folder in allowed):
        raise CardError(
            f"{key}.files: {section.files[0]} would be fetched to {place}, which is outside of "
            f"{', '.join(map(str, dict.fromkeys(allowed)))}. Name a place inside, or give its `checksum`"
        )
    return place.parent


def fetch(section: FileSource, folder: Path) -> Path:
    """Download the file of a section into a folder and verify its checksum.

    A file that is there already with the right checksum is left as it is.

    Parameters
    ----------
    section : FileSource
        Section with one file and its `url`; `checksum` is verified if it is given.
    folder : Path
        Where the file goes, under the name that the card gives it; made if it is missing.

    Raises
    ------
    CardError
        The section has no `url`, or names a glob, a URL or more than one file.
    InputError
        The download failed, or the checksum is another one.
    """
    name = Path(os.path.expandvars(section.files[0])).name
    if section.url is None:
        raise CardError(
            f"files = {list(section.files)}: there is no `url` to fetch them from; give one in the card"
        )
    if len(section.files) != 1 or glob.has_magic(name) or is_url(section.files[0]):
        raise CardError(f"files = {list(section.files)}: only one plain file can be fetched from one `url`")
    if section.checksum is None:
        log.warning("%s: the card has no checksum, so the download cannot be verified", section.url)
    log.info("fetching %s into %s", section.url, folder)
    import pooch  # its progress bars warn in notebooks, which fetch nothing

    pooch.get_logger().setLevel(logging.WARNING)  # it would write to the terminal past our own logging
    try:
        downloader = pooch.core.choose_downloader(section.url, progressbar=_LoggedProgress())
        checksum = section.checksum[0] if section.checksum else None
        path = pooch.retrieve(section.url, checksum, fname=name, path=folder, downloader=downloader)
    except ValueError as error:
        raise InputError(
            f"{section.url}: cannot be fetched as {name}: {error}. If the checksum differs, the file there has "
            f"changed or the download broke off: try again, or correct `url` and `checksum`. {_NO_FILE_NEEDED}"
        ) from error
    except OSError as error:
        raise InputError(
            f"{section.url}: the download into {folder} failed ({type(error).__name__}: {error}). Check the "
            f"network and the free space, and try again. {_NO_FILE_NEEDED}"
        ) from error
    return Path(path)


def _read_memo(memo: Path) -> dict[str, dict[str, object]]:
    try:
        content = json.loads(memo.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s: the remembered checksums cannot be read (%s); they are computed again", memo, error)
        return {}
    return content if isinstance(content, dict) else {}


def _write_memo(memo: Path, content: dict[str, dict[str, object]]) -> None:
    try:
        write_json(memo, content)
    except ComputationError as error:
        log.warning("%s: the checksums cannot be remembered (%s)", memo, error)


def file_digest(path: str | Path, memo: Path | None = None, algorithm: str = "sha256") -> str:
    """Checksum of a local file, as ``sha256:<hex>``, read in blocks.

    Parameters
    ----------
    path : str or Path
        The file.
    memo : Path or None
        Small JSON file that remembers digests by absolute path and by the identity of the file: inode, size, and
        the times (ns) at which its content and its status changed. A large file is not read again as long as all
        of these are the same. The last one no program can set back, so a change in place is seen even where size
        and modification time are kept. What changed within the last seconds is not remembered: the next change
        could have the same time.
    algorithm : str
        ``sha256`` or ``md5``.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    key = os.path.realpath(path)
    identity = _identity(path)
    known: object = {} if memo is None else _read_memo(memo).get(key)
    if not isinstance(known, dict) or {**known, **identity} != known:
        known = {}
    if isinstance(known.get(algorithm), str):
        return f"{algorithm}:{known[algorithm]}"
    with reading(str(path), "the file"):
        digest = file_sha256(Path(key)) if algorithm == "sha256" else _hash_file(key, algorithm)
    settled = time.time_ns() - identity["ctime_ns"] > _SETTLED_AFTER * 1e9
    if memo is not None and settled and _identity(path) == identity:
        _write_memo(memo, {**_read_memo(memo), key: {**known, **identity, algorithm: digest}})
    return f"{algorithm}:{digest}"


def _identity(path: str | Path) -> dict[str, int]:
    """What tells whether a file is still the one that was read."""
    with reading(str(path), "the file"):
        status = Path(os.path.realpath(path)).stat()
    return {
        "inode": status.st_ino,
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
    }


def _hash_file(path: str, algorithm: str) -> str:
    with Path(path).open("rb") as file:
        # Published checksums tell damage, not forgery.
        return hashlib.file_digest(file, partial(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()


def checksums_by_file(section: FileSource, files: Sequence[str]) -> dict[str, str]:
    """The checksums that a section of the card names, by file; none for URLs, which are not read as a whole.

    Parameters
    ----------
    section : FileSource
        Section of the card.
    files : sequence of str
        Its files, from :func:`resolve_files`.

    Raises
    ------
    InputError
        There are more or fewer checksums than files.
    """
    if section.checksum is None:
        return {}
    if len(section.checksum) != len(files):
        raise InputError(
            f"checksum: {len(section.checksum)} for {len(files)} files; expected one for each, in this order: "
            f"{', '.join(files)}"
        )
    named = dict(zip(files, section.checksum, strict=True))
    for path in filter(is_url, files):
        log.warning("%s: read over the network in parts, so its checksum is not verified", path)
    return {path: checksum for path, checksum in named.items() if not is_url(path)}


def verify_checksum(path: str, expected: str, memo: Path | None = None) -> None:
    """Refuse a local file that is not the one that the card means.

    Parameters
    ----------
    path : str
        The file.
    expected : str
        ``md5:<hex>`` or ``sha256:<hex>``.
    memo : Path or None
        See :func:`file_digest`: an unchanged file is read for this once.

    Raises
    ------
    InputError
        The file has another checksum, or cannot be read.
    """
    found = file_digest(path, memo, expected.partition(":")[0])
    if found != expected:
        raise InputError(
            f"{path}: its checksum is {found}; expected {expected}, as the card says. The file is damaged or "
            "another version: fetch it again, or correct `checksum`"
        )


def describe_local_file(path: str, n_entries: int, memo: Path | None, *, protected: bool) -> InputFile:
    """Size, entries and digest of a local file, for the provenance; see :func:`file_digest`."""
    return InputFile(path, Path(path).stat().st_size, n_entries, file_digest(path, memo), protected)
