"""Sources of events on the card."""

from __future__ import annotations

from pathlib import Path

import pytest

from hepcs._core.errors import CardError
from hepcs.config import read_card

CARD = """\
name: sources
samples:
  background:
    kind: root
    files: a.root
    branches: {pt: Particle_pt, eta: Particle_eta, phi: Particle_phi}
"""


def problems(folder: Path, text: str) -> str:
    (folder / "card.yaml").write_text(text)
    with pytest.raises(CardError) as caught:
        read_card(folder / "card.yaml")
    return str(caught.value)


def test_one_column_cannot_be_two_things(tmp_path: Path) -> None:
    text = problems(tmp_path, CARD.replace("phi: Particle_phi", "phi: Particle_eta"))
    assert "card.yaml:6" in text
    assert "phi: `Particle_eta` is named for eta already" in text
    text = problems(tmp_path, CARD.replace("phi: Particle_phi", "phi: p, weight: Particle_pt"))
    assert "weight: `Particle_pt` is named for pt already" in text


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        (
            "{background: [{kind: root, files: a.root}]}",
            "and no list: several files of a sample go into its `files`",
        ),
        ("{background: {files: a.root}}", "missing: expected one of lhco, root, parquet, aspen, pythia"),
    ],
)
def test_what_stands_where_a_sample_should_is_told(tmp_path: Path, samples: str, text: str) -> None:
    (tmp_path / "card.yaml").write_text(f"name: x\nsamples: {samples}\n")
    with pytest.raises(CardError, match=text):
        read_card(tmp_path / "card.yaml")
