"""Point 2: the statistic of both engines on the same data sets.

The compiled engine clusters the principal components, scikit-learn the 1600 pixels of the same images, through the
same search: in the full size on a sample of the paper's size, of which hundreds of scans on all pixels take twenty
minutes and 5 GB of disk; in the reduced size on a smaller one, with as many clusters fewer as keeps their spectra
filled. Both engines see the same resamples, which makes the two lists of statistics alike where the resample
decides; the test then errs on the side of agreement, and so their means are compared pair by pair as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hepcs._core.progress import Mapper
from hepcs.config.samples import SIGNAL
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.samples import Pools

from .report import Figure, Measured
from .sample import (
    FEATURES,
    Drawn,
    PaperSample,
    draw_background,
    draw_signal,
    pools_of,
    write_features,
)
from .searching import ScanOn, section_of
from .sizes import FULL, Sizes


@dataclass(frozen=True)
class Engines:
    """The same search by both engines: on principal components, and on all pixels."""

    compiled: ScanOn
    plain: ScanOn

    def statistics(self, task: Task) -> tuple[float, float]:
        """Statistic of a data set by each engine."""
        return self.compiled.run(task), self.plain.run(task)


def make_engines(sample: PaperSample, sizes: Sizes, folder: Path) -> Engines:
    """Draw a smaller sample, with its components and with its pixels, and a search on each."""
    compression = sample.background.compression
    background = draw_background(sample.background.jets, compression, sizes.physics_events, 3)
    n_signal = 2 * sizes.physics_epsilon
    signal = draw_signal(sample.signal.jets, compression, n_signal, 4)
    section = section_of(sizes.physics_k, 1)
    compiled = _pools(background, signal, folder, pixels=False)
    plain = _pools(background, signal, folder, pixels=True)
    return Engines(
        ScanOn(compiled, section),
        ScanOn(plain, section.model_copy(update={"engine": "sklearn"})),
    )


def _pools(background: Drawn, signal: Drawn, folder: Path, *, pixels: bool) -> Pools:
    what = "pixels" if pixels else "components"
    features = write_features(background, folder / f"background_{what}.npy", pixels=pixels)
    signal_features = write_features(signal, folder / f"signal_{what}.npy", pixels=pixels)
    return pools_of(background, signal, features, signal_features)


def compare(
    kind: str, key: str, engines: Engines, tasks: Sequence[Task], mapper: Mapper
) -> tuple[Figure, dict[str, Any]]:
    """Two-sample Kolmogorov-Smirnov test of the statistics of both engines."""
    pairs = np.array(list(mapper(partial(Engines.statistics, engines), tasks)))
    compiled, plain = pairs.T
    test = stats.ks_2samp(compiled, plain)
    difference = compiled - plain
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    figure = Figure(
        f"two-sample KS of the statistic, {kind}: p",
        float(test.pvalue),
        f"{test.pvalue:.2f}",
        f"{_setting(engines)}; {len(pairs)} scans each, D = {test.statistic:.3f}; {_quartiles(compiled)} here, "
        f"{_quartiles(plain)} plain; mean difference {difference.mean():+.3f} +- {error:.3f}",
        "> 0.05",
        bool(test.pvalue > 0.05),
        key,
    )
    return figure, {"compiled": compiled.tolist(), "plain": plain.tolist()}


def _setting(engines: Engines) -> str:
    """What is compared, in words."""
    n_events = engines.plain.pools.background.n_events
    scale = "" if n_events >= FULL.n_events else "smaller sample: "
    d, p = (
        search.pools.background.features[FEATURES].shape[2] for search in (engines.compiled, engines.plain)
    )
    return (
        f"{scale}compiled on {d} components, scikit-learn on {p} pixels of the same resamples of {n_events:,} "
        f"events, k = {engines.plain.section.k}"
    )


def _quartiles(values: NDArray[np.float64]) -> str:
    lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75))
    return f"median {median:.2f} [{lower:.2f}, {upper:.2f}]"


def run(sample: PaperSample, sizes: Sizes, folder: Path, mapper: Mapper) -> Measured:
    """Scan the same data sets with both engines, without and with signal."""
    engines = make_engines(sample, sizes, folder)
    n, epsilon = sizes.physics_scans, sizes.physics_epsilon
    null = [Task(Kind.BACKGROUND_ONLY, 0, index) for index in range(n)]
    doped = [Task(Kind.DOPED, epsilon, index, SIGNAL) for index in range(n)]
    null_figure, null_raw = compare("background only", "ks_p_background", engines, null, mapper)
    doped_figure, doped_raw = compare(f"with {epsilon} signal events", "ks_p_doped", engines, doped, mapper)
    section = engines.plain.section
    setting = {
        "events": sizes.physics_events,
        "k": section.k,
        "batch_size": section.batch_size,
        "components": sample.background.compression.components.shape[1],
        "epsilon": epsilon,
    }
    return Measured(
        "2. Same physics",
        (null_figure, doped_figure),
        {"setting": setting, "background": null_raw, "doped": doped_raw},
    )
