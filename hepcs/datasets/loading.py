"""From the samples section of a card to the pools that data sets are drawn from."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pooch
from numpy.typing import NDArray

from hepcs._core.errors import CardError, InputError
from hepcs._core.progress import Mapper, Progress, serial_mapper, silent
from hepcs._core.storage import sweep, try_to_write, wait_for_files
from hepcs.config import LocatedCard
from hepcs.config.samples import PseudoData
from hepcs.config.sources import WHEREABOUTS, FileSource, PythiaSource, Source
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.features.image_pca import Compression
from hepcs.features.ingest import Ingested, TruthLabels, ingest, read_truth
from hepcs.features.pixel_counts import count_nonzero_pixels
from hepcs.features.preparation import PreparedSample, prepare, train_on
from hepcs.generation import pythia
from hepcs.results import SampleReport
from hepcs.sources.base import EventSource
from hepcs.sources.files import checksums_by_file
from hepcs.sources.opening import open_files
from hepcs.sources.skipping import Listing, list_files

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """What a card's samples came to.

    Attributes
    ----------
    pools
        What data sets are drawn from.
    reports
        Where each sample came from and what was left of it.
    compression
        How the images were compressed; None for full pixels.
    ingested
        The dijets on disk that it all comes from, by role.
    """

    pools: Pools
    reports: tuple[SampleReport, ...]
    compression: Compression | None
    ingested: Mapping[str, Ingested]


def cache_folder(card: LocatedCard) -> Path:
    """Folder of prepared samples: the card's, ``$HEPCS_CACHE``, or the user's cache; an absolute path."""
    named = card.card.execution.cache or os.environ.get("HEPCS_CACHE")
    return Path(named).expanduser().absolute() if named else Path(pooch.os_cache("hepcs"))


def search_folders(card: LocatedCard) -> tuple[Path, ...]:
    """Where relative paths of input files are looked for: the working folder, then the card's."""
    return (Path.cwd(), card.path.absolute().parent)


def mass_bins(card: LocatedCard) -> MassBins:
    """The m_jj bins of a card."""
    regions = card.card.regions
    return MassBins(*regions.evaluation, regions.n_bins, regions.training)


def open_source(
    section: Source,
    folders: Sequence[Path],
    cache: Path,
    mapper: Mapper = serial_mapper,
    progress: Progress = silent,
) -> EventSource:
    """The events of a section of the card; generated first, if they come from Pythia and are not there."""
    if not isinstance(section, PythiaSource):
        return open_files(section, folders, cache / "checksums.json")
    folder = cache / "generated" / pythia.cache_key(section)[:20]
    n_missing = len(pythia.missing_blocks(section, folder))
    what = f"{section.events} events ({section.process})"
    logger.info("generating %s into %s" if n_missing else "reusing %s generated in %s", what, folder)
    generated = pythia.generate(
        section,
        folder,
        map_blocks=mapper,
        progress=lambda done, total: progress(f"{section.process}: generation", done, total),
    )
    if n_missing:
        wait_for_files([Path(file) for file in generated.files])
    return open_files(generated, folders, cache / "checksums.json")


def list_source(
    section: Source,
    folders: Sequence[Path],
    cache: Path,
    mapper: Mapper = serial_mapper,
    progress: Progress = silent,
) -> Listing:
    """The files of a section of the card, verified and opened; without those that it says to skip."""
    source, memo = open_source(section, folders, cache, mapper, progress), cache / "checksums.json"
    if not isinstance(section, FileSource):
        return list_files(source, skip=False, checksums={}, memo=memo)
    checksums = checksums_by_file(section, source.files)
    return list_files(source, skip=section.on_bad_file == "skip", checksums=checksums, memo=memo)


