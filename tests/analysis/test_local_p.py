"""Local p-values of one window and cut: right ones are small as often as they should be."""

from __future__ import annotations

from pathlib import Path

import local_p
import numpy as np
import pytest
from toy_command import toy_folder

from hepcs._core.storage import read_json

CARD = """\
name: toy
samples:
  background: {kind: root, files: background.root}
features:
  event: {set: standard}
searches:
  pca_outliers: {features: event, efficiencies: [0.1], folds: 2}
  fit: {kind: dijet_fit, parameters: 3, toys: false}
pseudo_experiments: {background_only: 20}
execution: {cache: cache, workers: 1}
"""


def test_right_p_values_are_small_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    found = local_p.reading(rng.normal(size=(2000, 7, 3)))
    for alpha in ("0.05", "0.01"):
        assert found[alpha]["value"] == pytest.approx(float(alpha), abs=4 * found[alpha]["error"])
    assert found["sd"] == pytest.approx(1, abs=0.02)
    assert found["sd_of_means"] == pytest.approx(2000**-0.5, rel=0.5)


def test_a_pool_that_is_shared_moves_the_means_alone() -> None:
    rng = np.random.default_rng(3)
    n_pool, n = 8000, 2000
    pool = rng.poisson(n_pool / 20, size=20)
    counts = rng.poisson(pool * n / n_pool, size=(400, 20)).astype(float)
    found = local_p.reading(((counts - n / 20) / np.sqrt(n / 20))[..., np.newaxis])
    assert found["sd"] == pytest.approx(1, abs=0.05)
    assert found["sd_of_means"] == pytest.approx(np.sqrt(n / n_pool), rel=0.5)


def test_the_table_has_a_cell_for_each_heading() -> None:
    table = local_p.table({"a": local_p.reading(np.random.default_rng(4).normal(size=(10, 2, 1)))})
    assert [len(list(column.cells)) for column in table.columns] == [1] * 7


def test_width_and_bias_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    shift = np.linspace(-1, 1, 7)[:, np.newaxis]
    local_z = 1.2 * rng.normal(size=(500, 7, 3)) + shift
    local_z[0, 0, 0] = np.nan
    found = local_p.reading(local_z)
    assert found["sd"] == pytest.approx(1.2, abs=0.03)
    assert found["sd_of_means"] == pytest.approx(np.std(np.repeat(shift, 3), ddof=1), abs=0.05)
    assert found["n_failed"] == 1


@pytest.mark.slow  # Searches data sets.
def test_what_is_finished_is_not_searched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy_folder(tmp_path, CARD))
    words = ["toy.yaml", "--only", "pca_outliers", "--data-sets", "3", "--store", "store", "--output", "."]
    assert local_p.main(words) == 0
    first = read_json(Path(local_p.RESULTS))
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").glob("pca_outliers-*/*.json")}
    assert len(finished) == first["pca_outliers"]["n_data_sets"] == 3
    lost = min(finished)
    lost.unlink()
    assert local_p.main(words) == 0
    assert read_json(Path(local_p.RESULTS)) == first
    assert {path for path, time in finished.items() if path.stat().st_mtime_ns != time} == {lost}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"), [(["fit"], "no windows and cuts"), (["cwola"], "expected searches of")]
)
def test_what_has_no_windows_and_cuts_is_refused(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(toy_folder(tmp_path, CARD))
    assert local_p.main(["toy.yaml", "--only", *words, "--store", "store", "--output", "."]) != 0
    assert said in " ".join(capsys.readouterr().out.split())
