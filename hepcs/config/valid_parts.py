"""A card that is not valid as a whole: what can be said of its valid sections all the same.

People should see all that is wrong with a card at once, and nothing that only follows from something else. So a
check that looks at a section that is not valid says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Annotated, Any, cast

from pydantic import TypeAdapter, ValidationError

from hepcs.config.consistency import UnknownPartError
from hepcs.config.likeness import GROUPS
from hepcs.config.schema import Card


def valid_parts(spelled: Mapping[str, Any], names: Mapping[str, Collection[str]]) -> Card:
    """What looks like a card to the checks of :mod:`hepcs.config.consistency`, and holds its valid sections.

    Parameters
    ----------
    spelled
        The card, spelled out (:mod:`hepcs.config.likeness`).
    names
        Names of the features and of the searches that were given, those that are wrong included.
    """
    return cast("Card", _ValidParts(spelled, names))


class _ValidParts:
    """Looks like a card, and raises UnknownPartError where the card is not valid."""

    def __init__(self, spelled: Mapping[str, Any], names: Mapping[str, Collection[str]]) -> None:
        for key, field in Card.model_fields.items():
            if key in GROUPS and isinstance(spelled.get(key), dict):
                found = _valid_entries(key, spelled[key])
                setattr(self, key, _Entries(found, names.get(key, ())))
            elif key not in spelled and not field.is_required():
                setattr(self, key, field.get_default(call_default_factory=True))
            elif key in spelled and key not in GROUPS:
                try:
                    setattr(self, key, _adapter(key).validate_python(spelled[key]))
                except ValidationError:
                    continue

    def __getattr__(self, name: str) -> Any:
        raise UnknownPartError(name)


class _Entries(dict[str, Any]):
    """Valid features or searches by name; of the others it is known that they are there."""

    def __init__(self, valid: Mapping[str, Any], names: Collection[str]) -> None:
        super().__init__(valid)
        self.names = frozenset(names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __missing__(self, name: str) -> Any:
        raise UnknownPartError(name)


def _valid_entries(group: str, entries: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, entry in entries.items():
        try:
            found[name] = _adapter(group).validate_python({name: entry})[name]
        except (ValidationError, KeyError):
            continue
    return found


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    """Validates the value of a key of the card alone."""
    field = Card.model_fields[key]
    annotation: Any = field.annotation
    for constraint in field.metadata:
        annotation = Annotated[annotation, constraint]
    return TypeAdapter(annotation)
