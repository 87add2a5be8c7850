"""Hyperparameters as tables."""

from __future__ import annotations

from hepcs.config import read_card
from hepcs.output.hyperparameters import hyperparameters, latex_table, markdown_table
from hepcs.searches.kinds import Hyperparameter


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


def test_a_kind_without_hyperparameters_has_no_table() -> None:
    assert hyperparameters(read_card("lhco.yaml").card, "fit_3") == ()
