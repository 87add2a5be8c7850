"""The JSON schema of cards, for the editors of those who write them.

It says what a key means and takes. What holds between keys, only reading a card tells.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

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


def card_schema() -> dict[str, Any]:
    """The schema of a card as a JSON object, with the description and the default of each key."""
    schema = Card.model_json_schema(schema_generator=_CardSchema)
    return {"$schema": DIALECT, **schema, "title": "hepcs card"}
