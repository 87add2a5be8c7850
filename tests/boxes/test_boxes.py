"""Boxes from toy files: made, searched, answered and judged."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
import yaml
from toy_events import write_toys
from toy_run import real_search

from hepcs import pipeline
from hepcs._core.errors import ArgumentError, CardError, InputError
from hepcs.analysis.__main__ import main
from hepcs.boxes.answers import Answer, answer_of, read_answers, write_answers
from hepcs.boxes.judging import Judgement, judge
from hepcs.boxes.making import Wanted, make_boxes
from hepcs.config import read_card
from hepcs.datasets.bootstrap import Kind
from hepcs.results import RunResult

CARD = """\
name: toys
seed: 3
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
searches:
  fit_3: {kind: dijet_fit, parameters: 3, windows: {widths: [1, 2]}}
pseudo_experiments: {background_only: 200}
execution: {cache: cache, workers: 1}
"""
WANTED = Wanted(boxes=4, empty=2, events=700, signal_events=(80, 150))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boxes")
    write_toys(folder / "background.root", 8000, 1)
    write_toys(folder / "signal.root", 400, 2, resonance=3500.0)
    write_toys(folder / "hypothesis.root", 600, 7, resonance=3500.0)
    (folder / "toys.yaml").write_text(CARD)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_boxes(read_card("toys.yaml"), folder / "boxes", folder / "keys", WANTED, seed=8)
    return folder


@pytest.fixture
def inside(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def key_of(folder: Path, box: str) -> dict[str, Any]:
    return json.loads((folder / "keys" / f"{box}.json").read_text())


def particles(path: Path) -> list[tuple[float, ...]]:
    return [tuple(event) for event in uproot.open(path)["Events"]["Particle_pt"].array().to_list()]


def test_no_event_is_twice_and_none_is_lost(made: Path) -> None:
    boxes = {
        f"box_0{number}": particles(made / "boxes" / f"box_0{number}" / "events.root")
        for number in (1, 2, 3, 4)
    }
    rest = particles(made / "boxes" / "background.root")
    background, signal = ({*particles(made / f"{name}.root")} for name in ("background", "signal"))
    everything = [event for events in (*boxes.values(), rest) for event in events]
    assert len({*everything}) == len(everything)
    assert background <= {*everything} <= background | signal
    n_injected = sum(key_of(made, box)["n_injected"] for box in boxes)
    assert len(rest) == 8000 - 4 * 700 + n_injected
    keys = {box: key_of(made, box) for box in boxes}
    assert sorted(key["signal"] is None for key in keys.values()) == [False, False, True, True]
    for box, events in boxes.items():
        injected = [event in signal for event in events]
        assert sum(injected) == keys[box]["n_injected"]
        assert len(events) == 700, "or the number of events would tell"
        if any(injected):
            # Their order tells nothing: the mean place is in the middle, within four standard deviations.
            places = np.flatnonzero(injected) / len(events)
            assert places.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * places.size))


def test_a_box_tells_nothing_but_its_size(made: Path) -> None:
    with uproot.open(made / "boxes" / "box_01" / "events.root") as file:
        assert {*file["Events"].keys()} == {
            "event",
            "nParticle",
            "Particle_pt",
            "Particle_eta",
            "Particle_phi",
        }
    told = json.loads((made / "boxes" / "box_01" / "box.json").read_text())
    assert {*told} == {"box", "events", "sha256", "key_sha256"}
    salts = {key_of(made, f"box_0{number}")["salt"] for number in (1, 2, 3, 4)}
    assert len(salts) == 4


def test_the_key_says_where_the_signal_is(made: Path) -> None:
    full = next(key for number in (1, 2, 3, 4) if (key := key_of(made, f"box_0{number}"))["signal"])
    assert full["m_jj"] == pytest.approx(3500, abs=30)
    assert full["resolution"] == pytest.approx(50, rel=0.4)
    assert 0.7 * full["n_injected"] < full["n_inside"] <= full["n_injected"]


def test_the_same_seed_hides_the_same_and_another_seed_something_else(inside: Path, tmp_path: Path) -> None:
    card = read_card("toys.yaml")
    for name, seed in (("again", 8), ("other", 9)):
        make_boxes(card, tmp_path / name, tmp_path / f"{name}_keys", WANTED, seed=seed)
    files = [f"box_0{number}/events.root" for number in (1, 2, 3, 4)]
    first, again, other = (
        [particles(folder / file) for file in files]
        for folder in (inside / "boxes", tmp_path / "again", tmp_path / "other")
    )
    assert first == again
    assert first != other


HYPOTHESIS = (
    "samples.signal={kind: root, files: hypothesis.root}",
    "injection.epsilon=[0, 60, 110, 180, 260]",
    "pseudo_experiments.doped=20",
)


@pytest.fixture(scope="module")
def first(made: Path) -> RunResult:
    """The first box, searched by its card and with pseudo-experiments of a signal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        return pipeline.run(read_card("boxes/box_01/card.yaml", HYPOTHESIS))


