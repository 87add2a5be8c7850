"""Functions whose modules are imported when they are called: a card is read before the libraries are loaded."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def deferred(module: str, name: str) -> Callable[..., Any]:
    """The function `name` of a module."""

    def call(*arguments: Any) -> Any:
        return getattr(import_module(module), name)(*arguments)

    call.__name__ = name
    return call
