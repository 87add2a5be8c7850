"""What a card would run: measured on a few events of its own input, and refused as by the run itself."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toy_command import CARD, SAMPLES, toy_folder
from toy_events import toy_events, write_toys

from hepcs._core.errors import HepcsError, InputError
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.samples import MassBins
from hepcs.pipeline import Where, run
from hepcs.running import dry_run
from hepcs.running.dry_run import estimate, render_estimate
from hepcs.sources.writing import RootWriter

SECTIONS = """\
searches:
  cluster_scanning: {k: 8, ensemble: 3}
pseudo_experiments: {background_only: 40, doped: 5}
injection: {epsilon: [0, 100]}
execution: {cache: cache}
"""
FEW = """\
  fit_3: {kind: dijet_fit, parameters: 3, pseudo_experiments: {background_only: 15, doped: 2}}
pseudo_experiments: {background_only: 10, doped: 0}
execution: {cache: cache}
output: {figures: []}
"""


def write(path: Path, events: ak.Array, label: int | None = None) -> None:
    with RootWriter(path) as writer:
        writer.write(events, None if label is None else np.full(len(events), label))


def in_units(events: ak.Array, gev: float) -> ak.Array:
    """Energies in units of so many GeV."""
    return ak.zip({key: events[key] / gev if key in {"pt", "mass"} else events[key] for key in events.fields})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = toy_folder(tmp_path_factory.mktemp("dry"), CARD + FEW), np.random.default_rng(3)
    write(folder / "one.root", toy_events(1, rng, resonance=3500.0))
    write(folder / "mev.root", in_units(toy_events(1000, rng), 1e-3))
    # The background of a labelled sample, then its signal.
    events = [toy_events(2000, rng), toy_events(300, rng, resonance=3500.0)]
    with RootWriter(folder / "ordered.root") as writer:
        for label, some in enumerate(events):
            writer.write(some, np.full(len(some), label))
    return folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def refusal(card: LocatedCard, *, dry: bool) -> str:
    with pytest.raises(HepcsError) as refused:
        estimate(card, workers=1) if dry else run(card, Where(workers=1))
    return f"{type(refused.value).__name__}: {refused.value}"


def test_an_estimate_is_measured_on_the_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy_folder(tmp_path, SAMPLES + SECTIONS))
    found = estimate(read_card("toy.yaml"), workers=2)
    background, signal = found.samples
    assert (background.n_entries, signal.n_entries) == (3000, 400)
    # The toys' spectrum: exp(-(m - 2900) / 560) between 3000 and 4600: 78 % of the events; the probe has 800.
    assert background.in_evaluation == pytest.approx(0.78 * 3000, rel=0.15)
    assert signal.in_evaluation == pytest.approx(400, rel=0.05)
    (search,) = found.searches
    assert search.n_data_sets == 2 + 40 + 5
    assert 0 < search.seconds < 5
    assert found.seconds > search.n_data_sets * search.seconds / 2
    assert found.memory > 2 * 50e6
    assert render_estimate(found).row_count == 7


def test_each_search_has_its_own_number_and_cost(inside: Path) -> None:
    scan, fit = estimate(read_card("toy.yaml", ["searches.cluster_scanning.ensemble=10"])).searches
    assert (scan.title, scan.n_data_sets) == ("Cluster Scanning", 2 + 10)
    assert (fit.title, fit.n_data_sets) == ("3-parameter fit", 2 + 15 + 2)
    assert scan.seconds > fit.seconds


@pytest.mark.parametrize(
    "overrides",
    [
        ["samples.background.files=one.root"],
        ["samples.background.files=mev.root"],
        ["samples.signal.files=nothing.root"],
        ["samples.background.tree=Tree"],
        ["jets.leading_pt_min=99999"],
        ["execution.cache=one.root"],
        ["injection.epsilon=[401]"],
        ["samples.signal.files=one.root"],
        ["samples.data={kind: root, files: one.root}"],
        [
            "regions.evaluation=[8000, 9600]",
            "features.image_pca.training=[8000, 8100]",
            "searches.cluster_scanning.training=[8000, 8100]",
        ],
    ],
)
def test_what_the_run_refuses_is_refused_in_its_words(inside: Path, overrides: list[str]) -> None:
    card = read_card("toy.yaml", overrides)
    assert refusal(card, dry=True) == refusal(card, dry=False)


def test_too_large_a_k_is_refused_with_about_the_jets_that_there_are(inside: Path) -> None:
    said = refusal(read_card("toy.yaml", ["searches.cluster_scanning.k=99999"]), dry=True)
    assert said.startswith("CardError: ")
    n_jets = int(said.partition("99999 clusters from ")[2].split()[0])
    # exp(-(m - 2900) / 560) between 3000 and 3100: 14 % of the events.
    assert n_jets == pytest.approx(2 * 0.137 * 3000, rel=0.2)


def test_it_warns_of_what_the_run_would_warn_of(inside: Path) -> None:
    few = estimate(read_card("toy.yaml", ["searches.cluster_scanning.k=30"])).warnings
    assert len(few) == 1
    assert "the smallest cluster-bin of a data set holds" in few[0]
    fits = int(few[0].partition("would be safer, such as ")[2].partition(",")[0])
    assert 2 <= fits < 30
    write_toys(inside / "data.root", 2000, 9)
    data = estimate(read_card("toy.yaml", ["samples.data={kind: root, files: data.root}"])).warnings
    assert any("10 times the data would be ample" in warning for warning in data)


TAIL = [
    "samples.signal={kind: root, files: tail_signal.root}",
    "samples.background.files=tail.root",
    "regions.evaluation=[4400, 6000]",
    "features.image_pca.training=[4400, 5000]",
    "searches.cluster_scanning={k: 4, ensemble: 1, training: [4400, 5000]}",
    "injection.epsilon=[0]",
]


def test_more_events_are_read_where_few_reach_the_region(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """exp(-1500 / 560) = 7 % of the toys; a probe of 10 has none."""
    write_toys(inside / "tail.root", 3000, 5)
    write_toys(inside / "tail_signal.root", 3000, 6)
    monkeypatch.setattr(dry_run, "PROBE", 5)
    found = estimate(read_card("toy.yaml", TAIL), workers=1)
    assert found.samples[0].in_evaluation == pytest.approx(0.068 * 3000, rel=0.5)


def test_it_is_said_that_only_the_first_events_were_looked_at(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toys(inside / "tail.root", 3000, 5)
    write_toys(inside / "tail_signal.root", 3000, 6)
    monkeypatch.setattr(dry_run, "PROBE", 5)
    monkeypatch.setattr(dry_run, "MORE", (1,))
    with pytest.raises(InputError, match=r"of the first 5 events of each sample: .*no event"):
        estimate(read_card("toy.yaml", TAIL), workers=1)


def test_a_labelled_sample_whose_signal_comes_last(inside: Path) -> None:
    labelled = "samples={labelled: {kind: root, files: ordered.root, label: label}}"
    found = estimate(read_card("toy.yaml", [labelled]), workers=1)
    assert [(one.role, one.n_entries) for one in found.samples] == [("labelled", 2300)]


@pytest.mark.parametrize("mean", [3010.0, 3500.0, 3800.0, 4590.0])
def test_masses_of_a_grown_sample_have_the_mean_of_the_probe(mean: float) -> None:
    bins = MassBins(3000, 4600, 16)
    masses = dry_run._falling(mean, 50_000, bins, np.random.default_rng(1))
    assert masses.mean() == pytest.approx(min(max(mean, 3016), 4584), abs=5)
    assert masses.min() >= 3000
    assert masses.max() < 4600
