"""YAML with positions: plain values, and the line of each key.

Only plain scalars, lists and mappings are accepted: no tag constructs an object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from hepcs._core.errors import CardError
from hepcs.config.messages import Location, dotted, shown

# Far above what people write; it bounds the time that reading takes.
_LONGEST_NUMBER = 100  # characters
_DEEPEST = 20  # sections in sections

_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
}

_NUMBER_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float")}


@dataclass(frozen=True)
class Document:
    """What a YAML text says.

    Attributes
    ----------
    value
        Plain values; None where something is wrong, and for an empty text.
    places
        ``name:line`` of each key.
    problems
        Tags that are not allowed, keys that come twice and the like, each with its place.
    """

    value: Any
    places: Mapping[Location, str]
    problems: tuple[str, ...]


def read_yaml(text: str, name: str) -> Document:
    """Values of a YAML text with their positions; `name` is that of the file, for messages.

    Raises CardError if the text is no YAML.
    """
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise CardError(f"{name}:{line}: not readable as YAML: {what}") from error
    construction = _Construction(loader, name)
    try:
        node = loader.get_single_node()
        value = None if node is None else construction.value(node, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = loader.line if mark is None else mark.line
        what = getattr(error, "problem", None) or str(error)
        raise CardError(f"{name}:{line + 1}: not readable as YAML: {what}") from error
    finally:
        loader.dispose()
    return Document(value, construction.places, tuple(construction.problems))


class _Loader(yaml.SafeLoader):
    """SafeLoader that also reads ``1e3`` as a number, as people write it, and knows no aliases.

    Aliases could make a card of a few lines expand to more than the memory holds.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "aliases (*name) are not allowed in a card; write the value out", event.start_mark
            )
        if self.depth > _DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"nested more than {_DEEPEST} levels deep", mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


class _Construction:
    """Makes plain values of nodes, and collects the places of all keys and what is wrong."""

    def __init__(self, loader: _Loader, name: str) -> None:
        self.loader = loader
        self.name = name
        self.places: dict[Location, str] = {}
        self.problems: list[str] = []

    def value(self, node: yaml.Node, location: Location) -> Any:
        place = self._place(node)
        self.places.setdefault(location, place)
        if node.tag not in _PLAIN_TAGS:
            self.problems.append(f"{place}: {dotted(location)}: the tag {node.tag} is not allowed in a card")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._section(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, location)

    def _place(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"

    def _section(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(f"{place}: a key must be a word, found a list or a mapping")
                continue
            key = key_node.value
            here = (*location, key)
            if key_node.tag not in _PLAIN_TAGS:
                self.problems.append(f"{place}: {key}: the tag {key_node.tag} is not allowed in a card")
            elif key in result:
                self.problems.append(f"{place}: {dotted(here)}: given twice, first at {self.places[here]}")
            else:
                self.places[here] = place
                result[key] = self.value(value_node, here)
        return result

    def _scalar(self, node: yaml.Node, location: Location) -> Any:
        where = f"{self._place(node)}: {dotted(location)}"
        if node.tag in _NUMBER_TAGS and len(node.value) > _LONGEST_NUMBER:
            what = f"a number of {len(node.value)} characters, expected {_LONGEST_NUMBER} or fewer"
            self.problems.append(f"{where}: {what}")
            return None
        try:
            return self.loader.construct_object(node)
        except (ValueError, OverflowError, LookupError, AttributeError):
            # PyYAML raises all of these for a tag that the value does not fit, such as !!bool 7.
            kind = node.tag.rpartition(":")[2]
            self.problems.append(f"{where}: found {shown(node.value)}, which is no {kind}")
            return None
