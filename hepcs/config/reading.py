"""Reading a card: YAML with positions, validation, and messages that name file, line and key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hepcs._core.errors import CardError
from hepcs.config.consistency import missing_packages, problems_between
from hepcs.config.explaining import Found, explain
from hepcs.config.likeness import GROUPS, spelled_out, told_once
from hepcs.config.located_yaml import read_yaml
from hepcs.config.messages import Location, did_you_mean, dotted, lines_of, name_of, place_of
from hepcs.config.representation import RepresentationCard
from hepcs.config.schema import Card
from hepcs.config.valid_parts import valid_parts

_PACKAGE = Path(__file__).resolve().parent.parent
# Inside the package where it is installed, beside it in a checkout.
INSTALLED_CARDS = (_PACKAGE / "data_cards", _PACKAGE.parent / "data_cards")

# Far above what people write; it bounds the time that reading takes.
LARGEST_CARD = 10**6  # bytes

_SECTIONS = {
    key
    for key, field in Card.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


@dataclass(frozen=True)
class LocatedCard:
    """A validated card, with the place in the file (or on the command line) that set each key."""

    card: Card
    path: Path
    given: Mapping[str, Any]
    places: Mapping[Location, str]

    def where(self, key: str) -> str:
        """``file:line: key`` of a dotted key, or of the nearest section that the card wrote out."""
        location = tuple(key.split("."))
        return f"{place_of(location, self.places, self.path)}: {name_of(location, self.places)}"


def find_card(name: str | Path) -> Path:
    """Where a card is: as given, then in ``./data_cards/``, then among the installed ones."""
    folders = [Path(), Path("data_cards"), *INSTALLED_CARDS]
    candidates = list({(folder / name).absolute(): folder / name for folder in folders}.values())
    for candidate in candidates:
        if _is(Path.is_file, candidate):
            return candidate
    as_folders = [candidate for candidate in candidates if _is(Path.is_dir, candidate)]
    if as_folders:
        raise CardError(f"{as_folders[0]}: is a folder, expected a card. Name a card in it, or another one")
    known = {path.name for folder in candidates for path in folder.parent.glob("*.yaml") if path.is_file()}
    looked = ", ".join(str(candidate.absolute()) for candidate in candidates)
    raise CardError(f"{name}: no such card. Looked for {looked}.{did_you_mean(Path(name).name, known)}")


def _given(
    name: str | Path, overrides: Sequence[str], expected: str
) -> tuple[Path, dict[str, Any], dict[Location, str], list[str]]:
    """Where a card is, what it says with the overrides, the places of its keys, and what is wrong so far."""
    path = find_card(name)
    document = read_yaml(_text_of(path), str(path))
    given, places, problems = document.value, dict(document.places), list(document.problems)
    if not isinstance(given, dict):
        raise CardError(lines_of(problems) or f"{path}:1: expected {expected}")
    for override in overrides:
        _override(given, override, places, problems)
    return path, given, places, problems


def read_card(name: str | Path, overrides: Sequence[str] = ()) -> LocatedCard:
    """Read and validate a card.

    Parameters
    ----------
    name
        Path of the card, or the name of one in ``./data_cards/`` or among the installed ones.
    overrides
        ``section.key=value`` strings, each value in YAML; they replace what the card says.

    Raises
    ------
    CardError
        With every problem of the card, each as ``file:line: key: what is wrong, what was expected``.
    """
    path, given, places, problems = _given(name, overrides, "sections such as `name:` and `samples:`")
    # A section whose keys are all commented out is an empty one.
    given = {key: {} if value is None and key in _SECTIONS else value for key, value in given.items()}
    card, found = _validated(
        {key: value for key, value in given.items() if value is not None or key not in GROUPS}
    )
    problems += [
        f"{place_of(where, places, path)}: {name_of(where, places)}: {text}" for where, text in found
    ]
    if card is None or problems:
        raise CardError(lines_of(problems))
    return LocatedCard(card=card, path=path, given=given, places=places)


def read_representation(name: str | Path, overrides: Sequence[str] = ()) -> tuple[RepresentationCard, Path]:
    """Read and validate a card of ``hepcs represent``, and say where it is; as :func:`read_card`."""
    path, given, places, problems = _given(name, overrides, "keys such as `name:` and `background:`")
    card = None
    try:
        card = RepresentationCard.model_validate(given)
    except ValidationError as error:
        found = [one for detail in error.errors() for one in explain(detail, given, RepresentationCard)]
        problems += [f"{place_of(where, places, path)}: {dotted(where)}: {text}" for where, text in found]
    if card is None or problems:
        raise CardError(lines_of(problems))
    return card, path


def checked_keys(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a card that is made in Python, as one that is read from a file has them.

    Parameters
    ----------
    keys
        What a card's file would say: plain values, or sections such as `RootSource`. Where the name of a feature
        or a search is a kind, `kind` may be left out; `like` takes over the keys of another search.

    Raises
    ------
    CardError
        With every problem of the card, each as ``Card: key: what is wrong, what was expected``.
    """
    given = {key: _plain(value) for key, value in keys.items() if value is not None}
    _, found = _validated(given)
    if found:
        raise CardError(lines_of([f"Card: {dotted(where)}: {text}" for where, text in found]))
    return spelled_out(given)[0]


