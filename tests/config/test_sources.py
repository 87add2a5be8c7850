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
