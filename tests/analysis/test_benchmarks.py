"""The benchmarks: what they are measured on, how they count, and that all of them run; no times are judged."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from toys import toy_pools

from hepcs.datasets.bootstrap import Kind, Task
from hepcs.features.image_pca import compress, image_moments, train_compression
from hepcs.searches.cluster_scanning.section import ClusterScanning

ROOT = Path(__file__).parents[2]

# The keys that the JSON file promises, and what each must lie between.
KEYS = {
    "scan_speedup": (0, math.inf),
    "roofline_ratio": (0, math.inf),
    "ks_p_background": (0, 1),
    "ks_p_doped": (0, 1),
    "full_calibration_minutes": (0, math.inf),
    "parallel_efficiency_2": (0, math.inf),
    "ingest_ratio": (0, math.inf),
    "images_per_second": (0, math.inf),
    "fits_10000_seconds": (0, math.inf),
    # These depend on no clock.
    "process_memory_gigabytes": (0.02, 2),
    "ingest_memory_growth": (0.8, 1.3),
    "fit_difference": (0, 1e-3),
    "fit_statistic_difference": (0, 1e-3),
}


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of the benchmarks, which are no part of the package."""
    monkeypatch.syspath_prepend(str(ROOT))
    from analysis.benchmarks import (
        calibration,
        fits,
        growth,
        ingest,
        report,
        sample,
        scan,
        searching,
        timing,
    )

    return SimpleNamespace(
        calibration=calibration,
        fits=fits,
        growth=growth,
        ingest=ingest,
        report=report,
        sample=sample,
        scan=scan,
        searching=searching,
        timing=timing,
    )


@pytest.fixture
def drawn(benchmarks: SimpleNamespace) -> Any:
    """A sample of 3000 events drawn around 60 made-up ones of 8 x 8 pixels."""
    rng = np.random.default_rng(1)
    images = rng.gamma(0.5, size=(60, 2, 64)).astype(np.float32)
    images /= images.sum(axis=2, keepdims=True)
    jets = benchmarks.sample.GeneratedJets(images, np.full(60, 3500.0))
    compression = train_compression(image_moments(images.reshape(-1, 64)), 0.9)
    return benchmarks.sample.draw_background(jets, compression, 3000, 1)


def test_the_sample_has_the_published_spectrum(benchmarks: SimpleNamespace, drawn: Any) -> None:
    many = benchmarks.sample.draw_background(drawn.jets, drawn.compression, 380_000, 1)
    counts = np.histogram(many.m_jj, np.arange(3000, 4601, 100))[0]
    # 56,486 events of the paper lie in the first bin, and its fit has 6,002 in the last one.
    assert counts.sum() == 380_000
    assert counts[0] == pytest.approx(56_486, abs=4 * 240)
    assert counts[-1] == pytest.approx(6002, abs=4 * 80)


def test_images_are_the_same_every_time_and_make_the_features(
    benchmarks: SimpleNamespace, drawn: Any, tmp_path: Path
) -> None:
    assert drawn.n_blocks == 3
    images = np.concatenate(list(drawn.blocks()))
    assert images.shape == (3000, 2, 64)
    assert (images >= 0).all()
    np.testing.assert_allclose(images.sum(axis=2), 1, rtol=1e-5)
    np.testing.assert_array_equal(drawn.images(2), images[2048:])
    features = benchmarks.sample.write_features(drawn, tmp_path / "features.npy")
    pixels = benchmarks.sample.write_features(drawn, tmp_path / "pixels.npy", pixels=True)
    np.testing.assert_array_equal(np.asarray(pixels), images)
    expected = compress(images.reshape(-1, 64), drawn.compression).reshape(3000, 2, -1)
    np.testing.assert_allclose(np.asarray(features), expected, atol=1e-7)


def test_smoothing_keeps_the_spectrum_of_eigenvalues(drawn: Any) -> None:
    def shares(images: np.ndarray) -> np.ndarray:
        values = np.linalg.eigvalsh(np.cov(images.reshape(-1, 64).T.astype(float)))[::-1]
        return values[:10] / values.sum()

    images = np.concatenate(list(drawn.blocks()))
    np.testing.assert_allclose(shares(images), shares(drawn.jets.images), rtol=0.2)


def test_matrix_products_are_those_of_the_scans(benchmarks: SimpleNamespace) -> None:
    section = ClusterScanning(k=8, ensemble=3, batch_size=256)
    pools = toy_pools()
    search = benchmarks.searching.ScanOn(pools, section)
    task = Task(Kind.BACKGROUND_ONLY, 0, 0)
    with benchmarks.scan.counted_steps() as steps:
        counted = search.run(task)
    assert search.run(task) == counted > 0
    assert len(steps) >= 3 * 10
    assert set(steps) == {256}
    n_steps = len(steps)
    products = benchmarks.scan.products_of(search, task, steps)
    assert len(steps) == n_steps
    # A bootstrap of n events holds (1 - 1/e) n distinct ones.
    assert len(products.distinct) == pytest.approx(2 * 6000 * (1 - math.exp(-1)), rel=0.02)
    d, trials, subset = 6, 2 + int(math.log(8)), 3 * 256
    by_hand = 3 * subset * (1 + 7 * trials) + n_steps * 256 * 8 + 3 * len(products.distinct) * 8
    assert products.flops == 2 * d * by_hand
    products.run(products.best_block())


