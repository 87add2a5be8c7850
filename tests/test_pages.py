"""README and site: Python runs, cards are valid, commands exist, links lead somewhere, all kinds have a page."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import pytest
from toy_events import write_toys

from hepcs.analysis.__main__ import parse_arguments
from hepcs.config import read_card
from hepcs.config.kinds import installed_kinds, load_kind
from hepcs.config.reading import find_card

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WRITTEN = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md"),
                 *(ROOT / "analysis").rglob("*.md"))
    if not {"_build", "generated", "build"} & set(path.relative_to(ROOT).parts)
)  # fmt: skip
CARD = """\
name: demo
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
features: {image_pca: {kept_variance: 0.8}}
searches:
  cluster_scanning: {k: 8, ensemble: 2}
pseudo_experiments: {background_only: 10, doped: 0}
injection: {epsilon: [150]}
execution: {cache: cache, workers: 1}
"""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def commands(path: Path) -> Iterator[list[str]]:
    """The words of each command in the consoles of a page, continued lines joined."""
    for block in blocks(path, "console"):
        for line in re.findall(r"^\$ (.*?)$", block.replace("\\\n", " "), re.MULTILINE):
            yield from (shlex.split(part, comments=True) for part in line.split(" && "))


@pytest.fixture(scope="module")
def site() -> Iterator[ModuleType]:
    """What writes the generated pages."""
    sys.path.insert(0, str(DOCS))
    import site_pages

    yield site_pages
    sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def generated(site: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("docs") / "generated"
    site.write_pages(folder)
    return folder


def test_lines_of_python_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = blocks(DOCS / "python.md", "python")
    assert len(code) == 2
    write_toys(tmp_path / "background.root", 2000, 1)
    write_toys(tmp_path / "signal.root", 900, 2, resonance=3500.0)
    (tmp_path / "demo.yaml").write_text(CARD)
    monkeypatch.chdir(tmp_path)
    for lines in code:
        exec(compile(lines, "python.md", "exec"), {})
        assert "Calibration(observed=" in capsys.readouterr().out


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_card_that_a_page_shows_is_valid(page: Path, tmp_path: Path) -> None:
    """Whole ones, which have a name."""
    for text in blocks(page, "yaml"):
        if text.startswith("name:"):
            (tmp_path / "shown.yaml").write_text(text)
            read_card(tmp_path / "shown.yaml")


def test_cards_are_shown() -> None:
    assert sum(text.startswith("name:") for page in WRITTEN for text in blocks(page, "yaml")) >= 3


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    shown = {text.split("\n")[0].removeprefix("name: ") for text in blocks(page, "yaml")}
    for words in commands(page):
        if words[0] == "make":
            assert all(f"\n{word}:" in makefile for word in words[1:] if "=" not in word)
        elif words[0] == "hepcs" or words[:3] == ["python", "-m", "hepcs.analysis"]:
            parsed = parse_arguments(words[1 if words[0] == "hepcs" else 3 :])
            card = getattr(parsed, "card", None)
            if card is not None and Path(card).stem not in shown:
                find_card(card if not card.startswith("docs/") else ROOT / card)
        elif words[0] == "python" and words[1] != "-m":
            assert (ROOT / words[1]).is_file()


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_file_that_a_page_names_is_there(page: Path, generated: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    links += re.findall(r"^(?:```|:::)\{(?:figure|image|include|literalinclude)\} (\S+)", text, re.MULTILINE)
    missing = []
    for link in links:
        target = (page.parent / link).resolve()
        if DOCS / "generated" in target.parents:
            target = generated / target.relative_to(DOCS / "generated")
        if not target.exists():
            missing.append(link)
    assert not missing


def test_the_readme_is_short_and_sends_people_on() -> None:
    """A screen and a half, and the site is within reach."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") < 90
    assert {f"docs/{name}.md" for name in ("start", "method", "report", "calibration")} <= set(
        re.findall(r"\]\(([^)]+)\)", text)
    )


def test_every_page_is_in_the_tree() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    tree = set(re.findall(r"^([\w/]+)$", index, re.MULTILINE))
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in WRITTEN if DOCS in path.parents}
    assert {page for page in pages if not page.endswith("README")} <= tree | {"index"}


