"""The data card: YAML in, frozen and validated sections out."""

from hepcs.config.reading import LocatedCard, find_card, located, read_card
from hepcs.config.schema import Card

__all__ = ["Card", "LocatedCard", "find_card", "located", "read_card"]
