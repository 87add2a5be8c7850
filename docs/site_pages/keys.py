"""Tables of the keys of a section of the card, from its JSON schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import yaml

from hepcs.config.json_schema import card_schema

# Words for the limits of numbers.
_LIMITS = (
    ("exclusiveMinimum", "&gt; {}"),
    ("minimum", "&ge; {}"),
    ("exclusiveMaximum", "&lt; {}"),
    ("maximum", "&le; {}"),
)
_WORDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
# Limits this far out only keep numbers finite.
_FAR = 1e9


@cache
def schema() -> dict[str, Any]:
    """The schema of cards."""
    return card_schema()


def definition(name: str) -> dict[str, Any]:
    """The schema of a section, by the name of its class."""
    found: dict[str, Any] = schema()["$defs"][name]
    return found


def keys_table(section: Mapping[str, Any], keys: Sequence[str] | None = None) -> str:
    """A table of keys, with type, default and meaning; all of them, but `kind` and `like`, unless they are named.

    It is a container of its own, whose rows the style sheet stacks on a phone.
    """
    properties = section["properties"]
    chosen = [key for key in properties if key not in ("kind", "like")] if keys is None else keys
    rows = [_row(key, properties[key], key in section.get("required", ())) for key in chosen]
    table = ["| key | type | default | what |", "|---|---|---|---|", *rows]
    return "\n".join([":::{container} keys\n", *table, ":::\n"])


def _row(key: str, of: Mapping[str, Any], required: bool) -> str:
    default = "**needed**" if required else _default(of)
    return f"| `{key}` | {type_of(of)} | {default} | {_cell(of.get('description', ''))} |"


def _default(of: Mapping[str, Any]) -> str:
    if any("$ref" in one for one in (of, *of.get("anyOf", ()))) and isinstance(of.get("default"), dict):
        return "its defaults"
    if of.get("default") in (None, "", {}):
        return ""
    text = (
        yaml.safe_dump(of["default"], default_flow_style=True, width=1000).strip().removesuffix("...").strip()
    )
    return f"`{text}`"


def type_of(of: Mapping[str, Any]) -> str:
    """What a key takes, in words, with a link where it is a section."""
    return " or ".join(dict.fromkeys(_types(of)))


def _types(of: Mapping[str, Any]) -> Iterator[str]:
    if "anyOf" in of or "oneOf" in of:
        for one in of.get("anyOf", of.get("oneOf")):
            if one.get("type") != "null":
                yield from _types(one)
    elif "$ref" in of:
        yield _section_link(of["$ref"].rpartition("/")[2])
    elif "enum" in of:
        yield ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in of["enum"])
    elif "const" in of:
        yield f"`{of['const']}`"
    elif of.get("type") == "array":
        yield "[low, high)" if "prefixItems" in of else f"list of {type_of(of.get('items', {})) or 'values'}"
    elif of.get("type") == "object":
        yield "mapping by name"
    else:
        limits = [
            text.format(f"{of[limit]:g}") for limit, text in _LIMITS if limit in of and abs(of[limit]) < _FAR
        ]
        yield " ".join([_WORDS.get(of.get("type", ""), ""), *limits]).strip()


def _section_link(name: str) -> str:
    if name.endswith("Source"):
        return "a [source](#card-sources)"
    return f"[section](#section-{name.lower()})" if name in on_the_card_page() else "section, below"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("->", "&rarr;")


def sections_below(name_or_section: str | Mapping[str, Any]) -> list[str]:
    """Names of the sections that a section holds, in order, and of those in them; sources are not listed."""
    found: dict[str, None] = {}

    def visit(section: Mapping[str, Any]) -> None:
        for of in section["properties"].values():
            for one in (of, *of.get("anyOf", ()), of.get("items", {})):
                name = one.get("$ref", "").rpartition("/")[2]
                if name and name not in found and not name.endswith("Source"):
                    found[name] = None
                    visit(definition(name))

    visit(definition(name_or_section) if isinstance(name_or_section, str) else name_or_section)
    return list(found)


@cache
def on_the_card_page() -> frozenset[str]:
    """Names of the sections that the page of the card has; those of searches are on the searches' pages."""
    return frozenset({*sections_below(schema()), "Branches"})


def described(section: Mapping[str, Any]) -> str:
    """The words of a section's class, as Markdown."""
    return section.get("description", "").strip()