@pytest.mark.parametrize("name", list(installed_kinds("hepcs.searches")))
def test_every_search_has_a_page_with_all_its_keys(name: str, generated: Path) -> None:
    text = (generated / "searches" / f"{name}.md").read_text(encoding="utf-8")
    kind = load_kind("hepcs.searches", name)
    assert kind.paper.split(",")[0] in text
    assert all(f"| `{key}` |" in text for key in kind.section.model_fields if key != "kind")
    assert f"[`{name}`]({name}.md)" in (generated / "searches/index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(installed_kinds("hepcs.features")))
def test_every_feature_is_described_with_all_its_keys(name: str, generated: Path) -> None:
    text = (generated / "features.md").read_text(encoding="utf-8")
    _, _, own = text.partition(f"(feature-{name})=")
    own = own.partition("\n(feature-")[0]
    kind = load_kind("hepcs.features", name)
    assert all(f"| `{key}` |" in own for key in kind.section.model_fields if key != "kind")


def test_the_card_page_has_defaults_and_limits(generated: Path) -> None:
    text = (generated / "card.md").read_text(encoding="utf-8")
    assert "| `evaluation` | [low, high) | `[3000.0, 4600.0]` |" in text
    assert "| `bin_width` | number &gt; 0 &le; 1e+06 | `100.0` |" in text
    assert "| `samples` | [section](#section-samples) | **needed** |" in text
    assert "`kind: parquet`" in text


def test_every_module_is_in_the_reference(generated: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (generated / "api").glob("*.md"))
    named = set(re.findall(r"automodule:: (\S+)", text))
    package = ROOT / "hepcs"
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in package.rglob("*.py")}
    assert {module.removesuffix(".__init__") for module in modules if "__main__" not in module} - {
        "hepcs"
    } == named


def test_a_page_of_a_kind_that_is_no_more_is_removed(site: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "searches").mkdir()
    (tmp_path / "searches/gone.md").write_text("# gone\n")
    assert (tmp_path / "searches/cwola.md") in site.write_pages(tmp_path)
    assert not (tmp_path / "searches/gone.md").exists()


def test_every_study_is_named() -> None:
    """In the index of ``analysis/``, by its name or by a pattern such as ``paper_figures_*.py``."""
    folder = ROOT / "analysis"
    named = re.findall(r"`([^`/ ]+/?)`", (folder / "README.md").read_text(encoding="utf-8"))
    assert {"sensitivity.py", "results/", "open_a_run.ipynb"} <= set(named)
    entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__", "README"))]
    names = [path.name + ("/" if path.is_dir() else "") for path in entries]
    assert not [name for name in names if not any(fnmatch(name, pattern) for pattern in named)]


def test_times_of_scans_are_those_that_were_measured() -> None:
    """Of the newest of the stored benchmarks, which stands first."""
    measured = (ROOT / "analysis/benchmarks/measured.md").read_text(encoding="utf-8")
    scan, calibration = (
        round(float(re.search(pattern, measured)[1]))  # type: ignore[index]
        for pattern in (r"([\d.]+) ms a scan of the wall\s+clock", r"([\d.]+) min for the full\s+calibration")
    )
    long_runs = (DOCS / "long_runs.md").read_text(encoding="utf-8")
    lhco = (DOCS / "data/lhco.md").read_text(encoding="utf-8")
    assert re.findall(r"some\s+(\d+) ms on one core.*?some\s+(\d+) minutes on two", long_runs) == [
        (str(scan), str(calibration))
    ]
    assert re.findall(r"3,900\s+pseudo-experiments some (\d+) minutes", lhco) == [str(calibration)]


def test_the_pages_tell_of_the_demonstration_as_its_card_is() -> None:
    card = read_card(ROOT / "data_cards/demo.yaml").card
    generated, (injected,) = card.samples.background.events, card.injection.epsilon
    wanted = {
        "README.md": (f"{injected} signal events", f"none of {card.pseudo_experiments.background_only}"),
        "docs/index.md": (f"{injected} events of a Z'",),
        "docs/start.md": (f"{injected} events are added",),
        "docs/notebooks/tour.ipynb": (f"{generated:,}", f"{injected} injected"),
    }
    for page, words in wanted.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        assert all(word in text for word in words), page
