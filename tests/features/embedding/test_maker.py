"""Embeddings as features: trained on a sample, kept in a file, applied to other events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_card import SOURCES, toy_card
from toy_files import toy_files

from hepcs._core.errors import CardError, InputError
from hepcs._core.progress import serial_mapper, silent
from hepcs.config import Card
from hepcs.features.embedding.maker import EmbeddingMaker, UntrainedEmbedding, maker
from hepcs.features.embedding.section import Embedding
from hepcs.features.making import Maker, prepare_feature, train

SMALL: dict[str, Any] = {
    "dimension": 4, "width": 8, "heads": 2, "layers": 1, "most": 8, "batch": 32, "epochs": 10,
    "learning_rate": 1e-2,
}  # fmt: skip


def untrained(**changes: Any) -> UntrainedEmbedding:
    section = Embedding(**{**SMALL, **changes})
    card = toy_card(
        searches={"cluster_scanning": {"kind": "cluster_scanning", "features": "mine"}},
        features={"mine": {**section.model_dump(), "model": None}},
        **{"samples": {**SOURCES, "training": {"kind": "root", "files": "other.root"}}},
    )
    return maker(section, card)


def trained(one: UntrainedEmbedding, folder: Path) -> EmbeddingMaker:
    found = train(
        one,
        toy_files(folder, (120, 90), 1)[0],
        where="features.mine",
        cache=folder / "cache",
        mapper=serial_mapper,
        progress=silent,
    )
    assert isinstance(found, EmbeddingMaker)
    return found


def values(one: Maker, folder: Path, seed: int = 2) -> np.ndarray:
    made = prepare_feature(
        one,
        toy_files(folder, (40, 30), seed)[0],
        feature="mine",
        cache=folder / "cache",
        mapper=serial_mapper,
        progress=silent,
    )
    return np.array(made.values())


@pytest.mark.parametrize(
    "method",
    [
        "latent",
        pytest.param("contrastive", marks=pytest.mark.slow),
        pytest.param("ucluster", marks=pytest.mark.slow),
    ],
)
def test_features_of_jets_and_of_events(method: str, tmp_path: Path) -> None:
    one = trained(untrained(method=method), tmp_path)
    jets = values(one, tmp_path)
    assert jets.shape == (70, 2, 4)
    complete = np.isfinite(jets).all(axis=(1, 2))
    assert complete.mean() > 0.5
    assert jets[complete].std(axis=(0, 1)).min() > 0
    if method == "contrastive":
        assert complete.all()
        np.testing.assert_allclose(np.linalg.norm(jets, axis=2), 1.0, rtol=1e-5)
    # The same network, both jets in a row, the lighter one first.
    both = EmbeddingMaker(one.section.model_copy(update={"per": "event"}), one.arrays, one.trained)
    events = values(both, tmp_path)
    assert events.shape == (70, 8)
    assert both.columns[0].endswith("lighter")
    mass = np.concatenate(
        [np.load(file)["mass"] for file in toy_files(tmp_path, (40, 30), 2)[0].ingested.files]
    )
    ordered = np.where((mass[:, 0] > mass[:, 1])[:, None, None], jets[:, ::-1], jets).reshape(70, 8)
    np.testing.assert_array_equal(events, ordered)


def test_a_training_is_the_same_again_and_another_with_another_seed(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    found = [
        values(trained(untrained(method="latent", seed=seed), folder), folder)
        for folder, seed in zip(folders, (1, 1, 2), strict=True)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2], equal_nan=True)


def test_a_stored_network_is_read_where_it_fits_and_refused_where_it_does_not(tmp_path: Path) -> None:
    file = tmp_path / "kept.npz"
    one = untrained(method="latent", model=str(file))
    assert one.stored({}) is None
    made = trained(one, tmp_path)
    learned_from, others = (
        toy_files(tmp_path, sizes, seed)[0].ingested.files for sizes, seed in (((120, 90), 1), ((40, 30), 2))
    )
    one.store(made, learned_from)
    again = one.stored({"background": others, "training": learned_from})
    assert again is not None
    np.testing.assert_array_equal(values(again, tmp_path / "again"), values(made, tmp_path))
    with pytest.raises(InputError, match="trained on 210 of the events of data, which are searched"):
        one.stored({"background": others, "data": learned_from})
    other = untrained(method="latent", model=str(file), width=16, epochs=3)
    with pytest.raises(
        InputError,
        match=r"embedding\.width: 8 in the file, 16 here\n +embedding\.epochs: 10 in the file, 3 here",
    ):
        other.stored({"background": others})
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(InputError, match="no stored embedding"):
        one.stored({"background": others})


def test_a_collapsed_training_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"collapsed: it says the same of all jets; the held-out losses are"):
        trained(untrained(method="latent", learning_rate=1e-9), tmp_path)


def test_too_few_jets(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"420 jets of samples\.training are too few .* batches of 512"):
        trained(untrained(method="contrastive", batch=512), tmp_path)


def test_there_is_something_to_learn_from() -> None:
    searches = {"cluster_scanning": {"kind": "cluster_scanning", "features": "embedding"}}
    with pytest.raises(CardError, match=r"features\.embedding: learns from events that are not searched"):
        Card(name="toy", samples=SOURCES, searches=searches)
    with pytest.raises(CardError, match=r"width: 30 nodes cannot be shared by 4 heads"):
        Card(name="toy", samples=SOURCES, features={"mine": {"kind": "embedding", "width": 30}})
