"""The whole search, from ROOT files to calibrated excesses, on toy events."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml
from toy_events import toy_events, write_mixture, write_toys
from toys import null, observed, toy_pools, toy_sample

from hepcs._core.errors import CardError, InputError
from hepcs._core.progress import Progress
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.bootstrap import DataSet, Kind
from hepcs.datasets.samples import Pools
from hepcs.output import results_digest
from hepcs.pipeline import Where, run, run_part
from hepcs.results import RunResult
from hepcs.running.checkpoint import merge_checkpoints, read_checkpoint
from hepcs.searches.base import Inputs
from hepcs.searches.cluster_scanning.search import ClusterScanSearch
from hepcs.searches.cluster_scanning.section import ClusterScanning


def toy_card(folder: Path, samples: dict[str, Any], *overrides: str, **sections: Any) -> LocatedCard:
    """A card small enough for tests, in `folder`, with its cache there."""
    content = {
        "name": "toy",
        "samples": samples,
        "features": {"image_pca": {"kept_variance": 0.8}},
        "searches": {
            "cluster_scanning": {"k": 8, "ensemble": 2},
            "fit_3": {"kind": "dijet_fit", "parameters": 3},
        },
        "pseudo_experiments": {"background_only": 20, "doped": 3},
        "injection": {"epsilon": [0, 150]},
        "execution": {"cache": str(folder / "cache")},
        **sections,
    }
    path = folder / "toy.yaml"
    path.write_text(yaml.safe_dump(content))
    return read_card(path, overrides)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline")
    write_toys(folder / "background.root", 4000, 1)
    write_toys(folder / "signal.root", 500, 2, resonance=3500.0)
    write_mixture(folder / "mixture.root", 4000, 500, 3)
    write_toys(folder / "data.root", 3000, 4)
    return folder


APART = {
    "background": {"kind": "root", "files": "background.root"},
    "signal": {"kind": "root", "files": "signal.root"},
}
MIXED = {"labelled": {"kind": "root", "files": "mixture.root", "label": "label"}}
REAL = {
    "data": {"kind": "root", "files": "data.root"},
    "background": {"kind": "root", "files": "background.root"},
}


HERE = Where(workers=1)


@pytest.fixture(scope="module")
def result(folder: Path) -> RunResult:
    return run(toy_card(folder, APART), HERE)


def statistics(result: RunResult) -> list[list[float]]:
    return [[outcome.statistic for outcome in search.outcomes] for search in result.searches]


def test_all_data_sets_are_searched_by_all_searches(result: RunResult) -> None:
    assert [search.name for search in result.searches] == ["cluster_scanning", "fit_3"]
    for search in result.searches:
        kinds = [(outcome.task.kind, outcome.task.epsilon) for outcome in search.outcomes]
        assert kinds.count((Kind.BACKGROUND_ONLY, 0)) == 20
        assert kinds.count((Kind.DOPED, 150)) == 3
        assert [one.injection.epsilon for one in search.observed] == [0, 150]
        assert [one.injection.epsilon for one in search.doped] == [150]
    scan, fit = result.searches
    assert [one.n_events for one in scan.shared] == [one.n_events for one in fit.shared]
    assert scan.shared == scan.outcomes
    assert fit.shared != fit.outcomes, "toys of its own calibrate the fit"


def test_the_calibration_counts_background_only_statistics(result: RunResult) -> None:
    for search in result.searches:
        null = search.statistics(Kind.BACKGROUND_ONLY)
        for one in search.observed:
            assert one.calibration is not None
            assert one.calibration.n_above == (null >= one.outcome.statistic).sum()


def test_the_signal_is_found(result: RunResult) -> None:
    scan = result.searches[0]
    without, with_signal = (one.outcome.statistic for one in scan.observed)
    assert with_signal > scan.statistics(Kind.BACKGROUND_ONLY).max()
    assert with_signal > without


@pytest.mark.parametrize(("samples", "kind"), [(APART, "image_pca"), (MIXED, "pixels"), (REAL, "image_pca")])
def test_average_images_of_all_clusters_make_up_that_of_all_jets(
    folder: Path, samples: dict[str, Any], kind: str
) -> None:
    """With a threshold that every cluster exceeds, each jet is in one of the pictures."""
    found = run(
        toy_card(
            folder,
            samples,
            features={"seen": {"kind": kind}},
            searches={"cluster_scanning": {"k": 8, "ensemble": 1, "theta": 0.001, "features": "seen"}},
            pseudo_experiments={"background_only": 10},
            injection={"epsilon": [0]},
        ),
        HERE,
    )
    observation = found.searches[0].observed[0].observation
    assert observation.groups == ()
    named = {one.path: one.histogram for one in observation.histograms}
    jets = named["member_00/spectra"].values().sum(axis=1)
    pictures = [named[f"member_00/average_images/cluster_{i:02d}"].values() for i in range(8)]
    by_role = {sample.role: sample for sample in found.samples}
    average = by_role[next(role for role in ("data", "labelled", "background") if role in by_role)].averages[
        0
    ]
    assert jets.sum() == 2 * average.n_events
    # Those of a sample are summed in float32.
    np.testing.assert_allclose(
        np.average(pictures, axis=0, weights=jets), (average.lighter + average.heavier) / 2, atol=1e-6
    )
    assert np.abs(pictures[0] - pictures[1]).max() > 1e-3, "clusters look alike"


def test_the_cutflow_adds_up(result: RunResult) -> None:
    for sample, n_read in zip(result.samples, (4000, 500), strict=True):
        assert sample.cutflow.counts[0] == n_read
        assert sample.cutflow.counts[-1] == sample.n_evaluation
        assert sample.cutflow.counts[-2] == sample.n_selected
        assert sample.inputs[0].digest.startswith("sha256:")


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_workers(folder: Path, result: RunResult) -> None:
    assert statistics(run(toy_card(folder, APART), Where(workers=3))) == statistics(result)


def test_a_second_run_reuses_the_prepared_samples(
    folder: Path, result: RunResult, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="hepcs"):
        again = run(toy_card(folder, APART), HERE)
    assert all(sample.reused for sample in again.samples)
    assert "background: reusing the feature image_pca" in caplog.text
    assert statistics(again) == statistics(result)


def stop_after(chunk: int) -> Progress:
    """A Progress that ends a run after some chunks of pseudo-experiments."""

    def progress(description: str, done: int, total: int) -> None:
        if description == "pseudo-experiments" and done == chunk:
            raise KeyboardInterrupt

    return progress


def test_a_stopped_run_goes_on_from_its_checkpoint(
    folder: Path, tmp_path: Path, result: RunResult, caplog: pytest.LogCaptureFixture
) -> None:
    card, where = toy_card(folder, APART), Where(workers=1, checkpoint=tmp_path / "checkpoint.sqlite")
    assert where.checkpoint is not None
    for chunk in (3, 2):
        with pytest.raises(KeyboardInterrupt):
            run(card, replace(where, progress=stop_after(chunk)))
    before = read_checkpoint(where.checkpoint)
    # Of 23 data sets five chunks of two, each with an outcome of the scan and two of the fit.
    assert before.n_tasks == 5 * 2 * 3
    assert not before.openings, "the observed data come last"
    with caplog.at_level("INFO", logger="hepcs"):
        again = run(card, where)
    assert "30 outcomes of pseudo-experiments are there, and not run again" in caplog.text
    assert results_digest(again) == results_digest(result)
    after = read_checkpoint(where.checkpoint)
    assert after.n_tasks == 23 * 3
    assert [what for _, what in after.openings] == ["pseudo-data"]
    assert again.provenance.openings == tuple(f"{when}: {what}" for when, what in after.openings)


def test_a_blind_run_is_opened_later_to_the_same_result(
    folder: Path, tmp_path: Path, result: RunResult
) -> None:
    card, where = toy_card(folder, APART), Where(workers=1, checkpoint=tmp_path / "checkpoint.sqlite")
    assert where.checkpoint is not None
    blind = run(card, where, blind=True)
    assert blind.is_blind
    assert not blind.provenance.openings
    assert not read_checkpoint(where.checkpoint).openings
    for one, opened in zip(blind.searches, result.searches, strict=True):
        assert one.observed == ()
        assert one.doped == opened.doped
        assert [o.statistic for o in one.outcomes] == [
            o.statistic for o in opened.outcomes if o.task.kind is not Kind.OBSERVED
        ]
    assert results_digest(run(card, where)) == results_digest(result)


def test_parts_of_a_run_are_merged_into_the_whole(folder: Path, tmp_path: Path, result: RunResult) -> None:
    card, parts = toy_card(folder, APART), [tmp_path / f"{i}.sqlite" for i in (1, 2)]
    sizes = [
        run_part(card, (i, 2), Where(workers=1, checkpoint=path)) for i, path in enumerate(parts, start=1)
    ]
    assert sizes == [12 * 3, 11 * 3]
    merged = merge_checkpoints(parts, tmp_path / "merged.sqlite").path

    def nothing(description: str, done: int, total: int) -> None:
        assert description != "pseudo-experiments", "something was run again"

    found = run(card, Where(workers=1, checkpoint=merged, progress=nothing))
    assert results_digest(found) == results_digest(result)


def test_a_checkpoint_of_another_card_is_refused_before_any_work(folder: Path, tmp_path: Path) -> None:
    where, cache = Where(workers=1, checkpoint=tmp_path / "checkpoint.sqlite"), tmp_path / "cache"
    run_part(toy_card(folder, APART), (1, 10), where)
    other = toy_card(folder, APART, "jets.radius=0.9", f"execution.cache={cache}")
    with pytest.raises(CardError, match=r"card\.jets\.radius: 1\.0 in the checkpoint, 0\.9 now"):
        run(other, where)
    assert not cache.exists()


def test_a_checkpoint_of_other_events_is_refused(folder: Path, tmp_path: Path) -> None:
    for seed in (11, 12):
        write_toys(tmp_path / f"{seed}.root", 1500, seed)
    shutil.copy(tmp_path / "11.root", tmp_path / "background.root")
    samples = {**APART, "background": {"kind": "root", "files": str(tmp_path / "background.root")}}
    card, where = toy_card(folder, samples), Where(workers=1, checkpoint=tmp_path / "checkpoint.sqlite")
    run_part(card, (1, 10), where)
    shutil.copy(tmp_path / "12.root", tmp_path / "background.root")
    with pytest.raises(CardError) as refused:
        run(card, where)
    changed = [line.partition(":")[0].strip() for line in str(refused.value).splitlines()[1:-1]]
    # The signal's features change too: the compression is trained on the background.
    assert changed == ["inputs.background", "samples.background", "samples.signal"]


def test_other_seeds_give_other_numbers(folder: Path, result: RunResult) -> None:
    other = run(toy_card(folder, APART, "seed=2"), HERE)
    assert statistics(other)[0][2:] != statistics(result)[0][2:]


def test_a_labelled_sample_is_split_by_its_label(folder: Path) -> None:
    card = toy_card(folder, MIXED)
    mixed = run(card, HERE)
    (sample,) = mixed.samples
    assert sample.cutflow.counts[0] == 4500
    assert len(sample.averages) == 2
    assert sample.averages[0].n_events + sample.averages[1].n_events == sample.n_evaluation
    observed = mixed.searches[0].observed[0].outcome.n_events
    assert observed == sample.averages[0].n_events


def test_a_labelled_sample_needs_labels(folder: Path) -> None:
    samples = {
        "labelled": {"kind": "root", "files": "plain.root", "branches": {"pt": "a", "eta": "b", "phi": "c"}}
    }
    with uproot.recreate(folder / "plain.root") as file:
        jagged = ak.Array([[1.0, 2.0], [3.0]])
        file.mktree("Events", dict.fromkeys("abc", "var * float64"))
        file["Events"].extend(dict.fromkeys("abc", jagged))
    with pytest.raises(InputError, match="has no labels"):
        run(toy_card(folder, samples), HERE)


def test_a_real_search(folder: Path) -> None:
    found = run(toy_card(folder, REAL, injection={"epsilon": [0]}), HERE)
    data = next(sample for sample in found.samples if sample.role == "data")
    for search in found.searches:
        (observed,) = search.observed
        assert observed.outcome.n_events == data.n_evaluation
        sizes = [o.n_events for o in search.outcomes if o.task.kind is Kind.BACKGROUND_ONLY]
        assert np.mean(sizes) == pytest.approx(data.n_evaluation, abs=5 * np.sqrt(data.n_evaluation / 20))


def test_a_background_smaller_than_the_data_is_warned_of(folder: Path) -> None:
    samples = {"data": REAL["background"], "background": REAL["data"]}
    found = run(toy_card(folder, samples, injection={"epsilon": [0]}), HERE)
    assert any("is not much larger than the data" in warning for warning in found.warnings)


def test_k_larger_than_the_training_jets(folder: Path) -> None:
    given = r"--set searches\.cluster_scanning\.k=9999: searches\.cluster_scanning\.k: 9999 clusters from \d+ jets"
    with pytest.raises(CardError, match=given):
        run(toy_card(folder, APART, "searches.cluster_scanning.k=9999"), HERE)


def test_what_the_samples_do_not_allow_is_told_with_file_and_line(folder: Path) -> None:
    cuts = {"cwola": {"efficiencies": [0.0001]}, "other": {"like": "cwola", "efficiencies": [0.0002]}}
    card = toy_card(folder, APART, searches={"cluster_scanning": {"k": 9999}, **cuts})
    with pytest.raises(CardError) as refused:
        run(card, HERE)
    told = str(refused.value).splitlines()
    lines = card.path.read_text().splitlines()
    assert len(told) == 3
    for problem, key in zip(told, ("k: 9999", "efficiencies:", "efficiencies:"), strict=True):
        place, _, _ = problem.partition(": ")
        name, _, number = place.rpartition(":")
        assert name == str(card.path)
        assert lines[int(number) - 1].strip().startswith(key)


def test_events_that_lack_a_feature_are_warned_of(folder: Path) -> None:
    """A signal's jets have two prongs, away from their axis: a narrow image of many of them is empty."""
    card = toy_card(folder, APART, "images.half_width=0.05", "images.pixels=8", "injection.epsilon=[0]")
    found = run(card, HERE)
    signal = next(sample for sample in found.samples if sample.role == "signal")
    lacking = signal.lacking["image_pca"]
    assert lacking > 0
    text = f"signal: {lacking} of the events in the evaluation region lack the feature image_pca, and are left out"
    assert any(warning.startswith(text) for warning in found.warnings)


