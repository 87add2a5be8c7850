"""Reading a card: YAML with positions, validation, and messages that name file, line and key.

Only plain YAML scalars, lists and mappings are accepted: no tag constructs an object.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hepcs.datacard.schema import Card
from hepcs.datacard.values import SectionError
from hepcs.errors import CardError

Location = tuple[str | int, ...]

_PACKAGE = Path(__file__).resolve().parent.parent
# Inside the package where it is installed, beside it in a checkout.
INSTALLED_CARDS = (_PACKAGE / "data_cards", _PACKAGE.parent / "data_cards")

# Far above what people write; it bounds the time that reading takes.
LARGEST_CARD = 10**6  # bytes
_LONGEST_NUMBER = 100  # characters
_DEEPEST = 20  # sections in sections

_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
}

_NUMBER_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float")}

_SECTIONS = {
    key
    for key, field in Card.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


class _Loader(yaml.SafeLoader):
    """SafeLoader that also reads ``1e3`` as a number, as people write it, and knows no aliases.

    Aliases could make a card of a few lines expand to more than the memory holds.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "aliases (*name) are not allowed in a card; write the value out", event.start_mark
            )
        if self.depth > _DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"nested more than {_DEEPEST} levels deep", mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


@dataclass(frozen=True)
class LocatedCard:
    """A validated card, with the place in the file (or on the command line) that set each key."""

    card: Card
    path: Path
    given: Mapping[str, Any]
    places: Mapping[Location, str]

    def where(self, key: str) -> str:
        """``file:line: key`` of a dotted key, or of the nearest section that the card wrote out."""
        return f"{_place(tuple(key.split('.')), self.places, self.path)}: {key}"


def find_card(name: str | Path) -> Path:
    """Where a card is: as given, then in ``./data_cards/``, then among the installed ones."""
    folders = [Path(), Path("data_cards"), *INSTALLED_CARDS]
    candidates = list({(folder / name).absolute(): folder / name for folder in folders}.values())
    for candidate in candidates:
        if _is_file(candidate):
            return candidate
    known = {path.name for folder in candidates for path in folder.parent.glob("*.yaml")}
    looked = ", ".join(str(candidate.absolute()) for candidate in candidates)
    raise CardError(f"{name}: no such card. Looked for {looked}.{_did_you_mean(Path(name).name, known)}")


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
    path = find_card(name)
    text = _text_of(path)
    places: dict[Location, str] = {}
    problems: list[str] = []
    given = _load(text, str(path), places, problems)
    if not isinstance(given, dict):
        raise CardError(_lines(problems) or f"{path}:1: expected sections such as `name:` and `samples:`")
    for override in overrides:
        _override(given, override, places, problems)
    # A section whose keys are all commented out is an empty one.
    given = {key: {} if value is None and key in _SECTIONS else value for key, value in given.items()}
    try:
        card = Card.model_validate(given)
    except ValidationError as error:
        problems += [line for detail in error.errors() for line in _explain(detail, given, places, path)]
    if problems:
        raise CardError(_lines(problems))
    return LocatedCard(card=card, path=path, given=given, places=places)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
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


# ------------------------------------------------------------------------------------------------- YAML


def _load(text: str, name: str, places: dict[Location, str], problems: list[str]) -> Any:
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise CardError(f"{name}:{line}: not readable as YAML: {what}") from error
    try:
        node = loader.get_single_node()
        return None if node is None else _construct(loader, node, (), name, places, problems)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = loader.line if mark is None else mark.line
        what = getattr(error, "problem", None) or str(error)
        raise CardError(f"{name}:{line + 1}: not readable as YAML: {what}") from error
    finally:
        loader.dispose()


def _construct(
    loader: _Loader,
    node: yaml.Node,
    location: Location,
    name: str,
    places: dict[Location, str],
    problems: list[str],
) -> Any:
    """Plain values of a node; positions of all keys go to `places`, duplicate keys to `problems`."""
    line = node.start_mark.line + 1
    places.setdefault(location, f"{name}:{line}")
    if node.tag not in _PLAIN_TAGS:
        problems.append(f"{name}:{line}: {_dotted(location)}: the tag {node.tag} is not allowed in a card")
        return None
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            place = f"{name}:{key_node.start_mark.line + 1}"
            if key is None:
                problems.append(f"{place}: a key must be a word, found a list or a mapping")
                continue
            if key_node.tag not in _PLAIN_TAGS:
                problems.append(f"{place}: {key}: the tag {key_node.tag} is not allowed in a card")
                continue
            here = (*location, key)
            if key in result:
                problems.append(f"{place}: {_dotted(here)}: given twice, first at {places[here]}")
                continue
            places[here] = place
            result[key] = _construct(loader, value_node, here, name, places, problems)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            _construct(loader, item, (*location, index), name, places, problems)
            for index, item in enumerate(node.value)
        ]
    kind = node.tag.rpartition(":")[2]
    if node.tag in _NUMBER_TAGS and len(node.value) > _LONGEST_NUMBER:
        what = f"a number of {len(node.value)} characters, expected {_LONGEST_NUMBER} or fewer"
        problems.append(f"{name}:{line}: {_dotted(location)}: {what}")
        return None
    try:
        return loader.construct_object(node)
    except (ValueError, OverflowError, LookupError, AttributeError):
        # PyYAML raises all of these for a tag that the value does not fit, such as !!bool 7.
        problems.append(f"{name}:{line}: {_dotted(location)}: found {_shown(node.value)}, which is no {kind}")
        return None


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
            problems.append(f"{place}: {_dotted(location[: depth + 1])} is not a section")
            return
    for stale in [known for known in places if known[: len(location)] == location]:
        del places[stale]
    places[location] = place
    try:
        target[location[-1]] = _load(text, place, {}, problems)
    except CardError:
        target[location[-1]] = text  # such as *.root, which YAML takes for an alias


