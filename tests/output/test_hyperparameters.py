"""Table 1."""

from __future__ import annotations

import re

import pytest

from hepcs.config import read_card
from hepcs.output.hyperparameters import hyperparameters, latex_table, markdown_table
from hepcs.searches.kinds import Hyperparameter


@pytest.mark.parametrize(("theta", "expected"), [("3.0", 1.87), ("2.0", 16.4)])
def test_expected_false_positives(theta: str, expected: float) -> None:
    """1.9 of 50 with the robust estimators (50 x 16 x 0.00135 = 1.1 without their own fluctuation)."""
    rows = hyperparameters(
        read_card("lhco.yaml", [f"searches.cluster_scanning.theta={theta}"]).card, "cluster_scanning"
    )
    (row,) = (row for row in rows if "threshold" in row.name)
    number = re.search(r"clusters of background: ([\d.]+) a scan", row.motivation)
    assert number is not None
    assert float(number[1]) == pytest.approx(expected, rel=0.04)


def test_markdown_is_a_table_of_three_columns() -> None:
    lines = markdown_table(hyperparameters(read_card("lhco.yaml").card, "cluster_scanning")).splitlines()
    assert lines[0].split("|")[1].strip() == "Parameter"
    assert set(lines[1]) == {"|", "-"}
    assert {line.count("|") for line in lines} == {4}
    assert len({len(line) for line in lines}) == 1


def test_latex_escapes_all_but_mathematics() -> None:
    rows = [Hyperparameter("$a_b$ & c_d", "5 % of 4 x 4", "#1")]
    lines = latex_table(rows).splitlines()
    assert lines[0] == r"\begin{tabular}{lll}"
    assert r"$a_b$ \& c\_d & 5 \% of 4 $\times$ 4 & \#1 \\" in lines
    assert lines[-1] == r"\end{tabular}"
