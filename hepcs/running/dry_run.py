"""What a card would run: measured on a few events of its own input, nothing written but the cache's checksums."""

from __future__ import annotations

import time
from dataclasses import dataclass

import awkward as ak
import numpy as np
import psutil
from numpy.typing import NDArray
from rich.table import Table

from hepcs._core.progress import Progress, serial_mapper, silent
from hepcs._core.randomness import Stream, generator
from hepcs._core.threads import one_thread
from hepcs.config import LocatedCard
from hepcs.config.sources import PythiaSource, Source
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.datasets.loading import cache_folder, list_source, mass_bins, search_folders
from hepcs.datasets.samples import Pools, Sample
from hepcs.generation import pythia
from hepcs.images import image_and_reprocess
from hepcs.jets import select_dijets
from hepcs.running.execution.local import available_cores
from hepcs.searches.base import tasks_of
from hepcs.searches.registry import scan_families
from hepcs.sources.base import Chunk, EventSource

# Events that the probe of a sample reads.
PROBE = 400

# Feature dimension assumed for the principal components, which are not known before the training region is read:
# what 95 % of the variance took on dijets.
ASSUMED_DIMENSION = 28


@dataclass(frozen=True)
class SampleEstimate:
    """What a probe of one sample says about it.

    Attributes
    ----------
    role, n_entries
        The sample, and its entries.
    in_evaluation, in_training
        Expected events in the two regions.
    seconds
        Time to prepare it, on one process.
    """

    role: str
    n_entries: int
    in_evaluation: float
    in_training: float
    seconds: float


@dataclass(frozen=True)
class _Probed:
    """An estimate, and m_jj of the probed events in the evaluation region, shape (n,), GeV."""

    estimate: SampleEstimate
    m_jj: NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """What a card would run.

    Attributes
    ----------
    samples
        One for each sample of the card.
    n_data_sets, n_scans
        Data sets of each search, and cluster scans in all: an ensemble of each data set for every family of
        searches that share one.
    scan_seconds
        Mean time of one cluster scan, with all that is judged by it.
    seconds
        Wall-clock time of the run with `workers` processes and nothing in the cache.
    memory
        Bytes that all processes hold together.
    """

    name: str
    samples: tuple[SampleEstimate, ...]
    n_data_sets: int
    n_scans: int
    scan_seconds: float
    workers: int
    seconds: float
    memory: int


def estimate(card: LocatedCard, *, workers: int | None = None, progress: Progress = silent) -> Estimate:
    """Estimate a run by timing its steps on a few events of its own input, in this process.

    Parameters
    ----------
    card
        The card.
    workers
        Processes of the run; the card's, or all cores, if None.
    progress
        Called for each probe.

    Raises
    ------
    InputError
        If an input is missing or cannot be read.
    """
    sections = card.card
    workers = workers or sections.execution.workers or available_cores()
    roles = sections.samples.by_role()
    probes = []
    for done, (role, section) in enumerate(roles.items()):
        progress("probing samples", done, len(roles))
        probes.append(_probe(card, role, section, progress))
    progress("probing samples", len(roles), len(roles))
    samples = {probe.estimate.role: probe.estimate for probe in probes}
    searched = next(
        probe
        for role in ("data", "labelled", "background")
        for probe in probes
        if probe.estimate.role == role
    )
    ensembles = _ensemble_seconds(card, searched)
    wanted = sections.pseudo_experiments
    n_data_sets = len(tasks_of(wanted.background_only, wanted.doped, sections.injection.epsilon))
    n_scans = n_data_sets * sections.cluster_scanning.ensemble * len(ensembles)
    scanning = n_data_sets * sum(ensembles)
    dimension = _dimension(card)
    features = int(sum(one.in_evaluation for one in samples.values()) * 2 * dimension * 4)
    resident = psutil.Process().memory_info().rss
    # Features are shared; each process copies the training jets of its data set.
    memory = features + workers * (resident + int(searched.estimate.in_training * 2 * dimension * 4))
    return Estimate(
        name=sections.name,
        samples=tuple(samples.values()),
        n_data_sets=n_data_sets,
        n_scans=n_scans,
        scan_seconds=scanning / n_scans,
        workers=workers,
        seconds=(sum(one.seconds for one in samples.values()) + scanning) / workers,
        memory=memory,
    )


def _dimension(card: LocatedCard) -> int:
    return ASSUMED_DIMENSION if card.card.features.kind == "pca" else card.card.images.pixels**2