def check_cache(card: LocatedCard) -> Path:
    """The cache folder, made and written to, before hours are spent; raises CardError if that cannot be.

    Raises ComputationError if the disk is full.
    """
    cache = cache_folder(card)
    try:
        sweep(cache, below=True)
        try_to_write(cache)
    except OSError as error:
        raise CardError(
            f"{card.where('execution.cache')}: prepared samples cannot be written to {cache}: "
            f"{error.strerror or error}. Name another folder there or in $HEPCS_CACHE"
        ) from error
    return cache


def load(card: LocatedCard, mapper: Mapper = serial_mapper, progress: Progress = silent) -> Loaded:
    """Ingest, compress and prepare all samples of a card.

    Raises
    ------
    InputError
        If an input cannot be used, or the training or evaluation region of a sample is empty.
    """
    cache, sections, bins = check_cache(card), card.card, mass_bins(card)
    ingested = _ingest_all(card, cache, mapper, progress)
    truth = _truth_of(card, ingested)
    labels = {} if truth is None else {"labelled": truth.inside}
    settings: dict[str, Any] = {
        "images": sections.images,
        "cache": cache,
        "mapper": mapper,
        "progress": progress,
    }
    compression = None
    if sections.features.kind == "pca":
        role, chosen = ("background", None) if truth is None else ("labelled", truth.inside == 0)
        compression = train_on(ingested[role], bins.training, chosen, features=sections.features, **settings)
    prepared = {
        role: prepare(one, labels.get(role), compression, name=role, features=sections.features, **settings)
        for role, one in ingested.items()
    }
    filled = {
        role: count_nonzero_pixels(one, labels.get(role), name=role, **settings)
        for role, one in ingested.items()
    }
    reports = tuple(_report(role, ingested[role], prepared[role], filled[role], bins) for role in ingested)
    samples = {role: _sample(role, prepared[role], ingested[role].n_selected) for role in ingested}
    pools = _pools(card, samples, truth, bins)
    _check(card, pools)
    return Loaded(pools, reports, None if compression is None else compression[0], ingested)


def _truth_of(card: LocatedCard, ingested: Mapping[str, Ingested]) -> TruthLabels | None:
    """Truth labels of the labelled sample, if the card has one."""
    if "labelled" not in ingested:
        return None
    truth = read_truth(ingested["labelled"])
    if not (truth.inside == 0).any():
        raise InputError(
            f"{card.where('samples.labelled')}: no event in the evaluation region is labelled 0, so there is no "
            "background to search in"
        )
    return truth


def _pools(
    card: LocatedCard, samples: Mapping[str, Sample], truth: TruthLabels | None, bins: MassBins
) -> Pools:
    """What data sets are drawn from, of the samples by role: as the card says to split them."""
    wanted = card.card.samples
    pools = dict(samples) if truth is None else split_by_truth(samples["labelled"], truth)
    if wanted.background_half is not None:
        pools["background"] = every_second(pools["background"], wanted.background_half)
    if wanted.pseudo_data is not None:
        pools["background"], pools["data"] = set_apart(pools["background"], wanted.pseudo_data)
    return Pools(pools["background"], pools.get("signal"), pools.get("data"), bins)


def split_by_truth(sample: Sample, truth: TruthLabels) -> dict[str, Sample]:
    """Background and signal events of a labelled sample, to put data sets together from."""
    inside, selected = truth.inside != 0, truth.selected != 0
    return {
        "background": sample.take(~inside, int((~selected).sum())),
        "signal": sample.take(inside, int(selected.sum())),
    }


def every_second(sample: Sample, half: Literal["even", "odd"]) -> Sample:
    """The events of a sample with an even or an odd number, counted inside the evaluation region."""
    return _part(sample, np.arange(sample.n_events) % 2 == (half == "odd"))


def set_apart(sample: Sample, wanted: PseudoData) -> tuple[Sample, Sample]:
    """The events of a sample that pseudo-experiments are drawn from, and those that are pseudo-data."""
    chosen = np.arange(sample.n_events) % wanted.one_in == wanted.which
    return _part(sample, ~chosen), _part(sample, chosen)


