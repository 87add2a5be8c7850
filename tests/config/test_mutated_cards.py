"""Cards that people, editors and disks have spoilt: each is valid, or refused with file and line, at once."""

from __future__ import annotations

import copy
import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hepcs._core.errors import CardError
from hepcs.config import LocatedCard, read_card

# That of `hepcs represent` is another kind of card.
CARDS = sorted(
    path for path in (Path(__file__).parents[2] / "data_cards").glob("*.yaml") if path.stem != "adc2021"
)
# The whole second is for slow machines; reading takes some milliseconds.
SECOND = 1.0
# A tag that would make this folder, were it carried out.
CANARY = "made_by_a_card"
EXECUTING = yaml.SequenceNode(
    "tag:yaml.org,2002:python/object/apply:os.mkdir", [yaml.ScalarNode("tag:yaml.org,2002:str", CANARY)]
)
TAGS = [
    f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null", "timestamp", "str", "map", "seq")
]
TAGS += [f"tag:yaml.org,2002:{kind}" for kind in ("binary", "set", "omap", "pairs", "merge", "value")]
TAGS += ["!local", *(f"tag:yaml.org,2002:python/{what}" for what in ("name:os.system", "tuple", "module:os"))]
SCALARS = [
    *(
        "",
        "~",
        "0",
        "-1",
        "3",
        "0.5",
        "1e3",
        "-.inf",
        ".nan",
        "1e308",
        "1e-300",
        "5e-324",
        "1e999",
        "9" * 400,
    ),
    *(
        "9" * 5000,
        "0x" + "f" * 90,
        "1:59:59",
        "true",
        "no",
        "2020-01-01",
        "x",
        "lhco",
        "é",
        "<b>",
        "../..",
        "~/x",
    ),
    *(
        "\x00",
        "\x1b[2J",
        "\ud800",
        "\u2028",
        "{",
        "*",
        "&a",
        "!!int",
        "%",
        "k",
        "$\\pt{x$",
        "x" * 5000,
        "=",
        "<<",
    ),
]
EXAMPLES = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def read(path: Path, content: bytes | None = None, *overrides: str) -> LocatedCard | list[str]:
    """The card, or the lines of what is wrong with it, each of which must say where."""
    if content is not None:
        path.write_bytes(content)
    start = time.process_time()
    try:
        return read_card(path, overrides)
    except CardError as error:
        lines = str(error).splitlines()
        assert all(re.match(rf"{re.escape(str(path))}:\d+: |--set ", line) for line in lines), lines
        return lines
    finally:
        assert time.process_time() - start < SECOND
        assert not Path(CANARY).exists()


# --------------------------------------------------------------------------------------- mutated trees


def inner_nodes(node: yaml.Node) -> list[yaml.Node]:
    """A node and all below it, keys among them."""
    found = [node]
    for item in node.value if isinstance(node, yaml.CollectionNode) else ():
        for inner in item if isinstance(item, tuple) else (item,):
            found += inner_nodes(inner)
    return found


def nested(draw: st.DrawFn) -> yaml.Node:
    inner: yaml.Node = yaml.ScalarNode("tag:yaml.org,2002:str", "deep")
    for _ in range(draw(st.sampled_from([1, 3, 60]))):
        if draw(st.booleans()):
            inner = yaml.SequenceNode("tag:yaml.org,2002:seq", [inner])
        else:
            inner = yaml.MappingNode("tag:yaml.org,2002:map", [(key_node("kind"), inner)])
    return inner