def _probe(card: LocatedCard, role: str, section: Source, progress: Progress) -> _Probed:
    """Time the preparation of a few events of a sample, spread over its files."""
    if isinstance(section, PythiaSource):
        n_entries, reading, events = section.events, *_generated(section)
        files = ["generated"]
    else:
        listing = list_source(section, search_folders(card), cache_folder(card), serial_mapper, progress)
        source, chunks = listing.source, listing.chunks
        n_entries = sum(chunk.n_entries for chunk in chunks)
        picked = [chunks[0], chunks[len(chunks) // 2], chunks[-1]]
        events = [_first_events(source, chunk, PROBE // len(picked) + 1) for chunk in picked]
        files = [chunk.file for chunk in picked]
        # A whole chunk, as a run reads it: a file gives a few events no faster than all of a basket.
        start = time.perf_counter()
        source.read(picked[1])
        reading = (time.perf_counter() - start) / picked[1].n_entries
    n_probed = sum(len(one) for one in events)
    _prepare(card, events[0][:1], files[0])  # loads what is compiled
    start = time.perf_counter()
    masses = np.concatenate([_prepare(card, one, file) for one, file in zip(events, files, strict=True)])
    preparing = (time.perf_counter() - start) / n_probed
    bins, scale = mass_bins(card), n_entries / n_probed
    inside = masses[(masses >= bins.low) & (masses < bins.high)]
    estimate = SampleEstimate(
        role,
        n_entries,
        scale * inside.size,
        scale * float(bins.in_training(inside).sum()),
        n_entries * (reading + preparing),
    )
    return _Probed(estimate, inside)


def _generated(section: PythiaSource) -> tuple[float, list[ak.Array]]:
    """Seconds that an event takes beyond the generator's start, and some events."""
    clock = []
    for n in (1, min(PROBE, section.events)):
        start = time.perf_counter()
        generated = pythia.generate_block(section, pythia.Block(0, n))
        clock.append(time.perf_counter() - start)
    seconds = max(clock[1] - clock[0], 0.0) / len(generated)
    return seconds, [ak.with_field(generated, ak.zeros_like(generated.pt), "mass")]


def _prepare(card: LocatedCard, constituents: ak.Array, file: str) -> NDArray[np.float64]:
    """Jets and images of some events, as a run makes them; m_jj of the selected ones."""
    dijets = select_dijets(constituents, card.card.jets, file=file, first_entry=0)
    image_and_reprocess(ak.flatten(dijets.jets.constituents, axis=1))
    return dijets.m_jj


def _first_events(source: EventSource, chunk: Chunk, n: int) -> ak.Array:
    return source.read(Chunk(chunk.file, chunk.start, min(chunk.stop, chunk.start + n)))


def _ensemble_seconds(card: LocatedCard, sample: _Probed) -> list[float]:
    """Time of one data set with each family of Cluster Scannings, on random features: the arithmetic is alike."""
    bins = mass_bins(card)
    n_events = max(round(sample.estimate.in_evaluation), card.card.cluster_scanning.k)
    rng = generator(card.card.seed, Stream.SEARCH, 0)
    # Bin by bin, since a k-means needs jets in its training region even if the probe had no event there.
    m_jj = rng.choice(np.concatenate([sample.m_jj, bins.centres]), n_events)
    features = rng.standard_normal((n_events, 2, _dimension(card)), dtype=np.float32)
    background = Sample(m_jj, features, np.arange(n_events), n_events)
    seconds = []
    for family in scan_families(card, Pools(background, None, None, bins)):
        clock = []
        for index in range(2):  # the first one also loads and warms up
            start = time.perf_counter()
            with one_thread():
                family.run(Task(Kind.BACKGROUND_ONLY, 0, index))
            clock.append(time.perf_counter() - start)
        seconds.append(min(clock))
    return seconds


def estimate_rows(estimate: Estimate) -> tuple[tuple[str, str], ...]:
    """The estimate in words: what, and how much."""
    samples = [
        row
        for sample in estimate.samples
        for row in (
            (
                f"{sample.role}: events (in the evaluation region, in the training region)",
                f"{sample.n_entries:,} (about {sample.in_evaluation:,.0f}, {sample.in_training:,.0f})",
            ),
            (f"{sample.role}: preparation, processor time", _duration(sample.seconds)),
        )
    ]
    return (
        *samples,
        ("data sets for each search", f"{estimate.n_data_sets:,}"),
        ("cluster scans", f"{estimate.n_scans:,}"),
        ("one cluster scan", f"{1000 * estimate.scan_seconds:.0f} ms"),
        (f"time with {estimate.workers} processes, nothing cached", _duration(estimate.seconds)),
        ("memory of all processes", f"{estimate.memory / 1e9:.1f} GB"),
    )


def render_estimate(estimate: Estimate) -> Table:
    """The estimate as a table for the terminal."""
    table = Table(title=f"{estimate.name}: what would run", show_header=False)
    table.add_column("what")
    table.add_column("how much", justify="right")
    for row in estimate_rows(estimate):
        table.add_row(*row)
    return table


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
