"""Kinds of searches and of features, by entry points: those of this package, and those of any other.

A kind is registered under a name of the group ``hepcs.searches`` or ``hepcs.features`` in the ``pyproject.toml``
of its package. Its object has a `section`: the card's section, whose `kind` is that name. The union of all
sections is what a card may hold, so a new kind joins the card, its messages and its JSON schema by being
installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from hepcs._core.errors import ComputationError

#: Groups of entry points.
Group = Literal["hepcs.searches", "hepcs.features"]


@cache
def installed_kinds(group: Group) -> Mapping[str, EntryPoint]:
    """Entry points of a group by name, in the order of the names.

    Raises
    ------
    ComputationError
        If none is installed, or two packages register one name for different objects.
    """
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=group), key=lambda one: one.name):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise ComputationError(
                f"{point.name!r} is registered in the group {group} for {other.value} and for {point.value}: "
                "uninstall one of the two packages, or rename one of the kinds"
            )
    if not found:
        raise ComputationError(
            f"no kind is registered in {group}: install hepcs, by `pip install -e .` in a checkout"
        )
    return found


@cache
def load_kind(group: Group, name: str) -> Any:
    """The object that is registered under a name; its module is imported.

    Raises
    ------
    ComputationError
        If it cannot be imported, or its section is of another kind.
    """
    point = installed_kinds(group)[name]
    try:
        kind = point.load()
        (declared,) = get_args(kind.section.model_fields["kind"].annotation)
    except (ImportError, AttributeError, KeyError, ValueError) as error:
        raise ComputationError(
            f"the kind {name!r} of {group} ({point.value}) cannot be used: {type(error).__name__}: {error}. "
            "Mend or uninstall the package that registers it"
        ) from error
    if declared != name:
        raise ComputationError(
            f"the kind {name!r} of {group} ({point.value}) has a section of kind {declared!r}"
        )
    return kind


def distribution_of(group: Group, name: str) -> str:
    """Name of the installed package that registers a kind."""
    found = installed_kinds(group)[name].dist
    return "hepcs" if found is None else found.name


class OneOf:
    """In `Annotated`: a section of any kind that is registered in a group."""

    def __init__(self, group: Group) -> None:
        self.group = group

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        sections = tuple(load_kind(self.group, name).section for name in installed_kinds(self.group))
        if len(sections) == 1:
            return handler.generate_schema(sections[0])
        return handler.generate_schema(Annotated[Union[sections], Field(discriminator="kind")])  # noqa: UP007
