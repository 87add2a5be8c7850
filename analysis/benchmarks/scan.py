"""Point 1: one cluster scan, against the plain procedure and against its own matrix products.

The plain procedure is the published one, done with scikit-learn on the 1600 pixels of each image: resample the
training set, MiniBatchKMeans, predict every jet, spectra, statistic. The matrix products are all that the
clustering cannot do without: distances to the candidates of the seeding, of the mini-batches to the centroids, and
of every distinct jet of the data set to the centroids of all members, which share one product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

from hepcs.datasets.bootstrap import Kind, Task, draw_data_set
from hepcs.searches.cluster_scanning.clustering import training_jets
from hepcs.searches.cluster_scanning.kmeans import compiled
from hepcs.searches.cluster_scanning.kmeans.kernels import take_step
from hepcs.searches.cluster_scanning.scan import scan_spectra
from hepcs.searches.cluster_scanning.section import ClusterScanning

from .report import Figure, Measured
from .sample import BINS, BLOCK, FEATURES, SEED, PaperSample, in_training
from .searching import ScanOn, section_of
from .sizes import Sizes
from .timing import Laps, median_ratio

# Data sets that the repetitions go through in turn.
DATA_SETS = 3
# Blocks of images that the plain procedure labels at a time.
SLICE = 16
# Jets of a block of the labelling product: the fastest of these is taken.
PRODUCT_BLOCKS = (64, 128, 256, 512, 1024, 2048)


@dataclass(frozen=True)
class Products:
    """The matrix products of one data set: their operands, and how many there are.

    Attributes
    ----------
    training, distinct
        Jets of the training set, and the distinct jets of the data set, shapes (m, d) and (n, d).
    k, members, batch, subset, trials, steps
        Clusters; members of the ensemble; jets of a mini-batch; jets among which seeds are sought and candidates
        for each; mini-batches of all members.
    """

    training: NDArray[np.float32]
    distinct: NDArray[np.float32]
    k: int
    members: int
    batch: int
    subset: int
    trials: int
    steps: int

    @property
    def flops(self) -> float:
        """Additions and multiplications of all members."""
        d = self.training.shape[1]
        seeding = self.members * self.subset * (1 + (self.k - 1) * self.trials)
        training = self.steps * self.batch * self.k
        labelling = self.members * len(self.distinct) * self.k
        return float(2 * d * (seeding + training + labelling))

    def run(self, block: int) -> None:
        """Do them all, the labelling in blocks of so many jets."""
        subset, first = self.training[: self.subset], self.training[:1]
        candidates = np.ascontiguousarray(self.training[: self.trials].T)
        distances = np.empty((len(subset), self.trials), dtype=np.float32)
        single = np.empty((len(subset), 1), dtype=np.float32)
        for _ in range(self.members):
            np.dot(subset, first.T, out=single)
            for _ in range(self.k - 1):
                np.dot(subset, candidates, out=distances)
        centroids = np.ascontiguousarray(self.training[: self.k].T)
        scores = np.empty((self.batch, self.k), dtype=np.float32)
        n_batches = len(self.training) // self.batch
        for step in range(self.steps):
            start = (step % n_batches) * self.batch
            np.dot(self.training[start : start + self.batch], centroids, out=scores)
        self.label(block)

    def label(self, block: int, n: int | None = None) -> None:
        """The product of the labelling alone, of the first n jets."""
        columns = self.k * self.members
        centroids = np.ascontiguousarray(self.training[np.arange(columns) % len(self.training)].T)
        scores = np.empty((block, columns), dtype=np.float32)
        stop = len(self.distinct) if n is None else min(n, len(self.distinct))
        for start in range(0, stop, block):
            jets = self.distinct[start : min(start + block, stop)]
            np.dot(jets, centroids, out=scores[: len(jets)])

    def best_block(self) -> int:
        """The number of jets of a block for which the labelling is fastest on this machine."""
        n = min(32_768, len(self.distinct))
        laps = {block: Laps() for block in PRODUCT_BLOCKS if block <= n}
        for _ in range(5):
            for block, lap in laps.items():
                lap.time(self.label, block, n)
        return min(laps, key=lambda block: laps[block].least)


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """Inside, the list grows by the jets of every mini-batch that the compiled engine goes through."""
    steps: list[int] = []

    def counting(rows: NDArray[np.float32], drawn: NDArray[np.int64], *others: Any) -> Any:
        steps.append(len(drawn))
        return take_step(rows, drawn, *others)

    with patch.object(compiled, "take_step", counting):
        yield steps


def products_of(search: ScanOn, task: Task, steps: list[int]) -> Products:
    """The matrix products of the scans of a task, of which the mini-batches were counted."""
    section = search.section
    (part,) = draw_data_set(search.pools, task, SEED).view.parts
    training = training_jets([part], section)
    present = np.flatnonzero(part.multiplicity)
    distinct = part.sample.features[FEATURES][part.sample.rows[present]].reshape(-1, training.shape[1])
    return Products(
        training,
        distinct,
        section.k,
        section.ensemble,
        steps[0],
        min(compiled.SEEDING_BATCHES * steps[0], len(training)),
        2 + int(np.log(section.k)),
        len(steps),
    )


@dataclass(frozen=True)
class PlainTimes:
    """Times of the steps of the plain procedure, over its repetitions."""

    draw: Laps
    fit: Laps
    predict: Laps
    statistic: Laps

    @property
    def total(self) -> Laps:
        """Times of the whole."""
        parts = (self.draw, self.fit, self.predict, self.statistic)
        return Laps(
            [sum(one) for one in zip(*(part.wall for part in parts), strict=True)],
            [sum(one) for one in zip(*(part.processor for part in parts), strict=True)],
        )


def no_times() -> PlainTimes:
    """Before the first repetition."""
    return PlainTimes(Laps(), Laps(), Laps(), Laps())


@dataclass(frozen=True)
class PlainProcedure:
    """The published procedure with scikit-learn on all pixels.

    Attributes
    ----------
    sample
        The sample.
    training
        Images of the events of the training region, shape (m, 2, p).
    slices
        Slices of the sample that are labelled each time; the time is scaled up to all of it. None for all.
    section
        The card's numbers.
    """

    sample: PaperSample
    training: NDArray[np.float32]
    slices: int | None
    section: ClusterScanning

    def scan(self, index: int, times: PlainTimes) -> int:
        """One scan of a bootstrap, timed step by step; returns the mini-batches."""
        background = self.sample.pools.background
        rng = np.random.default_rng([SEED, index])
        multiplicity = times.draw.time(
            lambda: np.bincount(
                rng.integers(background.n_events, size=background.n_events), minlength=background.n_events
            )
        )
        inside = in_training(background.m_jj)
        model = MiniBatchKMeans(
            n_clusters=self.section.k,
            batch_size=self.section.batch_size,
            init="k-means++",
            n_init=1,
            random_state=index,
        )
        times.fit.time(lambda: model.fit(self._resampled(multiplicity[inside])))
        labels, n_labelled = self._predict(model, times)
        share = n_labelled / background.n_events
        part = slice(0, n_labelled)
        laps = Laps()
        laps.time(
            lambda: scan_spectra(
                _spectra(labels, BINS.index(background.m_jj[part]), multiplicity[part], self.section.k),
                self.section,
                centres=BINS.centres,
            )
        )
        times.statistic.add(laps.wall[0] / share, laps.processor[0] / share)
        return int(model.n_steps_)

    def _resampled(self, multiplicity: NDArray[np.int64]) -> NDArray[np.float32]:
        chosen = np.repeat(np.arange(len(self.training)), multiplicity)
        return self.training[chosen].reshape(-1, self.training.shape[2])

    def _predict(self, model: MiniBatchKMeans, times: PlainTimes) -> tuple[NDArray[np.int64], int]:
        """Labels of the first slices, both jets of each event, and how many events these are."""
        drawn = self.sample.background
        n_blocks = drawn.n_blocks if self.slices is None else min(self.slices * SLICE, drawn.n_blocks)
        laps, labels = Laps(), []
        for start in range(0, n_blocks, SLICE):
            blocks = [drawn.images(block) for block in range(start, min(start + SLICE, n_blocks))]
            images = np.concatenate(blocks).reshape(-1, self.training.shape[2])
            labels.append(laps.time(model.predict, images))
        found = np.concatenate(labels).astype(np.int64).reshape(-1, 2)
        share = len(found) / drawn.m_jj.size
        times.predict.add(sum(laps.wall) / share, sum(laps.processor) / share)
        return found, len(found)


def _spectra(
    clusters: NDArray[np.int64], mass_bin: NDArray[np.int64], multiplicity: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """Jets of each cluster in each m_jj bin, shape (k, b); each event counts with both its jets."""
    cell = clusters * BINS.n_bins + mass_bin[:, np.newaxis]
    counts = np.bincount(cell.ravel(), weights=np.repeat(multiplicity, 2), minlength=k * BINS.n_bins)
    return counts.reshape(k, BINS.n_bins).astype(np.int64)


def training_images(sample: PaperSample) -> NDArray[np.float32]:
    """Images of the events of the training region, shape (m, 2, p)."""
    inside = in_training(sample.background.m_jj)
    images = np.empty((inside.sum(), *sample.background.jets.images.shape[1:]), dtype=np.float32)
    start = 0
    for index, block in enumerate(sample.background.blocks()):
        chosen = block[inside[index * BLOCK : index * BLOCK + len(block)]]
        images[start : start + len(chosen)] = chosen
        start += len(chosen)
    return images


@dataclass(frozen=True)
class Repetitions:
    """Times of ensembles, of their matrix products, and of plain scans, run in turn.

    Attributes
    ----------
    ours, products
        Of a whole ensemble, and of all its products.
    plain
        Of single plain scans.
    beside
        Of one of our scans, in the ensembles that a plain scan followed at once.
    plain_steps
        Mini-batches of the plain scans.
    """

    ours: Laps = field(default_factory=Laps)
    products: Laps = field(default_factory=Laps)
    plain: PlainTimes = field(default_factory=no_times)
    beside: Laps = field(default_factory=Laps)
    plain_steps: list[int] = field(default_factory=list)


def run(sample: PaperSample, sizes: Sizes) -> Measured:
    """Time scans, their matrix products and the plain procedure in turn, each on one thread."""
    section = section_of(sizes.k, sizes.ensemble)
    search = ScanOn(sample.pools, section)
    tasks = [Task(Kind.BACKGROUND_ONLY, 0, index) for index in range(DATA_SETS)]
    products = []
    for task in tasks:
        with counted_steps() as steps:
            search.run(task)
        products.append(products_of(search, task, steps))
    block = products[0].best_block()
    plain = PlainProcedure(sample, training_images(sample), sizes.plain_slices, section)
    found = Repetitions()
    every = max(sizes.scan_pairs // sizes.plain_scans, 1)
    for repetition in range(sizes.scan_pairs):
        which = repetition % DATA_SETS
        found.ours.time(search.run, tasks[which])
        found.products.time(products[which].run, block)
        if repetition % every == 0 and repetition // every < sizes.plain_scans:
            found.plain_steps.append(plain.scan(repetition, found.plain))
            found.beside.add(
                found.ours.wall[-1] / section.ensemble, found.ours.processor[-1] / section.ensemble
            )
    on_two = no_times() if sizes.two_threads else None
    if on_two is not None:
        with threadpool_limits(2):
            plain.scan(sizes.scan_pairs, on_two)
    return Measured(
        "1. One cluster scan",
        (*_against_plain(found, plain, on_two), *_against_products(found, products, block, section.ensemble)),
        _raw(found, on_two, products, block, section.ensemble),
    )


def _against_plain(
    found: Repetitions, plain: PlainProcedure, on_two: PlainTimes | None
) -> tuple[Figure, ...]:
    total = found.plain.total
    speedup = median_ratio(total, found.beside)
    n_jets = 2 * plain.sample.pools.background.n_events
    labelled = "all" if plain.slices is None else f"{min(plain.slices * SLICE * BLOCK * 2, n_jets):,}"
    figures = [
        Figure(
            "plain / this package, one scan on one thread",
            speedup,
            f"{speedup:.0f} x",
            f"plain {total.median:.2f} s (least {total.least:.2f}): scikit-learn on 1600 pixels, fit "
            f"{found.plain.fit.median:.2f} s in {np.mean(found.plain_steps):.0f} steps, predict of {n_jets:,} "
            f"jets {found.plain.predict.median:.2f} s ({labelled} timed); {len(total.wall)} scans",
            ">= 100 x",
            speedup >= 100,
            "scan_speedup",
        )
    ]
    if on_two is not None:
        figures.append(
            Figure(
                "plain on two threads",
                on_two.total.median,
                f"{on_two.total.median:.2f} s",
                f"fit {on_two.fit.median:.2f} s, predict {on_two.predict.median:.2f} s; one scan",
            )
        )
    return tuple(figures)


def _against_products(
    found: Repetitions, products: Sequence[Products], block: int, members: int
) -> tuple[Figure, ...]:
    ours, bare = found.ours, found.products
    ratio = median_ratio(ours, bare)
    flops = float(np.mean([one.flops for one in products]))
    steps = float(np.mean([one.steps for one in products])) / members
    d = products[0].training.shape[1]
    return (
        Figure(
            "one scan, over whole ensembles",
            1e3 * ours.median / members,
            f"{1e3 * ours.median / members:.1f} ms",
            f"least {1e3 * ours.least / members:.1f} ms; {len(ours.wall)} ensembles of {members} on {d} "
            f"components, {steps:.0f} steps a fit",
        ),
        Figure(
            "one scan / its bare matrix products",
            ratio,
            f"{ratio:.2f} x",
            f"products {1e3 * bare.median / members:.1f} ms (least {1e3 * bare.least / members:.1f}): float32 "
            f"BLAS, {flops / members / 1e9:.2f} Gflop at {flops / bare.median / 1e9:.0f} Gflop/s, labels in "
            f"blocks of {block} jets; ratio of the least times {ours.least / bare.least:.2f}",
            "<= 1.6 x",
            ratio <= 1.6,
            "roofline_ratio",
        ),
    )


def _raw(
    found: Repetitions, on_two: PlainTimes | None, products: Sequence[Products], block: int, members: int
) -> dict[str, Any]:
    plain = found.plain
    return {
        "ensembles": found.ours.to_json(),
        "matrix_products": found.products.to_json(),
        "plain_scans": plain.total.to_json(),
        "plain_draw": plain.draw.to_json(),
        "plain_fit": plain.fit.to_json(),
        "plain_predict": plain.predict.to_json(),
        "plain_statistic": plain.statistic.to_json(),
        "scans_beside_the_plain_ones": found.beside.to_json(),
        "plain_scan_on_two_threads": None if on_two is None else on_two.total.to_json(),
        "plain_steps": found.plain_steps,
        "members": members,
        "components": products[0].training.shape[1],
        "steps": [one.steps for one in products],
        "training_jets": [len(one.training) for one in products],
        "distinct_jets": [len(one.distinct) for one in products],
        "block_of_the_product": block,
    }