def test_epsilon_above_the_signal(folder: Path) -> None:
    with pytest.raises(InputError, match=r"injection\.epsilon: 501 signal events asked for"):
        run(toy_card(folder, APART, "injection.epsilon=[501]"), HERE)


def trained_in(low: int, high: int) -> tuple[str, str]:
    """Overrides of both training regions."""
    keys = ("features.image_pca.training", "searches.cluster_scanning.training")
    return tuple(f"{key}=[{low}, {high}]" for key in keys)  # type: ignore[return-value]


def test_empty_training_region(folder: Path) -> None:
    with pytest.raises(InputError, match="training region"):
        run(
            toy_card(
                folder,
                APART,
                "regions.evaluation=[3000, 20000]",
                *trained_in(19900, 20000),
                "regions.sqrt_s=30000",
            ),
            HERE,
        )


def test_nothing_in_the_evaluation_region_may_be_a_matter_of_units(folder: Path) -> None:
    far = ("regions.evaluation=[8000, 8500]", *trained_in(8000, 8100), "regions.sqrt_s=30000")
    with pytest.raises(
        InputError, match=r"no event passes.* move `regions.evaluation`, or check the `units`"
    ):
        run(toy_card(folder, APART, *far), HERE)


def test_a_missing_file_is_noticed_before_any_work(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    samples = {**APART, "signal": {"kind": "root", "files": str(folder / "zprimee.root")}}
    card = toy_card(folder, samples, execution={"cache": str(tmp_path)})
    with pytest.raises(InputError, match=r"zprimee\.root"):
        run(card, Where(workers=1, progress=lambda what, *_: said.append(what)))
    assert not said


@pytest.mark.slow
def test_full_pixels_and_compression_agree(folder: Path) -> None:
    """With 99.9 % of the variance kept, the spectra of a scan hardly change."""
    searches = {"cluster_scanning": {"k": 8, "ensemble": 2, "features": "seen"}}
    results = [
        run(toy_card(folder, APART, features={"seen": seen}, searches=searches), HERE)
        for seen in ({"kind": "pixels"}, {"kind": "image_pca", "kept_variance": 0.999})
    ]
    assert results[0].features["seen"]["dimension"] == 1600
    scans = [one.searches[0].observed[1].observation.result.scans[0] for one in results]
    moved = np.abs(scans[0].spectra - scans[1].spectra).sum() / scans[0].spectra.sum()
    assert moved < 0.1


def test_labels_of_data_are_not_even_read(folder: Path) -> None:
    """A branch called `label` may hold anything: a search of data must not look."""
    events = toy_events(1500, np.random.default_rng(9))
    with uproot.recreate(folder / "tagged.root") as file:
        columns = {f"Particle_{name}": events[name] for name in ("pt", "eta", "phi")}
        file.mktree("Events", {**dict.fromkeys(columns, "var * float64"), "label": "float64"})
        file["Events"].extend({**columns, "label": np.random.default_rng(1).random(1500)})
    samples = {"data": {"kind": "root", "files": "tagged.root"}, "background": REAL["background"]}
    found = run(toy_card(folder, samples, injection={"epsilon": [0]}), HERE)
    assert found.searches[0].observed[0].outcome.valid


def test_a_labelled_sample_without_background(folder: Path) -> None:
    samples = {"labelled": {"kind": "root", "files": "signal.root", "label": "label"}}
    with pytest.raises(InputError, match="labelled 0, so there is no background"):
        run(toy_card(folder, samples), HERE)


def test_a_cache_that_cannot_be_written(folder: Path) -> None:
    (folder / "occupied").write_text("a file, not a folder")
    card = toy_card(folder, APART, f"execution.cache={folder / 'occupied' / 'cache'}")
    with pytest.raises(CardError, match=r"execution\.cache: prepared samples cannot be written"):
        run(card, HERE)


def test_a_damaged_cache_is_named(folder: Path, result: RunResult) -> None:
    card = toy_card(folder, APART, f"execution.cache={folder / 'damaged'}")
    run(card, HERE)
    chunk = next((folder / "damaged" / "dijets").rglob("0*.npz"))
    chunk.write_bytes(chunk.read_bytes()[:1000])
    with pytest.raises(InputError, match=rf"{chunk.name}: a prepared sample is damaged.*Delete"):
        run(card, HERE)


def test_a_real_search_is_calibrated_for_independent_data() -> None:
    """Data that are no bootstrap of the background sample, which has twelve times their number: p is uniform.

    A bootstrap of a background sample that is no larger than the data fluctuates more than they do, and p is too
    large: the warning about small samples says so.
    """
    ample = toy_pools(n_background=12000)
    search = ClusterScanSearch("scan", "scan", ClusterScanning(k=8, ensemble=1))

    def statistic(data: DataSet, seed: int) -> float:
        rng = np.random.default_rng(seed)
        return search.judge(search.fit(data.view, Inputs(), rng), data.view, Inputs(), rng).statistic

    def real(seed: int) -> Pools:
        return replace(ample, signals={}, data=toy_sample(1000, np.random.default_rng(100 + seed)))

    background = np.array([statistic(null(index, real(0)), index) for index in range(150)])
    p = np.array([np.mean(background >= statistic(observed(0, real(seed)), seed)) for seed in range(60)])
    # 60 uniform numbers: 0.5 +- 0.037, and 0.024 from the null sample.
    assert np.mean(p) == pytest.approx(0.5, abs=0.13)
    assert 0.02 < np.mean(p < 0.25) < 0.5