# --------------------------------------------------------------------------------------------- messages


def _lines(problems: Sequence[str]) -> str:
    """One line for each problem, with nothing of the card's in it that would steer a terminal."""
    return "\n".join(
        "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode()
            for character in problem
        )
        for problem in dict.fromkeys(problems)
    )


def _dotted(location: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in location) or "card"


def _place(location: Location, places: Mapping[Location, str], path: Path) -> str:
    """Place of a key, or of the nearest section above that is written in the card."""
    for end in range(len(location), -1, -1):
        if location[:end] in places:
            return places[location[:end]]
    return f"{path}:1"


def _did_you_mean(word: str, known: set[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    if near:
        return f" Did you mean {near[0]}?"
    return f" Known: {', '.join(sorted(known))}." if known else ""


def _key_location(location: Sequence[str | int], given: Mapping[str, Any]) -> Location:
    """Pydantic's location without the names that it adds for the variants of a union."""
    result: list[str | int] = []
    value: Any = given
    for part in location:
        known = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int)
        )
        if not known and part != location[-1]:
            continue
        result.append(part)
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
    return tuple(result)


def _explain(
    detail: ErrorDetails,
    given: Mapping[str, Any],
    places: Mapping[Location, str],
    path: Path,
    above: Location = (),
) -> list[str]:
    """A problem as lines ``file:line: key: what is wrong, what was expected, did you mean``.

    `above` is where in the card the sections lie that `detail` and `given` are about: those of a variant.
    """
    location = (*above, *_key_location(detail["loc"], given))
    context = detail.get("ctx", {})
    found = _shown(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            what = f"unknown key.{_did_you_mean(str(location[-1]), _known_keys(detail['loc'][:-1]))}"
        case "missing":
            what = "missing, and it has no default"
        case "union_tag_not_found":
            location = (*location, "kind")
            what = "missing: expected one of lhco, root, parquet, pythia"
        case "union_tag_invalid":
            location = (*location, "kind")
            expected = context["expected_tags"].replace("'", "")
            tag = str(context["tag"])
            what = f"found {tag!r}, expected one of {expected}.{_nearest(tag, expected.split(', '))}"
        case "literal_error":
            expected = context["expected"].replace("'", "")
            choices = expected.replace(" or ", ", ").split(", ")
            what = f"found {found}, expected {expected}.{_nearest(str(detail['input']), choices)}"
        case "value_error" if isinstance(context["error"], SectionError):
            return _explain_section(context["error"], location, given, places, path)
        case "value_error":
            what = str(context["error"])
        case "model_type" | "dict_type":
            what = f"found {found}, expected a section with keys"
        case _:
            expected = (
                detail["msg"].replace("Input should be", "expected").replace("Input should", "it should")
            )
            what = f"found {found}, {expected[0].lower()}{expected[1:]}"
    return [f"{_place(location, places, path)}: {_dotted(location)}: {what}"]


def _explain_section(
    error: SectionError,
    location: Location,
    given: Mapping[str, Any],
    places: Mapping[Location, str],
    path: Path,
) -> list[str]:
    """Lines for the problems between keys of the section at `location`, and for those of its variants."""
    items = [((*location, *key.split(".")), text) for key, text in error.items]
    lines = [f"{_place(where, places, path)}: {_dotted(where)}: {text}" for where, text in items]
    for name, detail in error.of_variants:
        variant = given["variants"][name]
        lines += _explain(detail, variant, places, path, (*location, "variants", name))
    return lines


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""


def _shown(value: Any) -> str:
    shown = "a section" if isinstance(value, dict) else repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _known_keys(location: Sequence[str | int]) -> set[str]:
    """Keys allowed in the section at `location`, which may hold the tag of a union's variant."""
    models: list[type[BaseModel]] = [Card]
    for part in location:
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        if fields:
            models = [inner for field in fields for inner in _models(_annotation(field))]
        elif isinstance(part, str):
            models = [model for model in models if _has_kind(model, part)] or models
    return {key for model in models for key in model.model_fields}


def _annotation(field: Any) -> Any:
    return field.annotation


def _has_kind(model: type[BaseModel], kind: str) -> bool:
    field = model.model_fields.get("kind")
    return (
        field is not None and get_origin(field.annotation) is Literal and kind in get_args(field.annotation)
    )
