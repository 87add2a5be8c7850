"""The keys of a card for people: what each is, which values it takes, and its default."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hepcs.config.kinds import Group, installed_kinds, load_kind
from hepcs.config.samples import Samples
from hepcs.config.schema import Card
from hepcs.config.sources import AspenSource, LhcoSource, ParquetSource, PythiaSource, RootSource

_SOURCES: Mapping[str, type[BaseModel]] = {
    "aspen": AspenSource,
    "lhco": LhcoSource,
    "parquet": ParquetSource,
    "pythia": PythiaSource,
    "root": RootSource,
}
_WORDS = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null"}
_REQUIRED = "required"


@dataclass(frozen=True)
class CardKey:
    """A key of a card.

    Attributes
    ----------
    name
        The key below its section, with dots where sections are in it: ``windows.widths``.
    values
        What it takes, in words.
    default
        Its default, as YAML has it; ``required`` without one.
    meaning
        What it says.
    """

    name: str
    values: str
    default: str
    meaning: str


def card_keys() -> dict[str, tuple[CardKey, ...]]:
    """All keys by their section: ``card``, ``jets``, ``samples.* (kind: root)``, ..."""
    plain = {name: field for name, field in Card.model_fields.items() if _section(field) is None}
    found = {
        "card": tuple(
            _key(name, field) for name, field in plain.items() if name not in {"features", "searches"}
        )
    }
    for name, field in Card.model_fields.items():
        section = _section(field)
        if section is not None:
            found[name] = (
                tuple(_key(*one) for one in section.model_fields.items())
                if section is Samples
                else tuple(_keys(section))
            )
    found |= {f"samples.* (kind: {kind})": tuple(_keys(one)) for kind, one in _SOURCES.items()}
    groups: tuple[tuple[str, Group], ...] = (("features", "hepcs.features"), ("searches", "hepcs.searches"))
    for name, group in groups:
        for kind in installed_kinds(group):
            found[f"{name}.* (kind: {kind})"] = tuple(_keys(load_kind(group, kind).section))
    return found


def _keys(section: type[BaseModel], above: str = "") -> Iterator[CardKey]:
    """Keys of a section, and of the sections in it that are none of several kinds."""
    for name, field in section.model_fields.items():
        if name == "kind":
            continue
        inner = _section(field)
        if inner is None:
            yield _key(f"{above}{name}", field)
        else:
            yield from _keys(inner, f"{above}{name}.")


def _key(name: str, field: FieldInfo) -> CardKey:
    if field.is_required():
        default = _REQUIRED
    else:
        default = (
            _as_yaml(field.get_default(call_default_factory=False))
            if field.default_factory is None
            else "see there"
        )
    return CardKey(name, _in_words(field.annotation), default, field.description or "")


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a key holds, if it can hold but one."""
    found = [one for one in _choices(field.annotation) if one is not type(None)]
    if len(found) == 1 and isinstance(found[0], type) and issubclass(found[0], BaseModel):
        return found[0]
    return None


def _choices(annotation: Any) -> tuple[Any, ...]:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in {Union, types.UnionType}:
        return tuple(one for part in get_args(annotation) for one in _choices(part))
    return (annotation,)


def _in_words(annotation: Any) -> str:
    words = []
    for one in _choices(annotation):
        origin, inner = get_origin(one), get_args(one)
        if one is type(None):
            continue
        if origin is Literal:
            words.append(" | ".join(map(_as_yaml, inner)))
        elif origin is tuple and len(inner) == 2 and inner[1] is not Ellipsis:
            words.append("[low, high)")
        elif origin in {tuple, list}:
            words.append(f"list of {_in_words(inner[0])}")
        elif origin is dict:
            words.append(f"by name: {_in_words(inner[1])}")
        elif isinstance(one, type) and issubclass(one, BaseModel):
            words.append("source" if one in _SOURCES.values() else f"section {one.__name__}")
        else:
            words.append(_WORDS.get(one, str(one)))
    return " or ".join(dict.fromkeys(words))


def _as_yaml(value: Any) -> str:
    """A value as a card has it."""
    if isinstance(value, BaseModel):
        inner = ", ".join(f"{key}: {_as_yaml(one)}" for key, one in value.model_dump().items())
        return "{" + inner + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_as_yaml, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_as_yaml(one)}" for key, one in value.items()) + "}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
