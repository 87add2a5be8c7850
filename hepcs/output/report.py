"""``report.html``: a run for those who did not run it, in one file that needs nothing else.

It says what was searched and what was found, shows every figure with what to look for in it, and lists what the
numbers rest on. All is made from the :class:`~hepcs.results.RunResult` and the drawn figures; how it looks is in
``templates``. Texts are escaped where they enter the page, so none can become markup.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hepcs.output.advice import next_steps
from hepcs.output.drawing import lacks_figures
from hepcs.output.limits import limits_table
from hepcs.output.report_sections import (
    answers,
    extrapolations,
    hyperparameter_tables,
    inputs_table,
    kind_of_search,
    numbers_table,
    origin,
    sample_tables,
    search_answers,
    set_up,
    significance_table,
    unusable_text,
)
from hepcs.output.sentences import trials_text
from hepcs.output.spectrum_svg import spectrum_svg
from hepcs.output.summary import results_digest, yaml_text
from hepcs.results import RunResult, SearchResult
from hepcs.results.wording import KNOWS_TRUTH, data_set
from hepcs.searches.kinds import Block, Drawing, Table, by_kind

# The figure of all searches, which comes first.
COMPARISON = "searches"
# Dots per inch and colours of the pictures inside the page: sharp on a phone, and some 20 kB each.
RESOLUTION = 130
COLOURS = 256
# CSS pixels in an inch.
CSS_RESOLUTION = 96
# A figure that is this much wider than high gets the whole width of the page.
WIDE = 1.8
# Characters of a cell that still goes on one line, and of a word that has to be broken.
ONE_LINE, LONG_WORD = 32, 40
# What is aligned as a number: also -, 9,000, 66.7%, 0.12 ± 0.03.
_NUMBER = re.compile(r"[-+<>]?\s?[\d.,e+-]*\d%?( ± [\d.,e+-]+)?|-")


@dataclass(frozen=True)
class SearchDetails:
    """What the report says of one search.

    Attributes
    ----------
    name, title, note
        Of the search, and what to know of it.
    sentences
        What it says of each observed data set.
    spectra
        Of each observed data set what it is, and its spectrum as SVG.
    blocks
        What its kind says.
    figures
        Its figures that stand in no block.
    """

    name: str
    title: str
    note: str
    sentences: tuple[str, ...]
    spectra: tuple[tuple[str, Markup], ...]
    blocks: tuple[Block, ...]
    figures: tuple[Picture, ...]

    @property
    def named(self) -> set[str]:
        """Names of all figures that stand here."""
        return {*(one.name for one in self.figures), *(name for one in self.blocks for name in one.figures)}


@dataclass(frozen=True)
class Picture:
    """A figure for the report.

    Attributes
    ----------
    name
        Its name in the run folder.
    heading, caption
        What it shows, and what to look for in it.
    png
        Its picture.
    width, height
        Its size in CSS pixels, if there is room.
    """

    name: str
    heading: str
    caption: str
    png: bytes
    width: int
    height: int

    @property
    def base64(self) -> str:
        """The picture as text."""
        return base64.b64encode(self.png).decode("ascii")

    @property
    def is_wide(self) -> bool:
        """Whether it needs the whole width."""
        return self.width > WIDE * self.height


def report_picture(drawing: Drawing, saved: Path | None = None) -> Picture:
    """A figure as a small PNG: made from the one in which it is saved, if it is, since drawing takes longest."""
    from PIL import Image

    from hepcs.plots.style import tight_box

    source: Path | io.BytesIO = saved or io.BytesIO()
    if isinstance(source, io.BytesIO):
        box = tight_box(drawing.figure)
        drawing.figure.savefig(source, format="png", dpi=RESOLUTION, bbox_inches=box, facecolor="white")
    with Image.open(source) as image:
        inches = [pixels / image.info["dpi"][0] for pixels in image.size]
        width, height = (round(size * RESOLUTION) for size in inches)
        drawn = image.convert("RGB").resize((width, height), Image.Resampling.BOX)
    small = io.BytesIO()
    # Lines and a few colours: a palette does, and takes a third of the bytes.
    drawn.quantize(COLOURS).save(small, format="png", optimize=True)
    width, height = (round(size * CSS_RESOLUTION) for size in inches)
    return Picture(drawing.name, drawing.heading, drawing.caption, small.getvalue(), width, height)


def render_report(result: RunResult, pictures: Sequence[Picture] = ()) -> str:
    """The report as HTML.

    Parameters
    ----------
    result
        The run.
    pictures
        Its figures, from :func:`report_picture`, in the order in which they are shown.
    """
    return _environment().get_template("report.html").render(_content(result, pictures))


def search_details(result: RunResult, pictures: Mapping[str, Picture]) -> Iterator[SearchDetails]:
    """What the report says of each search; `pictures` are the figures by their names."""
    kinds = {search.name: kind for kind, its in by_kind(result) for search in its}
    for search in result.searches:
        blocks = tuple(kinds[search.name].report(result, (search,)))
        in_blocks = {name for block in blocks for name in block.figures}
        mine = [one for name, one in pictures.items() if _owner(name, result) == search.name]
        yield SearchDetails(
            name=search.name,
            title=search.title,
            note=KNOWS_TRUTH if result.knows_truth(search.name) else "",
            sentences=tuple(
                " ".join(search_answers(result, search, one.injection)) for one in search.observed
            ),
            spectra=tuple(_spectra(result, search)),
            blocks=blocks,
            figures=tuple(one for one in mine if one.name not in in_blocks),
        )


def _spectra(result: RunResult, search: SearchResult) -> Iterator[tuple[str, Markup]]:
    for observed in search.observed:
        spectrum = observed.observation.spectrum
        if spectrum is not None:
            what = f"{spectrum.what}, {data_set(result, observed.injection)}"
            yield what, spectrum_svg(spectrum, result.bins, f"Spectrum of {search.title}: {what}")


def _owner(figure: str, result: RunResult) -> str | None:
    """The search whose name a figure's begins with; the longest, since fit and fit_4 may both be there."""
    names = [search.name for search in result.searches if figure.startswith(f"{search.name}_")]
    return max(names, key=len, default=None)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hepcs.output"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals |= {"zip": _rows, "classes": column_classes}
    return environment


