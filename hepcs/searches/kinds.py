"""What a module registers for a kind of search, under the group ``hepcs.searches`` of entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hepcs._core.errors import CardError
from hepcs.config.kinds import installed_kinds, load_kind
from hepcs.config.schema import Card
from hepcs.config.searches import SearchSection, Statistic
from hepcs.datasets.samples import Pools

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hepcs.results import Observation, Outcome, RunResult, SearchResult
    from hepcs.searches.base import Search


@dataclass(frozen=True)
class Context:
    """What a search is built from beside its section.

    Attributes
    ----------
    card
        The card.
    pools
        The prepared samples, with all features.
    columns
        Names of the columns of each feature, by its name.
    where
        Place of a dotted key of the card, for messages: :meth:`hepcs.config.LocatedCard.where`; the key alone
        for a card that is no file.
    """

    card: Card
    pools: Pools
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    where: Callable[[str], str] = str


@dataclass(frozen=True)
class Drawing:
    """A figure of a run.

    Attributes
    ----------
    name
        Of its file, without ending.
    figure
        The figure.
    heading, caption
        What it shows, and what to look for in it.
    """

    name: str
    figure: Figure
    heading: str
    caption: str


@dataclass(frozen=True)
class Table:
    """A table of the report: cells of text, one tuple a row."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Block:
    """A part of the report.

    Attributes
    ----------
    heading
        Its heading.
    paragraphs
        Its text.
    tables
        Its tables.
    figures
        Names of the figures that stand here, rather than with all others.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hyperparameter:
    """One row of the table: a name with its symbol, the value with its unit, and why; $...$ is mathematics."""

    name: str
    value: str
    motivation: str


def bins_text(card: Card, widths: Sequence[int] = (1,)) -> str:
    """Where a search by windows of some widths, in bins, looks: ``16 bins of 100 GeV, m_jj in ... GeV``."""
    regions, (low, high) = card.regions, card.regions.evaluation
    n = regions.n_bins
    text = f"{n} bins of {regions.width_text()}"
    if tuple(widths) != (1,):
        windows = sum(max(n - width + 1, 0) for width in widths)
        text = f"{windows} windows of {min(widths)} to {max(widths)} among {text}"
    return f"{text}, m_jj in [{low:g}, {high:g}) GeV"


def statistic_widths(statistic: Statistic, card: Card) -> Sequence[int]:
    """Widths of the windows, bins, that a test statistic looks at."""
    if statistic.kind != "bumphunter":
        return (1,)
    return range(1, (statistic.max_width or card.regions.n_bins // 2) + 1)


def _nothing(*_: Any) -> Iterator[Any]:
    return iter(())


@dataclass(frozen=True)
class SearchKind:
    """A kind of search, with all that is special to it.

    Attributes
    ----------
    section
        Its section of the card.
    summary
        One line: what it does.
    paper
        Where it is described.
    build
        Makes the search of a section, from its name, its section and the context.
    figures
        Figures of the searches of this kind in a run.
    report
        Blocks of the report about the searches of this kind.
    warnings
        What the reader of the results should know.
    forecast
        What whoever is about to run a search should know: from the card, name and title of the search, and the
        outcomes of a few background-only pseudo-experiments.
    hyperparameters
        The rows of the table of a search, from its section and the card.
    trials
        Where a search looks for an excess, and how often, from its section and the card: "16 bins of 100 GeV".
    restore
        The `result` of an observation from a run folder, for the figures.
    """

    section: type[SearchSection]
    summary: str
    paper: str
    build: Callable[[str, Any, Context], Search]
    figures: Callable[[RunResult, Sequence[SearchResult]], Iterator[Drawing]] = _nothing
    report: Callable[[RunResult, Sequence[SearchResult]], Iterator[Block]] = _nothing
    warnings: Callable[[RunResult, Sequence[SearchResult]], Iterator[str]] = _nothing
    forecast: Callable[[Card, str, str, Sequence[Outcome]], Iterator[str]] = _nothing
    hyperparameters: Callable[[Any, Card], Iterator[Hyperparameter]] = _nothing
    trials: Callable[[Any, Card], str] | None = None
    restore: Callable[[Any, Observation], Any] | None = None


def kind_of(section: SearchSection) -> SearchKind:
    """The kind that a section of the card is of."""
    found: SearchKind = load_kind("hepcs.searches", section.kind)
    return found


def installed() -> Mapping[str, SearchKind]:
    """All kinds that are installed, by name."""
    return {name: load_kind("hepcs.searches", name) for name in installed_kinds("hepcs.searches")}


def by_kind(result: RunResult) -> Iterator[tuple[SearchKind, tuple[SearchResult, ...]]]:
    """The searches of a run by their kinds, each in the order of the card."""
    found: dict[str, list[SearchResult]] = {}
    for search in result.searches:
        found.setdefault(result.card.card.searches[search.name].kind, []).append(search)
    for searches in found.values():
        yield kind_of(result.card.card.searches[searches[0].name]), tuple(searches)


def build_searches(context: Context) -> tuple[Search, ...]:
    """The searches of a card, in its order.

    Raises
    ------
    CardError
        If some cannot be made of these samples: one line for each, with its key and the reason.
    ComputationError
        If a computation fails that one needs first.
    """
    searches, problems = [], []
    for name, section in context.card.searches.items():
        try:
            searches.append(kind_of(section).build(name, section, context))
        except CardError as error:
            problems.append(str(error))
    if problems:
        raise CardError("\n".join(problems))
    return tuple(searches)
