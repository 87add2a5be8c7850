"""Embeddings as features: trained once on `samples.training`, or read from a file, and applied to all jets."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hepcs._core.differences import differences, shortened
from hepcs._core.errors import ComputationError, InputError
from hepcs._core.storage import atomic_path, digest_of
from hepcs.features.constituents import padded_constituents
from hepcs.features.embedding.networks import EMBED, loss_of, untrained
from hepcs.features.embedding.section import Embedding
from hepcs.features.making import EventBlock, Maker, Untrained
from hepcs.features.repeated_events import read_event_keys
from hepcs.features.substructure import COLUMNS, SUBSTRUCTURE, AllColumnsMaker, jet_substructure
from hepcs.neural.settings import TrainingSettings
from hepcs.neural.stacking import arrays_of, evaluate, with_arrays
from hepcs.neural.training import fit, split_off

if TYPE_CHECKING:
    from hepcs.config.schema import Card

# Part of what is on disk, and of stored models: raised when the same jets would give another network or features.
VERSION = 1

_HELD_OUT = 0.15
# Mean squared distance between embeddings below which they have collapsed, in units of their mean square.
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class SeenJets:
    """What a method sees of jets; they add up over blocks.

    Attributes
    ----------
    values
        Constituents (n, most, 3), or substructure (n, d), float32.
    relative_mass
        Mass over pT, shape (n,).
    weights
        Of their events, shape (n,); 1 where each counts as one.
    """

    values: tuple[NDArray[np.float32], ...]
    relative_mass: tuple[NDArray[np.float64], ...]
    weights: tuple[NDArray[np.float64], ...]

    def __add__(self, other: SeenJets) -> SeenJets:
        return SeenJets(
            self.values + other.values,
            self.relative_mass + other.relative_mass,
            self.weights + other.weights,
        )


def _substructure(jets: NDArray[np.floating]) -> NDArray[np.float32]:
    """All columns (n, 13) to those that do not know m_jj: without pT, and masses in units of it."""
    values = np.asarray(jets, dtype=np.float64).copy()
    for name in ("mass", "softdrop_mass"):
        values[:, COLUMNS.index(name)] /= values[:, COLUMNS.index("pt")]
    return values[:, [COLUMNS.index(name) for name in SUBSTRUCTURE if name != "pt"]].astype(np.float32)


@dataclass(frozen=True)
class EmbeddingMaker:
    """Makes what a network says of jets.

    Attributes
    ----------
    section
        Of the card.
    arrays
        The trained network, and its losses.
    trained
        Digest of what it came from.
    """

    section: Embedding
    arrays: Mapping[str, NDArray[Any]]
    trained: str

    @property
    def per(self) -> Literal["jet", "event"]:
        """As the card says."""
        return self.section.per

    @property
    def columns(self) -> tuple[str, ...]:
        """Numbers of a jet, or of both."""
        names = tuple(f"embedding_{number}" for number in range(self.section.dimension))
        if self.per == "jet":
            return names
        return tuple(f"{name}_{jet}" for jet in ("lighter", "heavier") for name in names)

    @property
    def key(self) -> Mapping[str, Any]:
        """All that decides the features."""
        return {"version": VERSION, "trained": self.trained, "per": self.per, "most": self.section.most}

    @property
    def about(self) -> Mapping[str, Any]:
        """How it was trained, and how well."""
        return {
            "method": self.section.method,
            "trained_on": int(self.arrays["n_jets"]),
            "epochs": len(self.arrays["held_out_losses"]),
            "held_out_loss": float(self.arrays["held_out_losses"].min()),
        }

    @property
    def base(self) -> Maker | None:
        """Substructure, where that is what the network sees."""
        return AllColumnsMaker() if self.section.method == "latent" else None

    def make(self, block: EventBlock) -> NDArray[np.float32]:
        """Shape (m, 2, d) of jets, or (m, 2 d) of events; NaN for a jet that lacks what the network sees."""
        if self.section.method == "latent":
            seen = _substructure(block.base.reshape(-1, len(COLUMNS)))
            lacking = ~np.isfinite(seen).all(axis=1)
            seen[lacking] = 0.0
        else:
            padded = padded_constituents(block.constituents, self.section.most)
            seen, lacking = padded.values, padded.incomplete
        # `seen` shows the shape of features.
        like = untrained(self.section, seen[:1], np.ones((1, 1)), np.random.default_rng(0))
        made = embedded(self.section, with_arrays(like, self.arrays), seen)
        made[lacking] = np.nan
        both = made.reshape(len(block), 2, -1)
        if self.per == "jet":
            return both
        swap = block.mass[:, 0] > block.mass[:, 1]
        return np.where(swap[:, np.newaxis, np.newaxis], both[:, ::-1], both).reshape(len(block), -1)


def embedded(section: Embedding, models: Any, seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a stack of one network says of n jets, shape (n, d)."""
    return evaluate(models, EMBED[section.method], seen)[0].astype(np.float32)


