"""The pages of the site that are made from the program: searches, features, card, API.

Nothing here knows a search by its name: one that is installed has a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from site_pages.api import api_pages
from site_pages.card import card_page
from site_pages.commands import commands_table
from site_pages.features import features_page
from site_pages.repository import cards_table, notebook_pages, repository_page
from site_pages.searches import search_pages


def write_pages(folder: Path) -> list[Path]:
    """Write all pages below a folder, remove those of before that are no more, and say which there are.

    A page that has not changed is left alone, so that Sphinx reads only what is new. Notebooks are copied too: what
    they write as they are executed lands beside the copies.
    """
    pages = {folder / name: text for name, text in _pages()}
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    made = (
        *folder.glob("*.*"),
        *folder.glob("api/*"),
        *folder.glob("searches/*"),
        *folder.glob("notebooks/*.ipynb"),
    )
    for stale in {path for path in made if path.is_file()} - set(pages):
        stale.unlink()
    return sorted(pages)


def _pages() -> Iterator[tuple[str, str]]:
    yield "card.md", card_page()
    yield "features.md", features_page()
    yield from notebook_pages(Path(__file__).parents[1] / "notebooks")
    yield "changelog.md", repository_page("CHANGELOG.md")
    yield "contributing.md", repository_page("CONTRIBUTING.md")
    # Included by pages beside the folder.
    for name in ("paper", "comparison", "event_clusters", "rivals"):
        page = repository_page(f"analysis/{name.upper()}.md")
        yield f"{name}.txt", page.replace("](../", "](")
    yield "cards_table.txt", "\n".join(cards_table()) + "\n"
    yield "commands.txt", "\n".join(commands_table()) + "\n"
    yield from search_pages()
    yield from api_pages()
