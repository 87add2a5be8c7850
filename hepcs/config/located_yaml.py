"""YAML 1.2 with positions: plain values, and the line of each key.

Only plain scalars, lists and mappings are accepted: no tag constructs an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from hepcs._core.errors import CardError
from hepcs.config.messages import Location, dotted, shown

# Far above what people write; it bounds the time that reading takes.
_LONGEST_NUMBER = 100  # characters
_DEEPEST = 20  # sections in sections

_PREFIX = "tag:yaml.org,2002:"
_NUMBERS = (f"{_PREFIX}int", f"{_PREFIX}float")
_PLAIN = (*_NUMBERS, *(f"{_PREFIX}{kind}" for kind in ("map", "seq", "str", "bool", "null", "timestamp")))


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
    reader = YAML(typ="safe", pure=True)
    reader.Composer = _WithoutAliases
    reader.max_depth = _DEEPEST + 1  # the text itself is a level
    try:
        node = reader.compose(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position)
        what = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
    except MaxDepthExceededError as error:
        line, what = error.problem_mark.line, f"nested more than {_DEEPEST} levels deep"
    except MarkedYAMLError as error:
        line, what = error.problem_mark.line, error.problem
    else:
        walk = _Walk(reader.constructor, name)
        value = None if node is None else walk.value(node, ())
        return Document(value, walk.places, tuple(walk.problems))
    raise CardError(f"{name}:{line + 1}: not readable as YAML: {what}")


class _WithoutAliases(Composer):
    """Aliases could make a card of a few lines expand to more than the memory holds."""

    def compose_node(self, parent: Node | None, index: Any) -> Node:
        if self.parser.check_event(AliasEvent):
            what = "aliases (*name) are not allowed in a card; write the value out"
            raise MarkedYAMLError(problem=what, problem_mark=self.parser.peek_event().start_mark)
        return super().compose_node(parent, index)


@dataclass
class _Walk:
    """Makes plain values of nodes, and collects the places of all keys and what is wrong."""

    constructor: Any
    name: str
    places: dict[Location, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def value(self, node: Node, location: Location) -> Any:
        place = self._place(node)
        self.places.setdefault(location, place)
        if node.tag not in _PLAIN:
            return self._wrong(f"{place}: {dotted(location)}: the tag {node.tag} is not allowed in a card")
        if isinstance(node, MappingNode):
            return self._section(node, location)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
        where = f"{place}: {dotted(location)}"
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
            what = f"a number of {len(node.value)} characters, expected {_LONGEST_NUMBER} or fewer"
            return self._wrong(f"{where}: {what}")
        try:
            return self.constructor.construct_object(node)
        except (ValueError, OverflowError, LookupError, AttributeError, MarkedYAMLError):
            # All of these come of a tag that the value does not fit, such as !!bool 7.
            return self._wrong(
                f"{where}: found {shown(node.value)}, which is no {node.tag.removeprefix(_PREFIX)}"
            )

    def _place(self, node: Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"

    def _wrong(self, problem: str) -> None:
        self.problems.append(problem)

    def _section(self, node: MappingNode, location: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place, key = self._place(key_node), key_node.value
            if not isinstance(key_node, ScalarNode):
                self._wrong(f"{place}: a key must be a word, found a list or a mapping")
            elif key_node.tag not in _PLAIN:
                self._wrong(f"{place}: {key}: the tag {key_node.tag} is not allowed in a card")
            elif key in result:
                here = (*location, key)
                self._wrong(f"{place}: {dotted(here)}: given twice, first at {self.places[here]}")
            else:
                self.places[*location, key] = place
                result[key] = self.value(value_node, (*location, key))
        return result
