"""The study of clusters of events: its page holds its stored numbers, and what it makes of them is right."""

from __future__ import annotations

import json
from pathlib import Path

import event_clusters
import numpy as np
import pytest

from hepcs.datasets.bootstrap import Kind, Task

ANALYSIS = Path(__file__).parents[2] / "analysis"
SAMPLES = {
    "half a": "a",
    "half b": "b",
    "both": "all",
    "50,131 of them": "apart",
}


def test_the_page_holds_the_stored_numbers() -> None:
    stored = json.loads((ANALYSIS / "results" / "event_clusters.json").read_text())
    text = (ANALYSIS / "EVENT_CLUSTERS.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and "TeV" not in line and "---" not in line
    ]
    assert len(rows) == 2 * len(SAMPLES)
    for first, second, (label, name) in zip(rows[::2], rows[1::2], SAMPLES.items(), strict=True):
        assert first[0].startswith(label)
        for row, search in ((first, "event_clusters"), (second, "event_quadrature")):
            found = stored[name]["searches"][search]
            for cell, one in zip(row[2:-1], found["signals"].values(), strict=True):
                wanted = one["n3sigma"]
                if wanted is None:
                    assert cell.startswith("> ")
                else:
                    assert cell == f"{wanted:.0f} ({one['over_root_b']:.1f})"
            uneven = found["unevenness"]
            assert row[-1] == ("" if uneven is None else f"{uneven:.2f}")


def test_uneven_is_the_largest_over_the_smallest_of_the_generated_signals() -> None:
    signals = {
        "files_3500": {"over_root_b": 9.0},
        "at_3200": {"over_root_b": 3.0},
        "at_4000": {"over_root_b": 2.0},
    }
    assert event_clusters.unevenness(signals) == pytest.approx(1.5)
    assert event_clusters.unevenness({**signals, "at_4300": {"over_root_b": None}}) is None


def test_statistics_are_in_the_order_of_the_data_sets() -> None:
    found = {Task(Kind.BACKGROUND_ONLY, 0, index): 10.0 + index for index in (2, 0, 1)}
    found |= {Task(Kind.DOPED, 50, index, "at_3500"): 20.0 + index for index in (1, 0)}
    one = event_clusters._of_signal("toy", found, "at_3500")
    np.testing.assert_array_equal(one.null, [10, 11, 12])
    np.testing.assert_array_equal(one.doped[50], [20, 21])
