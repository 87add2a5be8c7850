"""From the samples section of a card to the pools that data sets are drawn from."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pooch
from numpy.typing import NDArray

from hepcs._core.errors import CardError, InputError
from hepcs._core.progress import Mapper, Progress, serial_mapper, silent
from hepcs._core.storage import sweep, try_to_write, wait_for_files
from hepcs.config import LocatedCard
from hepcs.config.event_objects import ObjectFiles
from hepcs.config.samples import SIGNAL, PseudoData
from hepcs.config.sources import WHEREABOUTS, FileSource, PythiaSource, Source
from hepcs.datasets.nuisances import largest_rate, wider_window
from hepcs.datasets.reports import SampleReport, WeightReport
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.datasets.weighting import Weighting, positive_weights, weighting_of
from hepcs.features.image_files import JetImages, draw_images
from hepcs.features.image_summary import ImageSummary, summarise_images
from hepcs.features.ingest import (
    Ingested,
    TruthLabels,
    ingest,
    read_m_jj,
    read_mass_ratio,
    read_shifted,
    read_truth,
    read_varied,
    read_weights,
)
from hepcs.features.making import (
    Maker,
    PreparedFeature,
    SampleFiles,
    Untrained,
    maker_of,
    prepare_feature,
    train,
)
from hepcs.features.repeated_events import refuse_shared
from hepcs.generation import pythia
from hepcs.sources.base import EventSource
from hepcs.sources.files import checksums_by_file, search_folders
from hepcs.sources.opening import open_files
from hepcs.sources.overlap import require_different_files
from hepcs.sources.skipping import Listing, list_files

logger = logging.getLogger(__name__)


# Their events have the first numbers, so that these are the same with any other samples beside them.
# Keys of a source that scale what is made of it afterwards.
_NORMALISATION = ("cross_section", "sum_of_weights")
_NUMBERED_FIRST = ("labelled", "background", "data")


@dataclass(frozen=True)
class Loaded:
    """What a card's samples came to.

    Attributes
    ----------
    pools
        What data sets are drawn from.
    reports
        Where each sample came from and what was left of it.
    columns
        Names of the columns of each used feature, by its name.
    features
        Plain numbers about each used feature, by its name: kind, dimension, kept variance.
    ingested
        The dijets on disk that it all comes from, by role.
    images
        Images of their jets on disk, by the identity of the first event of each sample.
    """

    pools: Pools
    reports: tuple[SampleReport, ...]
    columns: Mapping[str, tuple[str, ...]]
    features: Mapping[str, Mapping[str, Any]]
    ingested: Mapping[str, Ingested]
    images: Mapping[int, JetImages]


@dataclass(frozen=True)
class _Work:
    """Where prepared samples are kept, where the work runs, and how it reports."""

    cache: Path
    mapper: Mapper
    progress: Progress


def cache_folder(card: LocatedCard) -> Path:
    """Folder of prepared samples: the card's, ``$HEPCS_CACHE``, or the user's cache; an absolute path."""
    return cache_from_environment(card.card.execution.cache)


def cache_from_environment(named: str | None = None) -> Path:
    """A folder that is named, ``$HEPCS_CACHE``, or the user's cache; an absolute path."""
    named = named or os.environ.get("HEPCS_CACHE")
    return Path(named).expanduser().absolute() if named else Path(pooch.os_cache("hepcs"))


