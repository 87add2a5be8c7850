"""The study of sensitivity, and the page that compares with the paper: recomputed from what is stored."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from hepcs._core.errors import ArgumentError, InputError
from hepcs.analysis.__main__ import parse_arguments
from hepcs.config import read_card
from hepcs.output.summary import plain
from hepcs.studies.sensitivity import SearchStatistics

ANALYSIS = Path(__file__).parents[2] / "analysis"
RESULTS = ANALYSIS / "results"
KEYS = {
    "cluster_scanning",
    "fit_3",
    "fit_4",
    "fit_5",
    "idealised_cluster_scanning",
    "idealised_fit",
    "best_realistic",
}


MODULES = (
    "study",
    "sensitivity",
    "paper_facts",
    "paper_numbers",
    "fit_references",
    "paper_beyond",
    "paper_comparison",
    "paper_pictures",
    "paper_page",
)


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """The scripts, which import each other as they do when they are run."""
    sys.path.insert(0, str(ANALYSIS))
    loaded = {}
    for name in MODULES:
        spec = importlib.util.spec_from_file_location(name, ANALYSIS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded[name])
    yield loaded
    sys.path.remove(str(ANALYSIS))
    for name in loaded:
        del sys.modules[name]


def toy_study(module: ModuleType, n: int = 2000) -> object:
    """Two searches with t ~ N(epsilon / scale, 1): 3 standard deviations at three times the scale."""
    rng = np.random.default_rng(1)
    scales = {"cluster_scanning": 100, "fit_4": 200, "idealised_cluster_scanning": 90}
    epsilons = (100, 200, 250, 300, 350, 400, 550, 650)
    searches = tuple(
        SearchStatistics(
            name, rng.normal(size=n), {epsilon: rng.normal(epsilon / scale, 1, 60) for epsilon in epsilons}
        )
        for name, scale in scales.items()
    )
    realistic = ("cluster_scanning", "fit_4")
    return sys.modules["study"].Study(
        "toy", searches, {name: name for name in scales}, realistic, "0", 1000, 50, 15
    )


def test_a_study_with_a_known_answer(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    module = scripts["sensitivity"]
    found = module.report({"": toy_study(module)}, Console(quiet=True), tmp_path)
    assert set(found["n3sigma"]) == KEYS
    assert found["n3sigma"]["cluster_scanning"] == pytest.approx(300, rel=0.12)
    assert found["n3sigma"]["fit_3"] is None
    assert found["best_realistic"] == "cluster_scanning"
    assert found["n3sigma"]["best_realistic"] == found["n3sigma"]["cluster_scanning"]
    ratios = {(one["numerator"], one["denominator"], one["reading"]): one["value"] for one in found["ratios"]}
    assert ratios["cluster_scanning", "fit_4", "gaussian"] == pytest.approx(0.5, rel=0.12)
    again = scripts["study"].open_study(tmp_path / "statistics.json")
    assert module.report({"": again}, Console(quiet=True), None) == found


def test_too_few_pseudo_experiments_are_said(scripts: dict[str, ModuleType]) -> None:
    """Fifty reach Z = 2.06: the study says so, and counts no crossing."""
    module = scripts["sensitivity"]
    console = Console(record=True, quiet=False, width=200, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    found = module.report({"": toy_study(module, 50)}, console, None)
    console.file.close()
    text = console.export_text()
    assert "50 background-only pseudo-experiments reach Z = 2.06, not 3" in text
    counted = found["searches"]["cluster_scanning"]["readings"]["counted"]["n3sigma"]
    assert counted["epsilon"] is None
    assert "reaches Z = 2.06, not 3" in counted["reason"]


def test_what_is_no_study(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "statistics.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"statistics\.json: no statistics of a study"):
        scripts["study"].open_study(tmp_path / "statistics.json")


def test_nothing_realistic_reaches_the_level(scripts: dict[str, ModuleType]) -> None:
    module = scripts["sensitivity"]
    study = toy_study(module)
    hopeless = sys.modules["study"].Study("toy", study.searches, study.titles, (), "0", 1000, 50, 15)  # type: ignore[attr-defined]
    with pytest.raises(ArgumentError, match="no realistic search reaches 3"):
        module.choose(hopeless, module.measure(hopeless))


# ----------------------------------------------------------------------------------------- stored results


def agrees(found: object, stored: object) -> bool:
    """Whether two trees of plain JSON types hold the same keys and, to rounding, the same numbers."""
    if isinstance(found, dict) and isinstance(stored, dict):
        return found.keys() == stored.keys() and all(agrees(found[key], stored[key]) for key in found)
    if isinstance(found, list) and isinstance(stored, list):
        return len(found) == len(stored) and all(map(agrees, found, stored))
    if isinstance(found, float) or isinstance(stored, float):
        return isinstance(found, int | float) and found == pytest.approx(stored, rel=1e-6, abs=1e-9)
    return found == stored


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_stored_results_give_the_stored_numbers(
    scripts: dict[str, ModuleType],
) -> None:
    """Everything in ``sensitivity.json`` follows from the statistics beside it."""
    module = scripts["sensitivity"]
    stored = json.loads((RESULTS / "sensitivity.json").read_text(encoding="utf-8"))
    assert set(stored["n3sigma"]) == KEYS
    keys = ("", "_even", "_odd", "_apart_even", "_apart_odd")
    studies = {key: scripts["study"].open_study(RESULTS / f"statistics{key}.json") for key in keys}
    between = module.between_samples(RESULTS / "independent_samples.json")
    found = json.loads(json.dumps(module.report(studies, Console(quiet=True), None, between)))
    assert found.keys() == stored.keys()
    for key in found:
        assert agrees(found[key], stored[key]), key
    main = studies[""]
    assert main.n_null >= 1000
    assert main.n_doped >= 60
    assert len(main.searches[0].doped) >= 8


@pytest.mark.slow
def test_the_stored_results_give_the_stored_facts(scripts: dict[str, ModuleType]) -> None:
    """Fits and their tests from the stored spectrum, trainings and clusterers and halves from their statistics."""
    module, study = scripts["paper_facts"], scripts["study"].open_study
    stored = json.loads((RESULTS / "facts.json").read_text(encoding="utf-8"))
    counts, centres = (np.array(stored["spectrum"][key]) for key in ("counts", "centres"))
    spectrum = plain(module.spectrum_facts(counts, centres, stored["spectrum"]["sqrt_s"]))
    for key in ("f_tests", "recommended_parameters", "spurious_signal"):
        assert agrees(spectrum[key], stored["spectrum"][key]), key
    for found, fit in zip(spectrum["fits"], stored["spectrum"]["fits"], strict=True):
        assert found["chi2"] == pytest.approx(fit["chi2"], rel=1e-6)
    for name, others in stored["others"].items():
        assert agrees(plain(module.other_facts(study(RESULTS / f"statistics_{name}.json"))), others), name
    halves = (study(RESULTS / f"statistics_{half}.json") for half in ("even", "odd"))
    assert agrees(plain(module.halves_facts(*halves)), stored["uniformity"])


def test_the_stored_disjoint_samples_give_the_stored_p_values() -> None:
    stored = json.loads((RESULTS / "independent_samples.json").read_text(encoding="utf-8"))
    for entry in stored["searches"].values():
        for kind in ("others", "own"):
            assert stats.kstest(entry[kind]["p"], "uniform").pvalue == pytest.approx(
                entry[kind]["kolmogorov_smirnov"], rel=1e-6
            )
            assert len(entry[kind]["p"]) == stored["parts"]
        assert entry["own"]["mean_statistic"] / entry["others"]["mean_statistic"] == pytest.approx(
            entry["inflation"]
        )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_stored_results_give_the_stored_fits(scripts: dict[str, ModuleType]) -> None:
    """N_3sigma of the fits, and Cluster Scanning over them, from the stored spectrum, signal and statistics."""
    module = scripts["fit_references"]
    stored = json.loads((RESULTS / "fit_references.json").read_text(encoding="utf-8"))
    facts = json.loads((RESULTS / "facts.json").read_text(encoding="utf-8"))
    signal = module.Signal(np.array(stored["signal"]["counts"]), stored["signal"]["selected"])
    # Each order has toys of its own: those of the best fit are enough, and the others would take a minute more.
    best = scripts["paper_numbers"].best_fit(facts, stored)["parameters"]
    wanted = stored | {"fits": [one for one in stored["fits"] if one["parameters"] == best]}
    sizes = {"n_null": stored["n_background_only"], "n_doped": stored["n_doped"], "orders": (best,)}
    found = module.study(module.stored_spectrum(facts), signal, module.stored_crossing(RESULTS), **sizes)
    assert agrees(json.loads(json.dumps(found)), wanted)
    assert stored["n_background_only"] >= 20_000
    main = json.loads((RESULTS / "sensitivity.json").read_text(encoding="utf-8"))["searches"]
    assert agrees(stored["n3sigma"], main["cluster_scanning"]["readings"]["counted"]["n3sigma"])
    # The same fit with the few toys of the run.
    of_run = main["fit_4"]["readings"]["counted"]["n3sigma"]
    single = scripts["paper_numbers"].reference(stored, 4, "single_bins")["readings"]["counted"]["n3sigma"]
    # Its interval is of 68 %, which one number in three lies outside of: within twice that.
    spread = max(of_run["epsilon"] - of_run["low"], of_run["high"] - of_run["epsilon"])
    assert single["epsilon"] == pytest.approx(of_run["epsilon"], abs=2 * spread)


def test_fits_with_a_known_answer(scripts: dict[str, ModuleType]) -> None:
    """Without background to fluctuate, and signal in one bin alone, the excess is known."""
    module = scripts["fit_references"]
    facts = json.loads((RESULTS / "facts.json").read_text(encoding="utf-8"))
    spectrum = module.stored_spectrum(facts)
    signal = module.Signal(np.bincount([5], [1000], 16).astype(int), 1200)
    drawn = signal.draw(600, 4000, np.random.default_rng(1))
    assert drawn.shape == (4000, 16)
    assert not drawn[:, [*range(5), *range(6, 16)]].any()
    # Of 600 of 1200 events without replacement, 5 in 6 lie inside: 500 +- sqrt(600 (1/6) (5/6) (600/1199)).
    assert drawn[:, 5].mean() == pytest.approx(500, abs=0.6)
    assert drawn[:, 5].std() == pytest.approx(6.46, rel=0.05)
    found = module.statistics(np.rint(spectrum.counts)[None].astype(int), spectrum, 4)
    with_signal = module.statistics((spectrum.counts + 1500 * (np.arange(16) == 5))[None], spectrum, 4)
    assert set(found) == set(module.TITLES)
    assert all(with_signal[name] > found[name] + 4 for name in found)
    assert with_signal["windows"] >= with_signal["single_bins"]


def test_a_ratio_of_what_is_not_reached_is_not_known(scripts: dict[str, ModuleType]) -> None:
    module = scripts["fit_references"]
    study = toy_study(scripts["sensitivity"])
    found = {
        name: one.curves["counted"].crossing for name, one in scripts["sensitivity"].measure(study).items()
    }
    known = module.ratio_entry(found["cluster_scanning"], found["idealised_cluster_scanning"])
    assert known["value"] == pytest.approx(100 / 90, rel=0.15)
    assert known["low"] < known["value"] < known["high"]
    beyond = replace(found["fit_4"], epsilon=None, beyond=650.0)
    assert module.ratio_entry(found["cluster_scanning"], beyond)["value"] is None


def test_the_ratio_that_is_headlined_is_that_over_the_best_fit(scripts: dict[str, ModuleType]) -> None:
    page = scripts["paper_page"]
    sensitivity, facts, _, references, _, masses = page.stored()
    best = scripts["paper_numbers"].best_fit(facts, references)
    needed = best["readings"]["counted"]["n3sigma"]["epsilon"]
    for entry in references["fits"]:
        few = entry["parameters"] < facts["spectrum"]["recommended_parameters"]
        assert few or entry["readings"]["counted"]["n3sigma"]["epsilon"] >= needed
    assert best["ratio"]["value"] == pytest.approx(sensitivity["n3sigma"]["cluster_scanning"] / needed)
    sentence = page.headline(facts, references, masses)
    assert f"{best['ratio']['value']:.2f} [" in sentence
    for file in (page.PAGE, ANALYSIS / "README.md"):
        assert sentence in " ".join(file.read_text(encoding="utf-8").split())


def test_the_masses_are_the_range_that_is_headlined(scripts: dict[str, ModuleType]) -> None:
    """Cluster Scanning over the better of the fits at each mass, from numbers of signal events beside it."""
    *_, masses = scripts["paper_page"].stored()
    ratios = []
    for one in masses["masses"]:
        needed = {name: found["epsilon"] for name, found in one["n3sigma"].items()}
        best = min(needed["windows"], needed["template"])
        ratios.append(one["over_best_fit"]["cluster_scanning"]["value"])
        assert ratios[-1] == pytest.approx(needed["cluster_scanning"] / best)
        assert one["over_best_fit"]["cluster_scanning"]["low"] < ratios[-1]
    assert scripts["paper_numbers"].masses_text(masses) == f"{min(ratios):.2f} to {max(ratios):.2f}"
    # The same signal as that of the long study, with fewer pseudo-experiments.
    (nominal,) = (one for one in masses["masses"] if one["mass"] == 3500)
    stored = json.loads((RESULTS / "sensitivity.json").read_text(encoding="utf-8"))
    assert nominal["n3sigma"]["cluster_scanning"]["epsilon"] == pytest.approx(
        stored["n3sigma"]["cluster_scanning"], rel=0.15
    )


def test_the_recipe_of_the_page_is_taken(scripts: dict[str, ModuleType]) -> None:
    """Each command of the page, as the shell has it, is one that its program knows, with cards that are right."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    recipe = (
        scripts["paper_page"]
        .PAGE.read_text(encoding="utf-8")
        .rpartition("```console\n")[2]
        .partition("```")[0]
    )
    echo = 'python() { printf "%s\\n" "$(printf "%s\t" "$@")"; }\n'
    said = subprocess.run([bash, "-c", echo + recipe], capture_output=True, text=True, check=True).stdout
    commands = [line.rstrip("\t").split("\t") for line in said.splitlines()]
    assert len(commands) == 15
    for command in commands:
        keys = [value for flag, value in pairwise(command) if flag == "--set"]
        for card in (one for one in command if one.endswith(".yaml")):
            read_card(card, keys)
        if command[0] == "-m":
            parse_arguments(command[2:])
        else:
            assert (ANALYSIS.parent / command[0]).is_file()