@dataclass(frozen=True)
class UntrainedEmbedding(Untrained):
    """An embedding that is yet to be trained, or read from a file.

    Attributes
    ----------
    section
        Of the card.
    jets
        The card's section of jets, in plain JSON types: another radius makes other jets.
    """

    section: Embedding
    jets: Mapping[str, Any]

    sample: ClassVar[str] = "training"

    @property
    def window(self) -> tuple[float, float]:
        """All events of the sample."""
        return 0.0, np.inf

    @property
    def key(self) -> Mapping[str, Any]:
        """All that decides what is learned from given events, and how a stored network is known."""
        own = self.section.model_dump(mode="json", exclude={"kind", "model", "per"})
        return {"version": VERSION, "embedding": own, "jets": dict(self.jets)}

    def sums(self, block: EventBlock) -> SeenJets:
        """What the network sees of both jets of each event, without jets that lack it."""
        constituents = block.constituents
        padded = padded_constituents(constituents, self.section.most)
        there = ~padded.incomplete
        pt = padded.values[..., 0].sum(axis=1, dtype=np.float64)
        relative = block.mass.reshape(-1) / np.where(there, pt, 1.0)
        values = padded.values
        if self.section.method == "latent":
            values = _substructure(jet_substructure(constituents).values)
            there &= np.isfinite(values).all(axis=1)
        weights = np.ones(len(block)) if block.weights is None else block.weights
        return SeenJets((values[there],), (relative[there],), (np.repeat(weights, 2)[there],))

    def solve(self, total: SeenJets) -> dict[str, NDArray[Any]]:
        """Train; raises InputError if there are too few jets, or the training diverges or collapses."""
        section, rng = self.section, np.random.default_rng([VERSION, self.section.seed])
        values, mass = np.concatenate(total.values), np.concatenate(total.relative_mass)
        weights = np.concatenate(total.weights)
        if len(values) < 2 * section.batch:
            raise InputError(
                f"{len(values)} jets of samples.training are too few to train an embedding in batches of "
                f"{section.batch}"
            )
        chosen = rng.permutation(len(values))[: section.training_jets]
        values, mass = values[chosen], mass[chosen]
        train, held_out = split_off(weights[np.newaxis, chosen], _HELD_OUT, rng)
        data, trivial = self._data(values, mass)
        settings = TrainingSettings(section.epochs, section.batch, section.learning_rate)
        models = untrained(section, values, train, rng)
        try:
            fitted = fit(models, loss_of(section), data, train, held_out, rng, settings, trivial=trivial)
        except ComputationError as error:
            raise InputError(str(error)) from error
        z = embedded(section, fitted.models, values[:4096])
        if fitted.n_failed or not _spread(z) > _LEAST_SPREAD:
            how = "diverged" if fitted.diverged.any() else "collapsed: it says the same of all jets"
            raise InputError(
                f"the training of the embedding ({section.method}) {how}; the held-out losses are "
                f"{np.round(fitted.held_out_losses[:, 0], 3).tolist()}. Lower learning_rate, allow more epochs, "
                "or give more jets"
            )
        return {
            **arrays_of(fitted.models),
            "losses": fitted.losses[:, 0],
            "held_out_losses": fitted.held_out_losses[:, 0],
            "n_jets": np.array(len(values)),
        }

    def _data(self, values: NDArray[np.float32], mass: NDArray[np.float64]) -> tuple[Any, float | None]:
        """What the loss sees, and what it is for a network that has learned nothing, if that is a number."""
        section = self.section
        if section.method == "ucluster":
            edges = np.quantile(mass, np.linspace(0, 1, section.mass_bins + 1)[1:-1])
            return {"jets": values, "bin": np.searchsorted(edges, mass).astype(np.int32)}, None
        if section.method == "latent":
            return values, 0.98
        # Of views that are all alike; another one is less than that.
        return values, -1e-3 if section.loss == "anomaly_clr_plus" else float(np.log(2 * section.batch - 2))

    def trained(self, arrays: Mapping[str, NDArray[Any]], key: str) -> EmbeddingMaker:
        """The maker with its network."""
        return EmbeddingMaker(self.section, dict(arrays), key)

    def stored(self, files: Mapping[str, Sequence[Path]]) -> EmbeddingMaker | None:
        """The maker of the stored network, if the card names a file that is there."""
        if self.section.model is None or not (path := Path(self.section.model).expanduser()).is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                arrays = dict(content)
                about, events = json.loads(str(arrays.pop("about"))), arrays.pop("events")
        except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: no stored embedding: {error}. Delete it to train anew") from error
        if unlike := differences(about, json.loads(json.dumps(self.key)), ("in the file", "here")):
            raise InputError(
                f"{path}: an embedding of another card or version:\n{shortened(unlike)}\nChange the card, or name "
                "another file as `model`"
            )
        for role, its in files.items():
            shared = len(np.intersect1d(events, read_event_keys(its))) if role != self.sample else 0
            if shared:
                raise InputError(
                    f"{path}: the embedding was trained on {shared:,} of the events of {role}, which are "
                    "searched; train it on others"
                )
        return self.trained(arrays, digest_of({name: one.tobytes().hex() for name, one in arrays.items()}))

    def store(self, maker: Maker, files: Sequence[Path]) -> None:
        """Write the network that was trained on the events in `files`, if the card names a file for it."""
        if self.section.model is None or not isinstance(maker, EmbeddingMaker):
            return
        with atomic_path(Path(self.section.model).expanduser()) as there, there.open("wb") as file:
            about = np.array(json.dumps(self.key))
            np.savez(file, allow_pickle=False, **maker.arrays, about=about, events=read_event_keys(files))


def _spread(z: NDArray[np.float32]) -> float:
    """Mean squared distance of embeddings from their mean, in units of their mean square; 0 if all are alike."""
    finite = bool(np.isfinite(z).all())
    return float(z.var(axis=0).sum() / max(float(np.square(z).sum(axis=1).mean()), 1e-30)) if finite else 0.0


def maker(section: Embedding, card: Card) -> UntrainedEmbedding:
    """The maker of a section of the card, to be trained."""
    return UntrainedEmbedding(section, card.jets.model_dump(mode="json"))
