"""What a card would run: measured on a few events of its own input, nothing written but the cache's checksums."""

from __future__ import annotations

import time
from dataclasses import dataclass

import awkward as ak
import numpy as np
import psutil
from rich.table import Table

from hepcs.bootstrap import Kind, Task
from hepcs.cluster_scanning import ClusterScanSearch
from hepcs.datacard import LocatedCard
from hepcs.datacard.schema import PythiaSource, Source
from hepcs.execution.local import available_cores
from hepcs.images import image_and_reprocess
from hepcs.jets import select_dijets
from hepcs.loading import cache_folder, mass_bins, open_source, search_folders
from hepcs.progress import Progress, serial_mapper, silent
from hepcs.randomness import Stream, generator
from hepcs.samples import Pools, Sample
from hepcs.search import tasks_of
from hepcs.sources import pythia
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
class Estimate:
    """What a card would run.

    Attributes
    ----------
    samples
        One for each sample of the card.
    n_data_sets, n_scans
        Data sets of each search, and cluster scans in all.
    scan_seconds
        Time of one cluster scan.
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
    samples = []
    for done, (role, section) in enumerate(roles.items()):
        progress("probing samples", done, len(roles))
        samples.append(_probe(card, role, section, progress))
    progress("probing samples", len(roles), len(roles))
    by_role = {one.role: one for one in samples}
    searched = next(by_role[role] for role in ("data", "labelled", "background") if role in by_role)
    scan_seconds = _scan_seconds(card, searched)
    wanted = sections.pseudo_experiments
    n_data_sets = len(tasks_of(wanted.background_only, wanted.doped, sections.injection.epsilon))
    n_scans = n_data_sets * sections.cluster_scanning.ensemble
    dimension = _dimension(card)
    features = int(sum(one.in_evaluation for one in samples) * 2 * dimension * 4)
    resident = psutil.Process().memory_info().rss
    # Features are shared; each process copies the training jets of its data set.
    memory = features + workers * (resident + int(searched.in_training * 2 * dimension * 4))
    return Estimate(
        name=sections.name,
        samples=tuple(samples),
        n_data_sets=n_data_sets,
        n_scans=n_scans,
        scan_seconds=scan_seconds,
        workers=workers,
        seconds=(sum(one.seconds for one in samples) + n_scans * scan_seconds) / workers,
        memory=memory,
    )


def _dimension(card: LocatedCard) -> int:
    return ASSUMED_DIMENSION if card.card.features.kind == "pca" else card.card.images.pixels**2


def _probe(card: LocatedCard, role: str, section: Source, progress: Progress) -> SampleEstimate:
    """Time the preparation of a few events of a sample, spread over its files."""
    start = time.perf_counter()
    if isinstance(section, PythiaSource):
        n_entries = section.events
        generated = pythia.generate_block(section, pythia.Block(0, min(PROBE, n_entries)))
        events = [ak.with_field(generated, ak.zeros_like(generated.pt), "mass")]
        files = ["generated"]
    else:
        source = open_source(section, search_folders(card), cache_folder(card), serial_mapper, progress)
        chunks = source.chunks()
        n_entries = sum(chunk.n_entries for chunk in chunks)
        start = time.perf_counter()
        picked = [chunks[0], chunks[len(chunks) // 2], chunks[-1]]
        events = [_first_events(source, chunk, PROBE // len(picked) + 1) for chunk in picked]
        files = [chunk.file for chunk in picked]
    bins, sections = mass_bins(card), card.card
    m_jj = []
    for constituents, file in zip(events, files, strict=True):
        dijets = select_dijets(constituents, sections.jets, file=file, first_entry=0)
        image_and_reprocess(ak.flatten(dijets.jets.constituents, axis=1))
        m_jj.append(dijets.m_jj)
    seconds = time.perf_counter() - start
    masses, n_probed = np.concatenate(m_jj), sum(len(one) for one in events)
    inside = masses[(masses >= bins.low) & (masses < bins.high)]
    scale = n_entries / n_probed
    return SampleEstimate(
        role, n_entries, scale * inside.size, scale * float(bins.in_training(inside).sum()), scale * seconds
    )


def _first_events(source: EventSource, chunk: Chunk, n: int) -> ak.Array:
    return source.read(Chunk(chunk.file, chunk.start, min(chunk.stop, chunk.start + n)))


def _scan_seconds(card: LocatedCard, sample: SampleEstimate) -> float:
    """Time of one cluster scan of random features of the expected size: the arithmetic is the same."""
    sections, bins = card.card, mass_bins(card)
    n_training = max(int(sample.in_training), sections.cluster_scanning.k)
    n_others = max(int(sample.in_evaluation) - n_training, 1)
    rng = generator(sections.seed, Stream.SEARCH, 0)
    low, high = bins.training
    outside = bins.low if high >= bins.high else high
    m_jj = np.concatenate([np.full(n_training, low), np.full(n_others, outside)])
    features = rng.normal(size=(m_jj.size, 2, _dimension(card))).astype(np.float32)
    background = Sample(m_jj, features, np.arange(m_jj.size), m_jj.size)
    search = ClusterScanSearch(
        Pools(background, None, None, bins), sections.cluster_scanning, sections.statistic, sections.seed
    )
    seconds = []
    for index in range(2):  # the first one also loads and warms up
        start = time.perf_counter()
        search.run(Task(Kind.BACKGROUND_ONLY, 0, index))
        seconds.append((time.perf_counter() - start) / sections.cluster_scanning.ensemble)
    return min(seconds)


def render_estimate(estimate: Estimate) -> Table:
    """The estimate as a table for the terminal."""
    table = Table(title=f"{estimate.name}: what would run", show_header=False)
    table.add_column("what")
    table.add_column("how much", justify="right")
    for sample in estimate.samples:
        table.add_row(
            f"{sample.role}: events (in the evaluation region, in the training region)",
            f"{sample.n_entries:,} ({sample.in_evaluation:,.0f}, {sample.in_training:,.0f})",
        )
        table.add_row(f"{sample.role}: preparation, processor time", _duration(sample.seconds))
    table.add_row("data sets for each search", f"{estimate.n_data_sets:,}")
    table.add_row("cluster scans", f"{estimate.n_scans:,}")
    table.add_row("one cluster scan", f"{1000 * estimate.scan_seconds:.0f} ms")
    table.add_row(f"time with {estimate.workers} processes, nothing cached", _duration(estimate.seconds))
    table.add_row("memory of all processes", f"{estimate.memory / 1e9:.1f} GB")
    return table


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
