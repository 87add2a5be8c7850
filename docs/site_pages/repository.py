"""Pages that are files of the repository: their links are turned into those of the site."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
# From the folder of the generated pages.
_UP = "../.."
# What stands elsewhere on the site.
_ON_THE_SITE = {
    "docs/own_search": "../extending/search.md",
    "docs/own_feature": "../extending/feature.md",
    "docs/own_source": "../extending/source.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "analysis/PAPER.md": "../paper.md",
    "analysis/COMPARISON.md": "../comparison.md",
    "analysis/EVENT_CLUSTERS.md": "../event_clusters.md",
    "analysis/RIVALS.md": "../rivals.md",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")


def repository_page(name: str) -> str:
    """The text of a Markdown file of the repository, for a page in the folder of the generated ones."""
    folder = (ROOT / name).parent

    def on_the_site(link: re.Match[str]) -> str:
        image, text, target, fragment = link.groups()
        path = Path(os.path.normpath(folder / target)).relative_to(ROOT).as_posix()
        if image:
            # With a width, it is linked to the whole picture, which a phone can then enlarge.
            return f"![{text}]({_UP}/{path}){{width=100%}}"
        place = _ON_THE_SITE.get(path)
        return f"[{text}]({place}{fragment or ''})" if place else text

    return _LINK.sub(on_the_site, (ROOT / name).read_text(encoding="utf-8"))


def notebook_pages(folder: Path) -> Iterator[tuple[str, str]]:
    """The index of the notebooks, and each of them."""
    notebooks = sorted(folder.glob("*.ipynb"), key=lambda path: (path.stem != "tour", path.stem))
    listed = "\n".join(f"notebooks/{path.stem}" for path in notebooks)
    words = "Executed when this site is built; each is in `docs/notebooks` of a checkout, to be opened and changed."
    tree = f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n" if notebooks else ""
    yield "notebooks.md", f"# Notebooks\n\n{words}\n\n{tree}"
    for path in notebooks:
        yield f"notebooks/{path.name}", path.read_text(encoding="utf-8")


def cards_table() -> Iterator[str]:
    """The cards that come with hepcs, from their own descriptions."""
    yield "| card | what |\n|---|---|"
    for path in sorted((ROOT / "data_cards").glob("*.yaml")):
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield f"| `{path.name}` | {card['description']} |"
