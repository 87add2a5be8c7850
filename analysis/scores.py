"""What a search that is calibrated here says of the events of one data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hepcs._core.randomness import Stream, generator
from hepcs.datasets.bootstrap import DataSet, Task, draw_data_set
from hepcs.running.pseudo_experiments import Campaign
from hepcs.searches.base import Inputs


@dataclass(frozen=True)
class Fitted:
    """A data set, what the search was given beside it, its fit, and the generator to go on with."""

    data: DataSet
    inputs: Inputs
    fit: Any
    rng: np.random.Generator


def fitted(campaign: Campaign, name: str, task: Task) -> Fitted:
    """Fit a search of a campaign with one to the data set of a task."""
    search = campaign.searches[name]
    data = draw_data_set(campaign.pools, task, campaign.seed)
    inputs = campaign.groups[0].inputs(search, data, truth=search.section.needs_truth)
    rng = generator(campaign.seed, Stream.STUDY, name, *task.key)
    return Fitted(data, inputs, search.fit(data.view, inputs, rng), rng)
