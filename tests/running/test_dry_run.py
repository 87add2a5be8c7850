"""What a card would run."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_command import SAMPLES, toy_folder

from hepcs.config import read_card
from hepcs.running.dry_run import estimate, render_estimate

SECTIONS = """\
searches:
  cluster_scanning: {k: 8, ensemble: 3}
pseudo_experiments: {background_only: 40, doped: 5}
injection: {epsilon: [0, 100]}
execution: {cache: cache}
"""


def test_an_estimate_is_measured_on_the_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy_folder(tmp_path, SAMPLES + SECTIONS))
    found = estimate(read_card("toy.yaml"), workers=2)
    background, signal = found.samples
    assert (background.n_entries, signal.n_entries) == (3000, 400)
    # The toys' spectrum: exp(-(m - 2900) / 560) between 3000 and 4600: 78 % of the events; the probe has 400.
    assert background.in_evaluation == pytest.approx(0.78 * 3000, rel=0.15)
    assert signal.in_evaluation == pytest.approx(400, rel=0.05)
    (search,) = found.searches
    assert search.n_data_sets == 2 + 40 + 5
    assert 0 < search.seconds < 5
    assert found.seconds > search.n_data_sets * search.seconds / 2
    assert found.memory > 2 * 50e6
    assert render_estimate(found).row_count == 7
