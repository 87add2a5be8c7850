"""Compiled functions."""

from __future__ import annotations

import pytest

from hepcs import compilation


def test_compiles_where_nothing_can_be_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_folder(*args: object, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: ("compiled", function)

    monkeypatch.setattr(compilation, "njit", no_folder)
    assert compilation.compiled(len) == ("compiled", len)
