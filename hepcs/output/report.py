"""``report.html``: a run for those who did not run it, in one file that needs nothing else.

It says what was searched and what was found, shows every figure with what to look for in it, and lists what the
numbers rest on. All is made from the :class:`~hepcs.results.RunResult` and the drawn figures.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from hepcs.output.captions import caption_of, epsilon_of
from hepcs.output.page import Markup, element, page, picture
from hepcs.output.report_answer import answer_section, searched_section, significance_section
from hepcs.output.report_clusters import clusters_section, fits_section
from hepcs.output.report_origin import provenance_section, samples_section
from hepcs.output.sentences import data_set
from hepcs.output.summary import results_digest
from hepcs.results import RunResult, SearchResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Dots per inch and colours of the pictures inside the page: sharp on a phone, and some 20 kB each.
RESOLUTION = 130
COLOURS = 256
# CSS pixels in an inch.
CSS_RESOLUTION = 96
# A figure that is this much wider than high gets the whole width of the page.
WIDE = 1.8


@dataclass(frozen=True)
class Picture:
    """A figure for the report.

    Attributes
    ----------
    name
        Its name in the run folder.
    png
        Its picture.
    width, height
        Its size in CSS pixels, if there is room.
    """

    name: str
    png: bytes
    width: int
    height: int


def report_picture(name: str, figure: Figure) -> Picture:
    """A figure as a small PNG."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=RESOLUTION, bbox_inches="tight", facecolor="white")
    drawn.seek(0)
    with Image.open(drawn) as image:
        small = io.BytesIO()
        # Lines and a few colours: a palette does, and takes a third of the bytes.
        image.convert("RGB").quantize(COLOURS).save(small, format="png", optimize=True)
        width, height = (round(size * CSS_RESOLUTION / RESOLUTION) for size in image.size)
        return Picture(name, small.getvalue(), width, height)


def render_report(result: RunResult, pictures: Sequence[Picture] = ()) -> str:
    """The report as HTML.

    Parameters
    ----------
    result
        The run.
    pictures
        Its figures, from :func:`report_picture`, in the order in which they are shown.
    """
    card = result.card.card

    def figures_of(search: SearchResult, epsilon: int) -> tuple[Markup, ...]:
        return tuple(
            _figure(result, one)
            for one in pictures
            if _of_clusters(one) and _search_of(result, one) is search and epsilon_of(one.name) == epsilon
        )

    sections = [
        ("answer", "The answer", answer_section(result)),
        ("searched", "What was searched", searched_section(result)),
        ("significance", "Local and global significance", significance_section(result)),
        ("figures", "Figures", _figures(result, pictures)),
        ("fits", "Fits", fits_section(result)),
        ("clusters", "Selected clusters", clusters_section(result, figures_of)),
        ("samples", "Samples and cutflow", samples_section(result)),
        ("provenance", "Provenance", provenance_section(result)),
    ]
    there = [section for section in sections if section[2]]
    links = element("ul", *(element("li", element("a", title, href=f"#{name}")) for name, title, _ in there))
    return page(
        f"{card.name}: report",
        element(
            "header",
            element("h1", card.name),
            element("p", card.description) if card.description else "",
            element(
                "p",
                f"Run of {_day(result.provenance.started)}; digest of the results ",
                element("code", results_digest(result)[:16]),
                class_="soft",
            ),
        ),
        element("nav", links, aria_label="Sections"),
        element(
            "main",
            *(element("section", element("h2", title), body, id=name) for name, title, body in there),
        ),
    )


def _figures(result: RunResult, pictures: Sequence[Picture]) -> Markup:
    """Figures of the samples first, then those of each data set, then those of the searches."""
    shown = [one for one in pictures if not _of_clusters(one)]
    return element("div", *(_figure(result, one) for one in shown), class_="figures") if shown else Markup()


def _of_clusters(one: Picture) -> bool:
    """Whether a figure stands with the selected clusters."""
    return "selected_clusters" in one.name


def _search_of(result: RunResult, one: Picture) -> SearchResult | None:
    """The search whose name a figure's name begins with: of several, the one with the longest name."""
    owners = [search for search in result.searches if one.name.startswith(f"{search.name}_")]
    return max(owners, key=lambda search: len(search.name), default=None)


def _figure(result: RunResult, one: Picture) -> Markup:
    """A figure with its caption."""
    title, text = caption_of(one.name)
    search = _search_of(result, one)
    owner = "" if search is None else search.title
    epsilon = epsilon_of(one.name)
    subject = "" if epsilon is None else data_set(epsilon, result.card.card.samples.is_real_search)
    heading = ", ".join(part for part in (title, owner, subject) if part)
    caption = element("figcaption", element("strong", f"{heading}. "), text)
    kind = {"class_": "wide"} if one.width > WIDE * one.height else {}
    return element("figure", picture(one.png, one.width, one.height, heading), caption, **kind)


def _day(time: str) -> str:
    """``2024-02-27T12:00:00+00:00`` as ``2024-02-27 12:00 UTC``; another text as it is."""
    day, separator, rest = time.partition("T")
    return f"{day} {rest[:5]} UTC" if separator and rest.endswith("+00:00") else time
