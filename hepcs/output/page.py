"""A web page in one file: what it is put together from, and how it looks.

Texts are escaped where they enter an element, so none can become markup; the page forbids itself scripts and
anything from elsewhere.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

# Elements without an end tag.
_VOID = {"br", "hr", "img", "link", "meta"}

# Columns from which on a table has no room on a phone.
STACKED = 4

#: Nothing from elsewhere and no script: pictures are inside the page, and so is how it looks.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

STYLE = """
:root { color-scheme: light dark; --text: #1b1e23; --soft: #59616d; --line: #d5d9df; --page: #fff;
  --panel: #f4f6f8; --accent: #0a5c8f; --warn: #8a4b00; --warn-panel: #fff4e0; }
@media (prefers-color-scheme: dark) { :root { --text: #e7e9ec; --soft: #a5adb8; --line: #3c434c;
  --page: #15181c; --panel: #1f242a; --accent: #76b9e6; --warn: #ffc46b; --warn-panel: #33280f; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1rem; max-width: 64rem; color: var(--text); background: var(--page);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1, h2, h3 { line-height: 1.2; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; margin: 0.5rem 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 0.6rem; padding-bottom: 0.25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.4rem 0 0.4rem; }
p, li, dd { overflow-wrap: anywhere; }
a { color: var(--accent); }
.soft, figcaption { color: var(--soft); }
.answer { border-left: 4px solid var(--accent); background: var(--panel); padding: 0.7rem 1rem; margin: 1rem 0; }
.answer p { margin: 0.4rem 0; }
.warning { border-left: 4px solid var(--warn); background: var(--warn-panel); padding: 0.7rem 1rem; }
.warning ul { margin: 0.2rem 0; padding-left: 1.2rem; }
.flag { display: inline-block; white-space: nowrap; color: var(--warn); border: 1px solid var(--warn);
  border-radius: 3px; padding: 0 0.35em; font-size: 0.85em; }
nav ul { list-style: none; padding: 0; margin: 0.5rem 0; display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; }
.caption { color: var(--soft); font-size: 0.92rem; margin: 0.8rem 0 0.2rem; }
.scroll { overflow-x: auto; margin: 0 0 0.8rem; }
.scroll:focus-visible, pre:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; font-size: 0.92rem; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.9rem 0.25rem 0;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.nowrap { white-space: nowrap; }
.anywhere { overflow-wrap: anywhere; min-width: 12rem; }
figure { margin: 1.2rem 0 2rem; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
figcaption { font-size: 0.92rem; margin-top: 0.4rem; }
.figures { display: grid; grid-template-columns: 1fr; column-gap: 2rem; }
@media (min-width: 60rem) { .figures { grid-template-columns: 1fr 1fr; } .figures .wide { grid-column: 1 / -1; } }
pre { background: var(--panel); padding: 0.7rem; overflow: auto; max-height: 24rem; font-size: 0.82rem; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: 0.25rem 1rem; }
dt { color: var(--soft); } dd { margin: 0; }
@media (max-width: 32rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin: 0 0 0.5rem; } }
@media screen and (max-width: 38rem) { .stacked thead { display: none; } .stacked { width: 100%; }
  .stacked tr { display: block; padding: 0.4rem 0; border-bottom: 1px solid var(--line); }
  .stacked td { display: block; border: 0; padding: 0.05rem 0; text-align: left; white-space: normal;
    min-width: 0; }
  .stacked td::before { content: attr(data-label); display: inline-block; min-width: 8.5rem; padding-right: 0.5rem;
    color: var(--soft); } }
@media print { :root { color-scheme: light; --text: #000; --soft: #444; --line: #bbb; --page: #fff;
  --panel: #f4f6f8; --accent: #0a5c8f; --warn: #8a4b00; --warn-panel: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  pre { max-height: none; overflow: visible; white-space: pre-wrap; overflow-wrap: anywhere; columns: 2; }
  .scroll { overflow: visible; } table { font-size: 8.5pt; } tr { break-inside: avoid; }
  .number, .nowrap { white-space: normal; } .anywhere { min-width: 0; }
  h2, h3, .caption { break-after: avoid; } figure, .answer, .warning { break-inside: avoid; }
  .figures { grid-template-columns: 1fr 1fr; gap: 4mm; } figcaption { font-size: 8pt; line-height: 1.3; }
  .figures .wide { grid-column: 1 / -1; }
  @page { margin: 15mm; } }
""".strip()


class Markup(str):
    """HTML that came from :func:`element` and goes into a page as it is; any other text is escaped."""

    __slots__ = ()


def element(tag: str, *content: str, **attributes: str) -> Markup:
    """An HTML element; what is no Markup in it is text.

    Parameters
    ----------
    tag
        Name of the element.
    content
        Elements and texts, in order.
    attributes
        Their values are escaped; a trailing underscore is dropped and other underscores become hyphens
        (``class_``, ``aria_label``).
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for name, value in attributes.items()
    )
    if tag in _VOID:
        return Markup(f"<{tag}{given}>")
    return Markup(f"<{tag}{given}>{join(*content)}</{tag}>")


def join(*content: str) -> Markup:
    """Elements and texts one after the other; texts are escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in content))


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, classes: Sequence[str] = ()
) -> Markup:
    """A table that scrolls sideways where it is too wide; with many columns, its rows become lists on a phone.

    Parameters
    ----------
    header
        Titles of the columns.
    rows
        Cells, texts or Markup.
    caption
        What it shows.
    classes
        Class of each column: ``number``, ``nowrap``, ``anywhere``, or nothing.
    """
    kinds = [{"class_": name} if name else {} for name in classes] or [{}] * len(header)
    head = element(
        "tr", *(element("th", cell, scope="col", **kind) for cell, kind in zip(header, kinds, strict=True))
    )
    body = [
        element(
            "tr",
            *(
                element("td", cell, data_label=name, **kind)
                for name, cell, kind in zip(header, row, kinds, strict=True)
            ),
        )
        for row in rows
    ]
    stacked = {"class_": "stacked"} if len(header) >= STACKED else {}
    whole = element("table", element("thead", head), element("tbody", *body), aria_label=caption, **stacked)
    return join(
        # Outside of what scrolls: on a phone all of it can be read.
        element("p", caption, class_="caption"),
        element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption),
    )


def definitions(pairs: Iterable[tuple[str, str]]) -> Markup:
    """A list of names and what they stand for."""
    return element("dl", *(join(element("dt", name), element("dd", value)) for name, value in pairs))


def preformatted(text: str, label: str) -> Markup:
    """A text with its line breaks, which scrolls if it is long."""
    return element("pre", text, tabindex="0", aria_label=label)


def picture(png: bytes, width: int, height: int, description: str) -> Markup:
    """A PNG inside the page, at most so many CSS pixels large, with what it shows for those who cannot see it."""
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return element("img", src=source, alt=description, width=str(width), height=str(height))


def page(title: str, *content: str) -> str:
    """The whole page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        # Without it a browser asks the server for one.
        element("link", rel="icon", href="data:,"),
        element("style", Markup(f"\n{STYLE}\n")),
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n{element("body", *content)}\n</html>\n'
