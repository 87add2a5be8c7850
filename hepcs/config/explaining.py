"""What pydantic finds wrong in a card, in words, each at its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hepcs.config.kinds import load_kind
from hepcs.config.likeness import GROUPS
from hepcs.config.messages import Location, did_you_mean, nearest_choice, shown
from hepcs.config.schema import Card
from hepcs.config.sources import SOURCE_KINDS
from hepcs.config.values import SectionError

#: Where in the card, and what is wrong, what was expected, what may have been meant.
Found = tuple[Location, str]


def explain(
    detail: ErrorDetails, spelled: Mapping[str, Any], root: type[BaseModel] = Card
) -> Iterator[Found]:
    """A problem in words; several, where it is one between keys of a section.

    Parameters
    ----------
    detail
        The problem, as pydantic tells it.
    spelled
        The card that it was found in, spelled out (:mod:`hepcs.config.likeness`).
    root
        What the card was to be.
    """
    location = _key_location(detail, spelled)
    context = detail.get("ctx", {})
    error = context.get("error")
    if detail["type"] == "too_short" and len(detail["input"]) >= context["min_length"]:
        return  # pydantic counts the valid items; of the others it tells what is wrong
    if isinstance(error, SectionError):
        for key, text in error.items:
            yield (*location, *filter(None, key.split("."))), text
    else:
        yield location, _what(detail, location, spelled, root)


def _what(detail: ErrorDetails, location: Location, spelled: Mapping[str, Any], root: type[BaseModel]) -> str:
    """What is wrong with a value, and what was expected."""
    context = detail.get("ctx", {})
    found = shown(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            *section, key = location
            what = f"unknown key.{did_you_mean(str(key), _known_keys(section, spelled, root))}"
        case "missing":
            what = "missing, and it has no default"
        case "union_tag_not_found":
            kinds = SOURCE_KINDS if root is Card else ("adc2021", "pythia")
            what = f"missing: expected one of {', '.join(kinds)}"
        case "union_tag_invalid":
            expected = context["expected_tags"].replace("'", "")
            tag = str(context["tag"])
            what = f"found {tag!r}, expected one of {expected}.{nearest_choice(tag, expected.split(', '))}"
        case "literal_error":
            expected = context["expected"].replace("'", "")
            choices = expected.replace(" or ", ", ").split(", ")
            what = f"found {found}, expected {expected}.{nearest_choice(str(detail['input']), choices)}"
        case "value_error":
            what = str(context["error"])
        case "model_type" | "model_attributes_type" | "dict_type":
            what = f"found {found}, expected a section with keys"
            if isinstance(detail["input"], list):
                what += ", and no list"
                if location[:1] == ("samples",):
                    what += ": several files of a sample go into its `files`"
        case _:
            expected = (
                detail["msg"].replace("Input should be", "expected").replace("Input should", "it should")
            )
            what = f"found {found}, {expected[0].lower()}{expected[1:]}"
    return what


def _key_location(detail: ErrorDetails, spelled: Mapping[str, Any]) -> Location:
    """Pydantic's location without the names that it adds for the variants of a union."""
    result: list[str | int] = []
    value: Any = spelled
    for part in detail["loc"]:
        known = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int)
        )
        if known:
            result.append(part)
            try:
                value = value[part]
            except IndexError:
                value = None
    if detail["type"] == "missing":
        result.append(detail["loc"][-1])
    if detail["type"] in {"union_tag_not_found", "union_tag_invalid"}:
        result.append("kind")
    return tuple(result)


def _known_keys(location: Sequence[str | int], spelled: Mapping[str, Any], root: type[BaseModel]) -> set[str]:
    """Keys allowed in the section at `location`."""
    models: list[type[BaseModel]] = [root]
    value: Any = spelled
    for depth, part in enumerate(location):
        value = value[part]
        fields = [model.model_fields[str(part)] for model in models if str(part) in model.model_fields]
        if fields:
            models = [inner for field in fields for inner in _models(field.annotation)]
        kind = value.get("kind") if isinstance(value, dict) else None
        if root is Card and depth == 1 and location[0] in GROUPS:
            models = [load_kind(GROUPS[str(location[0])], kind).section]
        elif kind is not None:
            models = [model for model in models if _has_kind(model, kind)] or models
    return {key for model in models for key in model.model_fields}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _has_kind(model: type[BaseModel], kind: Any) -> bool:
    field = model.model_fields.get("kind")
    return (
        field is not None and get_origin(field.annotation) is Literal and kind in get_args(field.annotation)
    )