@pytest.fixture(scope="module")
def answers(made: Path, first: RunResult) -> dict[str, Answer]:
    """The boxes searched by the cards that came with them, all calibrated by the first."""
    found = {"box_01": answer_of(first, threshold=2.5)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        for box in ("box_02", "box_03", "box_04"):
            run = pipeline.run(read_card(f"boxes/{box}/card.yaml", HYPOTHESIS), calibrated_by=first)
            found[box] = answer_of(run, threshold=2.5)
    return found


def test_boxes_are_searched_by_their_cards_and_rightly_judged(made: Path, answers: dict[str, Answer]) -> None:
    judgement = judge(made / "boxes", made / "keys", answers)
    assert judgement.count("found") == 2
    assert judgement.count("rightly empty") == 2
    for one in judgement.boxes:
        if one.verdict == "found":
            assert one.mass_is_right
            assert one.answer is not None
            assert one.answer.by == "fit_3"
            assert one.number_is_right


def test_the_best_of_equal_p_answers() -> None:
    run = real_search()
    combined = run.combined[0]
    assert combined.combination is not None
    assert len(combined.searches) > 1
    for best, name in enumerate(combined.searches):
        combination = replace(combined.combination, best=best)
        other = replace(run, combined=(replace(combined, combination=combination), *run.combined[1:]))
        assert answer_of(other, threshold=1.0).by == name


def test_one_calibration_for_data_of_the_same_kind(inside: Path, first: RunResult) -> None:
    run = pipeline.run(read_card("boxes/box_02/card.yaml", HYPOTHESIS), calibrated_by=first)
    kind = Kind.BACKGROUND_ONLY
    assert np.array_equal(run.searches[0].statistics(kind), first.searches[0].statistics(kind))
    assert run.searches[0].observed[0].outcome != first.searches[0].observed[0].outcome
    assert "calibrated by the pseudo-experiments of box_01" in run.warnings[-1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("seed=4",), r"seed: 3 there, 4 here"),
        (("samples.background.files=more.root",), r"samples\.background: other files"),
        (("samples.data.files=more.root",), r"events of the data in the evaluation region: \d+ there"),
    ],
)
def test_a_calibration_of_something_else_is_refused(
    inside: Path, first: RunResult, changes: tuple[str, ...], reason: str
) -> None:
    write_toys(inside / "more.root", 1500, 11)
    card = read_card("boxes/box_02/card.yaml", (*HYPOTHESIS, *changes))
    with pytest.raises(CardError, match=f"(?s)not only the data differ.*{reason}"):
        pipeline.run(card, calibrated_by=first)


def test_too_few_pseudo_experiments_for_the_threshold_are_no_answer(inside: Path) -> None:
    run = pipeline.run(read_card("boxes/box_01/card.yaml"))
    with pytest.raises(
        InputError, match=r"200 background-only pseudo-experiments cannot reach Z = 3, which takes 740"
    ):
        answer_of(run)


def test_events_with_weights_or_a_selection_are_in_no_box(inside: Path, tmp_path: Path) -> None:
    for key in ("triggers=[HLT_a]", "weight=event"):
        card = read_card("toys.yaml", [f"samples.background.{key}"])
        with pytest.raises(CardError, match=r"samples\.background: boxes hold plain events"):
            make_boxes(card, tmp_path / "boxes", tmp_path / "keys", WANTED)


def test_every_verdict(made: Path) -> None:
    keys = {f"box_0{number}": key_of(made, f"box_0{number}") for number in (1, 2, 3, 4)}
    full, other = (box for box, key in keys.items() if key["signal"])
    empty, last = (box for box, key in keys.items() if not key["signal"])
    n = keys[full]["n_inside"]
    given = {
        full: Answer(True, 0.001, keys[full]["m_jj"] + 300, (n - 1.0, n + 1.0)),
        other: Answer(False),
        empty: Answer(True, 0.001, 3000.0, (5.0, 9.0)),
    }
    verdicts = {one.box: one for one in judge(made / "boxes", made / "keys", given).boxes}
    assert {box: one.verdict for box, one in verdicts.items()} == {
        full: "found",
        other: "missed",
        empty: "false alarm",
        last: "no answer",
    }
    assert (verdicts[full].mass_is_right, verdicts[full].number_is_right) == (False, True)
    assert verdicts[empty].mass_is_right is None


def test_keys_that_were_opened_before_are_marked(
    made: Path, answers: dict[str, Answer], tmp_path: Path
) -> None:
    (tmp_path / "keys").mkdir()
    for path in (made / "keys").glob("box_*.json"):
        (tmp_path / "keys" / path.name).write_bytes(path.read_bytes())

    def opened(given: dict[str, Answer]) -> Judgement:
        return judge(made / "boxes", tmp_path / "keys", given)

    assert opened(answers).n_opened_before == 0
    assert opened(answers).n_opened_before == 0, "the same answers may be judged again"
    assert opened({"box_01": Answer(True)}).n_opened_before == 2
    # An interval that is open above.
    assert opened({"box_01": Answer(True, events=(80.0, math.inf))}).n_opened_before == 3


