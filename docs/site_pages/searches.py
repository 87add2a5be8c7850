"""A page of each kind of search that is installed, from its registration, and what it found on the site's sample."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hepcs.config.kinds import distribution_of, installed_kinds
from hepcs.config.searches import SearchSection
from hepcs.searches.kinds import SearchKind, installed
from site_pages.keys import definition, described, keys_table, sections_below

GALLERY = Path(__file__).parents[1] / "gallery"
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def search_pages() -> Iterator[tuple[str, str]]:
    """Names of the files and their text: the index, and one of each kind."""
    kinds = installed()
    yield "searches/index.md", "\n".join(_index(kinds))
    for name, kind in kinds.items():
        yield f"searches/{name}.md", "\n".join(_page(name, kind))


def needs(name: str, kind: SearchKind) -> list[str]:
    """What a search needs by default: features, samples, the truth, packages."""
    # Without validation: a kind may have keys that a card must give.
    section = kind.section.model_construct(kind=name)
    found = [_feature_link(feature) for feature in section.feature_names]
    found += [f"the sample `{role}`" for role in section.roles]
    found += (
        ["the truth: it is a study or a bound, which no search of real data can be"]
        if section.needs_truth
        else []
    )
    found += [f"the package `{package}`" for package in section.packages]
    return found


def _feature_link(feature: str) -> str:
    if feature in installed_kinds("hepcs.features"):
        return f"the feature [`{feature}`](#feature-{feature})"
    return f"the feature `{feature}`"


def measured(name: str) -> dict[str, Any] | None:
    """What `docs/gallery.py` wrote about a search; None where it was not run yet."""
    file = GALLERY / f"{name}.json"
    if not file.is_file():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def paper_link(paper: str) -> str:
    """The paper with a link, where it is on arXiv."""
    return _ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)


def _index(kinds: Mapping[str, SearchKind]) -> Iterator[str]:
    yield "# The searches\n"
    yield (
        "Those that are installed, each with a page made from its registration. All searches of a card see the same "
        "data sets and are calibrated alike, so their p-values can be compared, and combined. *Study* marks what knows "
        "the truth: a bound, not a search of data. The time is one of a data set, on one core, on the sample of "
        "[the gallery](#the-gallery).\n"
    )
    yield "| `kind` | what it does | paper | | a data set |\n|---|---|---|---|---|"
    for name, kind in kinds.items():
        section = kind.section.model_construct(kind=name)
        found = measured(name)
        seconds = "" if found is None else _seconds(found["seconds_per_data_set"])
        study = "study" if section.needs_truth else ""
        yield f"| [`{name}`]({name}.md) | {kind.summary} | {paper_link(kind.paper)} | {study} | {seconds} |"
    yield ""
    yield (
        "Not here yet? [A search of your own](../../extending/search.md) is a file of forty lines, outside of hepcs.\n"
    )
    shown = [found for name in kinds if (found := measured(name)) is not None]
    yield "(the-gallery)=\n## The gallery\n"
    if shown:
        one = shown[0]
        yield (
            f"Figures and times are of one small sample, {one['n_events']:,} Pythia dijets in "
            f"[{one['region'][0]:g}, {one['region'][1]:g}) GeV with {one['epsilon']} events of a Z' -> XY at 3.5 TeV "
            "added, from `python docs/gallery.py`; it is far too small to tell which search is the best. That is what "
            "[the comparison](../../comparison.md) is for.\n"
        )
    listed = "\n".join(kinds)
    yield f"```{{toctree}}\n:hidden:\n\n{listed}\n```\n"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _page(name: str, kind: SearchKind) -> Iterator[str]:
    section, schema = kind.section, definition(kind.section.__name__)
    yield f"(search-{name})=\n# `{name}`\n"
    # The summary is on the index, and said better by the module.
    yield f"Described in {paper_link(kind.paper)}.\n"
    package = distribution_of("hepcs.searches", name)
    if package != "hepcs":
        yield f"Of the package `{package}`.\n"
    yield f"```{{eval-rst}}\n.. automodule:: {_home(section)}\n   :no-members:\n   :no-index:\n```\n"
    found = measured(name)
    if found is not None and found["figure"]:
        yield "## What it looks like\n"
        yield f"```{{image}} ../../gallery/{found['figure']}\n:alt: {found['heading']}\n:width: 70%\n```\n"
        yield f"*{found['heading']}.* {found['caption']} Of [the sample of the gallery](#the-gallery).\n"
    yield "## On the card\n"
    yield f"{described(schema)}\n"
    yield "```yaml\n" + _example(name, schema) + "```\n"
    yield from _tables(section, schema)
    yield "## What it needs, and costs\n"
    wanted = needs(name, kind)
    yield "Needs " + ("; ".join(wanted) if wanted else "nothing but the spectrum") + ".\n"
    if found is None:
        yield (
            "Its cost was not measured here yet. `hepcs run CARD --dry-run` measures it on your events: time, memory, "
            "and where it looks.\n"
        )
        return
    yield (
        f"A data set of {found['n_events']:,} events took {_seconds(found['seconds_per_data_set'])} on one core "
        f"({found['processor']}){', by one model that was trained before' if found['trained_once'] else ''}. The time of your card, by your events: `hepcs run CARD --dry-run`.\n"
    )
    if found["looks_in"]:
        yield f"On that sample it looks in {found['looks_in']}.\n"


def _home(section: type[SearchSection]) -> str:
    """The module whose docstring describes a search: of its folder, where it has one."""
    module = section.__module__
    folder, _, last = module.rpartition(".")
    return folder if last == "section" else module


def _example(name: str, schema: Mapping[str, Any]) -> str:
    needed = "".join(f", {key}: ..." for key in schema.get("required", ()) if key != "kind").removeprefix(
        ", "
    )
    return f"searches:\n  {name}: {{{needed}}}\n"


def _tables(section: type[SearchSection], schema: Mapping[str, Any]) -> Iterator[str]:
    """Its own keys, then those of the classes that it is derived from, then the sections within."""
    properties = [key for key in schema["properties"] if key not in ("kind", "like")]
    common = [key for key in properties if key in SearchSection.model_fields]
    yield keys_table(schema, [key for key in properties if key not in common] + common)
    for below in sections_below(schema):
        yield f"### `{_key_of(schema, below) or below}`\n"
        yield described(definition(below)) + "\n"
        yield keys_table(definition(below))


def _key_of(schema: Mapping[str, Any], below: str) -> str:
    for key, of in schema["properties"].items():
        if any(one.get("$ref", "").endswith(f"/{below}") for one in (of, *of.get("anyOf", ()))):
            return key
    return ""
