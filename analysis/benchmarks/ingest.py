"""Point 4: from constituents to features, against the bare clustering calls; images; memory.

The clustering calls are those that anybody would write for one event after the other, on arrays that are ready:
``pyjet.cluster(particles, R=1.0, p=-1)``, and nothing is asked of their result.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepcs.config.preparation import Jets
from hepcs.features.image_pca import Compression, compress
from hepcs.images import image_and_reprocess, jet_images, require_filled_images
from hepcs.jets import flatten, resolve_backend, select_dijets
from hepcs.jets.kinematics import four_momenta
from hepcs.sources.writing import RootWriter

from .report import Figure, Measured
from .sample import PaperSample
from .sizes import Sizes
from .timing import Laps, median_ratio

# Events of a chunk: as many as are read at a time from LHC Olympics files.
CHUNK = 2000
# Events written to a file at a time.
WRITTEN = 4000
# The larger file has so many times the events of the smaller one.
GROWTH = 4
# Memory counts as flat if the larger file needs less than this times that of the smaller one.
FLAT = 1.1

# By so much the pT of a copy of an event is above that of the copy before.
APART = 1e-4

CALLS = {"pyjet": "pyjet.cluster(particles, R=1.0, p=-1)", "fastjet": "fastjet.ClusterSequence"}

CARD = """\
name: ingest
samples:
  background: {{kind: root, files: {file}, tree: Events}}