def key_node(text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A shipped card with one to four things in it dropped, doubled, moved, retagged or replaced."""
    root = yaml.compose(draw(st.sampled_from(CARDS)).read_text(encoding="utf-8"))
    assert root is not None
    for _ in range(draw(st.integers(1, 4))):
        nodes = inner_nodes(root)
        collections = [node for node in nodes if isinstance(node, yaml.CollectionNode) and node.value]
        target = draw(st.sampled_from(collections))
        place = draw(st.integers(0, len(target.value) - 1))
        other = copy.deepcopy(draw(st.sampled_from(nodes)))
        match draw(
            st.sampled_from(("drop", "double", "swap", "retag", "scalar", "nest", "execute", "rename"))
        ):
            case "drop":
                del target.value[place]
                continue
            case "double":
                target.value.append(copy.deepcopy(target.value[place]))
                continue
            case "rename" if isinstance(target, yaml.MappingNode):
                name = draw(st.sampled_from(SCALARS) | st.text(max_size=8))
                target.value[place] = (key_node(name), target.value[place][1])
                continue
            case "retag":
                draw(st.sampled_from(nodes)).tag = draw(st.sampled_from(TAGS))
                continue
            case "scalar" | "rename":
                text = draw(st.sampled_from(SCALARS))
                # Without a style, what looks like a number is one.
                new: yaml.Node = yaml.ScalarNode(None, text, style=draw(st.sampled_from((None, '"'))))
                new.tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (new.style is None, True))
            case "nest":
                new = nested(draw)
            case "execute":
                new = copy.deepcopy(EXECUTING)
            case _:
                new = other
        if isinstance(target, yaml.MappingNode):
            target.value[place] = (target.value[place][0], new)
        else:
            target.value[place] = new
    text = yaml.serialize(root, allow_unicode=draw(st.booleans()))
    assert isinstance(text, str)
    return text


@pytest.mark.slow
@EXAMPLES
@given(text=mutated())
def test_a_mutated_card_is_valid_or_refused_with_its_line(text: str, tmp_path: Path) -> None:
    read(tmp_path / "card.yaml", text.encode("utf-8", "surrogatepass"))


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Bytes of a shipped card: cut short, some replaced, some put in."""
    content = bytearray(draw(st.sampled_from(CARDS)).read_bytes())
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(("cut", "put", "flip", "structure"))):
            case "cut":
                del content[place : place + draw(st.integers(1, 200))]
            case "put":
                content[place:place] = draw(st.binary(min_size=1, max_size=6))
            case "flip" if place < len(content):
                content[place] ^= 1 << draw(st.integers(0, 7))
            case _:
                content[place:place] = draw(
                    st.sampled_from((b"[", b"{", b": ", b"- ", b"\n", b"\t", b"'", b"!!", b"&a "))
                )
    return bytes(content)


@EXAMPLES
@given(content=spoilt() | st.binary(max_size=200))
def test_any_bytes_are_valid_or_refused_with_their_line(content: bytes, tmp_path: Path) -> None:
    read(tmp_path / "card.yaml", content)


@settings(EXAMPLES, max_examples=100)
@given(
    key=st.sampled_from(
        (
            "name",
            "searches",
            "searches.fit_3.parameters",
            "searches.cluster_scanning.like",
            "searches.x.kind",
            "features.image_pca.gamma",
            "injection.epsilon",
            "samples",
            "samples.data.kind",
            "a.b.c",
        )
    )
    | st.text(max_size=10),
    value=st.sampled_from(SCALARS) | st.text(max_size=12),
)
def test_any_override_is_valid_or_refused(key: str, value: str) -> None:
    read(CARDS[0], None, f"{key}={value}")


# --------------------------------------------------------------------------- what such cards once did