def located(card: Card, overrides: Sequence[str] = ()) -> LocatedCard:
    """A card made in Python, for what asks where its keys are: nowhere but in Python.

    Raises
    ------
    CardError
        If the overrides, as of :func:`read_card`, leave no valid card.
    """
    given = card.model_dump(mode="json", exclude_unset=True)
    problems: list[str] = []
    for override in overrides:
        _override(given, override, {}, problems)
    if problems:
        raise CardError(lines_of(problems))
    card = Card(**given) if overrides else card
    return LocatedCard(
        card=card, path=Path(f"{card.name} (made in Python)"), given=given, places={(): "Card"}
    )


def _plain(value: Any) -> Any:
    """A value of a card as YAML would have given it: sections as mappings of what was set in them."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Path):
        return str(value)
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _validated(given: Mapping[str, Any]) -> tuple[Card | None, list[Found]]:
    """The card, or None and all that is wrong with it."""
    spelled, found = spelled_out(given)
    names = {group: tuple(given[group]) for group in GROUPS if isinstance(given.get(group), dict)}
    # Searches that are all wrong are not too few.
    valid = {key: value for key, value in spelled.items() if value or not names.get(key)}
    try:
        card = Card.model_validate(valid)
    except ValidationError as error:
        card = None
        found += [one for detail in error.errors() if detail["loc"] for one in explain(detail, spelled)]
    if card is not None and not found:
        problems = list(missing_packages(card))
    else:
        parts = valid_parts(spelled, names)
        problems = [*problems_between(parts), *missing_packages(parts)]
    found += [(tuple(key.split(".")), text) for key, text in problems]
    return card, list(told_once(found, given))


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    try:
        return kind(path)
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        return False


def _text_of(path: Path) -> str:
    """Text of a card; raises CardError if it is none, or a data file rather than a card."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_CARD + 1)
    except OSError as error:
        raise CardError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > LARGEST_CARD:
        raise CardError(f"{path}:1: larger than {LARGEST_CARD:,} bytes, which no card is. Is it a data file?")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CardError(f"{path}:{line}: not UTF-8 text: {error.reason}. Is it a data file?") from error


def _override(given: dict[str, Any], override: str, places: dict[Location, str], problems: list[str]) -> None:
    """Put one ``section.key=value`` into the card."""
    key, equals, text = override.partition("=")
    place = f"--set {override}"
    if not equals or not key.strip():
        problems.append(f"{place}: expected section.key=value")
        return
    location = tuple(key.strip().split("."))
    target: Any = given
    for depth, part in enumerate(location[:-1]):
        if target.get(part) is None:
            target[part] = {}
            places[location[: depth + 1]] = place
        target = target[part]
        if not isinstance(target, dict):
            problems.append(f"{place}: {dotted(location[: depth + 1])} is not a section")
            return
    for stale in [known for known in places if known[: len(location)] == location]:
        del places[stale]
    places[location] = place
    try:
        document = read_yaml(text, place)
    except CardError:
        target[location[-1]] = text  # such as *.root, which YAML takes for an alias
    else:
        target[location[-1]] = document.value
        problems += document.problems