execution: {{cache: {cache}}}
"""


@dataclass(frozen=True)
class BareCalls:
    """The clustering calls alone: of particles as they come, and where there is a faster way, of four-momenta."""

    backend: str
    of_particles: Callable[[], None]
    of_momenta: Callable[[], None] | None


def bare_calls(events: ak.Array, radius: float) -> BareCalls:
    """Clustering calls on arrays that are made here, before the time is taken."""
    names = ("pt", "eta", "phi", "mass")
    columns = flatten(events, names)
    if resolve_backend("auto") == "fastjet":
        return BareCalls("fastjet", _fastjet_calls(events, radius), None)
    import pyjet

    offsets = columns.offsets.tolist()
    particles = np.empty(offsets[-1], dtype=pyjet.DTYPE_PTEPM)
    for theirs, name in zip(pyjet.DTYPE_PTEPM.names, names, strict=True):
        particles[theirs] = columns.fields[name]
    momenta: NDArray[Any] = four_momenta(*(columns.fields[name] for name in names))
    vectors = momenta.view(pyjet.DTYPE_EP).reshape(-1)
    definition = pyjet.JetDefinition("antikt", R=radius)

    def of_particles() -> None:
        for start, stop in pairwise(offsets):
            pyjet.cluster(particles[start:stop], R=radius, p=-1)

    def of_momenta() -> None:
        for start, stop in pairwise(offsets):
            pyjet.cluster(vectors[start:stop], definition, ep=True)

    return BareCalls("pyjet", of_particles, of_momenta)


def _fastjet_calls(events: ak.Array, radius: float) -> Callable[[], None]:
    import fastjet

    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    px, py = events.pt * np.cos(events.phi), events.pt * np.sin(events.phi)
    pz = events.pt * np.sinh(events.eta)
    energy = np.sqrt(px**2 + py**2 + pz**2 + events.mass**2)
    momenta = ak.zip({"px": px, "py": py, "pz": pz, "E": energy})

    def of_particles() -> None:
        for start in range(0, len(momenta), 500):
            fastjet.ClusterSequence(momenta[start : start + 500], definition).inclusive_jets()

    return of_particles


def constituents_to_features(events: ak.Array, compression: Compression) -> NDArray[np.float32]:
    """Select dijets, make their reprocessed images, project on the components: shape (2 n, d).

    The events go through in chunks, as in a run.
    """
    features = []
    for start in range(0, len(events), CHUNK):
        chunk = events[start : start + CHUNK]
        dijets = require_filled_images(select_dijets(chunk, Jets(), file="generated", first_entry=start))
        images = image_and_reprocess(ak.flatten(dijets.jets.constituents, axis=1))
        features.append(compress(images.reshape(len(images), -1), compression))
    return np.concatenate(features)


@dataclass(frozen=True)
class Repetitions:
    """Times of what works on the constituents of the same events, run in turn.

    Attributes
    ----------
    ours
        From constituents to features.
    particles, momenta
        The bare calls.
    images, reprocessed
        Images of the selected jets, without and with reprocessing.
    """

    ours: Laps = field(default_factory=Laps)
    particles: Laps = field(default_factory=Laps)
    momenta: Laps = field(default_factory=Laps)
    images: Laps = field(default_factory=Laps)
    reprocessed: Laps = field(default_factory=Laps)


def run(sample: PaperSample, events: ak.Array, sizes: Sizes, folder: Path) -> Measured:
    """Time the ingest of generated events, and watch the memory of that of files."""
    bare = bare_calls(events, Jets().radius)
    compression = sample.background.compression
    dijets = require_filled_images(select_dijets(events, Jets(), file="generated", first_entry=0))
    jets = ak.to_packed(ak.flatten(dijets.jets.constituents, axis=1))
    constituents_to_features(events[:100], compression)
    jet_images(jets[:10])
    found = Repetitions()
    for _ in range(sizes.ingest_repetitions):
        found.ours.time(constituents_to_features, events, compression)
        found.particles.time(bare.of_particles)
        if bare.of_momenta is not None:
            found.momenta.time(bare.of_momenta)
        found.images.time(jet_images, jets)
        found.reprocessed.time(image_and_reprocess, jets)
    small = prepare_file(events, sizes.memory_copies, folder)
    large = prepare_file(events, GROWTH * sizes.memory_copies, folder)
    raw = {
        "backend": bare.backend,
        "events": len(events),
        "particles": int(ak.sum(ak.num(events.pt))),
        "constituents_to_features": found.ours.to_json(),
        "bare_calls": found.particles.to_json(),
        "bare_calls_of_four_momenta": found.momenta.to_json() if found.momenta.wall else None,
        "jets": len(jets),
        "images": found.images.to_json(),
        "images_with_reprocessing": found.reprocessed.to_json(),
        "smaller_file": small,
        "larger_file": large,
    }
    figures = (*_times(found, bare.backend, events, len(jets)), *_of_files(small, large))
    return Measured("4. Ingest", figures, raw)


def prepare_file(events: ak.Array, copies: int, folder: Path) -> dict[str, Any]:
    """Write events into a ROOT file several times over, a little apart, and prepare it in a process of its own."""
    path = folder / f"{copies}.root"
    with RootWriter(path, mass=False) as writer:
        for copy in range(copies):
            for start in range(0, len(events), WRITTEN):
                part = events[["pt", "eta", "phi"]][start : start + WRITTEN]
                # A little harder each time: events that come twice are refused.
                writer.write(ak.with_field(part, part.pt * (1 + APART * copy), "pt"))
    card = folder / f"{copies}.yaml"
    card.write_text(CARD.format(file=path, cache=folder / f"cache_{copies}"), encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, "-m", f"{__package__}.ingest_once", str(card)],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(answer.stdout)
    return {**found, "file_bytes": path.stat().st_size}


def _times(found: Repetitions, backend: str, events: ak.Array, n_jets: int) -> tuple[Figure, ...]:
    n = len(events)
    ratio = median_ratio(found.ours, found.particles)
    rate = n_jets / found.reprocessed.median
    strict = ""
    if found.momenta.wall:
        strict = (
            f"; with ready four-momenta these take {1e6 * found.momenta.median / n:.0f} us, and the ratio is "
            f"{median_ratio(found.ours, found.momenta):.2f}"
        )
    return (
        Figure(
            f"constituents to features / bare {backend} calls",
            ratio,
            f"{ratio:.2f} x",
            f"{1e6 * found.ours.median / n:.0f} us an event here, {1e6 * found.particles.median / n:.0f} us in "
            f"{CALLS[backend]}{strict}; medians of {len(found.ours.wall)} in turn, {n:,} events of "
            f"{np.mean(ak.num(events.pt)):.0f} particles",
            "<= 1.3 x",
            ratio <= 1.3,
            "ingest_ratio",
        ),
        Figure(
            "images a second, one core",
            rate,
            f"{rate:,.0f}",
            f"with reprocessing; without {n_jets / found.images.median:,.0f}; {n_jets:,} jets, medians of "
            f"{len(found.images.wall)}",
            ">= 25,000",
            rate >= 25_000,
            "images_per_second",
        ),
    )


def _of_files(small: dict[str, Any], large: dict[str, Any]) -> tuple[Figure, ...]:
    growth = large["bytes"] / small["bytes"]
    seconds = large["seconds"] / large["events"]
    return (
        Figure(
            f"memory to prepare {large['events']:,} events / {small['events']:,}",
            growth,
            f"{growth:.2f} x",
            f"{large['bytes'] / 1e9:.2f} and {small['bytes'] / 1e9:.2f} GB at most, ROOT files of "
            f"{large['file_bytes'] / 1e6:.0f} and {small['file_bytes'] / 1e6:.0f} MB",
            f"flat (<= {FLAT:g} x)",
            growth <= FLAT,
            "ingest_memory_growth",
        ),
        Figure(
            "preparation of an event by a run, one core",
            1e6 * seconds,
            f"{1e6 * seconds:.0f} us",
            "the larger file: reading, jets, files in between, training of the components, images twice",
        ),
    )
