"""The data card: YAML in, frozen and validated sections out."""

from hepcs.datacard.reading import LocatedCard, find_card, read_card
from hepcs.datacard.schema import Card

__all__ = ["Card", "LocatedCard", "find_card", "read_card"]
