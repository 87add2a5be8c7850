"""How much of everything is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """Sizes of a run of the benchmarks.

    Attributes
    ----------
    name
        What the run is called in the results.
    generated, generated_signal
        Pythia events from whose jets the samples are drawn.
    n_events, n_signal
        Events in the evaluation region of the large sample.
    k, ensemble
        Clusters, and scans of one data set.
    scan_pairs, plain_scans, plain_slices
        Repetitions of an ensemble with its matrix products; those of them that the plain procedure follows; slices
        of 16,384 events that it labels each time (all events if None).
    two_threads
        Whether the plain procedure is also timed on two threads; threads that wait for each other take minutes
        where the cores are not free.
    physics_events, physics_k, physics_epsilon, physics_scans
        Sample, clusters, injected signal and scans of each kind for the comparison of the two engines.
    rounds, tasks
        Slice of the calibration: repetitions, and pseudo-experiments in each.
    ingest_repetitions, memory_copies
        Repetitions of the ingest; how often the generated events are in the smaller of the two files, which is to
        hold two chunks of 20,000 events: the memory rises until the second one is read.
    fits, compared_fits
        Fits that are timed, and that are compared with plain iminuit.
    growth_repetitions
        Repetitions of each point of the tables.
    facility_events
        Background events of the card for a cluster, whose run is estimated.
    """

    name: str
    generated: int
    generated_signal: int
    n_events: int
    n_signal: int
    k: int
    ensemble: int
    scan_pairs: int
    plain_scans: int
    plain_slices: int | None
    two_threads: bool
    physics_events: int
    physics_k: int
    physics_epsilon: int
    physics_scans: int
    rounds: int
    tasks: int
    ingest_repetitions: int
    memory_copies: int
    fits: int
    compared_fits: int
    growth_repetitions: int
    facility_events: int


# The paper's numbers, and for `make benchmark` the fewest repetitions that mean something.
REDUCED = Sizes(
    name="reduced",
    generated=8000,
    generated_signal=2000,
    n_events=380_000,
    n_signal=20_000,
    k=50,
    ensemble=15,
    scan_pairs=12,
    plain_scans=4,
    plain_slices=3,
    two_threads=True,
    physics_events=20_000,
    physics_k=12,
    physics_epsilon=500,
    physics_scans=200,
    rounds=4,
    tasks=20,
    ingest_repetitions=7,
    memory_copies=5,
    fits=2000,
    compared_fits=100,
    growth_repetitions=2,
    facility_events=10_000_000,
)

FULL = replace(
    REDUCED,
    name="full",
    scan_pairs=15,
    plain_slices=None,
    physics_events=380_000,
    physics_k=50,
    physics_epsilon=2000,
    rounds=6,
    ingest_repetitions=9,
    fits=10_000,
    compared_fits=200,
    growth_repetitions=3,
)

# Shows that everything runs; its figures mean nothing.
SMOKE = Sizes(
    name="smoke",
    generated=300,
    generated_signal=200,
    n_events=4000,
    n_signal=600,
    k=8,
    ensemble=2,
    scan_pairs=2,
    plain_scans=1,
    plain_slices=1,
    two_threads=False,
    physics_events=2000,
    physics_k=6,
    physics_epsilon=100,
    physics_scans=6,
    rounds=1,
    tasks=4,
    ingest_repetitions=1,
    memory_copies=1,
    fits=20,
    compared_fits=5,
    growth_repetitions=1,
    facility_events=20_000,
)
