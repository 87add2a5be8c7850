"""What a module registers for a kind of feature, under the group ``hepcs.features`` of entry points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hepcs.config.features import FeatureSection


@dataclass(frozen=True)
class FeatureKind:
    """A kind of feature.

    Attributes
    ----------
    section
        Its section of the card.
    summary
        One line: what it is.
    maker
        Makes the maker (:mod:`hepcs.features.making`) of a section, from it and the card.
    """

    section: type[FeatureSection]
    summary: str
    maker: Callable[..., Any]
