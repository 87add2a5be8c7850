"""Friend trees: more branches of the same entries, in other trees, as TTree::AddFriend joins them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import uproot

from hepcs._core.errors import InputError
from hepcs.sources.rootio import count_entries, find_tree, is_rntuple, opened


@dataclass(frozen=True)
class Friend:
    """A friend tree of each file of a source.

    Attributes
    ----------
    tree
        Its name.
    files
        The file that it is in, for each file of the source, in their order; empty where it is in the same file.
    """

    tree: str
    files: tuple[str, ...] = ()

    def take(self, index: Sequence[int]) -> Friend:
        """The same of some files of the source, by their numbers."""
        return Friend(self.tree, tuple(self.files[one] for one in index) if self.files else ())


class JoinedTree:
    """A tree with the branches and aliases of its friends: as one of uproot, to those that ask for branches."""

    def __init__(self, tree: Any, friends: Sequence[Any]) -> None:
        self._trees = (tree, *friends)
        self.name, self.classname, self.num_entries = tree.name, tree.classname, tree.num_entries
        self.aliases = {name: text for one in reversed(self._trees) for name, text in one.aliases.items()}

    def keys(self) -> list[str]:
        """Names of all branches, those of the tree itself first."""
        return [key for tree in self._trees for key in tree.keys()]  # noqa: SIM118 - a TTree is no plain mapping

    def __getitem__(self, name: str) -> Any:
        for tree in self._trees[:-1]:
            try:
                return tree[name]
            except uproot.KeyInFileError:
                continue
        return self._trees[-1][name]


def join(tree: Any, path: str, friends: Sequence[tuple[str, str]]) -> Any:
    """A tree of a file with its friends.

    Parameters
    ----------
    tree, path
        From :func:`~hepcs.sources.rootio.find_tree`, and its file.
    friends
        File and name of each friend.

    Raises
    ------
    InputError
        A friend is not there, or has another number of entries, or one of the trees is an RNTuple.
    """
    if not friends:
        return tree
    found = []
    for file, name in friends:
        friend = find_tree(opened(file, 1 + len(friends)), file, name, name)
        if is_rntuple(tree) or is_rntuple(friend):
            raise InputError(
                f"{path}: `{tree.name}` with `{name}` of {file}: only TTrees have friends, no RNTuple"
            )
        n_entries, expected = count_entries(friend, file), count_entries(tree, path)
        if n_entries != expected:
            raise InputError(
                f"{file}: the friend `{name}` has {n_entries} entries, and `{tree.name}` of {path} has {expected}"
                "; expected as many, in the same order"
            )
        found.append(friend)
    return JoinedTree(tree, found)