def mass_bins(card: LocatedCard) -> MassBins:
    """The m_jj bins of a card."""
    regions = card.card.regions
    return (
        MassBins(*regions.evaluation, regions.n_bins) if regions.edges is None else MassBins.of(regions.edges)
    )


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
    assert not isinstance(generated, ObjectFiles)
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
    """Ingest all samples of a card, draw the images of their jets, and make the features that its searches use.

    An event that lacks one of them is left out, so that all searches see the same events.

    Raises
    ------
    InputError
        If an input cannot be used, or a training region or the evaluation region of a sample is empty.
    """
    work = _Work(check_cache(card), mapper, progress)
    ingested = _ingest_all(card, work)
    weightings = _weightings(card, ingested)
    truth = _truth_of(card, ingested, weightings)
    files = {
        role: _with_images(card, role, one, weightings.get(role), work) for role, one in ingested.items()
    }
    makers = _makers(card, files, work)
    prepared = {
        role: {name: _prepared(maker, one, name, work) for name, maker in makers.items()}
        for role, one in files.items()
    }
    first_events = _first_events(ingested)
    samples = {
        role: _sample(role, one, prepared[role], first_events[role], weightings.get(role), mass_bins(card))
        for role, one in ingested.items()
    }
    nuisances = card.card.injection.nuisances
    if nuisances is not None and nuisances.of_corrections:
        for role in filter(_is_signal, samples):
            shifts = _shifts(ingested[role], samples[role], nuisances.of_corrections)
            samples[role] = replace(samples[role], shifts=shifts)
    labels = {} if truth is None else {"labelled": truth.inside}
    summaries = {
        role: summarise_images(
            one.ingested,
            one.images,
            labels.get(role),
            one.weights,
            name=role,
            mapper=mapper,
            progress=progress,
        )
        for role, one in files.items()
    }
    reports = tuple(
        _report(one, samples[role], prepared[role], summaries[role], mass_bins(card), weightings.get(role))
        for role, one in files.items()
    )
    pools = _pools(card, samples, truth)
    _check(card, pools, reports)
    return Loaded(
        pools,
        reports,
        {name: tuple(maker.columns) for name, maker in makers.items()},
        {name: _about(card, name, maker) for name, maker in makers.items()},
        ingested,
        {first_events[role]: one.images for role, one in files.items()},
    )


def _with_images(
    card: LocatedCard, role: str, ingested: Ingested, weighting: Weighting | None, work: _Work
) -> SampleFiles:
    """A sample on disk, with the images of its jets, and its weights as trainings use them."""
    images = draw_images(
        ingested, card.card.images, name=role, cache=work.cache, mapper=work.mapper, progress=work.progress
    )
    if weighting is None:
        return SampleFiles(role, ingested, images)
    m_jj = np.concatenate([read_m_jj(file) for file in ingested.files])
    weights = positive_weights(weighting.weights, m_jj, mass_bins(card).around(m_jj), role)
    return SampleFiles(role, ingested, images, weights)


def _makers(card: LocatedCard, files: Mapping[str, SampleFiles], work: _Work) -> dict[str, Maker]:
    """Makers of the features that searches use, by name; trained on the sample that each asks for."""
    makers = {}
    for name, section in card.card.used_features.items():
        made = maker_of(section, card.card)
        makers[name] = _trained(card, name, made, files, work) if isinstance(made, Untrained) else made
    return makers


def _trained(
    card: LocatedCard, name: str, untrained: Untrained, files: Mapping[str, SampleFiles], work: _Work
) -> Maker:
    """A maker of a file that the card names, or trained on its sample."""
    stored = untrained.stored({role: one.ingested.files for role, one in files.items()})
    if stored is not None:
        return stored
    role = untrained.sample or ("labelled" if "labelled" in files else "background")
    where = card.where(f"features.{name}" if untrained.sample else f"features.{name}.training")
    made = train(
        untrained, files[role], where=where, cache=work.cache, mapper=work.mapper, progress=work.progress
    )
    untrained.store(made, files[role].ingested.files)
    return made


def _prepared(maker: Maker, sample: SampleFiles, feature: str, work: _Work) -> PreparedFeature:
    return prepare_feature(
        maker, sample, feature=feature, cache=work.cache, mapper=work.mapper, progress=work.progress
    )


def _about(card: LocatedCard, name: str, maker: Maker) -> dict[str, Any]:
    kind = card.card.used_features[name].kind
    return {"kind": kind, "of": maker.per, "dimension": len(maker.columns), **maker.about}


def _first_events(ingested: Mapping[str, Ingested]) -> dict[str, int]:
    """Identity of the first event of each sample, by role: no two events of a run have the same."""
    found, following = {}, 0
    for role in sorted(ingested, key=lambda one: one not in _NUMBERED_FIRST):
        found[role] = following
        following += sum(ingested[role].sizes)
    return found