def test_changed_keys_and_boxes_are_refused(made: Path, tmp_path: Path) -> None:
    for folder in ("keys", "boxes/box_01"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("keys/box_01.json", "boxes/box_01/box.json", "boxes/box_01/events.root"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    place = tmp_path / "keys" / "box_01.json"
    sealed = place.read_text()
    place.write_text(sealed.replace('"n_injected": ', '"n_injected": 1'))
    with pytest.raises(InputError, match=r"box_01\.json: has the SHA-256 .* was sealed with"):
        judge(tmp_path / "boxes", tmp_path / "keys", {})
    place.write_text(sealed)
    events = tmp_path / "boxes" / "box_01" / "events.root"
    events.write_bytes(events.read_bytes() + b"0")
    with pytest.raises(InputError, match=r"events\.root: is not the file that was sealed"):
        judge(tmp_path / "boxes", tmp_path / "keys", {})
    place.unlink()
    with pytest.raises(InputError, match="there is no key"):
        judge(tmp_path / "boxes", tmp_path / "keys", {})
    with pytest.raises(InputError, match="holds no boxes"):
        judge(tmp_path / "keys", tmp_path / "keys", {})
    with pytest.raises(InputError, match=r"answers of box_17.*box_01"):
        judge(tmp_path / "boxes", tmp_path / "keys", {"box_17": Answer(False)})


def test_answers_are_read_as_they_are_written(tmp_path: Path) -> None:
    given = {"box_01": Answer(True, 1e-4, 3500.0, (80.0, 240.0), "cwola"), "box_02": Answer(False, 0.4)}
    given["box_03"] = Answer(True, events=(80.0, math.inf))
    write_answers(tmp_path / "answers.yaml", given)
    assert read_answers(tmp_path / "answers.yaml") == given


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("box_01: {found: maybe}", r"box_01\.found: .*found 'maybe'.*Expected a line for each box"),
        ("box_01: {found: true, mas: 3}", r"box_01\.mas: "),
        ("box_01: {found: true, p: 2}", r"box_01\.p: .*less than or equal to 1"),
        ("- box_01", "Expected a line for each box"),
        ("box_01: {", "cannot be read as YAML"),
    ],
)
def test_what_is_no_answer_is_said(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "answers.yaml").write_text(text)
    with pytest.raises(InputError, match=reason):
        read_answers(tmp_path / "answers.yaml")


def test_boxes_are_never_overwritten(inside: Path) -> None:
    with pytest.raises(ArgumentError, match="boxes: exists already; boxes and keys are never overwritten"):
        make_boxes(read_card("toys.yaml"), inside / "boxes", inside / "keys", WANTED)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Wanted(4, 2, 2000, (10, 20)), "4 boxes of 2,000 events take 8,000, and there are 8,000 background"),
        (Wanted(4, 0, 100, (10, 200)), "200 signal events leave no background in boxes of 100 events"),
        (Wanted(4, 0, 300, (10, 200)), "'signal' has 400 events, and 4 boxes could hold 200 of it each"),
    ],
)
def test_more_than_there_is_is_refused(inside: Path, tmp_path: Path, wanted: Wanted, reason: str) -> None:
    with pytest.raises(ArgumentError, match=reason):
        make_boxes(read_card("toys.yaml"), tmp_path / "boxes", tmp_path / "keys", wanted)
    assert not list(tmp_path.iterdir())


def test_a_real_search_has_no_boxes_to_make(inside: Path, tmp_path: Path) -> None:
    card = read_card("toys.yaml", ["samples.data={kind: root, files: signal.root}"])
    with pytest.raises(CardError, match=r"samples: boxes are made of `background` with `signal`"):
        make_boxes(card, tmp_path / "boxes", tmp_path / "keys", WANTED)


@pytest.mark.slow
def test_the_command(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = [str(tmp_path / "boxes"), "--keys", str(tmp_path / "keys")]
    numbers = ["--boxes", "2", "--empty", "1", "--events", "300", "--signal-events", "60", "90"]
    assert main(["boxes", "make", "toys.yaml", *where, *numbers]) == 0
    assert "hepcs run" in capsys.readouterr().out
    card = tmp_path / "boxes" / "box_01" / "card.yaml"
    assert yaml.safe_load(card.read_text())["samples"]["data"]["files"] == [str(card.parent / "events.root")]
    assert main(["run", str(card), "--output", str(tmp_path / "run"), "--workers", "1"]) == 0
    other = [
        str(card.parents[1] / "box_02" / "card.yaml"),
        "--output",
        str(tmp_path / "other"),
        "--workers",
        "1",
    ]
    assert main(["run", *other, "--calibrated-by", str(tmp_path / "run")]) == 0
    assert (
        "calibrated by the pseudo-experiments of box_01" in (tmp_path / "other" / "report.html").read_text()
    )
    written = tmp_path / "answers.yaml"
    assert main(["boxes", "answer", str(tmp_path / "run"), "--write", str(written), "--threshold", "2"]) == 0
    assert [*read_answers(written)] == ["box_01"]
    capsys.readouterr()
    assert main(["boxes", "judge", where[0], str(written), *where[1:]]) == 0
    shown = capsys.readouterr().out
    assert "no answer: 1" in shown
    assert "box_02" in shown