def test_ratios_are_of_repetitions_in_turn(benchmarks: SimpleNamespace) -> None:
    laps = benchmarks.timing.Laps
    # The second repetition of both fell on a slow moment: that changes no ratio.
    assert benchmarks.timing.median_ratio(laps([2.0, 20.0, 2.2]), laps([1.0, 10.0, 1.0])) == 2
    lap = laps()
    assert lap.time(math.hypot, 3, 4) == 5
    assert len(lap.wall) == 1
    assert lap.least == lap.median > 0


def test_memory_of_processes_is_seen(benchmarks: SimpleNamespace) -> None:
    code = "import time; held = b'x' * 100_000_000; print('ready', flush=True); time.sleep(60)"
    with (
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process,
        benchmarks.calibration.MemoryWatch() as memory,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        memory.look()
        process.kill()
    assert 100e6 < memory.largest < 200e6
    assert memory.together > memory.largest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_is_only_being_started_is_not_counted() -> None:
    # As a program starts, its process is its parent's copy for a moment; here that moment lasts.
    code = (
        "import os, signal, subprocess, sys, time\n"
        "from analysis.benchmarks.calibration import MemoryWatch\n"
        "held = b'x' * 300_000_000\n"
        "program = [sys.executable, '-c', 'input()']\n"
        "copy = os.fork() or time.sleep(60)\n"
        "with MemoryWatch() as memory, subprocess.Popen(program, stdin=subprocess.PIPE):\n"
        "    time.sleep(0.3)\n"
        "os.kill(copy, signal.SIGKILL)\n"
        "print(memory.largest, memory.together)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    largest, together = (int(word) for word in printed.stdout.split())
    assert 1e6 < largest < 50e6
    assert together > 150e6


def test_plain_iminuit_is_led_to_the_minimum(benchmarks: SimpleNamespace) -> None:
    fits = benchmarks.fits
    published = np.array([math.log(0.15239691), 0.85218256, -14.17770188, -3.57107481])
    counts = np.random.default_rng(2).poisson(fits.curve(benchmarks.sample.BINS.centres, published))
    found = fits.plain_fit(counts.astype(float), to_the_end=True)
    expected = fits.curve(benchmarks.sample.BINS.centres, found)
    # At the minimum the residuals are orthogonal to the derivatives of ln f: here to 1 and ln x.
    log_x = np.log(benchmarks.sample.BINS.centres / 13_000)
    assert abs((counts - expected).sum()) < 0.01 * math.sqrt(counts.sum())
    assert abs(((counts - expected) * log_x).sum()) < 0.01 * math.sqrt((counts * log_x**2).sum())


def test_a_sample_made_wider_keeps_its_first_components(benchmarks: SimpleNamespace) -> None:
    background = toy_pools().background
    quarter = benchmarks.growth.first_events(background, 0.25)
    assert quarter.n_events == 1500
    narrow, wide = (benchmarks.growth.wide(quarter, d) for d in (4, 9))
    of = background.features["image_pca"]
    found = wide.features["image_pca"]
    np.testing.assert_array_equal(narrow.features["image_pca"], of[:1500, :, :4])
    np.testing.assert_array_equal(found[..., :6], of[:1500])
    np.testing.assert_array_equal(found[..., 6:], 0.5 * of[:1500, :, :3])


def test_figures_in_the_files(benchmarks: SimpleNamespace) -> None:
    report = benchmarks.report
    figure = report.Figure("speed [x]", 3.0, "3 x", "that", ">= 2 x", True, "speed")
    table = report.Growth("against n", ("n", "time"), (("1", "2 s"),))
    parts = [report.Measured("1. Speed", (figure,), {"times": [1.0]}, (table,))]
    found = report.to_json(parts, {"size": "full"})
    assert (found["speed"], found["size"]) == (3.0, "full")
    assert found["figures"]["1. Speed"][0]["reached"] is True
    assert found["raw"]["1. Speed"]["times"] == [1.0]
    lines = report.markdown(parts, ["# Benchmarks"]).splitlines()
    assert "| speed [x] | 3 x | >= 2 x | reached | that |" in lines
    assert "| 1 | 2 s |" in lines
    assert len(report.terminal_tables(parts)) == 2


@pytest.mark.slow
@pytest.mark.skipif(find_spec("pythia8mc") is None, reason="pythia8mc is not installed")
def test_all_of_them_run(tmp_path: Path) -> None:
    output = tmp_path / "smoke.json"
    answer = subprocess.run(
        [sys.executable, "-m", "analysis.benchmarks", "--smoke", "--output", str(output)],
        cwd=ROOT,
        env={**os.environ, "HEPCS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(output.read_text(encoding="utf-8"))
    for key, (low, high) in KEYS.items():
        assert low <= found[key] <= high, key
    assert found["size"] == "smoke"
    assert found["machine"]["cores"] >= 1
    assert found["versions"]["scikit-learn"]
    assert set(found["times"]) == {"sample", "scan", "physics", "calibration", "ingest", "fits", "growth"}
    statistics = found["raw"]["2. Same physics"]["background"]
    assert len(statistics["compiled"]) == len(statistics["plain"]) == 6
    assert len(found["tables"]) == 5
    assert "one scan, over whole ensembles" in answer.stdout
    text = output.with_suffix(".md").read_text(encoding="utf-8")
    assert "## 6. Growth" in text
    assert "facility.yaml" in text
