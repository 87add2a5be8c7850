"""Opening ROOT files and finding trees and branches in them, with errors that name what is there."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import uproot
from numpy.typing import NDArray

from hepcs._core.errors import InputError, MissingDependencyError
from hepcs._core.requirements import pip_install
from hepcs.sources.aliases import Alias, parse_alias
from hepcs.sources.failures import PATIENCE, persistently
from hepcs.sources.files import is_url, reading
from hepcs.sources.packed_floats import interpretation_of, packing_of
from hepcs.sources.packing import list_nearest
from hepcs.sources.rntuple import stores_page_checksums, verify_page_lists, verify_pages

T = TypeVar("T")

_TREE_CLASSES = ("TTree", "TNtuple", "TNtupleD", "TChain", "ROOT::RNTuple")
_RNTUPLE = "ROOT::RNTuple"
_WITH_CHECKSUM = (b"ZL", b"XZ", b"L4")  # zlib, LZMA and LZ4, by how a compressed block begins
_LISTED = 20


def require_whole(path: str) -> None:
    """Raise an InputError if a local file is no ROOT file, or shorter than its header says.

    A ROOT file that was cut still opens; its header holds the place where its data end (fEND).
    """
    with reading(path, "its header"):
        size = Path(path).stat().st_size
        with Path(path).open("rb") as stream:
            head = stream.read(20)
    if size == 0:
        raise InputError(f"{path}: is empty (0 bytes); expected a ROOT file")
    if len(head) < 20 or head[:4] != b"root":
        raise InputError(f"{path}: is no ROOT file: it begins with {head[:4]!r}, expected b'root'")
    version, _, small_end = struct.unpack(">iii", head[4:16])
    # files above 2 GB have 64-bit seek keys, and say so in their version
    end = struct.unpack(">q", head[12:20])[0] if version >= 1_000_000 else small_end
    if end > size:
        raise InputError(
            f"{path}: truncated: {size} bytes, and its header says that {end} were written; copy or fetch it again"
        )


def open_root(path: str) -> Any:
    """Open a ROOT file or URL with uproot; to be closed by the caller.

    Raises
    ------
    InputError
        The file is missing, truncated or no ROOT file.
    MissingDependencyError
        The package that reads this kind of URL is not installed.
    """
    if not is_url(path):
        require_whole(path)
    try:
        with reading(path, "it as a ROOT file"):
            # As a dict, since uproot takes a colon in a plain string for the name of an object.
            # The object cache holds the tree, which takes seconds to read where there are thousands of branches.
            options = {"array_cache": None, "object_cache": 10, **_patience(path)}
            return _from(path, lambda: uproot.open({path: None}, **options))
    except ImportError as error:
        scheme = path.split("://", maxsplit=1)[0]
        if scheme in ("root", "roots", "xroot"):
            raise MissingDependencyError(
                "fsspec-xrootd", f"to read {path}", pip_install("fsspec-xrootd")
            ) from error
        package = "aiohttp" if scheme in ("http", "https") else f"a package for {scheme}:// ({error})"
        install = pip_install("aiohttp") if package == "aiohttp" else "pip install, as fsspec says"
        raise MissingDependencyError(package, f"to read {path}", install) from error


def _patience(path: str) -> dict[str, Any]:
    """Options of uproot that bound how long a web server may be silent."""
    if not path.startswith(("http://", "https://")):
        return {}
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE, sock_read=PATIENCE)
    return {"client_kwargs": {"timeout": timeout}}


def _from(path: str, read: Callable[[], T]) -> T:
    """What a function reads: of a server, asked again where it was busy."""
    return persistently(read, path) if is_url(path) else read()


class _Handles(threading.local):
    """The files that were last read, kept open: opening a NanoAOD file takes a second, reading a chunk less."""

    def __init__(self) -> None:
        self.directories: dict[tuple[Any, ...], Any] = {}


_handles = _Handles()


def _identity(path: str) -> tuple[Any, ...]:
    # the process is part of it: a file offset shared with a forked process would be a race
    if is_url(path):
        return (os.getpid(), path)
    with reading(path, "the file"):
        status = Path(path).stat()
    return (os.getpid(), path, status.st_size, status.st_mtime_ns, status.st_ino)


def opened(path: str, kept_open: int = 1) -> Any:
    """An open ROOT file; it stays open until this thread asks for `kept_open` others. See :func:`open_root`."""
    key = _identity(path)
    kept = _handles.directories
    if key not in kept:
        # One that has changed, or that a forked process has brought along, is not kept beside its successor.
        for other in [one for one in kept if one[:2] == key[:2] or one[0] != key[0]]:
            _close(other)
        while len(kept) >= kept_open:
            _close(next(iter(kept)))
        kept[key] = open_root(path)
    kept[key] = kept.pop(key)  # the last one of all
    return kept[key]


def close_opened() -> None:
    """Close the files that :func:`opened` keeps, if any."""
    for key in list(_handles.directories):
        _close(key)


def _close(key: tuple[Any, ...]) -> None:
    directory = _handles.directories.pop(key)
    if key[0] == os.getpid():
        directory.close()


def find_tree(directory: Any, path: str, name: str | None, usual: str) -> Any:
    """The TTree or RNTuple of a file.

    Parameters
    ----------
    directory : uproot.ReadOnlyDirectory
        The open file.
    path : str
        Its name, for messages.
    name : str or None
        The tree that the card names; if None, the usual one of the layout, or else the only one.
    usual : str
        Name that the layout gives to its tree.

    Raises
    ------
    InputError
        There is no such tree, or more than one and none is named; the message lists them. Or it is damaged.
    """
    with reading(path, "its list of objects"):
        classes = directory.classnames(recursive=True, cycle=False)
    trees = [key for key, kind in classes.items() if kind in _TREE_CLASSES]
    if name is not None:
        wanted = name.split(";")[0].strip("/")
        if wanted not in trees:
            raise InputError(f"{path}: has no tree `{name}`; it has: {list_nearest(wanted, trees)}")
    elif usual in trees:
        wanted = usual
    elif len(trees) == 1:
        wanted = trees[0]
    elif trees:
        raise InputError(
            f"{path}: has no tree `{usual}`, and several others; name one with `tree`: "
            f"{list_nearest(usual, trees)}"
        )
    else:
        found = ", ".join(f"{key} ({kind})" for key, kind in list(classes.items())[:_LISTED]) or "nothing"
        raise InputError(f"{path}: has no TTree or RNTuple; it has: {found}")
    if name is not None and ";" in name:
        _require_cycle(directory, path, name)
    with reading(path, f"the tree `{wanted}`"):
        tree = directory[wanted if name is None else name]
        if is_rntuple(tree):
            verify_page_lists(tree, path)
        return tree


def _require_cycle(directory: Any, path: str, name: str) -> None:
    """Refuse a cycle, ``Events;7``, that is not there: a tree has the number of times that it was written."""
    wanted, _, cycle = name.strip("/").partition(";")
    with reading(path, "its list of objects"):
        keys = [key.split(";") for key in directory.keys(recursive=True, cycle=True)]
    cycles = sorted(int(number) for key, number in keys if key == wanted)
    if cycle not in map(str, cycles):
        raise InputError(
            f"{path}: has no cycle {cycle} of tree `{wanted}`; it has: {', '.join(map(str, cycles))}. Without a "
            "number, the newest one is read"
        )


def is_rntuple(tree: Any) -> bool:
    """Whether a tree of :func:`find_tree` is an RNTuple."""
    return bool(tree.classname == _RNTUPLE)


def count_entries(tree: Any, path: str) -> int:
    """Number of entries of a tree of :func:`find_tree`."""
    with reading(path, "its number of entries"):
        return int(tree.num_entries)


def has_branch(tree: Any, name: str, path: str) -> bool:
    """Whether a tree has a branch (field) of this name, or an alias."""
    with reading(path, "its list of branches"):
        try:
            tree[name]
        except uproot.KeyInFileError:
            return name in _aliases(tree)
    return True


def find_branch(tree: Any, name: str, path: str) -> Any:
    """A branch or an :class:`Alias` of a TTree, or field of an RNTuple.

    Raises InputError, with the nearest names, if there is none, or for an alias of what is not understood.
    """
    return _found(tree, name, path, ())


def _found(tree: Any, name: str, path: str, within: tuple[str, ...]) -> Any:
    """As :func:`find_branch`; `within` are the aliases that it is part of."""
    if has_branch(tree, name, path):
        try:
            return tree[name]
        except uproot.KeyInFileError:
            expression = _aliases(tree)[name]
        if name in within:
            raise InputError(f"{path}: the alias `{name}` is one of itself: {' -> '.join((*within, name))}")
        formula, names = parse_alias(name, expression, path)
        branches = {one: _found(tree, one, path, (*within, name)) for one in names}
        return branches[names[0]] if names == (expression.strip(),) else Alias(name, formula, branches)
    raise InputError(
        f"{path}: tree `{tree.name}` has no branch `{name}`; it has: {nearest_branches(tree, name, path)}"
    )


def _aliases(tree: Any) -> Mapping[str, str]:
    """Expressions by the names that a TTree has for them."""
    found: Mapping[str, str] = getattr(tree, "aliases", {})
    return found


def branch_names(tree: Any, path: str) -> list[str]:
    """Names of all branches and aliases of a TTree, or fields of an RNTuple, as they are asked for."""
    with reading(path, "its list of branches"):
        keys = [key.split("/")[-1] for key in tree.keys()]  # noqa: SIM118 - a TTree is no plain mapping
        return [*keys, *_aliases(tree)]


def _plain(branches: Sequence[Any]) -> list[Any]:
    """The branches themselves, and those that aliases are of."""
    return [
        one
        for branch in branches
        for one in (_plain(list(branch.branches.values())) if isinstance(branch, Alias) else [branch])
    ]


def nearest_branches(tree: Any, name: str, path: str) -> str:
    """The branches of a tree whose names are nearest to one that it lacks, for messages."""
    return list_nearest(name, branch_names(tree, path))


def read_branch(tree: Any, branch: Any, start: int, stop: int, path: str) -> Any:
    """Entries [start, stop) of a branch or field; raises an InputError if a checksum stored with them differs."""
    if isinstance(branch, Alias):
        values = {name: read_branch(tree, one, start, stop, path) for name, one in branch.branches.items()}
        with reading(path, f"entries [{start}, {stop}) of the alias `{branch.name}`"):
            return branch.of(values)
    with reading(path, f"entries [{start}, {stop}) of `{branch.name}`"):
        if is_rntuple(tree):
            verify_pages(tree, branch, start, stop, path)
        packed = None if is_rntuple(tree) else packing_of(branch)
        options: dict[str, Any] = {"entry_start": start, "entry_stop": stop, "array_cache": None}
        if packed is None:
            return _from(path, lambda: branch.array(**options))
        interpretation = interpretation_of(branch, packed)
        return packed.unpack(_from(path, lambda: branch.array(interpretation, **options)))


def storage_layout(tree: Any, branches: Sequence[Any], path: str) -> tuple[NDArray[np.int64], float]:
    """Where storage blocks begin, and bytes of an entry.

    Parameters
    ----------
    tree, branches
        From :func:`find_tree` and :func:`find_branch`.
    path : str
        For messages.

    Returns
    -------
    boundaries : ndarray of int
        Entries at which a basket begins in every one of the branches, or a cluster.
    bytes_per_entry : float
        Uncompressed bytes of all the branches together in one entry, on average.
    """
    branches = _plain(branches)
    with reading(path, "the places of its baskets or clusters"):
        if is_rntuple(tree):
            boundaries = np.array([c.num_first_entry for c in tree.cluster_summaries], dtype=np.int64)
            names = [branch.path for branch in branches]
            per_megabyte = tree.num_entries_for("1 MB", filter_name=names)
            return boundaries, 1e6 / per_megabyte
        common = set(branches[0].entry_offsets)
        for branch in branches[1:]:
            common &= set(branch.entry_offsets)
        n_bytes = sum(branch.uncompressed_bytes for branch in branches)
        return np.array(sorted(common), dtype=np.int64), n_bytes / max(1, tree.num_entries)


def stores_checksums(tree: Any, branches: Sequence[Any], path: str) -> bool:
    """Whether a changed bit is seen in the data of any of the branches.

    Baskets that zlib, LZMA or LZ4 compressed carry a checksum. Zstandard in ROOT files does not, nor do baskets
    that compression would not make smaller. The pages of an RNTuple carry one if the writer wanted it so, as ROOT
    does.

    Parameters
    ----------
    tree, branches
        From :func:`find_tree` and :func:`find_branch`.
    path : str
        For messages.
    """
    if is_rntuple(tree):
        with reading(path, "its list of pages"):
            return stores_page_checksums(tree, list(branches))
    with reading(path, "how its baskets are compressed"), Path(path).open("rb") as stream:
        # Those of friends are in other files, which answer for themselves.
        own = [branch for branch in _plain(branches) if branch.file.file_path == path]
        return all(
            _basket_has_checksum(branch, i, stream) for branch in own for i in range(branch.num_baskets)
        )


def _basket_has_checksum(branch: Any, index: int, stream: BinaryIO) -> bool:
    seek = int(branch.member("fBasketSeek")[index])
    if seek <= 0:  # inside the tree's own record
        return False
    key = branch.basket_key(index)
    if key.data_compressed_bytes >= key.data_uncompressed_bytes:
        return False
    stream.seek(seek + key.fKeylen)
    return stream.read(2) in _WITH_CHECKSUM
