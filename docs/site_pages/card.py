"""The page with every key of the card."""

from __future__ import annotations

from collections.abc import Iterator

from site_pages.keys import definition, described, keys_table, schema, sections_below

# Each of these has a place of its own.
_BY_NAME = ("features", "searches")


def card_page() -> str:
    """All sections but those of searches and features, with links to these."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# Every key of the card\n"
    yield (
        "Made from the card's schema, which `hepcs schema --output card.schema.json` writes for editors. Energies are in "
        "GeV, windows are `[low, high)`. A key that is not here is refused, with the line and the nearest name.\n"
    )
    card = schema()
    yield "(section-card)=\n## At the top\n"
    yield keys_table(card)
    yield "`features`: [the kinds of features](features.md). `searches`: [the kinds of searches](searches/index.md).\n"
    for key, of in card["properties"].items():
        name = of.get("$ref", "").rpartition("/")[2]
        if name and key not in _BY_NAME:
            yield f"(section-{name.lower()})=\n## `{key}`\n"
            yield described(definition(name)) + "\n"
            yield keys_table(definition(name))
            for below in sections_below(name):
                if below != "Branches":
                    yield f"(section-{below.lower()})=\n### {_place(key, name, below)}\n"
                    yield described(definition(below)) + "\n"
                    yield keys_table(definition(below))
    yield "(card-sources)=\n## Sources\n\nA sample is a source, whose `kind` says which:\n"
    for name, section in card["$defs"].items():
        if name.endswith("Source"):
            kind = section["properties"]["kind"]["const"]
            yield f"(source-{kind})=\n### `kind: {kind}`\n"
            yield described(section) + "\n"
            yield keys_table(section)
    yield "(section-branches)=\n### `branches` of a source\n"
    yield described(definition("Branches")) + "\n"
    yield keys_table(definition("Branches"))


def _place(key: str, name: str, below: str) -> str:
    """``samples.pseudo_data`` of a section within one."""
    for inner, of in definition(name)["properties"].items():
        if any(one.get("$ref", "").endswith(f"/{below}") for one in (of, *of.get("anyOf", ()))):
            return f"`{key}.{inner}`"
    return f"`{key}`: {below}"