def _truth_of(
    card: LocatedCard, ingested: Mapping[str, Ingested], weightings: Mapping[str, Weighting]
) -> TruthLabels | None:
    """Truth labels of the labelled sample, if the card has one."""
    if "labelled" not in ingested:
        return None
    weighting = weightings.get("labelled")
    truth = read_truth(ingested["labelled"], () if weighting is None else weighting.factors)
    if not (truth.inside == 0).any():
        raise InputError(
            f"{card.where('samples.labelled')}: no event in the evaluation region is labelled 0, so there is no "
            "background to search in"
        )
    return truth


def _pools(card: LocatedCard, samples: Mapping[str, Sample], truth: TruthLabels | None) -> Pools:
    """What data sets are drawn from, of the samples by role: as the card says to split them."""
    wanted = card.card.samples
    if truth is None:
        background, data = samples["background"], samples.get("data")
        signals = {
            role.removeprefix("signals."): sample for role, sample in samples.items() if _is_signal(role)
        }
    else:
        background, signal = split_by_truth(samples["labelled"], truth, mass_bins(card))
        if wanted.luminosity is None or getattr(wanted.labelled, "cross_section", None) is None:
            background = background.at_its_worth()
        data, signals = None, {SIGNAL: signal}
    if wanted.background_half is not None:
        background = every_second(background, wanted.background_half)
    if wanted.pseudo_data is not None:
        background, data = set_apart(background, wanted.pseudo_data)
    others = {
        role: sample for role, sample in samples.items() if role == "simulation" or role.startswith("priors.")
    }
    bins, nuisances, wider = mass_bins(card), card.card.injection.nuisances, {}
    if nuisances is not None and nuisances.vary_m_jj:
        wider, signals = signals, {name: signal.within(bins) for name, signal in signals.items()}
    return Pools(background, bins, signals, data, others, wider)


def split_by_truth(sample: Sample, truth: TruthLabels, bins: MassBins) -> tuple[Sample, Sample]:
    """Background and signal events of a labelled sample, to put data sets together from."""
    of_all = truth.inside != 0
    inside = of_all[sample.rows]
    # Of those that were selected, the ones that lack a feature are in no data set.
    outside = int((truth.selected != 0).sum() - of_all.sum())
    n_signal = int(inside.sum()) + outside
    parts = sample.take(~inside, sample.n_selected - n_signal), sample.take(inside, n_signal)
    if sample.weights is None:
        return parts
    background, signal = (
        # Negative weights of one are not made good by positive ones of the other.
        replace(part, positive_weights=_positive(part, bins), weight_outside=weight)
        for part, weight in zip(parts, truth.outside, strict=True)
    )
    return background, signal


def _positive(sample: Sample, bins: MassBins) -> NDArray[np.float64]:
    assert sample.weights is not None
    return positive_weights(sample.weights, sample.m_jj, bins.around(sample.m_jj), sample.role)


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


def _list_all(card: LocatedCard, work: _Work) -> dict[str, tuple[Source, Listing]]:
    """The files of all samples, by role: before any work, one that is missing is noticed."""
    sections = card.card.samples.by_role()
    listings = {
        role: list_source(section, search_folders(card), work.cache, work.mapper, work.progress)
        # What is generated, last.
        for role, section in sorted(sections.items(), key=lambda one: isinstance(one[1], PythiaSource))
    }
    if "labelled" in listings and not listings["labelled"].source.has_labels:
        raise InputError(
            f"{card.where('samples.labelled')}: the source has no labels. Name the label branch or file, "
            "or give it as `data` with a `background` sample"
        )
    require_different_files(listings)
    return {role: (section, listings[role]) for role, section in sections.items()}


