"""Tag N' Train: the score of one jet tags events, on which a classifier of the other jet is trained; and again.

Amram, Suarez, JHEP 01 (2021) 153 (arXiv:2002.12376). It needs two objects in the signal, and a first score that is
better than none; and that in background what makes a jet signal-like is independent of the other jet, of which
each data set is tested.
"""

from __future__ import annotations

from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.tag_n_train.section import TagNTrain

KIND = score_kind(
    TagNTrain, "classifiers of each jet, trained on events that the other jet tags", "arXiv:2002.12376"
)
