"""The JSON schema of cards, for the editors of those who write them.

It says what a key means and takes. What holds between keys, only reading a card tells.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from hepcs.config.likeness import GROUPS
from hepcs.config.schema import Card

#: The dialect that pydantic writes.
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _CardSchema(GenerateJsonSchema):
    """Lists of the card also take a single item, which a validator before them makes a list of one.

    The titles that pydantic makes of the keys say nothing more than the keys.
    """

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        found = super().function_before_schema(schema)
        choices = found.get("anyOf", [found])
        items = [one["items"] for one in choices if one.get("type") == "array" and "items" in one]
        return {"anyOf": [*items, *choices]} if items else found


# What a search takes over from another one (:mod:`hepcs.config.likeness`).
_LIKE = {
    "type": "string",
    "description": "another search, all of whose keys this one has, but for the title and those written here",
}


def card_schema() -> dict[str, Any]:
    """The schema of a card as a JSON object, with the description and the default of each key."""
    schema = Card.model_json_schema(schema_generator=_CardSchema)
    for key in GROUPS:
        _by_name_kind_or_like(schema["properties"][key], schema["$defs"], like=key == "searches")
    return {"$schema": DIALECT, **schema, "title": "hepcs card"}


def _by_name_kind_or_like(group: dict[str, Any], definitions: dict[str, Any], *, like: bool) -> None:
    """Let the entries of a group leave out `kind` where their name is one, and be `like` another one.

    Pydantic tells the sections apart by `kind` alone, which :mod:`hepcs.config.likeness` spells out before.
    """
    ((pattern, any_kind),) = group["patternProperties"].items()
    kinds = {}
    for one in any_kind.get("oneOf", [any_kind]):
        properties = definitions[one["$ref"].rpartition("/")[2]]["properties"]
        kinds[properties["kind"]["const"]] = one
        if like:
            properties["like"] = _LIKE
    asked = [{"required": [key]} for key in (("kind", "like") if like else ("kind",))]
    spelled = {"allOf": [{"anyOf": list(kinds.values())}, {"anyOf": asked}]}
    group["properties"] = {kind: {"anyOf": [one, spelled, {"type": "null"}]} for kind, one in kinds.items()}
    group["patternProperties"] = {f"^(?!({'|'.join(kinds)})$){pattern.removeprefix('^')}": spelled}
    group["additionalProperties"] = False
