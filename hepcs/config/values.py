"""The values that keys of the card take, and what all of its sections have in common."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

# What no run has, however large: beyond it a card is mistyped, and would fill the memory before it fails.
MOST_EVENTS = 10**10
MOST_BINS = 1000
HIGHEST_ENERGY = 1e6  # GeV


def readable(value: str) -> str:
    """Refuse what no file name, histogram title or web page can hold: control characters."""
    for character in value:
        if unicodedata.category(character) == "Cc" and character not in "\n\t":
            raise ValueError(
                f"found the character U+{ord(character):04X}, expected text without control characters"
            )
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float) else value


def each_once(what: str) -> AfterValidator:
    """Refuses a list in which a value comes again; `what` the values are, for the message."""

    def check(values: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(values)) != len(values):
            raise ValueError(f"each {what} once, found {list(values)}")
        return values

    return AfterValidator(check)


def _ordered(window: tuple[float, float]) -> tuple[float, float]:
    low, high = window
    if not low < high:
        raise ValueError(
            f"the window [{low:g}, {high:g}) is empty or inverted; expected [low, high) with low < high"
        )
    if low < 0:
        raise ValueError(f"a window in GeV cannot begin below zero, found {low:g}")
    return window


# A list that a card may also write as its only item.
OneOrMore = BeforeValidator(_as_list)

PositiveInteger = Annotated[int, Field(strict=True, ge=1, le=MOST_EVENTS)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
PositiveNumber = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
# In GeV.
Energy = Annotated[float, Field(strict=True, ge=0, le=HIGHEST_ENERGY, allow_inf_nan=False)]
PositiveEnergy = Annotated[float, Field(strict=True, gt=0, le=HIGHEST_ENERGY, allow_inf_nan=False)]
Text = Annotated[str, Field(strict=True, min_length=1), AfterValidator(readable)]
Checksum = Annotated[str, Field(strict=True, pattern=r"^(md5|sha256):[0-9a-f]+$")]
TextList = Annotated[tuple[Text, ...], Field(min_length=1), OneOrMore]
Name = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=100)]
# A name that ROOT and Python take as well.
SearchName = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]
_WindowEnd = Annotated[float, Field(strict=True, le=HIGHEST_ENERGY, allow_inf_nan=False)]
# [low, high), in GeV.
Window = Annotated[tuple[_WindowEnd, _WindowEnd], AfterValidator(_ordered)]

#: A key, relative to its section, and what is wrong with it in view of the others.
Problem = tuple[str, str]


class SectionError(ValueError):
    """Problems between keys of a section.

    Attributes
    ----------
    items
        Keys, relative to the section, and what is wrong with them.
    """

    def __init__(self, items: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{key}: {text}" for key, text in items))
        self.items = tuple(items)


class Section(BaseModel):
    """A section of the card: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def _problems(self) -> Iterator[Problem]:
        """What does not go together among the keys of the section."""
        return iter(())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise SectionError(problems)
        return self
