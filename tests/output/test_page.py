"""Elements, tables and the shell of a page."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from hepcs.output.page import POLICY, STYLE, Markup, definitions, element, join, page, picture, table


def test_texts_are_escaped_and_elements_are_not() -> None:
    assert element("p", "a < b & c") == "<p>a &lt; b &amp; c</p>"
    assert element("p", element("b", "<x>")) == "<p><b>&lt;x&gt;</b></p>"
    assert element("a", "x", href="\"><script>'") == '<a href="&quot;&gt;&lt;script&gt;&#x27;">x</a>'
    assert join("a<", element("br"), "b") == "a&lt;<br>b"
    assert isinstance(join("a"), Markup)


def test_what_is_done_to_markup_makes_it_text_again() -> None:
    """Only :func:`element` and :func:`join` vouch for what they return."""
    put_together = element("b", "x") + "<script>"
    assert not isinstance(put_together, Markup)
    assert element("p", put_together) == "<p>&lt;b&gt;x&lt;/b&gt;&lt;script&gt;</p>"


def test_names_of_attributes() -> None:
    made = element("div", class_="scroll", aria_label="a table", http_equiv="x")
    assert made == '<div class="scroll" aria-label="a table" http-equiv="x"></div>'


def test_a_table_has_a_caption_and_labels_for_phones() -> None:
    made = table(("a", "<b>"), [("1", "2")], caption="what & why", classes=("number", ""))
    assert "what &amp; why</p>" in made
    assert '<th scope="col" class="number">a</th>' in made
    assert '<td data-label="&lt;b&gt;">2</td>' in made
    assert "stacked" not in made
    wide = table(tuple("abcdef"), [tuple("123456")], caption="x")
    assert 'class="stacked"' in wide
    with pytest.raises(ValueError, match="zip"):
        table(("a", "b"), [("1",)], caption="x")


def test_definitions_and_pictures() -> None:
    assert definitions([("a", "1 < 2")]) == "<dl><dt>a</dt><dd>1 &lt; 2</dd></dl>"
    made = picture(b"\x00\x01\x02", 10, 20, 'a "picture"')
    assert made.startswith('<img src="data:image/png;base64,AAEC"')
    assert 'alt="a &quot;picture&quot;"' in made


def test_the_shell_is_whole() -> None:
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in {"meta", "link"}:
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    html = page("a <title>", element("main", "text"))
    Reader().feed(html)
    assert opened == []
    assert "<title>a &lt;title&gt;</title>" in html
    assert f'content="{POLICY.replace(chr(39), "&#x27;")}"' in html
    assert 'name="viewport"' in html
    assert STYLE.count("{") == STYLE.count("}")
    assert "prefers-color-scheme: dark" in STYLE
    assert "@media print" in STYLE
