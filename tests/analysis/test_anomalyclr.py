"""The study of AnomalyCLR: its page holds its stored numbers, and summaries are means and spreads."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import anomalyclr
import pytest

ROOT = Path(__file__).parents[2]


def test_the_page_holds_the_stored_numbers() -> None:
    stored = json.loads((ROOT / "analysis" / "results" / "anomalyclr.json").read_text())["auc"]
    lines = (ROOT / "docs" / "representations.md").read_text().splitlines()
    rows = [
        line.strip("|").split("|")
        for line in lines
        if line.startswith("| ") and "±" in line.partition("|")[2][6:]
    ]
    assert len(rows) == len(stored) == 4
    for (_, *cells), of_signal in zip(rows, stored.values(), strict=True):
        numbers = [of_signal[method] for method in anomalyclr.METHODS]
        assert [cell.strip() for cell in cells] == [
            f"{one['mean']:.3f} ± {one['spread']:.3f}" for one in numbers
        ]


def test_a_card_of_something_else_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert anomalyclr.main(["--card", "no_such.yaml"]) == 2
    assert "no_such.yaml: no such card" in capsys.readouterr().out


def test_mean_and_spread_over_trainings() -> None:
    def one(auc: float) -> dict[str, Any]:
        return {"signals": {"a": {"auc": auc}}}

    found = {"raw": [one(0.7), one(0.9)], "clr": [one(0.5)]}
    summary = anomalyclr.summary(found, "auc")
    assert summary["a"]["raw"]["mean"] == pytest.approx(0.8)
    assert summary["a"]["raw"]["spread"] == pytest.approx(0.2 / math.sqrt(2))
    assert summary["a"]["clr"]["spread"] is None
