"""Sections of a card by their kinds, for completion: ``sections.searches.cwola(folds=3)``.

Each is called with the keys of its section, and gives what :class:`hepcs.Card` takes. What the installed kinds
are, those of other packages too, ``dir(sections.searches)`` says, and so does the Tab key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

from hepcs.config.kinds import Group, installed_kinds, load_kind
from hepcs.config.sources import LhcoSource, ParquetSource, PythiaSource, RootSource

#: A section of a kind from its keys.
Maker = Callable[..., Any]


class Kinds:
    """Makers of the sections of a group, by kind."""

    def __init__(self, load: Callable[[], Mapping[str, Any]]) -> None:
        self._load = load

    @cached_property
    def _makers(self) -> Mapping[str, Maker]:
        found: dict[str, Maker] = {}
        for kind, section in self._load().items():
            section.model_rebuild()
            found[kind] = partial(section, kind=kind)
            found[kind].__doc__ = section.__doc__
        return found

    def __dir__(self) -> list[str]:
        return sorted(self._makers)

    def __getattr__(self, name: str) -> Maker:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._makers[name]
        except KeyError:
            raise AttributeError(f"no kind {name!r}; there are {', '.join(self._makers)}") from None

    def __repr__(self) -> str:
        """The kinds."""
        return f"kinds: {', '.join(self._makers)}"


def _of(group: Group) -> Mapping[str, Any]:
    return {name: load_kind(group, name).section for name in installed_kinds(group)}


searches = Kinds(lambda: _of("hepcs.searches"))
features = Kinds(lambda: _of("hepcs.features"))
sources = Kinds(
    lambda: {"lhco": LhcoSource, "parquet": ParquetSource, "pythia": PythiaSource, "root": RootSource}
)