def _part(sample: Sample, mask: NDArray[np.bool_]) -> Sample:
    """Some of the events of a sample."""
    # As large a share of the events outside, which nobody counted one by one.
    n_selected = round(sample.n_selected * mask.sum() / sample.n_events) if sample.n_events else 0
    return sample.take(mask, max(n_selected, int(mask.sum())))


def _list_all(
    card: LocatedCard, cache: Path, mapper: Mapper, progress: Progress
) -> dict[str, tuple[Source, Listing]]:
    """The files of all samples, by role: before any work, one that is missing is noticed."""
    sections = card.card.samples.by_role()
    listings = {
        role: list_source(section, search_folders(card), cache, mapper, progress)
        # What is generated, last.
        for role, section in sorted(sections.items(), key=lambda one: isinstance(one[1], PythiaSource))
    }
    if "labelled" in listings and not listings["labelled"].source.has_labels:
        raise InputError(
            f"{card.where('samples.labelled')}: the source has no labels. Name the label branch or file, "
            "or give it as `data` with a `background` sample"
        )
    return {role: (section, listings[role]) for role, section in sections.items()}


def _ingest_all(card: LocatedCard, cache: Path, mapper: Mapper, progress: Progress) -> dict[str, Ingested]:
    """Selected dijets of all samples, by role; truth labels are kept of a labelled sample alone."""
    sections, ingested = card.card, {}
    for role, (section, listing) in _list_all(card, cache, mapper, progress).items():
        skip, max_lost = False, 0.0
        if isinstance(section, FileSource):
            skip, max_lost = section.on_bad_file == "skip", section.max_lost
        if role == "background" and listing.source.has_labels:
            logger.info("background: its labels are not read, all its events are background")
        ingested[role] = ingest(
            listing,
            section.model_dump(mode="json", exclude=set(WHEREABOUTS)),
            name=role,
            labelled=role == "labelled",
            jets=sections.jets,
            images=sections.images,
            window=sections.regions.evaluation,
            cache=cache,
            mapper=mapper,
            progress=progress,
            skip_bad_files=skip,
            max_lost=max_lost,
        )
    return ingested


def _sample(role: str, prepared: PreparedSample, n_selected: int) -> Sample:
    features = prepared.features()
    return Sample(prepared.m_jj, features, np.arange(len(features)), n_selected, role)


def _report(
    role: str, ingested: Ingested, prepared: PreparedSample, filled: NDArray[np.int64], bins: MassBins
) -> SampleReport:
    return SampleReport(
        role=role,
        inputs=ingested.inputs,
        cutflow=ingested.cutflow,
        rejections=ingested.rejections,
        skipped=ingested.skipped,
        n_selected=ingested.n_selected,
        n_evaluation=prepared.m_jj.size,
        n_training=int(bins.in_training(prepared.m_jj).sum()),
        reused=ingested.reused and prepared.reused,
        averages=prepared.averages,
        nonzero_pixels=tuple(filled),
    )


def _check(card: LocatedCard, pools: Pools) -> None:
    """Refuse what can be known to fail before hours are spent."""
    samples = {"background": pools.background, "data": pools.data}
    for role, sample in samples.items():
        if sample is None:
            continue
        if sample.n_events == 0:
            raise InputError(f"{role}: no event in the evaluation region")
        n_training = int(pools.bins.in_training(sample.m_jj).sum())
        if n_training == 0:
            low, high = pools.bins.training
            raise InputError(
                f"{card.where('regions.training')}: no {role} event in the training region [{low:g}, {high:g}) GeV"
            )
    if pools.signal is not None:
        for epsilon in card.card.injection.epsilon:
            if epsilon > pools.signal.n_selected:
                raise InputError(
                    f"{card.where('injection.epsilon')}: {epsilon} signal events asked for, and "
                    f"{pools.signal.n_selected} pass the selection"
                )
