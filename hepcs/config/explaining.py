"""What pydantic finds wrong in a card, as messages that name file, line and key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hepcs.config.kinds import load_kind
from hepcs.config.likeness import GROUPS, inherited_only
from hepcs.config.messages import Location, did_you_mean, dotted, nearest_choice, place_of, shown
from hepcs.config.schema import Card
from hepcs.config.values import SectionError


def explain(
    detail: ErrorDetails,
    given: Mapping[str, Any],
    spelled: Mapping[str, Any],
    places: Mapping[Location, str],
    path: Path,
) -> list[str]:
    """A problem as lines ``file:line: key: what is wrong, what was expected, did you mean``.

    Parameters
    ----------
    detail
        The problem, of the card as it was `spelled` out (:mod:`hepcs.config.likeness`).
    given, places, path
        The card as it was given, the place of each of its keys, and its file.
    """
    location = _key_location(detail["loc"], spelled)
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, SectionError):
        items = [((*location, *filter(None, key.split("."))), text) for key, text in error.items]
        return [f"{place_of(where, places, path)}: {dotted(where)}: {text}" for where, text in items]
    if inherited_only(location, given):
        return []
    if detail["type"] in {"union_tag_not_found", "union_tag_invalid"}:
        location = (*location, "kind")
    return [f"{place_of(location, places, path)}: {dotted(location)}: {_what(detail)}"]


def _what(detail: ErrorDetails) -> str:
    """What is wrong with a value, and what was expected."""
    context = detail.get("ctx", {})
    found = shown(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            *section, key = detail["loc"]
            what = f"unknown key.{did_you_mean(str(key), _known_keys(section))}"
        case "missing":
            what = "missing, and it has no default"
        case "union_tag_not_found":
            what = "missing: expected one of lhco, root, parquet, pythia"
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
        case "model_type" | "dict_type":
            what = f"found {found}, expected a section with keys"
        case _:
            expected = (
                detail["msg"].replace("Input should be", "expected").replace("Input should", "it should")
            )
            what = f"found {found}, {expected[0].lower()}{expected[1:]}"
    return what


def _key_location(location: Sequence[str | int], given: Mapping[str, Any]) -> Location:
    """Pydantic's location without the names that it adds for the variants of a union."""
    result: list[str | int] = []
    value: Any = given
    for part in location:
        known = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int)
        )
        if not known and part != location[-1]:
            continue
        result.append(part)
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
    return tuple(result)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _known_keys(location: Sequence[str | int]) -> set[str]:
    """Keys allowed in the section at `location`, which may hold the tag of a union's variant."""
    models: list[type[BaseModel]] = [Card]
    match location:
        case [("features" | "searches") as section, _, str(kind), *rest]:
            models, location = [load_kind(GROUPS[section], kind).section], rest
    for part in location:
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        if fields:
            models = [inner for field in fields for inner in _models(field.annotation)]
        elif isinstance(part, str):
            models = [model for model in models if _has_kind(model, part)] or models
    return {key for model in models for key in model.model_fields}


def _has_kind(model: type[BaseModel], kind: str) -> bool:
    field = model.model_fields.get("kind")
    return (
        field is not None and get_origin(field.annotation) is Literal and kind in get_args(field.annotation)
    )
