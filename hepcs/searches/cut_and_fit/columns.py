"""Which columns of its features a score may see: those that give m_jj away are left out.

A score that knows m_jj shapes the spectrum that is left after its cut. For two jets back to back, m_jj is nearly
2 sqrt(pT_1 pT_2) cosh(delta eta / 2): the transverse momenta of both jets give it away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hepcs.config.schema import Card
from hepcs.features.making import Untrained, maker_of

#: Columns by name that a score is not given.
GIVING_AWAY = frozenset({"pt", "m_jj"})
# Of the constituents of a jet.
_PARTS = re.compile(r"pt_\d+")


def columns_left_out(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns, by name, without which a score does not know m_jj."""
    return tuple(name for name in columns if name in GIVING_AWAY)


def gives_m_jj_away(columns: Sequence[str]) -> bool:
    """Whether features tell m_jj by all of their columns: pT of constituents adds up to that of jets."""
    return any(_PARTS.fullmatch(name) for name in columns)


def left_out_text(left_out: Sequence[str], features: str) -> str:
    """What is left out, and why, in words."""
    named = " and ".join(f"`{name}`" for name in left_out)
    return f"the score is not given {named} of the features {features!r}, by which it would know m_jj"


def left_out_on_card(features: str, card: Card) -> tuple[str, ...]:
    """The columns of some features of a card that a score is not given; none of what training finds."""
    maker = maker_of(card.used_features[features], card)
    return () if isinstance(maker, Untrained) else columns_left_out(maker.columns)
