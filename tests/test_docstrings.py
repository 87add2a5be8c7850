"""Docstrings are reStructuredText that the site can be made of: a warning would end its build."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hepcs"
ROLES = ("attr", "class", "data", "exc", "func", "meth", "mod", "ref", "py:class", "py:mod")


@pytest.fixture(scope="module", autouse=True)
def roles() -> None:
    """Those of Sphinx, as far as docstrings use them."""
    pytest.importorskip("sphinx", reason="the documentation is not installed: pip install '.[docs]'")
    from docutils.nodes import literal
    from docutils.parsers.rst.roles import GenericRole, register_local_role

    for role in ROLES:
        register_local_role(role, GenericRole(role, literal))


def complaints(text: str) -> str:
    """What docutils says of a docstring in NumPy style."""
    from docutils.core import publish_doctree
    from sphinx.ext.napoleon import Config, NumpyDocstring

    settings = Config(napoleon_use_ivar=True, napoleon_use_rtype=False)
    heard = io.StringIO()
    publish_doctree(
        str(NumpyDocstring(text, settings)),
        settings_overrides={"warning_stream": heard, "report_level": 2, "halt_level": 5},
    )
    return heard.getvalue()


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            name = getattr(node, "name", "")
            text = ast.get_docstring(node)
            if text and not name.startswith("_"):
                yield name, text


@pytest.mark.parametrize("room", sorted(PACKAGE.iterdir()), ids=lambda path: path.name)
def test_docstrings_are_well_formed(room: Path) -> None:
    found = {
        f"{path.relative_to(PACKAGE)}: {name}": said
        for path in ([room] if room.suffix == ".py" else room.rglob("*.py"))
        for name, text in docstrings(path)
        if (said := complaints(text))
    }
    assert not found


@pytest.mark.parametrize(
    "text", ["Shape (*shape, 2).", "The norm |c|^2.", "==  ==\na   b\n==  ==\n1   2\n==  ===\n"]
)
def test_what_is_malformed_is_seen(text: str) -> None:
    assert complaints(text)