def test_the_page_says_what_is_stored(scripts: dict[str, ModuleType]) -> None:
    page = scripts["paper_page"]
    assert page.PAGE.read_text(encoding="utf-8") == page.page(*page.stored())
    for line in page.PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("!["):
            picture = line.split("(")[1].rstrip(")")
            assert (ANALYSIS / picture).is_file(), picture


def trainings(scripts: dict[str, ModuleType], n_null: int, n_doped: int) -> dict[str, object]:
    """Facts of a run of the trainings in which Z rises by one for 100 events, twice as fast in the better one."""
    rng = np.random.default_rng(5)
    searches = tuple(
        SearchStatistics(
            name,
            rng.normal(0, 1, n_null),
            {epsilon: rng.normal(slope * epsilon / 100, 1, n_doped) for epsilon in range(100, 700, 100)},
        )
        for name, slope in (
            ("cluster_scanning", 1),
            ("training_without_signal", 1),
            ("training_3450_3550", 2),
        )
    )
    names = tuple(search.name for search in searches)
    titles = dict(zip(names, names, strict=True))
    study = scripts["study"].Study("training", searches, titles, names, "digest", 1000, 50, 15)
    found = json.loads(json.dumps(plain(scripts["paper_facts"].other_facts(study))))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("n_null", "n_doped"), [(1000, 100), (200, 20)])