def _rows(*columns: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    return zip(*columns, strict=True)


def _content(result: RunResult, pictures: Sequence[Picture]) -> dict[str, Any]:
    """All that the template names."""
    card, provenance = result.card, result.provenance
    details = tuple(search_details(result, {one.name: one for one in pictures}))
    elsewhere = {COMPARISON, *(name for one in details for name in one.named)}
    figures = [one for one in pictures if one.name not in elsewhere]
    sections = [
        ("answer", "The answer", True),
        ("searched", "What was searched", True),
        ("significance", "Local and global significance", True),
        ("searches", "Search by search", True),
        ("figures", "Figures of the samples, and of several searches", figures),
        ("samples", "Samples and cutflow", True),
        ("provenance", "Provenance", True),
    ]
    return {
        "card": card.card,
        "day": _day(provenance.started),
        "digest": results_digest(result),
        "sections": [(name, title) for name, title, there in sections if there],
        "answers": list(answers(result)),
        "extrapolations": list(extrapolations(result)),
        "warnings": result.warnings,
        "numbers": numbers_table(result),
        "kind_of_search": kind_of_search(result),
        "set_up": list(set_up(result)),
        "hyperparameters": list(hyperparameter_tables(result)),
        "trials": [(search.title, trials_text(result, search.name)) for search in result.searches],
        "significances": significance_table(result),
        "limits": limits_table(result),
        "figures": figures,
        "pictures": {one.name: one for one in pictures},
        "details": details,
        "comparison": next((one for one in pictures if one.name == COMPARISON), None),
        "next_steps": next_steps(result),
        "no_figures": "" if pictures else lacks_figures(),
        "samples": [
            {"role": one.role, "tables": list(sample_tables(one)), "unusable": unusable_text(one)}
            for one in result.samples
        ],
        "origin": list(origin(result)),
        "inputs": inputs_table(result),
        "card_given": yaml_text(card.given),
        "card_resolved": yaml_text(card.card.model_dump(mode="json")),
        "versions": ", ".join(f"{name} {version}" for name, version in provenance.versions.items()),
    }


def column_classes(table: Table) -> tuple[str, ...]:
    """How the columns of a table are set, by what is in them: as numbers, on one line, broken anywhere, or not."""
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.headings)
    return tuple(map(_class_of, columns))


def _class_of(cells: Sequence[str]) -> str:
    texts = [Markup(cell).striptags() if isinstance(cell, Markup) else cell for cell in cells]
    if all(_NUMBER.fullmatch(text) for text in texts):
        return "number"
    if any(len(word) > LONG_WORD for text in texts for word in text.split()):
        return "anywhere"
    return "nowrap" if all(len(text) <= ONE_LINE for text in texts) else ""


def _day(time: str) -> str:
    """``2024-02-27T12:00:00+00:00`` as ``2024-02-27 12:00 UTC``; another text as it is."""
    day, separator, rest = time.partition("T")
    return f"{day} {rest[:5]} UTC" if separator and rest.endswith("+00:00") else time
