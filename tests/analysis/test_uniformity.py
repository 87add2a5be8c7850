"""p-values of independent data sets: no event shared with the null sample, and uniform."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uniformity
from scipy import stats
from toy_events import write_toys

from hepcs._core.errors import ArgumentError
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.loading import load

CARD = """\
name: toy
seed: 3
samples:
  background: {kind: root, files: background.root}
searches:
  fit_3: {kind: dijet_fit, parameters: 3, toys: false}
  fit_4: {kind: dijet_fit, parameters: 4, toys: false}
execution: {cache: cache, workers: 1}
"""
PARTS, FOLDS, NULL = 40, 2, 49


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> LocatedCard:
    folder = tmp_path_factory.mktemp("uniformity")
    write_toys(folder / "background.root", 20_000, 5)
    (folder / "toy.yaml").write_text(CARD)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        return read_card(folder / "toy.yaml")


def test_parts_share_no_event_with_each_other_or_their_null(card: LocatedCard) -> None:
    loaded = load(card)
    study = uniformity.Study(card, loaded, FOLDS, PARTS, NULL)
    seen: list[float] = []
    for fold in range(FOLDS):
        for which in range(PARTS // FOLDS):
            others, part = study.part(fold, which)
            assert not set(others.m_jj) & set(part.m_jj)
            seen += [*part.m_jj]
    assert sorted(seen) == sorted(loaded.pools.background.m_jj)


@pytest.mark.slow
def test_they_are_uniform(card: LocatedCard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(card.path), "--parts", str(PARTS), "--folds", str(FOLDS), "--null", str(NULL)]
    assert uniformity.main([*arguments, "--workers", "1", "--output", str(tmp_path)]) == 0
    assert "40 disjoint data sets of some" in capsys.readouterr().out
    found = json.loads((tmp_path / "uniformity.json").read_text())
    assert {*found["searches"]} == {"fit_3", "fit_4", "together"}
    assert (found["n_parts"], found["n_folds"], found["n_null"]) == (PARTS, FOLDS, NULL)
    for entry in found["searches"].values():
        p = np.array(entry["p"])
        assert p.shape == (PARTS,)
        np.testing.assert_allclose(p * (NULL + 1), np.round(p * (NULL + 1)), atol=1e-9)
        assert entry["kolmogorov_smirnov"] == pytest.approx(stats.kstest(p, "uniform").pvalue)
        assert entry["kolmogorov_smirnov"] > 0.01
    # Two searches that share the data: p of both is neither of them alone.
    assert found["searches"]["together"]["p"] != found["searches"]["fit_3"]["p"]
    # Any number of workers.
    assert uniformity.study(card, PARTS, FOLDS, NULL, 2)["searches"]["fit_4"]["p"] == pytest.approx(
        found["searches"]["fit_4"]["p"]
    )


@pytest.mark.parametrize(("parts", "folds"), [(40, 1), (41, 2), (4, 4)])
def test_refuses(card: LocatedCard, parts: int, folds: int) -> None:
    with pytest.raises(ArgumentError, match="two folds or more, and the same number of parts"):
        uniformity.study(card, parts, folds, 10, 1)
