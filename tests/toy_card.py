"""A card for toys, as an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hepcs.config import Card

SOURCES = {
    "background": {"kind": "root", "files": "background.root"},
    "signal": {"kind": "root", "files": "signal.root"},
}


def toy_card(*, searches: Mapping[str, Any], **sections: Any) -> Card:
    """A card with some searches, as sections or as mappings with their kinds."""
    content = {name: one if isinstance(one, Mapping) else one.model_dump() for name, one in searches.items()}
    return Card.model_validate({"name": "toy", "samples": SOURCES, "searches": content, **sections})
