"""``hepcs searches``, and the two ways to run a card."""

from __future__ import annotations

import sys

import pytest
from pydantic import Field
from toy_command import command_here

from hepcs.analysis import searches as module
from hepcs.analysis.__main__ import parse_arguments
from hepcs.config.kinds import installed_kinds
from hepcs.config.searches import SearchSection
from hepcs.searches.kinds import SearchKind


def test_every_kind_is_listed_with_what_it_does_and_needs(capsys: pytest.CaptureFixture[str]) -> None:
    ended = command_here(capsys, "searches")
    assert ended.returncode == 0, ended.stderr
    searches, features = ended.stdout.split("\n\n")
    lines = searches.splitlines()[1:]
    assert len(lines) == 2 * len(installed_kinds("hepcs.searches"))
    needs = {line.split(":")[0].strip(): after for line, after in zip(lines[::2], lines[1::2], strict=True)}
    assert list(needs) == list(installed_kinds("hepcs.searches"))
    assert "features 'image_pca'" in needs["cluster_scanning"]
    assert "nothing but the spectrum" in needs["dijet_fit"]
    assert "features 'event', the package lightgbm" in needs["cwola"]
    assert "the sample 'signal'" in needs["supervised"]
    for kind, needed in needs.items():
        assert ("the truth" in needed) == (kind in {"supervised", "idealised", "idealised_fit"})
    assert all("(arXiv:" in line for line in lines[::2])
    for kind in installed_kinds("hepcs.features"):
        assert f"\n  {kind}: " in features
    assert (
        "substructure: mass, N-subjettiness, multiplicity, soft drop; needs the package fastjet" in features
    )


def test_a_kind_of_another_package_is_listed_though_its_section_has_no_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Demanding(SearchSection):
        """A key without default."""

        kind: str = "demanding"
        width: float = Field(description="must be given")

    kind = SearchKind(Demanding, "does much", "nowhere", build=lambda *_: None)  # type: ignore[arg-type,return-value]
    monkeypatch.setattr("hepcs.searches.kinds.installed", lambda: {"demanding": kind})
    monkeypatch.setattr(module, "distribution_of", lambda group, name: "other-package")
    assert list(module.lines_of_searches())[1:] == [
        "  demanding: does much (nowhere)",
        "      needs nothing but the spectrum; of the package other-package",
    ]


@pytest.mark.parametrize("program", ["/usr/bin/hepcs", "/somewhere/hepcs/analysis/__main__.py"])
def test_run_is_the_command_without_a_name(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    plain = parse_arguments(["demo.yaml", "--workers", "2"])
    assert parse_arguments(["run", "demo.yaml", "--workers", "2"]) == plain
    assert plain.execute.__module__ == "hepcs.analysis.run"


def test_help_speaks_of_the_command_that_was_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/hepcs"])
    with pytest.raises(SystemExit):
        parse_arguments(["run", "--help"])
    assert capsys.readouterr().out.startswith("usage: hepcs run ")
