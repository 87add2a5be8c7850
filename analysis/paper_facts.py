"""Numbers that the paper quotes, and those an expert asks for next, from finished runs.

example:
  python analysis/paper_facts.py runs/sensitivity --others runs/training runs/clusterers \\
      --halves runs/even runs/odd --output analysis/results

Writes ``facts.json``, and ``statistics_*.json`` of the other runs: spectrum and fits with F-tests, goodness of fit
and spurious-signal tests; single scans that give 0 and the smallest cluster-bin; signal-fraction improvement,
selected clusters and normality of the deviations for each injected number of events; uniformity of p-values
between the halves; and what other trainings, clusterers and single jets do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from script import ended, parser_of
from sensitivity import PREFERRED, crossing_entry, measure
from study import Study, study_of, write_statistics

from hepcs._core.randomness import Stream, generator
from hepcs._core.storage import write_json
from hepcs.datasets.bootstrap import Kind
from hepcs.output.reading import StoredRun, read_run
from hepcs.output.summary import plain
from hepcs.results import Observed
from hepcs.searches.cluster_scanning.enrichment import signal_fraction_improvement
from hepcs.searches.cluster_scanning.restoring import StoredEnsemble
from hepcs.studies.families import Family
from hepcs.studies.goodness import goodness_of_fit
from hepcs.studies.normality import normality_tests
from hepcs.studies.orders import compare_orders
from hepcs.studies.spurious import spurious_signal
from hepcs.studies.uniformity import uniformity_test

MAIN, FIT = "cluster_scanning", "fit_4"
SEED = 1
# Families of the spurious-signal tests: fitted, and true.
SPURIOUS: tuple[tuple[Family, Family], ...] = (
    ("dijet_3", "dijet_4"),
    ("dijet_3", "dijet_5"),
    ("dijet_4", "dijet_5"),
    ("dijet_4", "ua2"),
)


def facts_of(run: StoredRun) -> dict[str, Any]:
    """What the main run says beyond its sensitivity."""
    return {
        "digest": run.digest,
        "spectrum": spectrum_facts(background_spectrum(run), run.bins.centres, run.card.regions.sqrt_s),
        "null": null_facts(run),
        "images": image_facts(run),
        "scans": {
            str(observed.injection.epsilon): scan_facts(observed) for observed in run.search(MAIN).observed
        },
    }


def background_spectrum(run: StoredRun) -> np.ndarray:
    """Events of the background in each m_jj bin: the observed data set without injection."""
    spectrum = run.observed(FIT, 0).observation.spectrum
    assert spectrum is not None, "a fit has a spectrum"
    return spectrum.observed


def spectrum_facts(
    counts: NDArray[np.float64], centres: NDArray[np.float64], sqrt_s: float
) -> dict[str, Any]:
    """The background spectrum, shape (b,), its fits, and how good they are."""
    orders = compare_orders(counts, centres, sqrt_s=sqrt_s)
    rng = generator(SEED, Stream.STUDY, 2)
    return {
        "counts": counts,
        "centres": centres,
        "sqrt_s": sqrt_s,
        "fits": [
            {
                "n_parameters": fit.n_parameters,
                "parameters": fit.log_parameters[: fit.n_parameters],
                "chi2": fit.chi2,
                "ndof": fit.ndof,
                "p_value": fit.p_value,
                "goodness": goodness_of_fit(fit, rng=rng),
            }
            for fit in orders.fits
        ],
        "f_tests": orders.tests,
        "recommended_parameters": orders.recommended,
        "spurious_signal": [
            {
                "fitted": test.fitted,
                "generating": test.generating,
                "largest_bias": test.largest_bias,
                "bin": test.largest_bias_bin,
                "false_positive_rate": test.false_positive_rate,
                "interval": [test.false_positive_low, test.false_positive_high],
            }
            for test in (
                spurious_signal(counts, centres, fitted, generating, sqrt_s=sqrt_s, rng=rng)
                for fitted, generating in SPURIOUS
            )
        ],
    }


def null_facts(run: StoredRun) -> dict[str, Any]:
    """The background-only distribution of ensembles and of single scans, and the smallest cluster-bin."""
    members = run.members(MAIN, Kind.BACKGROUND_ONLY)
    smallest = run.details(MAIN, "smallest_cluster_bin", Kind.BACKGROUND_ONLY)
    return {
        "n": len(members),
        "ensemble": members.shape[1],
        "single_sd": members.std(ddof=1),
        "single_scans": members.size,
        "single_zero": int((members == 0).sum()),
        "smallest_cluster_bin_median": np.median(smallest),
        "smallest_cluster_bin_below_20": int((smallest < 20).sum()),
        "signal_rich_clusters_mean": run.details(
            MAIN, "mean_signal_rich_clusters", Kind.BACKGROUND_ONLY
        ).mean(),
    }


def image_facts(run: StoredRun) -> dict[str, Any]:
    """How many pixels of an image are not zero, by sample."""
    found = {}
    for sample in run.result.samples:
        # Each ends at its last image.
        n = max((len(one) for one in sample.nonzero_pixels), default=0)
        counts = np.sum([np.pad(one, (0, n - len(one))) for one in sample.nonzero_pixels], axis=0)
        if not np.any(counts):
            continue
        found[sample.role] = {
            "median": int(np.searchsorted(np.cumsum(counts) / counts.sum(), 0.5)),
            "share_below_100": counts[:100].sum() / counts.sum(),
            "pixels": run.card.images.pixels**2,
        }
    return found


def scan_facts(observed: Observed) -> dict[str, Any]:
    """Selected clusters, their signal, and normality of the others, in an observed data set."""
    ensemble = observed.observation.result
    assert isinstance(ensemble, StoredEnsemble)
    scans = list(ensemble.scans.values())
    normality = [normality_tests(scan.deviations, scan.signal_rich).tests for scan in scans]
    facts: dict[str, Any] = {
        "statistic": observed.outcome.statistic,
        "selected_clusters": [int(scan.signal_rich.sum()) for scan in scans],
        "smallest_cluster_bin": [int(scan.spectra.min()) for scan in scans],
        "signal_poor_normality": {
            tests[0].name: [test.p for test in tests] for tests in zip(*normality, strict=True)
        },
    }
    if scans[0].signal_spectra is not None and scans[0].signal_spectra.sum() > 0:
        sfi = []
        for scan in scans:
            assert scan.signal_spectra is not None
            signal = scan.signal_spectra.sum(axis=1)
            sfi.append(signal_fraction_improvement(signal, scan.spectra.sum(axis=1) - signal))
        facts["best_sfi"] = [one.max() for one in sfi]
        facts["clusters_with_sfi_above_2"] = [int((one > 2).sum()) for one in sfi]
        facts["mean_sfi_of_selected"] = [
            one[scan.signal_rich].mean() if scan.signal_rich.any() else None
            for one, scan in zip(sfi, scans, strict=True)
        ]
    return facts


def other_facts(study: Study) -> dict[str, Any]:
    """N_3sigma of other trainings, clusterers and jets."""
    found = measure(study)
    entries = {}
    for search in study.searches:
        # A few hundred background-only pseudo-experiments do not count to 3: the Gaussian reading tells more.
        curves = found[search.name].curves
        curve = curves["gaussian"]
        entries[search.name] = {
            "title": study.titles[search.name],
            "readings": {
                reading: {"n3sigma": crossing_entry(curves[reading].crossing)}
                for reading in PREFERRED
                if reading in curves
            },
            "largest_epsilon": int(curve.epsilon[-1]),
            "gaussian_z_there": curve.median[-1].z,
            "null_mean": np.nanmean(search.null),
            "null_sd": np.nanstd(search.null, ddof=1),
        }
    return {
        "n_background_only": study.n_null,
        "n_doped": study.n_doped,
        "k": study.k,
        "ensemble": study.ensemble,
        "digest": study.digest,
        "searches": entries,
    }


def halves_facts(even: Study, odd: Study) -> dict[str, Any]:
    """Uniformity of the p-values of one half, calibrated with the other, both ways: they share no event."""
    found = {}
    for search in even.searches:
        even_null, odd_null = (
            next(one.null for one in study.searches if one.name == search.name) for study in (even, odd)
        )
        found[search.name] = {
            "odd_by_even": _uniformity(even_null, odd_null),
            "even_by_odd": _uniformity(odd_null, even_null),
        }
    return found


def _uniformity(null: NDArray[np.float64], tested: NDArray[np.float64]) -> dict[str, Any]:
    test = uniformity_test(
        null[np.isfinite(null)], tested[np.isfinite(tested)], rng=generator(SEED, Stream.STUDY, 3)
    )
    return {
        "kolmogorov_smirnov": test.kolmogorov_smirnov,
        "chi2": test.chi2,
        "sizes": test.sizes,
        "n_null": test.n_null,
        "n_tested": test.n_tested,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the numbers."""
    parser = parser_of(__doc__)
    parser.add_argument("run", type=Path, help="folder of the run of sensitivity.yaml")
    parser.add_argument(
        "--others",
        type=Path,
        nargs="+",
        default=[],
        help="folders of the runs of training.yaml and clusterers.yaml",
    )
    parser.add_argument(
        "--halves", type=Path, nargs=2, metavar=("EVEN", "ODD"), help="runs on half the background"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for facts.json")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    facts = facts_of(read_run(parsed.run))
    others = [study_of(read_run(path)) for path in parsed.others]
    facts["others"] = {study.name: other_facts(study) for study in others}
    if parsed.halves is not None:
        facts["uniformity"] = halves_facts(*(study_of(read_run(path)) for path in parsed.halves))
    write_json(parsed.output / "facts.json", plain(facts))
    for study in others:
        write_statistics(parsed.output / f"statistics_{study.name}.json", study)
    console.print(f"written to {parsed.output / 'facts.json'}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
