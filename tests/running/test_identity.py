"""What runs must have in common: everything that can change a number, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from toys import BINS, toy_pools

from hepcs._core.differences import differences
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.samples import Pools, Sample
from hepcs.running import identity as module
from hepcs.running.identity import (
    Origin,
    card_identity,
    likely_cause,
    mixture_warnings,
    run_identity,
    this_origin,
)

CARD = """
name: x
samples:
  background: {kind: root, files: a.root}
  signal: {kind: pythia, process: zprime, events: 10}
features:
  unused: {kind: pixels}
searches:
  cluster_scanning: {title: a title, theta: 2}
  fit: {kind: dijet_fit}
"""


def card(folder: Path, *overrides: str, text: str = CARD) -> LocatedCard:
    path = folder / "card.yaml"
    path.write_text(text)
    return read_card(path, overrides)


def changed(folder: Path, *overrides: str) -> tuple[str, ...]:
    """Keys of the identity that overrides of the card change."""
    lines = differences(card_identity(card(folder)), card_identity(card(folder, *overrides)), ("", ""))
    return tuple(line.partition(":")[0] for line in lines)


@pytest.mark.parametrize(
    "override",
    [
        "description=other words",
        "execution.workers=3",
        "execution.cache=elsewhere",
        "output.style=CMS",
        "output.folder=elsewhere",
        "samples.background.files=elsewhere/a.root",
        "samples.background.url=https://example.org/a.root",
        "searches.cluster_scanning.title=another title",
        "features.unused.gamma=0.7",
        "features.image_pca.kept_variance=0.95",
    ],
)
def test_what_changes_no_number_is_left_out(tmp_path: Path, override: str) -> None:
    assert changed(tmp_path, override) == ()


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("seed=2", "card.seed"),
        ("searches.cluster_scanning.k=49", "card.searches.cluster_scanning.k"),
        ("searches.fit.parameters=5", "card.searches.fit.parameters"),
        ("features.image_pca.gamma=0.7", "card.features.image_pca.gamma"),
        ("pseudo_experiments.background_only=3901", "card.pseudo_experiments.background_only"),
        ("injection.epsilon=[0, 10]", "card.injection.epsilon"),
        ("samples.background.max_events=7", "card.samples.background.max_events"),
        ("samples.signal.events=11", "card.samples.signal.events"),
        ("jets.radius=0.8", "card.jets.radius"),
        (
            "searches.fit.pseudo_experiments.background_only=400",
            "card.searches.fit.pseudo_experiments.background_only",
        ),
    ],
)
def test_what_changes_numbers_is_named(tmp_path: Path, override: str, key: str) -> None:
    assert changed(tmp_path, override) == (key,)


@pytest.mark.parametrize("choice", ["engine=sklearn", "clusterer=gaussian_mixture", "clusterer=birch"])
def test_a_package_counts_where_it_computes(tmp_path: Path, choice: str) -> None:
    keys = changed(tmp_path, f"searches.cluster_scanning.{choice}")
    assert keys == (f"card.searches.cluster_scanning.{choice.partition('=')[0]}", "versions.scikit-learn")
    plain = card_identity(card(tmp_path, "searches.cluster_scanning.clusterer=lloyd"))["versions"]
    assert not {"scikit-learn", "lightgbm", "fastjet"} & set(plain)
    assert {"hepcs", "numpy", "scipy", "numba", "iminuit"} <= set(plain)


def test_packages_of_features_count_as_those_of_searches_do(tmp_path: Path) -> None:
    found = card_identity(card(tmp_path, "searches.cwola.features=event"))["versions"]
    assert found["lightgbm"] == version("lightgbm")
    assert found["fastjet"] == version("fastjet")


def test_the_package_that_registers_a_kind_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def registered(group: str, name: str) -> str:
        return "threadpoolctl" if name == "dijet_fit" else "hepcs"

    monkeypatch.setattr(module, "distribution_of", registered)
    assert card_identity(card(tmp_path))["versions"]["threadpoolctl"] == version("threadpoolctl")


def samples_of(folder: Path, pools: Pools) -> dict[str, str]:
    found = run_identity(card(folder), pools, {}, [])["samples"]
    assert isinstance(found, dict)
    return found


def test_samples_are_compared_by_what_is_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pools = toy_pools(300, 100)
    known = samples_of(tmp_path, pools)
    assert set(known) == {"background", "signal"}
    assert samples_of(tmp_path, toy_pools(300, 100)) == known
    sample = pools.background
    features, m_jj = sample.features["image_pca"].copy(), sample.m_jj.copy()
    features[299, 1, 5] = np.nextafter(features[299, 1, 5], np.float32(9))
    m_jj[7] = np.nextafter(m_jj[7], 0)
    others = [
        replace(sample, features={**sample.features, "image_pca": features}),
        sample.only(["image_pca"]),
        replace(sample, m_jj=m_jj),
        replace(sample, rows=sample.rows[::-1].copy()),
        replace(sample, n_selected=sample.n_selected + 1),
        replace(sample, first_event=sample.first_event + 1),
    ]
    for other in others:
        found = samples_of(tmp_path, replace(pools, background=other))
        assert found["background"] != known["background"]
        assert found["signal"] == known["signal"]
    # However many bytes are hashed at a time.
    monkeypatch.setattr(module, "_BLOCK", 1000)
    assert samples_of(tmp_path, pools) == known


def test_classes_of_a_labelled_sample_differ_though_they_share_features(tmp_path: Path) -> None:
    whole = toy_pools(300).background
    even = np.arange(300) % 2 == 0
    parts = [whole.take(even, 150), whole.take(~even, 150)]
    found = samples_of(tmp_path, Pools(parts[0], BINS, {"signal": parts[1]}))
    assert found["background"] != found["signal"]


def test_an_empty_sample_has_a_digest(tmp_path: Path) -> None:
    features = {"pixels": np.zeros((0, 2, 3), dtype=np.float32)}
    empty = Sample(np.zeros(0), features, np.zeros(0, dtype=np.int64), 0)
    found = samples_of(tmp_path, replace(toy_pools(10, 10), signals={"signal": empty}))
    assert found["signal"].startswith("sha256:")


def test_all_samples_are_named_by_their_role(tmp_path: Path) -> None:
    pools = toy_pools(30, 20)
    signal = pools.signals["signal"]
    several = replace(
        pools, signals={"wide": signal, "narrow": signal}, data=signal, others={"priors.wide": signal}
    )
    names = {"background", "data", "signals.wide", "signals.narrow", "priors.wide"}
    assert set(samples_of(tmp_path, several)) == names


def test_inputs_are_named_but_for_generated_events(tmp_path: Path) -> None:
    inputs = {"background": ("sha256:00", "sha256:01"), "signal": ("sha256:02",)}
    found = run_identity(card(tmp_path), toy_pools(10, 10), inputs, [("cluster_scanning",), ("fit_3",)])
    assert found["inputs"] == {"background": ["sha256:00", "sha256:01"]}
    assert found["searches"] == [["cluster_scanning"], ["fit_3"]]


@pytest.mark.parametrize("choice", ["engine=sklearn", "clusterer=gaussian_mixture", "clusterer=birch"])
def test_a_mixture_is_warned_of(tmp_path: Path, choice: str) -> None:
    here = this_origin()
    other_kernel = replace(here, blas=("openblas 0.3 Sandybridge",))
    plain, sklearn = card(tmp_path), card(tmp_path, f"searches.cluster_scanning.{choice}")
    assert list(mixture_warnings(plain, (here, other_kernel))) == []
    assert list(mixture_warnings(sklearn, (here, replace(here, processor="another")))) == []
    (warning,) = mixture_warnings(sklearn, (here, other_kernel))
    assert "openblas 0.3 Sandybridge" in warning
    assert "scikit-learn computes in float32, for cluster_scanning:" in warning
    (warning,) = mixture_warnings(plain, (here, Origin(here.processor, here.blas, "another text")))
    assert "the program text of hepcs was changed" in warning


def test_samples_that_another_machine_prepared_are_explained() -> None:
    here = (Origin("Xeon", ("openblas 0.3 SkylakeX",), "a text"),)
    there = (Origin("Opteron", ("openblas 0.3 Sandybridge",), "a text"),)
    names = ("in the first", "in the second")
    text = likely_cause(["samples.background: 1 here, 2 there"], here, there, names)
    assert (
        "Xeon (openblas 0.3 SkylakeX) in the first, Opteron (openblas 0.3 Sandybridge) in the second" in text
    )
    assert "execution.cache" in text
    assert likely_cause(["samples.background: 1, 2", "card.seed: 1, 2"], here, there, names) == ""
    assert likely_cause(["samples.background: 1, 2"], here, (replace(here[0], code="b"),), names) == ""
