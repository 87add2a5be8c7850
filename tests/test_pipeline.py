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
from toys import toy_pools, toy_sample

from hepcs._core.errors import CardError, InputError
from hepcs._core.progress import Progress
from hepcs.config import LocatedCard, read_card
from hepcs.config.searches import ClusterScanning, Statistic
from hepcs.datasets.bootstrap import Kind, Task
from hepcs.output import results_digest
from hepcs.pipeline import run, run_part
from hepcs.results import RunResult
from hepcs.running.checkpoint import merge_checkpoints, read_checkpoint
from hepcs.searches.cluster_scanning.search import ClusterScanSearch


def toy_card(folder: Path, samples: dict[str, Any], *overrides: str, **sections: Any) -> LocatedCard:
    """A card small enough for tests, in `folder`, with its cache there."""
    content = {
        "name": "toy",
        "samples": samples,
        "features": {"kept_variance": 0.8},
        "cluster_scanning": {"k": 8, "ensemble": 2},
        "fits": {"parameters": [3]},
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


@pytest.fixture(scope="module")
def result(folder: Path) -> RunResult:
    return run(toy_card(folder, APART), workers=1)


def statistics(result: RunResult) -> list[list[float]]:
    return [[outcome.statistic for outcome in search.outcomes] for search in result.searches]


def test_all_data_sets_are_searched_by_all_searches(result: RunResult) -> None:
    assert [search.name for search in result.searches] == ["cluster_scanning", "fit_3"]
    for search in result.searches:
        kinds = [(outcome.task.kind, outcome.task.epsilon) for outcome in search.outcomes]
        assert kinds.count((Kind.BACKGROUND_ONLY, 0)) == 20
        assert kinds.count((Kind.DOPED, 150)) == 3
        assert [one.epsilon for one in search.observed] == [0, 150]
        assert [one.epsilon for one in search.doped] == [150]


def test_the_calibration_counts_background_only_statistics(result: RunResult) -> None:
    for search in result.searches:
        null = search.statistics(Kind.BACKGROUND_ONLY)
        for one in search.observed:
            assert one.calibration is not None
            assert one.calibration.n_above == (null >= one.observation.outcome.statistic).sum()


def test_the_signal_is_found(result: RunResult) -> None:
    scan = result.searches[0]
    without, with_signal = (one.observation.outcome.statistic for one in scan.observed)
    assert with_signal > scan.statistics(Kind.BACKGROUND_ONLY).max()
    assert with_signal > without


@pytest.mark.parametrize(("samples", "kind"), [(APART, "pca"), (MIXED, "pixels"), (REAL, "pca")])
def test_average_images_of_all_clusters_make_up_that_of_all_jets(
    folder: Path, samples: dict[str, Any], kind: str
) -> None:
    """With a threshold that every cluster exceeds, each jet is in one of the pictures."""
    found = run(
        toy_card(
            folder,
            samples,
            features={"kind": kind},
            cluster_scanning={"k": 8, "ensemble": 1, "theta": 0.001},
            pseudo_experiments={"background_only": 10},
            injection={"epsilon": [0]},
        ),
        workers=1,
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
        assert sample.n_training < sample.n_evaluation
        assert sample.inputs[0].digest.startswith("sha256:")
    assert result.samples[0].n_training > 100


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_workers(folder: Path, result: RunResult) -> None:
    assert statistics(run(toy_card(folder, APART), workers=3)) == statistics(result)


def test_a_second_run_reuses_the_prepared_samples(
    folder: Path, result: RunResult, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="hepcs"):
        again = run(toy_card(folder, APART), workers=1)
    assert all(sample.reused for sample in again.samples)
    assert "background: reusing the features" in caplog.text
    assert statistics(again) == statistics(result)


def stop_in(family: str, chunk: int) -> Progress:
    """A Progress that ends a run after some chunks of pseudo-experiments."""

    def progress(description: str, done: int, total: int, note: str = "") -> None:
        if description == f"{family}: pseudo-experiments" and done == chunk:
            raise KeyboardInterrupt

    return progress


def test_a_stopped_run_goes_on_from_its_ledger(
    folder: Path, tmp_path: Path, result: RunResult, caplog: pytest.LogCaptureFixture
) -> None:
    card, ledger = toy_card(folder, APART), tmp_path / "checkpoint.sqlite"
    for family, chunk in (("Cluster Scanning", 3), ("3-parameter fit", 2)):
        with pytest.raises(KeyboardInterrupt):
            run(card, workers=1, progress=stop_in(family, chunk), ledger=ledger)
    before = read_checkpoint(ledger)
    assert before.n_tasks == 23 + 2 * 2
    with caplog.at_level("INFO", logger="hepcs"):
        again = run(card, workers=1, ledger=ledger)
    assert "27 of 46 pseudo-experiments are there, and not run again" in caplog.text
    assert results_digest(again) == results_digest(result)
    assert read_checkpoint(ledger).chunks[: len(before.chunks)] == before.chunks
    assert read_checkpoint(ledger).n_tasks == 46


def test_parts_of_a_run_are_merged_into_the_whole(folder: Path, tmp_path: Path, result: RunResult) -> None:
    card, parts = toy_card(folder, APART), [tmp_path / f"{i}.jsonl" for i in (1, 2)]
    sizes = [run_part(card, (i, 2), path, workers=1) for i, path in enumerate(parts, start=1)]
    assert sizes == [24, 22]
    merged = merge_checkpoints(parts, tmp_path / "merged.jsonl").path
    size = merged.stat().st_size
    assert results_digest(run(card, workers=1, ledger=merged)) == results_digest(result)
    assert merged.stat().st_size == size, "something was run again"


def test_a_ledger_of_another_card_is_refused_before_any_work(folder: Path, tmp_path: Path) -> None:
    ledger, cache = tmp_path / "checkpoint.sqlite", tmp_path / "cache"
    run_part(toy_card(folder, APART), (1, 10), ledger, workers=1)
    other = toy_card(folder, APART, "jets.radius=0.9", f"execution.cache={cache}")
    with pytest.raises(CardError, match=r"card\.jets\.radius: 1\.0 in the ledger, 0\.9 now"):
        run(other, workers=1, ledger=ledger)
    assert not cache.exists()


def test_a_ledger_of_other_events_is_refused(folder: Path, tmp_path: Path) -> None:
    for seed in (11, 12):
        write_toys(tmp_path / f"{seed}.root", 1500, seed)
    shutil.copy(tmp_path / "11.root", tmp_path / "background.root")
    samples = {**APART, "background": {"kind": "root", "files": str(tmp_path / "background.root")}}
    card, ledger = toy_card(folder, samples), tmp_path / "checkpoint.sqlite"
    run_part(card, (1, 10), ledger, workers=1)
    shutil.copy(tmp_path / "12.root", tmp_path / "background.root")
    with pytest.raises(CardError) as refused:
        run(card, workers=1, ledger=ledger)
    changed = [line.partition(":")[0].strip() for line in str(refused.value).splitlines()[1:-1]]
    # The signal's features change too: the compression is trained on the background.
    assert changed == ["inputs.background", "samples.background", "samples.signal"]


def test_other_seeds_give_other_numbers(folder: Path, result: RunResult) -> None:
    other = run(toy_card(folder, APART, "seed=2"), workers=1)
    assert statistics(other)[0][2:] != statistics(result)[0][2:]


def test_a_labelled_sample_is_split_by_its_label(folder: Path) -> None:
    card = toy_card(folder, MIXED)
    mixed = run(card, workers=1)
    (sample,) = mixed.samples
    assert sample.cutflow.counts[0] == 4500
    assert len(sample.averages) == 2
    assert sample.averages[0].n_events + sample.averages[1].n_events == sample.n_evaluation
    observed = mixed.searches[0].observed[0].observation.outcome.n_events
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
        run(toy_card(folder, samples), workers=1)


def test_a_real_search(folder: Path) -> None:
    found = run(toy_card(folder, REAL, injection={"epsilon": [0]}), workers=1)
    data = next(sample for sample in found.samples if sample.role == "data")
    for search in found.searches:
        (observed,) = search.observed
        assert observed.observation.outcome.n_events == data.n_evaluation
        sizes = [o.n_events for o in search.outcomes if o.task.kind is Kind.BACKGROUND_ONLY]
        assert np.mean(sizes) == pytest.approx(data.n_evaluation, abs=5 * np.sqrt(data.n_evaluation / 20))


def test_a_background_smaller_than_the_data_is_warned_of(folder: Path) -> None:
    samples = {"data": REAL["background"], "background": REAL["data"]}
    found = run(toy_card(folder, samples, injection={"epsilon": [0]}), workers=1)
    assert any("is not much larger than the data" in warning for warning in found.warnings)


def test_k_larger_than_the_training_jets(folder: Path) -> None:
    with pytest.raises(CardError, match=r"--set cluster_scanning\.k=9999.*9999 clusters from \d+ jets"):
        run(toy_card(folder, APART, "searches.cluster_scanning.k=9999"), workers=1)


def test_epsilon_above_the_signal(folder: Path) -> None:
    with pytest.raises(InputError, match=r"injection\.epsilon: 501 signal events asked for"):
        run(toy_card(folder, APART, "injection.epsilon=[501]"), workers=1)


def test_empty_training_region(folder: Path) -> None:
    with pytest.raises(InputError, match="training region"):
        run(
            toy_card(
                folder,
                APART,
                "regions.evaluation=[3000, 20000]",
                "regions.training=[19900, 20000]",
                "fits.sqrt_s=30000",
            ),
            workers=1,
        )


def test_nothing_in_the_evaluation_region_may_be_a_matter_of_units(folder: Path) -> None:
    far = ("regions.evaluation=[8000, 8500]", "regions.training=[8000, 8100]", "fits.sqrt_s=30000")
    with pytest.raises(InputError, match=r"no event passes.* pT and mass are taken for GeV"):
        run(toy_card(folder, APART, *far), workers=1)


def test_a_missing_file_is_noticed_before_any_work(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    samples = {**APART, "signal": {"kind": "root", "files": str(folder / "zprimee.root")}}
    card = toy_card(folder, samples, execution={"cache": str(tmp_path)})
    with pytest.raises(InputError, match=r"zprimee\.root"):
        run(card, workers=1, progress=lambda what, *_: said.append(what))
    assert not said


@pytest.mark.slow
def test_full_pixels_and_compression_agree(folder: Path) -> None:
    """With 99.9 % of the variance kept, the spectra of a scan hardly change."""
    results = [
        run(toy_card(folder, APART, f"features={features}"), workers=1)
        for features in ("{kind: pixels}", "{kept_variance: 0.999}")
    ]
    assert results[0].compression["dimension"] == 1600
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
    found = run(toy_card(folder, samples, injection={"epsilon": [0]}), workers=1)
    assert found.searches[0].observed[0].observation.outcome.valid


def test_a_labelled_sample_without_background(folder: Path) -> None:
    samples = {"labelled": {"kind": "root", "files": "signal.root", "label": "label"}}
    with pytest.raises(InputError, match="labelled 0, so there is no background"):
        run(toy_card(folder, samples), workers=1)


def test_a_cache_that_cannot_be_written(folder: Path) -> None:
    (folder / "occupied").write_text("a file, not a folder")
    card = toy_card(folder, APART, f"execution.cache={folder / 'occupied' / 'cache'}")
    with pytest.raises(CardError, match=r"execution\.cache: prepared samples cannot be written"):
        run(card, workers=1)


def test_a_damaged_cache_is_named(folder: Path, result: RunResult) -> None:
    card = toy_card(folder, APART, f"execution.cache={folder / 'damaged'}")
    run(card, workers=1)
    chunk = next((folder / "damaged" / "dijets").rglob("0*.npz"))
    chunk.write_bytes(chunk.read_bytes()[:1000])
    with pytest.raises(InputError, match=rf"{chunk.name}: a prepared sample is damaged.*Delete"):
        run(card, workers=1)


def test_a_real_search_is_calibrated_for_independent_data() -> None:
    """Data that are no bootstrap of the background sample, which has twelve times their number: p is uniform.

    A bootstrap of a background sample that is no larger than the data fluctuates more than they do, and p is too
    large: the warning about small samples says so.
    """
    ample = toy_pools(n_background=12000)
    p = []
    section = ClusterScanning(k=8, ensemble=1)
    null = None
    for seed in range(60):
        data = toy_sample(1000, np.random.default_rng(100 + seed))
        search = ClusterScanSearch(replace(ample, signal=None, data=data), section, Statistic(), 1)
        if null is None:
            null = [search.run(Task(Kind.BACKGROUND_ONLY, 0, index)).statistic for index in range(150)]
        p.append(np.mean(np.array(null) >= search.run(Task(Kind.OBSERVED, 0, 0)).statistic))
    # 60 uniform numbers: 0.5 +- 0.037, and 0.024 from the null sample.
    assert np.mean(p) == pytest.approx(0.5, abs=0.13)
    assert 0.02 < np.mean(np.array(p) < 0.25) < 0.5
