"""Runs that agree or not, and what differs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_run import toy_run

from hepcs._core.errors import InputError
from hepcs.calibration import Quantile
from hepcs.jets import Cutflow, Rejection
from hepcs.output import results_digest, write_run
from hepcs.output.comparison import compare_runs, comparison_lines
from hepcs.results import RunResult
from hepcs.sources.base import SkippedFile

FEW = "{cluster_scanning: {k: 8, ensemble: 2}, fit_3: {kind: dijet_fit, parameters: 3}}"


def compared(tmp_path: Path, written: Path, other: RunResult) -> tuple[bool, dict[str, tuple[str, ...]]]:
    write_run(other, tmp_path / "other")
    comparison = compare_runs(written, tmp_path / "other")
    return comparison.agree, dict(comparison.sections)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"processor": "another", "workers": 8, "started": "later"},
            (
                "processor: a processor in the first, another in the second",
                "workers: 1 in the first, 8 in the second",
            ),
        ),
        (
            {"execution": "Dask, 4 workers", "origins": ("a", "b")},
            (
                "execution:  in the first, Dask, 4 workers in the second",
                "origins: [] in the first, ['a', 'b'] in the second",
            ),
        ),
    ],
)
def test_a_run_executed_elsewhere_agrees(
    written: Path, tmp_path: Path, changes: dict[str, Any], told: tuple[str, ...]
) -> None:
    provenance = dataclasses.replace(toy_run().provenance, **changes)
    agree, sections = compared(tmp_path, written, dataclasses.replace(toy_run(), provenance=provenance))
    assert agree
    assert sections == {"Machine": told}


def test_the_first_digit_that_differs_is_found(written: Path, tmp_path: Path) -> None:
    result = toy_run()
    search = result.searches[0]
    number = next(i for i, outcome in enumerate(search.outcomes) if outcome.task.index == 3)
    outcome = search.outcomes[number]
    changed = dataclasses.replace(outcome, statistic=float(np.nextafter(outcome.statistic, 9.0)))
    outcomes = (*search.outcomes[:number], changed, *search.outcomes[number + 1 :])
    both = dataclasses.replace(search, outcomes=outcomes, shared=outcomes)
    searches = (both, *result.searches[1:])
    agree, sections = compared(tmp_path, written, dataclasses.replace(result, searches=searches))
    assert not agree
    assert list(sections) == ["Pseudo-experiments"]
    (line,) = sections["Pseudo-experiments"]
    assert line.startswith("cluster_scanning, background-only, 0 signal events: 1 of 40")
    assert "the first with index 3" in line


def test_other_cards_give_other_results_in_words(written: Path, tmp_path: Path) -> None:
    other = toy_run(background_only=50, doped=5, searches=FEW)
    agree, sections = compared(tmp_path, written, other)
    assert not agree
    assert "pseudo_experiments.background_only: 40 in the first, 50 in the second" in sections["Card"]
    assert any(line.startswith("searches.fit_4") for line in sections["Card"])
    assert any(
        line.startswith("fit_4, 0 signal events: statistic ")
        and line.endswith("in the first, absent in the second")
        for line in sections["Observed data sets"]
    )
    first, second = toy_run().searches[0].observed[0], other.searches[0].observed[0]
    line = next(line for line in sections["Observed data sets"] if line.startswith("cluster_scanning, 0 "))
    for found in (first, second):
        assert found.calibration is not None
        assert f"statistic {found.outcome.statistic:.6g}, p " in line
        assert f"Z {found.calibration.z:.2f} [" in line
    assert not [
        line for line in sections["Pseudo-experiments"] if line.startswith("cluster_scanning, observed")
    ], "the data are the same, their calibration is another one"
    counts = next(line for line in sections["Pseudo-experiments"] if "background-only" in line)
    assert counts.endswith("40 in the first, 50 in the second")
    assert any(line.startswith("fit_4/calibration: only in") for line in sections["Histograms"])


def test_inputs_are_compared_by_content(written: Path, tmp_path: Path) -> None:
    result = toy_run()
    sample = result.samples[0]
    moved = dataclasses.replace(sample.inputs[0], path="/elsewhere/events.h5")
    agree, sections = compared(
        tmp_path / "moved",
        written,
        dataclasses.replace(result, samples=(dataclasses.replace(sample, inputs=(moved,)),)),
    )
    assert agree
    assert sections == {}
    other = dataclasses.replace(sample.inputs[0], digest="sha256:11ee")
    _, sections = compared(
        tmp_path / "other",
        written,
        dataclasses.replace(result, samples=(dataclasses.replace(sample, inputs=(other,)),)),
    )
    assert sections["Input files"] == (
        "labelled, sha256:00ff: only in the first: events.h5",
        "labelled, sha256:11ee: only in the second: events.h5",
    )


def test_what_the_selection_did_is_compared(written: Path, tmp_path: Path) -> None:
    """Cutflow, unusable events and skipped files; the cutflow is a histogram too, and so among the results."""
    result = toy_run()
    sample = result.samples[0]
    cutflow = dataclasses.replace(
        sample.cutflow, counts=(sample.cutflow.counts[0] - 7, sample.cutflow.counts[1])
    )
    other = dataclasses.replace(
        sample,
        cutflow=cutflow,
        lacking={"image_pca": 4},
        rejections=(Rejection("events.h5", 18, "no constituents"),),
        skipped=(SkippedFile("more.h5", 1200, "truncated"), SkippedFile("most.h5", None, "no HDF5 file")),
    )
    agree, sections = compared(tmp_path, written, dataclasses.replace(result, samples=(other,)))
    assert not agree
    assert sections.pop("Histograms") == ("samples/labelled/cutflow: contents differ by up to 7",)
    assert sections == {
        "Cutflow": (
            "labelled.entries read: 9000 in the first, 8993 in the second",
            "labelled.without image_pca: 3 in the first, 4 in the second",
        ),
        "Unusable events": (
            "labelled, events.h5: entry 17: no constituents: only in the first",
            "labelled, events.h5: entry 18: no constituents: only in the second",
        ),
        "Skipped files": (
            "labelled, more.h5: only in the second: 1,200 events (truncated)",
            "labelled, most.h5: only in the second: an unknown number of events (no HDF5 file)",
        ),
    }


def test_the_number_of_unusable_events_is_compared(written: Path, tmp_path: Path) -> None:
    result = toy_run()
    sample = result.samples[0]
    names = ("entries read", "readable constituents")
    other = dataclasses.replace(sample, cutflow=Cutflow(names, (9000, 8990)))
    _, sections = compared(tmp_path, written, dataclasses.replace(result, samples=(other,)))
    assert sections["Unusable events"] == ("labelled: 0 in the first, 10 in the second",)
    assert "labelled.readable constituents: absent in the first, 8990 in the second" in sections["Cutflow"]


def test_quartiles_of_doped_pseudo_experiments_are_compared(written: Path, tmp_path: Path) -> None:
    result = toy_run()
    search = result.searches[0]
    (doped,) = search.doped
    lower, median, upper = doped.statistic_quartiles
    z = dataclasses.replace(doped.z, median=Quantile(1.25, None))
    other = dataclasses.replace(doped, statistic_quartiles=(lower, median + 0.5, upper), z=z)
    searches = (dataclasses.replace(search, doped=(other,)), *result.searches[1:])
    agree, sections = compared(tmp_path / "changed", written, dataclasses.replace(result, searches=searches))
    assert not agree
    assert list(sections) == ["Doped pseudo-experiments", "Histograms"]
    (line,) = sections["Doped pseudo-experiments"]
    assert line.startswith(
        f"cluster_scanning, 150 signal events: statistic {median:.6g} [{lower:.6g}, {upper:.6g}], Z "
    )
    assert f"statistic {median + 0.5:.6g} [" in line
    assert "Z 1.25 [" in line
    _, sections = compared(tmp_path / "others", written, toy_run(epsilon="[0, 100]"))
    lines = [line for line in sections["Doped pseudo-experiments"] if line.startswith("cluster_scanning, ")]
    assert [line.endswith(" in the first, absent in the second") for line in lines] == [True, False]
    assert lines[1].startswith("cluster_scanning, 100 signal events: absent in the first, statistic ")


def test_all_searches_together_are_compared(written: Path, tmp_path: Path) -> None:
    result = toy_run()
    combination = result.combined[0].combination
    assert combination is not None
    calibration = dataclasses.replace(combination.calibration, p=0.5)
    other = dataclasses.replace(
        result.combined[0], combination=dataclasses.replace(combination, calibration=calibration)
    )
    agree, sections = compared(
        tmp_path, written, dataclasses.replace(result, combined=(other, *result.combined[1:]))
    )
    assert not agree
    assert list(sections) == ["All searches together"]


def test_a_comparison_in_lines(written: Path, tmp_path: Path) -> None:
    lines = list(comparison_lines(compare_runs(written, written)))
    assert lines == [f"{written} and {written} agree in every result: digest {results_digest(toy_run())}"]
    write_run(toy_run(doped=6), tmp_path)
    lines = list(comparison_lines(compare_runs(written, tmp_path)))
    assert lines[0].endswith("differ in their results:")
    assert "Card:" in lines
    assert "  pseudo_experiments.doped: 5 in the first, 6 in the second" in lines


def test_an_altered_run_is_not_compared(folder: Path, written: Path) -> None:
    path = folder / "summary.json"
    summary = path.read_text(encoding="utf-8")
    path.write_text(
        summary.replace('"processor": "a processor"', '"processor": "b processor"'), encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"summary\.json: altered or damaged"):
        compare_runs(written, folder)
    path.write_text(summary, encoding="utf-8")
    (folder / "results.root").write_bytes(b"")
    with pytest.raises(InputError, match=r"results\.root"):
        compare_runs(written, folder)
