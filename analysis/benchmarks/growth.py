"""Point 6: how the time grows with pseudo-experiments, clusters, events and components; a run on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context

import numpy as np

from hepcs.config import read_card
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.samples import Pools, Sample
from hepcs.running.dry_run import RunEstimate, estimate, estimate_rows
from hepcs.searches.cluster_scanning.section import ClusterScanning

from .report import Growth, Measured
from .sample import FEATURES, PaperSample
from .searching import ScanOn, section_of
from .sizes import Sizes
from .timing import Laps

CARD = "facility.yaml"
DATA_SETS = (1, 2, 4, 8)
CLUSTERS = (25, 50, 100, 200)
SHARES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
COMPONENTS = (7, 14, 28, 56)


def run(sample: PaperSample, sizes: Sizes) -> Measured:
    """Time ensembles while one size grows and the others stay, and estimate a run on a cluster."""
    tables = times(sample, sizes)
    # In a fresh process, since the estimate takes its memory as that of a worker.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        card = read_card(CARD, [f"samples.background.events={sizes.facility_events}"])
        found = fresh.submit(estimate, card).result()
    raw = {"repetitions": sizes.growth_repetitions, "estimate": asdict(found)}
    return Measured("6. Growth", (), raw, (*tables, facility(found)))


def times(sample: PaperSample, sizes: Sizes) -> tuple[Growth, ...]:
    """Times of ensembles against pseudo-experiments, k, events and components."""
    background = sample.pools.background
    section = section_of(sizes.k, sizes.ensemble)

    def scan(section: ClusterScanning, one: Sample, n_data_sets: int = 1) -> Callable[[], None]:
        search = ScanOn(Pools(one, sample.pools.bins), section)

        def function() -> None:
            for index in range(n_data_sets):
                search.run(Task(Kind.BACKGROUND_ONLY, 0, index))

        return function

    clusters = [max(round(sizes.k / 50 * k), 3) for k in CLUSTERS]
    quarter = first_events(background, 0.25)
    return (
        _table(
            "pseudo-experiments",
            DATA_SETS,
            [scan(section, background, n) for n in DATA_SETS],
            sizes,
            DATA_SETS,
        ),
        _table(
            "clusters k",
            clusters,
            [scan(section.model_copy(update={"k": k}), background) for k in clusters],
            sizes,
        ),
        _table(
            "events in the evaluation region",
            [round(share * background.n_events) for share in SHARES],
            [scan(section, first_events(background, share)) for share in SHARES],
            sizes,
        ),
        _table(
            f"components d, {quarter.n_events:,} events",
            COMPONENTS,
            [scan(section, wide(quarter, d)) for d in COMPONENTS],
            sizes,
        ),
    )


def facility(found: RunEstimate) -> Growth:
    """What ``--dry-run`` says of the card for a cluster."""
    return Growth(f"Estimate for {CARD}, as --dry-run prints it", ("what", "how much"), estimate_rows(found))


def first_events(sample: Sample, share: float) -> Sample:
    """The first events of a sample, which are in no order; for a share above 1 all of them again and again."""
    chosen = np.arange(round(share * sample.n_events)) % sample.n_events
    n_selected = round(share * sample.n_selected)
    return replace(sample, m_jj=sample.m_jj[chosen], rows=sample.rows[chosen], n_selected=n_selected)


def wide(sample: Sample, d: int) -> Sample:
    """A sample with d components: the first ones, or all of them again and again, smaller each time."""
    features = np.asarray(sample.features[FEATURES][sample.rows])
    copies = [features * np.float32(0.5**i) for i in range(-(-d // features.shape[2]))]
    chosen = np.ascontiguousarray(np.concatenate(copies, axis=2)[..., :d])
    return replace(sample, features={FEATURES: chosen}, rows=np.arange(sample.n_events))


def _table(
    what: str,
    values: Sequence[int],
    functions: Sequence[Callable[[], None]],
    sizes: Sizes,
    data_sets: Sequence[int] | None = None,
) -> Growth:
    """Time functions that scan so many data sets each (one, if None), in turn; the shortest times count."""
    laps = [Laps() for _ in functions]
    functions[0]()
    for _ in range(sizes.growth_repetitions):
        for function, lap in zip(functions, laps, strict=True):
            lap.time(function)
    least = [lap.least for lap in laps]
    scans = [n * sizes.ensemble for n in data_sets or [1] * len(values)]
    rows = tuple(
        (
            f"{value:,}",
            f"{time:.3f} s",
            f"{1e3 * time / n_scans:.1f} ms",
            "" if i == 0 else f"{np.log(time / least[i - 1]) / np.log(value / values[i - 1]):.2f}",
        )
        for i, (value, time, n_scans) in enumerate(zip(values, least, scans, strict=True))
    )
    title = f"Time of ensembles of {sizes.ensemble} scans against {what} (power: 1 is linear)"
    return Growth(title, (what.partition(",")[0], "time", "one scan", "power"), rows)