HEAD = "name: x\nsamples: {background: {kind: pythia, events: 1}}\n"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("name: a\x00b\n", "card.yaml:1: not readable as YAML: the character U+0000 is not allowed"),
        ("name: x\n# \x1b[2J\n", "card.yaml:2: not readable as YAML: the character U+001B"),
        ("name: !!bool foo\n", "card.yaml:1: name: found 'foo', which is no bool"),
        ("name: !!timestamp foo\n", "card.yaml:1: name: found 'foo', which is no timestamp"),
        ("name: x\nseed: !!int ''\n", "card.yaml:2: seed: found '', which is no int"),
        ("name: x\nseed: !!float ''\n", "card.yaml:2: seed: found '', which is no float"),
        (
            "!!python/name:os.system name: x\n",
            "card.yaml:1: name: the tag tag:yaml.org,2002:python/name:os.system",
        ),
        (
            "name: x\nseed: " + "9" * 5000,
            "card.yaml:2: seed: a number of 5000 characters, expected 100 or fewer",
        ),
        # No number of base 60, as it was in YAML 1.1.
        ("name: x\nseed: 1" + ":59" * 5000, "card.yaml:2: seed: found '1:59:59:"),
        ("name: x\nseed: &a 1\nsamples: *a\n", "card.yaml:3: not readable as YAML: aliases (*name) are not"),
        (
            "name: x\nsamples: " + "[" * 5000,
            "card.yaml:2: not readable as YAML: nested more than 20 levels deep",
        ),
        (
            HEAD + 'description: "\\0"\n',
            "card.yaml:3: description: found the character U+0000, expected text",
        ),
        (
            HEAD + 'execution: {cache: "\\ud800"}\n',
            "card.yaml:3: execution.cache: found '\\ud800', expected a valid string",
        ),
        (
            HEAD + "regions: {evaluation: [3000, 1e308], bin_width: 1e-300}\n",
            "card.yaml:3: regions.evaluation.1: found 1e+308, expected less than or equal to 1000000",
        ),
        (
            HEAD + "regions:\n  bin_width: 1e-9\n",
            "card.yaml:4: regions.bin_width: 1e-09 GeV makes 1.6e+12 bins of the evaluation region [3000, 4600), "
            "expected 1000 or fewer",
        ),
        (
            HEAD + "regions: {bin_width: 5e-324}\n",
            "card.yaml:3: regions.bin_width: 4.94066e-324 GeV makes inf bins",
        ),
        (
            HEAD + "pseudo_experiments: {background_only: 1000000000000}\n",
            "card.yaml:3: pseudo_experiments.background_only: found 1000000000000, expected less than or equal to "
            "10000000",
        ),
        (HEAD + "pseudo_experiments: {doped: 9999999999}\n", "pseudo_experiments.doped: found"),
        (HEAD + "searches: {cluster_scanning: {ensemble: 9999999999}}\n", "cluster_scanning.ensemble: found"),
        (HEAD + "searches: {cluster_scanning: {k: 9999999999}}\n", "cluster_scanning.k: found"),
        (HEAD + "searches: {cwola: {folds: 9999999999}}\n", "cwola.folds: found"),
        (HEAD + "execution: {workers: 9999999999}\n", "execution.workers: found"),
        (HEAD + "features: {image_pca: {smearing: 1e300}}\n", "features.image_pca.smearing: found"),
        (HEAD + "images: {pixels: 10000}\n", "images.pixels: found"),
    ],
)
def test_finds(tmp_path: Path, text: str, wrong: str) -> None:
    lines = read(tmp_path / "card.yaml", text.encode())
    assert isinstance(lines, list)
    assert any(wrong in line for line in lines), lines


def test_a_data_file_is_no_card(tmp_path: Path) -> None:
    lines = read(tmp_path / "card.yaml", b"name: x\n\xff\xfe\n")
    assert lines == [f"{tmp_path}/card.yaml:2: not UTF-8 text: invalid start byte. Is it a data file?"]
    lines = read(tmp_path / "card.yaml", b"x" * 2_000_000)
    assert isinstance(lines, list)
    assert "larger than 1,000,000 bytes" in lines[0]


def test_a_name_that_no_file_has_is_a_missing_card() -> None:
    for name in ("a\x00b.yaml", "x" * 5000):
        with pytest.raises(CardError, match="no such card"):
            read_card(name)


def test_an_override_that_is_no_text_is_refused() -> None:
    assert read(CARDS[0], None, "output.folder=a\x00b") == [
        "--set output.folder=a\\x00b: output.folder: found the character U+0000, expected text without control "
        "characters"
    ]


def test_what_is_wrong_in_a_search_like_another_is_explained_as_elsewhere(tmp_path: Path) -> None:
    text = HEAD + (
        "searches:\n  cluster_scanning: {}\n  one:\n    like: cluster_scanning\n    thta: 2\n    k: fifty\n"
        "  two:\n    like: cluster_scanning\n    statistic: {kind: bumphuntr}\n"
        "  three: {like: cluster_scanning, outlier_fraction: 0.999}\n"
    )
    lines = read(tmp_path / "card.yaml", text.encode())
    assert lines == [
        f"{tmp_path}/card.yaml:{line}"
        for line in (
            "8: searches.one.k: found 'fifty', expected a valid integer",
            "7: searches.one.thta: unknown key. Did you mean theta?",
            "11: searches.two.statistic.kind: found 'bumphuntr', expected maximum_local_significance or "
            "bumphunter. Did you mean bumphunter?",
            "12: searches.three.outlier_fraction: 0.999 of k = 50 clusters leaves 0, expected 2 or more",
        )
    ]