def test_the_page_says_how_far_the_trainings_carry(
    scripts: dict[str, ModuleType], n_null: int, n_doped: int
) -> None:
    module = scripts["paper_page"]
    sensitivity, facts, *rest = module.stored()
    others = facts["others"] | {"training": trainings(scripts, n_null, n_doped)}
    text = module.page(sensitivity, facts | {"others": others}, *rest)
    (row,) = (
        line for line in text.splitlines() if line.startswith("| training in [3450, 3550] GeV | clearly")
    )
    (better, paper) = (float(number) for number in re.findall(r"(\d+) \[", row))
    assert better == pytest.approx(150, abs=25)
    assert paper == pytest.approx(300, abs=50)
    counted = n_null == 1000
    assert ("Gaussian" in row) is not counted
    assert f"{n_null:,} background-only pseudo-experiments, ensembles of 15, count to Z = " in text
    assert ("|  | N_3sigma | Gaussian | median Z at 600, Gaussian |" in text) is counted
    caption = next(line for line in text.splitlines() if line.startswith("Fig. 11"))
    assert f"{n_null:,} background-only" in caption
    assert f"count to Z = {3.1 if counted else 2.6}" in caption
    assert f"of {n_doped} doped ones is uncertain by some {0.1 if counted else 0.3}" in caption
    # The card makes the larger run.
    counts = (
        "" if counted else " --set pseudo_experiments.background_only=200 --set pseudo_experiments.doped=20"
    )
    assert f"training.yaml{counts}\n" in text, "the recipe makes the run that there is"
