"""From a source to selected dijets on disk: streamed, in several processes, kept by content.

Each chunk of the source becomes one file, written whole, so an interrupted run goes on where it stopped and a
second run finds everything there. The truth labels go to files of their own beside them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import InputError
from hepcs._core.progress import Mapper, Progress, tracked
from hepcs._core.storage import atomic_path, digest_of, stored_arrays, wait_for_files
from hepcs.config.preparation import Jets
from hepcs.features.repeated_events import EVENT_ID, refuse_repeated, repeated_rows
from hepcs.jets import MAX_LISTED_REJECTIONS, Cutflow, Rejection, resolve_backend, select_block
from hepcs.jets.defects import MAX_UNUSABLE, explain_nothing_left, require_usable
from hepcs.sources.base import Chunk, EventSource, InputFile, SkippedFile, WeightedSource
from hepcs.sources.skipping import Listing, lost_share

logger = logging.getLogger(__name__)

# Part of the key of what is on disk: raised when the same input would give other dijets.
VERSION = 7
# Before the names of variations, in the files of dijets: of the events that pass when varied, and of those there.
SHIFTED, VARIED = "m_jj_", "varied_"
# Weights of events, in the files of dijets of a source that has some.
WEIGHT = "weight"
# The dijet mass that the file of the events holds.
STORED_M_JJ = "stored_m_jj"


@dataclass(frozen=True)
class DijetArrays:
    """The dijets of one chunk inside the evaluation region, as they lie on disk.

    Attributes
    ----------
    m_jj
        Shape (n,), GeV.
    mass
        Jet masses, leading jet first, shape (n, 2), GeV.
    constituents
        Awkward array 2n x var x {pt, eta, phi}: leading and subleading jet of each event in turn.
    """

    m_jj: NDArray[np.float64]
    mass: NDArray[np.float32]
    constituents: ak.Array


@dataclass(frozen=True)
class Ingested:
    """Selected dijets of a sample on disk.

    Attributes
    ----------
    key
        Digest of all that made them.
    files
        One file for each chunk of the input files.
    sizes
        Events in each of them.
    cutflow
        Events after each step of the selection.
    rejections
        Unusable events, listed up to a limit; the cutflow counts them all.
    inputs
        The input files that were read.
    skipped
        Those that cannot be read, and were left out.
    reused
        Whether all was found on disk.
    n_weightless
        Constituents that were left out because their weight is zero, as PUPPI's is for most of pile-up.
    repeated
        Events, counted over all files, that came before in the sample, and are left out of all data sets.
    origins
        The input file that each of `files` comes from.
    weight_sums
        For each of `files` the sum of the events' weights, over all that were read, and over those selected at any
        m_jj; an event without a weight counts as one.
    """

    key: str
    files: tuple[Path, ...]
    sizes: tuple[int, ...]
    cutflow: Cutflow
    rejections: tuple[Rejection, ...]
    inputs: tuple[InputFile, ...]
    skipped: tuple[SkippedFile, ...]
    reused: bool
    n_weightless: int = 0
    repeated: tuple[int, ...] = ()
    origins: tuple[str, ...] = ()
    weight_sums: tuple[tuple[float, float], ...] = ()

    @property
    def n_selected(self) -> int:
        """Events that passed all of the selection but the window in m_jj, its last step."""
        return self.cutflow.counts[-2]


@dataclass(frozen=True)
class _Settings:
    """What a process needs to ingest a chunk."""

    source: EventSource
    jets: Jets
    window: tuple[float, float]
    labelled: bool
    skip: bool


def ingest(
    listing: Listing,
    description: Mapping[str, Any],
    *,
    name: str,
    labelled: bool,
    jets: Jets,
    window: tuple[float, float],
    cache: Path,
    mapper: Mapper,
    progress: Progress,
    skip_bad_files: bool = False,
    max_lost: float = 0.0,
    drop_repeated: bool = False,
) -> Ingested:
    """Recluster and select all events of some files, and keep those with m_jj in a window.

    What a chunk of a file gives is kept by the content of that file, so one more file means work for that file
    alone.

    Parameters
    ----------
    listing
        Where the events come from, see :func:`~hepcs.sources.skipping.list_files`.
    description
        What the card says about the source, beyond its files: part of the key.
    name
        What the sample is, for progress and messages.
    labelled
        Whether its truth labels are kept; if not, they are not even read.
    jets
        Section of the card.
    window
        Evaluation region in m_jj, [low, high), GeV.
    cache
        Folder of prepared samples.
    mapper, progress
        Where the work runs and how it reports.
    skip_bad_files, max_lost
        Whether files that cannot be read are left out as a whole, and the largest share of events in them. As
        large a share of unusable events is allowed, or 5 % if that is more.
    drop_repeated
        Whether dijets that come more than once are left out after the first, and counted, and no error.

    Raises
    ------
    InputError
        If the input cannot be read, more than `max_lost` of it is in files that are left out or unusable, two
        files or two dijets are the same (unless those are dropped), or no event passes.
    """
    jets = jets.model_copy(update={"backend": resolve_backend(jets.backend)})
    settings = _Settings(listing.source, jets, window, labelled, skip_bad_files)
    _refuse_copies(listing)
    sizes = [described.n_entries for described, *_ in listing.inputs.values()]
    _check_lost(name, listing.skipped, sizes, max_lost)  # before hours are spent on the others
    made_by, folder = _made_by(settings, description), cache / "dijets"
    parts = {path: _part(listing, path, made_by, folder) for path in listing.inputs}
    missing = [item for part in parts.values() for item in part.items if not item[1].exists()]
    if missing:
        logger.info("%s: ingesting %d of %d chunks", name, len(missing), len(listing.chunks))
        bad = _ingest_chunks(settings, missing, name, mapper, progress)
    else:
        logger.info("%s: reusing the selected dijets in %s", name, folder)
        bad = {}
    lost = (SkippedFile(path, parts[path].n_entries, reason) for path, reason in bad.items())
    skipped = (*listing.skipped, *lost)
    kept = [part for path, part in parts.items() if path not in bad and part.items]
    _warn_of_skipped(name, skipped)
    _check_lost(name, skipped, [part.n_entries for part in kept], max_lost)
    files = tuple(file for part in kept for _, file in part.items)
    cutflows, rejections, n_weightless = _read_records(files)
    cutflow = sum(cutflows[1:], start=cutflows[0])
    if cutflow.counts[-1] == 0:
        reason = explain_nothing_left(cutflow, rejections)
        raise InputError(f"{name}: no event passes the selection: {reason}")
    require_usable(name, cutflow, rejections, max(max_lost, MAX_UNUSABLE))
    if n_weightless:
        logger.info("%s: %d constituents have a weight of zero, and are left out", name, n_weightless)
    repeated = repeated_rows(files)
    if drop_repeated and repeated:
        logger.warning("%s: %d dijets come more than once; the first of each is kept", name, len(repeated))
    elif repeated:
        refuse_repeated(name, repeated, cutflow.counts[-1])
    return Ingested(
        key=digest_of([part.key for part in kept]),
        files=files,
        sizes=tuple(one.counts[-1] for one in cutflows),
        cutflow=cutflow,
        rejections=rejections,
        # A mask of luminosity sections belongs to all files, and is listed once.
        inputs=tuple(
            dict.fromkeys(
                file for path, described in listing.inputs.items() if path not in bad for file in described
            )
        ),
        skipped=skipped,
        reused=not missing,
        n_weightless=n_weightless,
        repeated=repeated,
        origins=tuple(chunk.file for part in kept for chunk, _ in part.items),
        weight_sums=tuple(map(_weight_sums, files)),
    )


def _made_by(settings: _Settings, description: Mapping[str, Any]) -> dict[str, Any]:
    """What makes the dijets of any events, to tell apart what is kept of them."""
    return {
        "version": VERSION,
        "source": dict(description),
        "labelled": settings.labelled,
        "jets": settings.jets.model_dump(mode="json"),
        "backend": version(settings.jets.backend),
        "window": list(settings.window),
    }


@dataclass(frozen=True)
class _Part:
    """One input file: what its dijets are kept by, its entries, and where those of each chunk go."""

    key: str
    n_entries: int
    items: tuple[tuple[Chunk, Path], ...]


def _part(listing: Listing, path: str, made_by: Mapping[str, Any], folder: Path) -> _Part:
    chunks = [chunk for chunk in listing.chunks if chunk.file == path]
    content = [[file.digest, file.n_entries] for file in listing.inputs[path]]
    ranges = [[chunk.start, chunk.stop] for chunk in chunks]
    key = digest_of({**made_by, "input": content, "chunks": ranges})
    places = (folder / key[:20] / f"{index:05d}.npz" for index in range(len(chunks)))
    n_entries = sum(chunk.n_entries for chunk in chunks)
    return _Part(key, n_entries, tuple(zip(chunks, places, strict=True)))


def _refuse_copies(listing: Listing) -> None:
    """Refuse the same events under two names: they would count twice."""
    first: dict[str, str] = {}
    for path, (described, *_) in listing.inputs.items():
        if described.n_entries and (other := first.setdefault(described.digest, path)) != path:
            raise InputError(
                f"{path}: the same content as {other} ({described.digest[:19]}...): its events would count twice. "
                "Name one of the two in `files`"
            )


def _check_lost(name: str, skipped: Sequence[SkippedFile], n_entries: Sequence[int], max_lost: float) -> None:
    """Refuse skipped files that hold too large a share of the events."""
    share = lost_share(skipped, n_entries)
    if share > max_lost or (skipped and not n_entries):
        listed = "\n".join(f"  {one.reason}" for one in skipped)
        raise InputError(
            f"{name}: {len(skipped)} of {len(skipped) + len(n_entries)} files cannot be read, with {share:.1%} of "
            f"the events, and max_lost allows {max_lost:.1%}. Fetch them again, or raise max_lost\n{listed}"
        )


def _warn_of_skipped(name: str, skipped: Sequence[SkippedFile]) -> None:
    for one in skipped:
        events = "an unknown number of" if one.n_entries is None else f"{one.n_entries:,}"
        logger.warning("%s: skipped with %s events: %s", name, events, one.reason)


def _ingest_chunks(
    settings: _Settings, items: Sequence[tuple[Chunk, Path]], name: str, mapper: Mapper, progress: Progress
) -> dict[str, str]:
    """Ingest chunks in several processes; returns the files that cannot be read, and what is wrong with each."""
    reasons = tracked(mapper(partial(_ingest_chunk, settings), items), f"{name}: jets", len(items), progress)
    bad: dict[str, str] = {}
    for (chunk, _), reason in zip(items, reasons, strict=True):
        if reason is not None:
            bad.setdefault(chunk.file, reason)
    return bad


def _ingest_chunk(settings: _Settings, item: tuple[Chunk, Path]) -> str | None:
    """Write the dijets of a chunk, and their truth labels to a file of their own.

    Returns what is wrong with a chunk that cannot be read, if its file is to be skipped.
    """
    chunk, file = item
    try:
        block = settings.source.read_block(chunk)
        labels = settings.source.read_labels(chunk) if settings.labelled else None
        weights = _weights(settings.source, chunk)
        stored = _stored_m_jj(settings.source, chunk)
    except InputError as error:
        if settings.skip:
            return str(error)
        raise
    selected = select_block(block, settings.jets, file=chunk.file)
    low, high = settings.window
    mask = (selected.m_jj >= low) & (selected.m_jj < high)
    shifted: dict[str, Any] = {}
    for name, m_jj in selected.shifted.items():
        within = (m_jj >= low) & (m_jj < high)
        shifted[f"{SHIFTED}{name}"] = m_jj[within]
        if weights is not None:
            shifted[f"{WEIGHT}_{name}"] = weights[selected.shifted_entry[name][within] - chunk.start]
    inside = selected.take(mask, f"m_jj in [{low:g}, {high:g}) GeV")
    shifted |= {f"{VARIED}{name}": m_jj for name, m_jj in inside.varied.items()}
    flat = ak.flatten(inside.jets.constituents, axis=1)
    record = {
        "cutflow": asdict(inside.cutflow),
        "rejections": [asdict(rejection) for rejection in inside.rejections],
        "n_weightless": block.n_weightless,
    }
    optional: dict[str, Any] = {}
    if weights is not None:
        record["weight_sums"] = [float(weights.sum()), float(weights[selected.entry - chunk.start].sum())]
        optional[WEIGHT] = weights[inside.entry - chunk.start]
    if stored is not None:
        optional[STORED_M_JJ] = stored[inside.entry - chunk.start]
    if labels is not None:
        of_selected = labels[selected.entry - chunk.start]
        of_weights: dict[str, Any] = (
            {} if weights is None else {WEIGHT: weights[selected.entry - chunk.start]}
        )
        with atomic_path(_truth_file(file)) as temporary:
            np.savez(temporary, selected=of_selected, inside=of_selected[mask], **of_weights)
    ids: dict[str, Any] = {}
    if block.event_ids is not None:
        ids[EVENT_ID] = block.event_ids[np.searchsorted(block.entry, inside.entry)]
    with atomic_path(file) as temporary:
        np.savez(
            temporary,
            **ids,
            **shifted,
            **optional,
            record=np.array(json.dumps(record)),
            m_jj=inside.m_jj,
            mass=ak.to_numpy(inside.jets.mass).astype(np.float32).reshape(-1, 2),
            counts=ak.to_numpy(ak.num(flat, axis=1)),
            constituents=np.stack(
                [ak.to_numpy(ak.flatten(flat[name])).astype(np.float32) for name in ("pt", "eta", "phi")]
            ),
        )
    return None


def _weights(source: EventSource, chunk: Chunk) -> NDArray[np.float64] | None:
    """Weights of all entries of a chunk; None where each counts as one."""
    if isinstance(source, WeightedSource) and source.event_weight is not None:
        return source.read_weights(chunk)
    return None


def _stored_m_jj(source: EventSource, chunk: Chunk) -> NDArray[np.float64] | None:
    """Dijet masses of all entries of a chunk as its file holds them, GeV; None where it names none."""
    if isinstance(source, WeightedSource) and source.stored_m_jj is not None:
        return source.read_stored_m_jj(chunk)
    return None


def read_mass_ratio(file: Path) -> NDArray[np.float64]:
    """Dijet mass of the file over ours of the dijets of one chunk, shape (n,); empty where it holds none."""
    with stored_arrays(file) as arrays:
        if STORED_M_JJ not in arrays:
            return np.zeros(0)
        return np.asarray(arrays[STORED_M_JJ] / arrays["m_jj"])


def _weight_sums(file: Path) -> tuple[float, float]:
    """Sum of weights of the events of a chunk that were read, and of those selected at any m_jj."""
    with stored_arrays(file) as arrays:
        record = json.loads(str(arrays["record"]))
    counts = record["cutflow"]["counts"]
    read, selected = record.get("weight_sums", (counts[0], counts[-2]))
    return float(read), float(selected)


def read_weights(file: Path) -> NDArray[np.float64]:
    """The weights of the dijets of one chunk; ones where they have none."""
    with stored_arrays(file) as arrays:
        return np.asarray(arrays[WEIGHT]) if WEIGHT in arrays else np.ones(len(arrays["m_jj"]))


def _truth_file(file: Path) -> Path:
    return file.with_name(f"truth-{file.name}")


def _read_records(files: Sequence[Path]) -> tuple[tuple[Cutflow, ...], tuple[Rejection, ...], int]:
    """Cutflow of each chunk, the first rejections of all, and the constituents without weight."""
    wait_for_files(files)
    cutflows, rejections, n_weightless = zip(*map(_read_record, files), strict=True)
    return cutflows, tuple(chain(*rejections))[:MAX_LISTED_REJECTIONS], sum(n_weightless)


def _read_record(file: Path) -> tuple[Cutflow, tuple[Rejection, ...], int]:
    with stored_arrays(file) as arrays:
        record = json.loads(str(arrays["record"]))
    cutflow = Cutflow(tuple(record["cutflow"]["names"]), tuple(record["cutflow"]["counts"]))
    rejections = tuple(Rejection(**rejection) for rejection in record["rejections"])
    return cutflow, rejections, int(record["n_weightless"])


def read_dijets(file: Path) -> DijetArrays:
    """The dijets of one chunk; raises InputError if its file is damaged."""
    with stored_arrays(file) as arrays:
        pt, eta, phi = arrays["constituents"]
        flat = ak.zip({"pt": pt, "eta": eta, "phi": phi})
        return DijetArrays(arrays["m_jj"], arrays["mass"], ak.unflatten(flat, arrays["counts"]))


def read_m_jj(file: Path) -> NDArray[np.float64]:
    """The m_jj of the dijets of one chunk, GeV."""
    with stored_arrays(file) as arrays:
        return np.asarray(arrays["m_jj"])


def read_varied(file: Path) -> dict[str, NDArray[np.float64]]:
    """m_jj, GeV, of the dijets of one chunk when their jets are varied, shape (n,), by the name of the variation.

    Names are those of :func:`~hepcs.jets.energy.smeared_jets`; none where no uncertainty is known.
    """
    with stored_arrays(file) as arrays:
        names = [key.removeprefix(VARIED) for key in arrays if key.startswith(VARIED)]
        return {name: np.asarray(arrays[f"{VARIED}{name}"]) for name in names}


def read_shifted(file: Path) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """m_jj, GeV, and weights of the events of one chunk in the window when their jets are varied, by variation.

    Empty where none is varied. These are not the same events as without a shift: some pass a cut, or the edge
    of the window.
    """
    with stored_arrays(file) as arrays:
        names = [key.removeprefix(SHIFTED) for key in arrays if key.startswith(SHIFTED)]
        found = {}
        for name in names:
            m_jj = np.asarray(arrays[f"{SHIFTED}{name}"])
            key = f"{WEIGHT}_{name}"
            found[name] = (m_jj, np.asarray(arrays[key]) if key in arrays else np.ones(m_jj.size))
    return found


def read_mass(file: Path) -> NDArray[np.float32]:
    """The jet masses of the dijets of one chunk, leading jet first, shape (n, 2), GeV."""
    with stored_arrays(file) as arrays:
        return np.asarray(arrays["mass"])


@dataclass(frozen=True)
class TruthLabels:
    """Truth labels: of the events inside the evaluation region, and of all that passed the selection.

    `outside` are the sums of weights of those of background and of signal that lie outside.
    """

    inside: NDArray[np.int8]
    selected: NDArray[np.int8]
    outside: tuple[float, float] = (0.0, 0.0)


def read_truth(ingested: Ingested, factors: Sequence[float] = ()) -> TruthLabels:
    """Truth labels of a labelled sample; only injection and studies ask for them.

    `factors` multiply the weights of the events of each of its files, as :class:`Weighting` has them.
    """
    inside, selected, outside = [], [], np.zeros(2)
    for file, factor in zip(ingested.files, factors or np.ones(len(ingested.files)), strict=True):
        with stored_arrays(_truth_file(file)) as arrays:
            inside.append(arrays["inside"])
            selected.append(arrays["selected"])
            of_selected = arrays.get(WEIGHT, np.ones(len(selected[-1])))
        for labels, weights, sign in ((selected, of_selected, 1), (inside, read_weights(file), -1)):
            outside += sign * factor * np.bincount(labels[-1] != 0, weights=weights, minlength=2)
    background, signal = np.maximum(outside, 0.0)
    return TruthLabels(np.concatenate(inside), np.concatenate(selected), (float(background), float(signal)))
