"""The page of the kinds of features that are installed."""

from __future__ import annotations

from collections.abc import Iterator

from hepcs.config.kinds import distribution_of, installed_kinds, load_kind
from site_pages.keys import definition, described, keys_table


def features_page() -> str:
    """What each is, and its keys."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# Features\n"
    yield (
        "What a search is given of each jet or event. A card names them under `features`; the name of a kind means its "
        "defaults, so `searches: {cwola: {features: event}}` needs no `features` at all. Each is made once, from the "
        "constituents, and kept in the cache. [A feature of your own](own-feature) joins this page by being installed.\n"
    )
    for name in installed_kinds("hepcs.features"):
        kind = load_kind("hepcs.features", name)
        section = definition(kind.section.__name__)
        yield f"(feature-{name})=\n## `{name}`\n"
        yield f"{kind.summary[0].upper()}{kind.summary[1:]}. {described(section)}\n"
        packages = ", ".join(f"`{package}`" for package in kind.section.model_construct().packages)
        if packages:
            yield f"Needs {packages}.\n"
        package = distribution_of("hepcs.features", name)
        if package != "hepcs":
            yield f"Of the package `{package}`.\n"
        if set(section["properties"]) - {"kind"}:
            yield keys_table(section)
        else:
            yield "It has no keys.\n"
