"""The report: what it says, that it needs nothing else, that no text in it can become markup, and how it looks."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import Page, browser_page, chromium
from matplotlib.figure import Figure
from PIL import Image
from toy_run import toy_run

from hepcs.jets import Cutflow, Rejection
from hepcs.output import make_figures, results_digest
from hepcs.output.findings import largest_excess
from hepcs.output.report import Picture, column_classes, render_report, report_picture
from hepcs.results import RunResult
from hepcs.searches.kinds import Drawing, Table
from hepcs.sources.base import InputFile

EVIL = "<script>alert('x')</script>\"><img src=http://evil.example/x onerror=alert(1)>&amp;"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Tags with their attributes, whether they close as they opened, and all text by section."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, str] = {}
        self.section = ""
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.section = dict(attrs)["id"] or ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text[self.section] = self.text.get(self.section, "") + f"{data}\n"

    @property
    def everything(self) -> str:
        return "\n".join(self.text.values())


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@functools.cache
def pictures() -> tuple[Picture, ...]:
    return tuple(report_picture(drawing) for drawing in make_figures(toy_run()))


@functools.cache
def report() -> str:
    return render_report(toy_run(), pictures())


def evil_run() -> RunResult:
    """The toy run with HTML wherever a text comes from outside."""
    result = toy_run()
    card = result.card.card
    sample = dataclasses.replace(
        result.samples[0],
        role=EVIL,
        inputs=(InputFile(EVIL, 1, 1, EVIL),),
        rejections=(Rejection(EVIL, 3, EVIL),),
    )
    given = {**result.card.given, EVIL: EVIL}
    located = dataclasses.replace(
        result.card,
        card=card.model_copy(update={"name": EVIL, "description": EVIL}),
        given=given,
        path=Path(EVIL),
    )
    provenance = dataclasses.replace(
        result.provenance, processor=EVIL, versions={EVIL: EVIL}, seconds={EVIL: 1.0}, blas=(EVIL,)
    )
    search = dataclasses.replace(result.searches[0], title=EVIL)
    return dataclasses.replace(
        result,
        card=located,
        samples=(sample,),
        warnings=(EVIL,),
        provenance=provenance,
        searches=(search, *result.searches[1:]),
    )


def test_it_says_what_was_searched_and_found() -> None:
    reader = Reader(report())
    answer = flat(reader.text["answer"])
    assert answer.startswith("The answer All 3 searches together: the smallest p in the background alone is")
    assert "Cluster Scanning of the background with 150 injected signal events finds a statistic of" in answer
    assert "none of 40 background-only pseudo-experiments reaches: p < 1/40" in answer
    assert "only a lower bound" in answer
    assert "a warning" in answer
    searched = flat(reader.text["searched"])
    assert "m_jj in [3000, 4600) GeV, 16 bins of 100 GeV: 3,000 events" in searched
    assert "k 8 most clusters whose smallest cluster-bin" in searched
    assert "Features image_pca dimension 6, kept variance 0.97" in searched
    assert "threshold θ 3 σ" in searched
    assert "40 background-only for each search, 5 doped" in searched
    significance = flat(reader.text["significance"])
    calibration = toy_run().searches[1].observed[0].calibration
    assert calibration is not None
    assert f"{calibration.z:.2f} [" in significance
    assert "lower bound" in significance


def test_it_says_where_each_search_looked() -> None:
    significance = flat(Reader(report()).text["significance"])
    where = "16 bins of 100 GeV, m_jj in [3000, 4600) GeV"
    assert (
        f"Cluster Scanning {where}; 8 clusters; 2 scans of an ensemble 3-parameter fit {where}"
        in significance
    )


def test_local_significance_is_the_largest_bin_of_the_histogram() -> None:
    observed = toy_run().searches[1].observed[1]
    assert observed.observation.spectrum is not None
    values = observed.observation.spectrum.local_significance
    best = max(range(16), key=lambda bin_: values[bin_])
    expected = f"3-parameter fit 150 signal events {values[best]:.2f} [{3000 + 100 * best}, "
    assert expected in flat(Reader(report()).text["significance"])


def test_cutflow_rejections_and_provenance() -> None:
    reader = Reader(report())
    samples = flat(reader.text["samples"])
    assert "entries read 9,000 100.0% leading jet pT > 1200 GeV 6,000 66.7%" in samples
    assert "events.h5 17 no constituents" in samples
    assert "in the evaluation region 3,000 - left out there, without image_pca 3 -" in samples
    provenance = flat(reader.text["provenance"])
    for text in (
        results_digest(toy_run()),
        "sha256:00ff",
        "a processor",
        "openblas",
        "python 3.11",
        "7 (run)",
        "Observed data looked at 2024-02-27T12:30:00+00:00: pseudo-data",
    ):
        assert text in provenance
    assert "theta: 3.0" in provenance, "the card with its defaults"
    assert "Pseudo-experiments from" not in provenance
    resumed = dataclasses.replace(
        toy_run().provenance, origins=("one machine", "another machine"), execution="two local processes"
    )
    provenance = flat(
        Reader(render_report(dataclasses.replace(toy_run(), provenance=resumed))).text["provenance"]
    )
    assert "Pseudo-experiments from one machine another machine" in provenance
    assert "Execution two local processes" in provenance


def test_rejected_events_are_counted_in_all() -> None:
    sample = dataclasses.replace(
        toy_run().samples[0], cutflow=Cutflow(("entries read", "readable constituents"), (9000, 8877))
    )
    samples = flat(Reader(render_report(dataclasses.replace(toy_run(), samples=(sample,)))).text["samples"])
    assert "could not be used: 123 in all, 1.37% of those read" in samples
    assert "Rejected events of the labelled sample (the first 1; summary.json lists 1 of 123)" in samples


def test_fits_and_selected_clusters_are_tables() -> None:
    reader = Reader(report())
    fit = toy_run().searches[1].observed[0].observation.summary["fit"]
    fits = flat(reader.text["searches"])
    assert f"p2 = {fit['parameters'][1]:.4g} ± {fit['covariance'][1][1] ** 0.5:.2g}" in fits
    assert f"{fit['chi2']:.1f} / 13" in fits
    observation = toy_run().searches[0].observed[1].observation
    member = observation.summary["representative_member"]
    chosen = observation.summary["members"][member]["signal_rich_clusters"]
    assert chosen, "the toy must select something"
    spectra = next(
        one.histogram for one in observation.histograms if one.path == f"member_{member:02d}/spectra"
    )
    clusters = flat(reader.text["searches"])
    assert "Cluster Scanning: selected clusters, the background with 150 injected signal events" in clusters
    rows = {row["cluster"]: row for row in observation.summary["selected_clusters"]}
    assert set(rows) == set(chosen)
    for cluster in chosen:
        assert f" {cluster} {spectra.values()[cluster].sum():,.0f} " in clusters
        assert f"{rows[cluster]['local_significance']:.1f} at [" in clusters
        assert f" {rows[cluster]['sfi']:.1f} " in clusters


def test_every_figure_is_there_with_what_to_look_for() -> None:
    reader = Reader(report())
    images = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert len(images) == len(pictures())
    for attributes in images:
        assert attributes["alt"]
        source = attributes["src"]
        assert source is not None
        with Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,")))) as image:
            assert image.format == "PNG"
            assert image.width > 400
    assert reader.everything.count("Look for") >= len(images)
    assert len(report()) < 100_000 * len(images)


def tiny(name: str) -> Picture:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1])
    return report_picture(Drawing(name, figure, f"The figure {name}", "Look for a line."))


def test_figures_of_a_block_stand_there() -> None:
    mine = ("cluster_scanning_selected_clusters_epsilon_0150", "another")
    reader = Reader(render_report(toy_run(), tuple(map(tiny, mine))))
    assert "The figure another" in reader.text["figures"]
    assert mine[0] not in reader.text["figures"]
    assert f"The figure {mine[0]}" in reader.text["searches"]
    assert sum(tag == "img" for tag, _ in reader.tags) == 2


def test_each_search_has_its_panel_with_answer_and_spectrum() -> None:
    reader = Reader(report())
    inputs = [attributes for tag, attributes in reader.tags if tag == "input"]
    assert [one["value"] for one in inputs] == ["cluster_scanning", "fit_3", "fit_4"]
    assert sum("checked" in one for one in inputs) == 1
    searches = flat(reader.text["searches"])
    observed = toy_run().searches[1].observed[1]
    excess = largest_excess(observed.observation.spectrum, toy_run().bins)
    assert excess is not None
    assert (
        f"The largest excess lies at m_jj {excess.low:g} to {excess.high:g} GeV: {excess.observed:,.0f} events"
        in (searches)
    )
    # A spectrum for each search and data set, each of whose bins tells its numbers.
    assert sum(tag == "svg" for tag, _ in reader.tags) == 6
    cells = [attributes["aria-label"] for tag, attributes in reader.tags if attributes.get("class") == "bin"]
    assert len(cells) == 6 * toy_run().bins.n_bins
    spectrum = observed.observation.spectrum
    assert spectrum is not None
    assert (
        f"3000 to 3100 GeV: {spectrum.observed[0]:,.0f} observed, {spectrum.expected[0]:,.1f} expected"
        in " ".join(filter(None, cells))
    )


def test_the_comparison_comes_first_and_what_to_do_next_is_said() -> None:
    html = report()
    first = html.index("<img ")
    assert html.index('id="answer"') < first < html.index('id="searched"')
    assert html[first:].split('alt="', 1)[1].startswith("All searches side by side")
    assert (
        "pseudo_experiments.background_only: 400, which resolves Z up to 2.8" in Reader(html).text["answer"]
    )


def test_a_blind_run_says_so() -> None:
    reader = Reader(render_report(toy_run(blind=True)))
    answer = flat(reader.text["answer"])
    assert answer.startswith(
        "The answer Blind: the observed data were not looked at; expected sensitivity alone."
    )
    assert "5 doped" in answer
    assert "finds a statistic" not in reader.everything
    assert "Observed data looked at no" in flat(reader.text["provenance"])


def test_studies_are_marked_wherever_they_stand() -> None:
    reader = Reader(
        render_report(toy_run(searches="{fit_3: {kind: dijet_fit, parameters: 3}, idealised_fit: {}}"))
    )
    for section in ("answer", "searched", "significance"):
        assert "study: knows the truth" in flat(reader.text[section]), section
    assert "the label is known to studies alone: idealised fit." in flat(reader.text["searched"])


def test_variants_show_what_differs() -> None:
    scans = "{cluster_scanning: {k: 8, ensemble: 1}, low: {like: cluster_scanning, theta: 2.0, title: low}}"
    reader = Reader(render_report(toy_run(searches=scans, background_only=10, doped=0)))
    searched = flat(reader.text["searched"])
    assert searched.count("cluster selection threshold θ") == 2
    assert "low cluster selection threshold θ 2 σ" in searched


def test_columns_are_set_by_what_is_in_them() -> None:
    rows = (
        ("1,234", "66.7%", "two words", "sha256:" + "0" * 64),
        ("-", "0.12 ± 0.03", "a sentence " * 4, "x"),
    )
    table = Table(("n", "share", "what", "digest"), rows)
    assert column_classes(table) == ("number", "number", "", "anywhere")
    assert column_classes(Table(("a",), (("short text",),))) == ("nowrap",)
    assert len(column_classes(Table(("a", "b"), ()))) == 2


def test_it_stands_alone() -> None:
    reader = Reader(report())
    assert report().startswith("<!DOCTYPE html>")
    for tag, attributes in reader.tags:
        assert tag not in {"script", "iframe", "object", "embed", "form", "base"}
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:", "#")), f"{tag} asks for {target}"
    ids = {attributes["id"] for _, attributes in reader.tags if "id" in attributes}
    links = {attributes["href"] for tag, attributes in reader.tags if tag == "a"}
    assert links == {f"#{name}" for name in ids}
    style = report().partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    policy = [attributes for tag, attributes in reader.tags if attributes.get("http-equiv")]
    assert policy[0]["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_no_text_becomes_markup() -> None:
    honest, evil = Reader(report()), Reader(render_report(evil_run(), pictures()))
    assert [tag for tag, _ in evil.tags if tag in {"script", "img"}] == ["img"] * len(pictures())
    assert {tag for tag, _ in evil.tags} <= {tag for tag, _ in honest.tags}
    assert not any(name.startswith("on") for _, attributes in evil.tags for name in attributes)
    # Name twice, description, role, file, digest, rejection twice, warning, processor, ...: as it was written.
    assert evil.everything.count(EVIL) >= 15


def test_a_run_without_figures_or_blocks() -> None:
    result = toy_run(searches="{idealised_fit: {}}")
    reader = Reader(render_report(dataclasses.replace(result, warnings=())))
    assert "figures" not in reader.text
    # One search needs no tabs, and has nothing but its answer and its spectrum.
    assert not any(tag in {"input", "img"} for tag, _ in reader.tags)
    assert sum(tag == "svg" for tag, _ in reader.tags) == len(result.searches[0].observed)
    assert "The run gave no warnings." in reader.everything


# -------------------------------------------------------------------------------------- in a real browser


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    program = chromium()
    if program is None:
        pytest.skip("no chromium is installed (Debian: apt-get install chromium)")
    with browser_page(program) as opened:
        yield opened


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1200, False), (1200, True)])
def test_it_looks_right_in_a_browser(page: Page, tmp_path: Path, width: int, dark: bool) -> None:
    path = tmp_path / "report.html"
    path.write_text(report(), encoding="utf-8")
    before = len(page.requests)
    page.open(path.as_uri(), width, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth") == width, "the page scrolls sideways"
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.evaluate(
        "[...document.images].every(image => image.getBoundingClientRect().width <= innerWidth)"
    )
    page.screenshot(tmp_path / f"report_{width}{'_dark' if dark else ''}.png")
    with Image.open(tmp_path / f"report_{width}{'_dark' if dark else ''}.png") as image:
        assert image.width == width
        assert image.height > 3000
        # Text and figures on a plain page.
        assert len(image.convert("RGB").resize((200, 1000)).getcolors(200_000) or ()) > 500
    assert page.complaints == []
    asked = [url for url in page.requests[before:] if not url.startswith("data:")]
    assert asked == [path.as_uri()]
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light is not dark


def test_tabs_and_bins_work_without_a_script(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report(), encoding="utf-8")
    page.open(path.as_uri(), 1200)

    def shown() -> object:
        return page.evaluate(
            "[...document.querySelectorAll('.panel')].map(one => getComputedStyle(one).display != 'none')"
        )

    assert shown() == [True, False, False]
    page.evaluate("document.querySelector('input[value=fit_4]').click()")
    assert shown() == [False, False, True]
    bin_ = "document.querySelector('label:has([value=fit_4]) + .panel .bin:last-of-type')"
    reading = f"getComputedStyle({bin_}.querySelector('.reading')).visibility"
    assert page.evaluate(reading) == "hidden"
    page.evaluate(f"{bin_}.focus()")
    assert page.evaluate(reading) == "visible"
    page.call("Emulation.setEmulatedMedia", media="print")
    assert shown() == [True, True, True]
    page.call("Emulation.setEmulatedMedia", media="")


def test_a_hostile_run_executes_nothing(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "evil.html"
    path.write_text(render_report(evil_run(), pictures()), encoding="utf-8")
    before = len(page.requests)
    page.open(path.as_uri(), 1200)
    assert [url for url in page.requests[before:] if not url.startswith("data:")] == [path.as_uri()]
    assert page.evaluate("document.scripts.length") == 0
    assert page.complaints == []


def test_it_can_be_printed(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report(), encoding="utf-8")
    page.open(path.as_uri(), 1200)
    printed = page.pdf()
    (tmp_path / "report.pdf").write_bytes(printed)
    assert printed.startswith(b"%PDF")
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", printed)) < 40