def _ingest_all(card: LocatedCard, work: _Work) -> dict[str, Ingested]:
    """Selected dijets of all samples, by role; truth labels are kept of a labelled sample alone."""
    sections, ingested = card.card, {}
    for role, (section, listing) in _list_all(card, work).items():
        skip, drop, max_lost = False, False, 0.0
        if isinstance(section, FileSource):
            skip, max_lost = section.on_bad_file == "skip", section.max_lost
            drop = section.on_repeated == "drop"
        if role == "background" and listing.source.has_labels:
            logger.info("background: its labels are not read, all its events are background")
        ingested[role] = ingest(
            listing,
            section.model_dump(mode="json", exclude={*WHEREABOUTS, *_NORMALISATION}),
            name=role,
            labelled=role == "labelled",
            jets=sections.jets,
            window=_window(card, role),
            cache=work.cache,
            mapper=work.mapper,
            progress=work.progress,
            skip_bad_files=skip,
            max_lost=max_lost,
            drop_repeated=drop,
        )
    refuse_shared({role: one.files for role, one in ingested.items()})
    return ingested


def _weightings(card: LocatedCard, ingested: Mapping[str, Ingested]) -> dict[str, Weighting]:
    """Weights of the samples that have some, by role."""
    samples = card.card.samples
    found = {
        role: weighting_of(
            section, ingested[role], search_folders(card), samples.luminosity, card.where(f"samples.{role}")
        )
        for role, section in samples.by_role().items()
        if isinstance(section, FileSource)
    }
    return {role: one for role, one in found.items() if one is not None}


def _window(card: LocatedCard, role: str) -> tuple[float, float]:
    """The m_jj that is kept of a sample: of a signal, also what its uncertainties can move into the region."""
    window, nuisances = card.card.regions.evaluation, card.card.injection.nuisances
    if nuisances is None or not nuisances.vary_m_jj or not _is_signal(role):
        return window
    return wider_window(window, nuisances)


def _is_signal(role: str) -> bool:
    return role == SIGNAL or role.startswith("signals.")


def _sample(
    role: str,
    ingested: Ingested,
    prepared: Mapping[str, PreparedFeature],
    first_event: int,
    weighting: Weighting | None,
    bins: MassBins,
) -> Sample:
    """The events of a sample that have all features."""
    m_jj = np.concatenate([read_m_jj(file) for file in ingested.files])
    complete = np.ones(len(m_jj), dtype=bool)
    for feature in prepared.values():
        complete[feature.lacking] = False
    complete[list(ingested.repeated)] = False
    rows = np.flatnonzero(complete)
    sample = Sample(
        m_jj[rows],
        {name: feature.values() for name, feature in prepared.items()},
        rows,
        ingested.n_selected - (len(m_jj) - len(rows)),
        role,
        first_event,
    )
    if weighting is None:
        return sample
    weights = weighting.weights[rows]
    weighted = replace(sample, weights=weights, positive_weights=weights, weight_outside=weighting.outside)
    return replace(weighted, positive_weights=_positive(weighted, bins))


# Variations of the jets, up and down, of each uncertainty that corrections tell.
_VARIATIONS = {"energy_scale": ("up", "down"), "resolution": ("resolution_up", "resolution_down")}


