"""Kinds by entry points: those of hepcs, and what is wrong with those of others."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from hepcs._core.errors import ComputationError
from hepcs.config import kinds as module
from hepcs.config.kinds import Group, distribution_of, installed_kinds, load_kind
from hepcs.searches.cwola import Cwola

GROUP: Group = "hepcs.searches"


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    installed_kinds.cache_clear()
    load_kind.cache_clear()
    yield
    installed_kinds.cache_clear()
    load_kind.cache_clear()


def installed(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Let these entry points be all that are installed; digits tell apart those of one name."""
    points = [EntryPoint(name.rstrip("12"), value, GROUP) for name, value in values.items()]
    monkeypatch.setattr(module, "entry_points", lambda group: points)


@pytest.mark.parametrize("group", ["hepcs.searches", "hepcs.features"])
def test_kinds_of_hepcs_are_there_and_all_can_be_used(group: Group) -> None:
    names = list(installed_kinds(group))
    assert names == sorted(names)
    for name in names:
        section = load_kind(group, name).section
        assert section.model_fields["kind"].default == name
        assert distribution_of(group, name) == "hepcs"


def test_one_name_for_two_objects_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, cwola1="one:KIND", cwola2="two:KIND")
    with pytest.raises(ComputationError) as refused:
        installed_kinds(GROUP)
    text = str(refused.value)
    assert "'cwola' is registered in the group hepcs.searches for one:KIND and for two:KIND" in text
    assert "uninstall one of the two packages, or rename one of the kinds" in text


def test_one_object_may_be_registered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a checkout and an installation are both on the path."""
    installed(monkeypatch, cwola1="hepcs.searches.cwola:KIND", cwola2="hepcs.searches.cwola:KIND")
    assert load_kind(GROUP, "cwola").section is Cwola


def test_without_any_the_installation_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    with pytest.raises(ComputationError, match=r"no kind is registered in hepcs\.searches: install hepcs"):
        installed_kinds(GROUP)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module:KIND", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("hepcs.searches.cwola:NO_KIND", "AttributeError: module 'hepcs.searches.cwola' has no attribute"),
        ("hepcs.searches.cwola:Cwola", "AttributeError: section"),
        ("math:pi", "has no attribute 'section'"),
        ("hepcs.config.kinds:KIND_WITHOUT", "KeyError: 'kind'"),
    ],
)
def test_a_kind_that_cannot_be_used_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, value: str, reason: str
) -> None:
    without = SimpleNamespace(section=SimpleNamespace(model_fields={}))
    monkeypatch.setattr(module, "KIND_WITHOUT", without, raising=False)
    installed(monkeypatch, mine=value)
    with pytest.raises(ComputationError) as refused:
        load_kind(GROUP, "mine")
    assert f"the kind 'mine' of hepcs.searches ({value}) cannot be used" in str(refused.value)
    assert reason in str(refused.value)
    assert "Mend or uninstall the package" in str(refused.value)


def test_a_section_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, mine="hepcs.searches.cwola:KIND")
    with pytest.raises(ComputationError, match=r"'mine' .* has a section of kind 'cwola'"):
        load_kind(GROUP, "mine")
