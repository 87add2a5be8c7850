"""The reference of the program: a page of each package, from its docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import hepcs

PACKAGE = Path(hepcs.__file__).parent


def api_pages() -> Iterator[tuple[str, str]]:
    """The index, and a page of each package and top-level module."""
    rooms = sorted(
        path
        for path in PACKAGE.iterdir()
        if not path.name.startswith("__") and (path.suffix == ".py" or (path / "__init__.py").is_file())
    )
    yield "api/index.md", "\n".join(_index(rooms))
    for room in rooms:
        yield f"api/{room.stem}.md", "\n".join(_page(room))


def _first_line(path: Path) -> str:
    file = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0].replace("\n", " ").replace(":mod:", "").replace("`", "")


def _index(rooms: list[Path]) -> Iterator[str]:
    yield "# The program\n"
    yield (
        "Every step is a function, every result a frozen object, usable by itself; [From Python](../../python.md) begins "
        "with it. Packages import only from those below their own. Those that searches of other packages build on: "
        "{py:mod}`hepcs.searches.base`, {py:mod}`hepcs.searches.kinds`, {py:mod}`hepcs.searches.cut_and_fit`, "
        "{py:mod}`hepcs.features.making`, {py:mod}`hepcs.sources.base`.\n"
    )
    yield "| | |\n|---|---|"
    for room in rooms:
        yield f"| [`hepcs.{room.stem}`]({room.stem}.md) | {_first_line(room)} |"
    listed = "\n".join(room.stem for room in rooms)
    yield f"\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"


def _page(room: Path) -> Iterator[str]:
    yield f"# `hepcs.{room.stem}`\n"
    modules = sorted(room.rglob("*.py"), key=_name) if room.is_dir() else [room]
    for path in modules:
        name = _name(path)
        if "__main__" in name:
            continue
        if name != f"hepcs.{room.stem}":
            yield f"## `{name.removeprefix('hepcs.')}`\n"
        yield f"```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n   :ignore-module-all:\n```\n"


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")
