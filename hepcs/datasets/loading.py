"""From the samples section of a card to the pools that data sets are drawn from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs._core.progress import Mapper, Progress, serial_mapper, silent
from hepcs.config import LocatedCard
from hepcs.config.samples import SIGNAL
from hepcs.config.sources import WHEREABOUTS, FileSource, PythiaSource, Source
from hepcs.datasets.cached_sources import check_cache, list_source
from hepcs.datasets.nuisances import largest_rate, wider_window
from hepcs.datasets.reports import SampleReport
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.datasets.splitting import every_second, positive_of, set_apart, split_by_truth
from hepcs.datasets.summarising import sample_report
from hepcs.datasets.weighting import Weighting, positive_weights, weighting_of
from hepcs.features.image_files import JetImages, draw_images
from hepcs.features.image_summary import summarise_images
from hepcs.features.ingest import (
    Ingested,
    TruthLabels,
    ingest,
    read_m_jj,
    read_truth,
    read_varied,
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
from hepcs.sources.files import search_folders
from hepcs.sources.overlap import require_different_files
from hepcs.sources.skipping import Listing

logger = logging.getLogger(__name__)


# Keys of a source that scale what is made of it afterwards.
_NORMALISATION = ("cross_section", "sum_of_weights")
# Their events have the first numbers, so that these are the same with any other samples beside them.
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


def mass_bins(card: LocatedCard) -> MassBins:
    """The m_jj bins of a card."""
    regions = card.card.regions
    return (
        MassBins(*regions.evaluation, regions.n_bins) if regions.edges is None else MassBins.of(regions.edges)
    )


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
        sample_report(
            one, samples[role], prepared[role], summaries[role], mass_bins(card), weightings.get(role)
        )
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
    return replace(weighted, positive_weights=positive_of(weighted, bins))


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
