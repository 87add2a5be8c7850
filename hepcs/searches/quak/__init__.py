"""QUAK: densities of background and of several signal priors span a space of losses, cut into categories.

Park, Rankin, Udrescu, Yunus, Harris, JHEP 06 (2021) 030 (arXiv:2011.03550): what is unlike the background and like
some prior is looked at, whatever the signal. Each prior orders the events by how much more frequent it says
they are; events unlike any have an order of their own, by the loss of the background alone. The best fall into
categories, whose fits are combined by what a prior expects in each; all orders and windows enter the statistic.
"""

from __future__ import annotations

from dataclasses import replace

from hepcs._core.deferring import deferred
from hepcs.searches.cut_and_fit.kind import score_kind
from hepcs.searches.quak.section import Quak

KIND = replace(
    score_kind(Quak, "categories of likeness to background and to signal priors", "arXiv:2011.03550"),
    build=deferred("hepcs.searches.quak.search", "build"),
    trials=deferred("hepcs.searches.quak.search", "trials"),
)