def _shifts(ingested: Ingested, sample: Sample, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Relative changes of m_jj of the events of a sample, see :attr:`Sample.shifts`."""
    varied = [read_varied(file) for file in ingested.files]
    of_all = {
        one: np.concatenate([file[one] for file in varied])[sample.rows] / sample.m_jj - 1
        for name in names
        for one in _VARIATIONS[name]
    }
    return {name: np.stack([of_all[one] for one in _VARIATIONS[name]]) for name in names}


def _report(
    files: SampleFiles,
    sample: Sample,
    prepared: Mapping[str, PreparedFeature],
    summary: ImageSummary,
    bins: MassBins,
    weighting: Weighting | None,
) -> SampleReport:
    ingested, weights, sample = files.ingested, None, sample.within(bins)
    if weighting is not None and sample.weights is not None:
        negative = float(np.mean(sample.weights < 0)) if sample.n_events else 0.0
        spectrum, variances = sample.spectrum(bins), sample.variances(bins)
        assert variances is not None
        weights = WeightReport(
            sample.n_expected,
            sample.n_effective,
            negative,
            spectrum,
            variances,
            weighting.acceptance,
            weighting.slices,
        )
    return SampleReport(
        role=files.name,
        inputs=ingested.inputs,
        cutflow=ingested.cutflow,
        rejections=ingested.rejections,
        skipped=ingested.skipped,
        n_selected=sample.n_selected,
        n_evaluation=sample.n_events,
        reused=ingested.reused and files.images.reused and all(one.reused for one in prepared.values()),
        averages=summary.averages,
        nonzero_pixels=tuple(summary.nonzero_pixels),
        lacking={name: len(one.lacking) for name, one in prepared.items() if len(one.lacking)},
        n_weightless=ingested.n_weightless,
        weights=weights,
        mass_ratio=_mass_ratio(ingested),
        n_repeated=len(ingested.repeated),
        # Of the data, no spectrum leaves a blind run.
        energy_spectra={} if files.name == "data" else _energy_spectra(ingested, bins, weighting),
    )


def _mass_ratio(ingested: Ingested) -> tuple[float, float, float] | None:
    """Quantiles of m_jj as the files hold it over ours; None where they hold none."""
    ratio = np.concatenate([read_mass_ratio(file) for file in ingested.files])
    if ratio.size == 0:
        return None
    low, median, high = np.quantile(ratio, (0.15865, 0.5, 0.84135))
    return float(low), float(median), float(high)


def _energy_spectra(
    ingested: Ingested, bins: MassBins, weighting: Weighting | None
) -> dict[str, NDArray[np.float64]]:
    """Spectra with the jets' energies as they are and shifted, weighted; none where they are not shifted."""
    shifted = [read_shifted(file) for file in ingested.files]
    if not any(shifted):
        return {}
    nominal = [(read_m_jj(file), read_weights(file)) for file in ingested.files]
    factors = np.ones(len(shifted)) if weighting is None else weighting.factors
    parts = {"nominal": nominal} | {name: [one[name] for one in shifted] for name in shifted[0]}
    return {
        name: np.sum(
            [
                _counts_inside(bins, m_jj, factor * weights)
                for factor, (m_jj, weights) in zip(factors, files, strict=True)
            ],
            axis=0,
        )
        for name, files in parts.items()
    }


def _counts_inside(
    bins: MassBins, m_jj: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Counts of the events in the region: a signal whose m_jj is varied has others as well."""
    inside = (m_jj >= bins.low) & (m_jj < bins.high)
    return bins.counts(m_jj[inside], weights[inside])


def _check(card: LocatedCard, pools: Pools, reports: Sequence[SampleReport]) -> None:
    """Refuse what can be known to fail before hours are spent."""
    lacking = {report.role: report.lacking for report in reports}
    # A labelled sample may be background alone.
    signals = {one.role: one for one in pools.signals.values() if one.role != "labelled"}
    samples = {"background": pools.background, "data": pools.data, **signals, **pools.others}
    for role, sample in samples.items():
        if sample is not None and sample.n_events == 0:
            counts = [f"{n} lack the feature {name}" for name, n in lacking[sample.role].items()]
            why = f": {', '.join(counts)}" if counts else ""
            raise InputError(f"{role}: no event in the evaluation region can be used{why}")
    check_injections(card, pools)


def check_injections(card: LocatedCard, pools: Pools) -> None:
    """Refuse to inject more events of a signal than there are, with an InputError."""
    nuisances = card.card.injection.nuisances
    most, more = 1.0, ""
    if nuisances is not None and (nuisances.acceptance or nuisances.luminosity):
        most = largest_rate(nuisances)
        more = f", while its uncertainties can ask for {most:.2f} times as many"
    for name, signal in pools.signals.items():
        for epsilon in card.card.injection.of(name):
            if epsilon * most > signal.n_selected:
                raise InputError(
                    f"{card.where('injection.epsilon')}: {epsilon} signal events asked for, and "
                    f"{signal.n_selected} pass the selection of {signal.role}{more}"
                )
