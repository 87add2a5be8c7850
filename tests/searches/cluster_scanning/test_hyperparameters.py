"""Table 1."""

from __future__ import annotations

from hepcs.config import read_card
from hepcs.output.hyperparameters import hyperparameters


def values(*overrides: str, search: str = "cluster_scanning") -> dict[str, str]:
    rows = hyperparameters(read_card("lhco.yaml", overrides).card, search)
    return {row.name: row.value for row in rows}


def test_the_published_values() -> None:
    found = values()
    assert found["$k$"] == "50"
    assert found["mini-batch"] == "2048 jets"
    assert found["training region"] == "[3, 3.1) TeV"
    assert found["evaluation region"] == "[3, 4.6) TeV"
    assert found["bin width"] == "100 GeV"
    assert found["outlier fraction $f$"] == "0.2"
    assert found[r"cluster selection threshold $\theta$"] == r"3 $\sigma$"
    assert found["test statistic"] == "maximum local significance"
    assert found["default statistic"] == "0"
    assert found["ensemble size"] == "15"
    assert found["image"] == "40 x 40 pixels"


def test_the_card_sets_the_values() -> None:
    keys = ("k=30", "training=[3450, 3550]", "statistic={kind: bumphunter}")
    found = values(*(f"searches.cluster_scanning.{key}" for key in keys))
    assert found["$k$"] == "30"
    assert found["training region"] == "[3.45, 3.55) TeV"
    assert found["test statistic"] == "BumpHunter"


def test_a_variant_has_values_of_its_own() -> None:
    low = "searches.low={like: cluster_scanning, theta: 2.5, features: substructure}"
    found = values("searches.cluster_scanning.k=50", low, search="low")
    assert found[r"cluster selection threshold $\theta$"] == r"2.5 $\sigma$"
    assert found["features"] == "substructure"
    assert "image" not in found
