"""``searches``: the kinds of searches and features that are installed, those of other packages among them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from rich.console import Console

from hepcs.config.kinds import Group, distribution_of, installed_kinds, load_kind

DESCRIPTION = """\
List the kinds of searches that a card can have, with what each does, what it needs, and its paper; and the kinds
of features that searches look at. Kinds of other packages join the list by being installed."""
EXAMPLES = "  python -m hepcs.analysis searches"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command: none."""


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:  # noqa: ARG001
    """Print the list."""
    for line in (*lines_of_searches(), "", *lines_of_features()):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def lines_of_searches() -> Iterator[str]:
    """Two lines for each kind of search: what it does and its paper, and what it needs by default."""
    from hepcs.searches.kinds import installed

    yield "searches, by `kind`:"
    for name, kind in installed().items():
        yield f"  {name}: {kind.summary} ({kind.paper})"
        # Without validation: a kind may have keys that a card must give.
        section = kind.section.model_construct(kind=name)
        needs = [f"the features {feature!r}" for feature in section.feature_names]
        needs += [f"the sample {role!r}" for role in section.roles]
        needs += ["the truth (a study, for no search of real data)"] if section.needs_truth else []
        needs += [f"the package {package}" for package in section.packages]
        yield f"      needs {', '.join(needs) or 'nothing but the spectrum'}{_origin('hepcs.searches', name)}"


def lines_of_features() -> Iterator[str]:
    """A line for each kind of feature."""
    yield "features, by `kind`:"
    for name in installed_kinds("hepcs.features"):
        kind = load_kind("hepcs.features", name)
        packages = [f"needs the package {package}" for package in kind.section.model_construct().packages]
        yield f"  {name}: {'; '.join([kind.summary, *packages])}{_origin('hepcs.features', name)}"


def _origin(group: Group, name: str) -> str:
    """Of which other package a kind is."""
    package = distribution_of(group, name)
    return "" if package == "hepcs" else f"; of the package {package}"
