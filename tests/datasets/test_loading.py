"""From the samples of a card to pools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml
from toy_events import toy_events, write_toys
from toys import BINS, POOLS

from hepcs._core.errors import InputError
from hepcs.config import LocatedCard, read_card
from hepcs.config.samples import PseudoData
from hepcs.datasets.bootstrap import Kind, Task, draw_data_set
from hepcs.datasets.loading import Loaded, load
from hepcs.datasets.samples import Sample
from hepcs.datasets.splitting import every_second, set_apart, split_by_truth
from hepcs.features import image_files
from hepcs.features.ingest import TruthLabels
from hepcs.sources.writing import RootWriter

# Its jets have two prongs at a distance of 0.6: a narrow crop around their centre is empty.
NARROW = {"pixels": 12, "half_width": 0.1}
SCAN = {"cluster_scanning": {"k": 4}}
FIT = {"fit": {"kind": "dijet_fit"}}
EVENT = {"scan": {"kind": "cluster_scanning", "k": 4, "features": "substructure"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toy samples."""
    path = tmp_path_factory.mktemp("samples")
    for seed, name in enumerate(("background", "data", "simulation"), start=1):
        write_toys(path / f"{name}.root", 400, seed)
    for seed, name in enumerate(("signal", "wide", "prior"), start=5):
        write_toys(path / f"{name}.root", 150, seed, resonance=3500.0)
    return path


def source(name: str) -> dict[str, str]:
    return {"kind": "root", "files": f"{name}.root"}


def card(
    folder: Path, cache: Path, samples: tuple[str, ...] | dict[str, Any], **sections: Any
) -> LocatedCard:
    """A card of samples that are named as their roles."""
    if isinstance(samples, tuple):
        samples = {name: source(name) for name in samples}
    content = {
        "name": "toy",
        "samples": samples,
        "images": {"pixels": 12},
        "searches": SCAN,
        "execution": {"cache": str(cache)},
        **sections,
    }
    path = folder / f"{len(list(folder.glob('*.yaml')))}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return read_card(path)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many images each call draws."""
    found: list[int] = []
    original = image_files.sparse_jet_images

    def counted(jets: ak.Array, **sizes: float) -> object:
        found.append(len(jets))
        return original(jets, **sizes)

    monkeypatch.setattr(image_files, "sparse_jet_images", counted)
    return found


def samples_of(loaded: Loaded) -> dict[str, Sample]:
    pools = loaded.pools
    data = {} if pools.data is None else {"data": pools.data}
    return {"background": pools.background, **data, **pools.signals, **pools.others}


# ------------------------------------------------------------------------------- from a card to pools


def test_each_image_is_drawn_once_in_a_life(folder: Path, tmp_path: Path, drawn: list[int]) -> None:
    """For components, pixels, average images and pixel counts, of this run and of all others."""
    both = {**SCAN, "pixels": {"like": "cluster_scanning", "features": "pixels"}}
    samples = ("background", "signal")
    first = load(card(folder, tmp_path, samples, searches=both))
    n_events = sum(report.n_evaluation for report in first.reports)
    assert sum(drawn) == 2 * n_events > 600
    load(card(folder, tmp_path, samples, searches=both))
    load(card(folder, tmp_path, samples, features={"image_pca": {"kept_variance": 0.5}}))
    assert sum(drawn) == 2 * n_events


def test_a_second_card_shares_what_the_first_made(folder: Path, tmp_path: Path) -> None:
    first = load(card(folder, tmp_path, ("background", "signal")))
    named = {"mine": {"kind": "image_pca"}}
    searches = {"scan": {"kind": "cluster_scanning", "features": "mine", "k": 9}}
    second = load(card(folder, tmp_path, ("background", "data"), features=named, searches=searches, seed=7))
    assert not any(report.reused for report in first.reports)
    assert {report.role: report.reused for report in second.reports} == {"background": True, "data": False}
    assert second.pools.background.features["mine"].file == first.pools.background.features["image_pca"].file  # type: ignore[attr-defined]


def test_only_the_features_that_a_search_looks_at_are_made(folder: Path, tmp_path: Path) -> None:
    features = {"images": {"kind": "image_pca", "kept_variance": 0.6}, "substructure": {}}
    searches = {"scan": {"kind": "cluster_scanning", "features": "images"}, **FIT}
    loaded = load(card(folder, tmp_path, ("background",), features=features, searches=searches))
    assert set(loaded.pools.background.features) == set(loaded.columns) == set(loaded.features) == {"images"}
    about = loaded.features["images"]
    values = loaded.pools.background.features["images"]
    assert about["kind"] == "image_pca"
    assert about["dimension"] == len(loaded.columns["images"]) == values.shape[2]
    assert 0.6 <= about["kept_variance"] < 1
    assert load(card(folder, tmp_path, ("background",), searches=FIT)).pools.background.features == {}


def test_an_event_that_lacks_a_feature_is_left_out_where_a_search_uses_it(
    folder: Path, tmp_path: Path
) -> None:
    samples = ("background", "signal")
    with_images = load(card(folder, tmp_path, samples, images=NARROW))
    without = load(card(folder, tmp_path, samples, images=NARROW, searches=FIT))
    by_role = {report.role: report for report in with_images.reports}
    n_lacking = by_role["signal"].lacking["image_pca"]
    here, all_of_them = with_images.pools.signals["signal"], without.pools.signals["signal"]
    assert 20 < n_lacking < all_of_them.n_events
    assert here.n_events == all_of_them.n_events - n_lacking == by_role["signal"].n_evaluation
    assert here.n_selected == all_of_them.n_selected - n_lacking == by_role["signal"].n_selected
    assert np.isfinite(here.features["image_pca"][here.rows]).all()
    np.testing.assert_array_equal(here.m_jj, all_of_them.m_jj[here.rows])
    # What no search uses leaves nothing out.
    assert all(report.lacking == {} for report in without.reports)
    assert all_of_them.rows.tolist() == list(range(all_of_them.n_events))
    # The cutflow knows nothing of features.
    assert [one.cutflow for one in with_images.reports] == [one.cutflow for one in without.reports]


def test_all_searches_see_the_same_events(folder: Path, tmp_path: Path) -> None:
    """Also one whose own features no event lacks."""
    found = load(card(folder, tmp_path, ("background", "signal"), images=NARROW, searches={**SCAN, **EVENT}))
    signal = found.pools.signals["signal"]
    assert len(signal.features["substructure"]) > signal.n_events
    assert set(found.reports[1].lacking) == {"image_pca"}


def test_where_all_events_lack_a_feature_it_is_named(folder: Path, tmp_path: Path) -> None:
    narrow = {"pixels": 12, "half_width": 1e-4}
    searches = {"scan": {"kind": "cluster_scanning", "features": "pixels"}}
    with pytest.raises(InputError, match=r"background: no event .* can be used: \d+ lack the feature pixels"):
        load(card(folder, tmp_path, ("background",), images=narrow, searches=searches))


def test_every_sample_of_a_card_is_loaded_and_no_two_events_are_one(folder: Path, tmp_path: Path) -> None:
    samples = {
        **{name: source(name) for name in ("background", "data", "simulation")},
        "signals": {"narrow": source("signal"), "wide": source("wide")},
        "priors": {"mine": source("prior")},
    }
    loaded = load(card(folder, tmp_path, samples, searches=EVENT))
    found = samples_of(loaded)
    assert set(found) == {"background", "data", "narrow", "wide", "simulation", "priors.mine"}
    assert [report.role for report in loaded.reports] == [
        "background",
        "data",
        "simulation",
        "signals.narrow",
        "signals.wide",
        "priors.mine",
    ]
    events = np.concatenate([one.first_event + one.rows for one in found.values()])
    assert len(np.unique(events)) == len(events) == sum(one.n_events for one in found.values())
    assert set(loaded.images) == {one.first_event for one in found.values()}
    # The events of the background and of the data have the same numbers whatever is beside them.
    fewer = samples_of(load(card(folder, tmp_path, ("background", "data"), searches=EVENT)))
    assert {name: fewer[name].first_event for name in fewer} == {
        name: found[name].first_event for name in fewer
    }


@pytest.mark.parametrize(("role", "name"), [("data", "background"), ("signal", "background")])
def test_the_same_file_or_events_in_two_samples_are_refused(
    folder: Path, tmp_path: Path, role: str, name: str
) -> None:
    samples = {"background": source("background"), role: source(name)}
    with pytest.raises(InputError, match=rf"\({role}\): the same content as"):
        load(card(folder, tmp_path, samples, searches=FIT))
    # Another file with a part of the events.
    events = toy_events(400, np.random.default_rng(1))
    with RootWriter(tmp_path / "part.root") as writer:
        writer.write(events[:50], np.zeros(50))
    samples[role] = {"kind": "root", "files": str(tmp_path / "part.root")}
    with pytest.raises(InputError, match=rf"background and {role} share \d\d of their"):
        load(card(folder, tmp_path, samples, searches=FIT))


def test_events_that_come_again_are_dropped_where_the_card_says_so(folder: Path, tmp_path: Path) -> None:
    events = toy_events(300, np.random.default_rng(9))
    with RootWriter(tmp_path / "twice.root") as writer:
        writer.write(ak.concatenate([events, events[:40]]), np.zeros(340))
    twice = {"kind": "root", "files": str(tmp_path / "twice.root")}
    with pytest.raises(InputError, match="come more than once"):
        load(card(folder, tmp_path, {"background": twice}, searches=FIT))
    loaded = load(card(folder, tmp_path, {"background": {**twice, "on_repeated": "drop"}}, searches=FIT))
    report, sample = loaded.reports[0], loaded.pools.background
    assert 10 < report.n_repeated < 40
    assert sample.n_events == report.n_evaluation == report.cutflow.counts[-1] - report.n_repeated
    assert len(np.unique(sample.m_jj)) == sample.n_events


def test_the_spectra_with_shifted_energies_are_reported_but_of_data(folder: Path, tmp_path: Path) -> None:
    """An uncertainty of 2 % of all jets moves a falling spectrum by as much: up, more events are in the region."""
    schema = pytest.importorskip("correctionlib.schemav2")
    variable = schema.Variable(name="JetPt", type="real")
    total = schema.Correction(name="Total", version=1, inputs=[variable], output=variable, data=0.02)
    found = schema.CorrectionSet(schema_version=2, corrections=[total])
    (tmp_path / "c.json").write_text(found.model_dump_json(exclude_unset=True))
    energy = {"file": str(tmp_path / "c.json"), "uncertainty": "Total"}
    samples = {name: {**source(name), "energy_corrections": {**energy}} for name in ("background", "data")}
    loaded = load(card(folder, tmp_path, {**samples, "signal": source("signal")}, searches=FIT))
    reports = {report.role: report for report in loaded.reports}
    assert reports["data"].energy_spectra == reports["signal"].energy_spectra == {}
    spectra = reports["background"].energy_spectra
    m_jj = loaded.pools.background.m_jj
    np.testing.assert_array_equal(spectra["nominal"], loaded.pools.bins.counts(m_jj))
    up, down = spectra["up"], spectra["down"]
    # Of those inside all along, the shifted ones; beside them, some that come in over the edges.
    edges = loaded.pools.bins.edges
    inside = m_jj[(m_jj * 1.02 < edges[-1])] * 1.02
    assert (up >= loaded.pools.bins.counts(inside)).all()
    assert up.sum() > spectra["nominal"].sum() > down.sum()
    assert [Path(file.path).name for file in reports["background"].inputs] == ["background.root", "c.json"]


def test_spectra_with_shifted_energies_are_weighted_as_their_events(tmp_path: Path) -> None:
    schema = pytest.importorskip("correctionlib.schemav2")
    variable = schema.Variable(name="JetPt", type="real")
    total = schema.Correction(name="Total", version=1, inputs=[variable], output=variable, data=0.02)
    found = schema.CorrectionSet(schema_version=2, corrections=[total])
    (tmp_path / "c.json").write_text(found.model_dump_json(exclude_unset=True))
    events = toy_events(600, np.random.default_rng(4))
    columns = {f"Particle_{name}": events[name] for name in ("pt", "eta", "phi")}
    with uproot.recreate(tmp_path / "weighted.root") as file:
        tree = file.mktree("Events", dict.fromkeys(columns, "var * float64") | {"w": "float64"})
        tree.extend(columns | {"w": np.where(np.arange(600) % 2, 3.0, 1.0)})
    weighted = {
        "kind": "root",
        "files": "weighted.root",
        "weight": "w",
        "energy_corrections": {"file": "c.json", "uncertainty": "Total"},
    }
    loaded = load(card(tmp_path, tmp_path / "cache", {"background": weighted}, searches=FIT))
    sample, bins = loaded.pools.background, loaded.pools.bins
    spectra = loaded.reports[0].energy_spectra
    np.testing.assert_allclose(spectra["nominal"], sample.spectrum(bins))
    inside = sample.m_jj * 1.02 < bins.edges[-1]
    assert sample.weights is not None
    # Those that were inside before have their own weights; others come in over the lower edge alone.
    moved = bins.counts(sample.m_jj[inside] * 1.02, sample.weights[inside])
    np.testing.assert_allclose(spectra["up"][1:], moved[1:])
    assert spectra["up"][0] > moved[0]


def labelled(path: Path, labels: np.ndarray) -> Path:
    """Half of the events are background, half signal, in random order; labelled as they say, or otherwise."""
    rng = np.random.default_rng(1)
    events = ak.concatenate([toy_events(300, rng), toy_events(300, rng, resonance=3200.0)])
    with RootWriter(path) as writer:
        writer.write(events[rng.permutation(600)], labels)
    return path


def test_a_label_decides_what_is_injected_and_nothing_else(tmp_path: Path) -> None:
    """The compression of a labelled sample is found from all events, so other labels change no feature."""
    truths = [np.arange(600) % 2, (np.arange(600) % 7 == 0).astype(int)]
    region = {"image_pca": {"training": [3000.0, 3400.0], "kept_variance": 0.8}}
    found = []
    for number, truth in enumerate(truths):
        labelled(tmp_path / f"{number}.root", truth)
        samples = {"labelled": source(str(number))}
        found.append(load(card(tmp_path, tmp_path, samples, features=region)))
    one, other = (loaded.pools for loaded in found)
    assert one.background.n_events != other.background.n_events
    np.testing.assert_array_equal(
        one.background.features["image_pca"], other.background.features["image_pca"]
    )
    assert one.background.features is one.signals["signal"].features
    assert one.background.first_event == one.signals["signal"].first_event == 0
    together = np.sort([*one.background.rows, *one.signals["signal"].rows])
    assert together.tolist() == list(range(one.background.n_events + one.signals["signal"].n_events))
    assert found[0].reports[0].classes == ("background", "signal")


def test_an_empty_training_region_is_found_before_any_search(folder: Path, tmp_path: Path) -> None:
    features = {"image_pca": {"training": [4599.0, 4599.5]}}
    wanted = card(folder, tmp_path, ("background",), features=features)
    with pytest.raises(
        InputError,
        match=r"\.yaml:\d+: features\.image_pca\.training: no event of background in the training region \[4599",
    ):
        load(wanted)


def test_more_signal_than_there_is(folder: Path, tmp_path: Path) -> None:
    samples = {
        "background": source("background"),
        "signals": {"narrow": source("signal"), "wide": source("wide")},
    }
    epsilon = {"narrow": [0, 100], "wide": [5000]}
    wanted = card(folder, tmp_path, samples, searches=FIT, injection={"epsilon": epsilon})
    with pytest.raises(
        InputError,
        match=r"\.yaml:\d+: injection\.epsilon: 5000 signal events asked for, and \d+ pass the selection of "
        r"signals\.wide",
    ):
        load(wanted)


# ------------------------------------------------------------------------------- parts of samples


def test_events_that_lack_a_feature_are_of_no_class() -> None:
    """Ten events inside, four of them signal; two outside, one of them signal; events 1 and 8 lack a feature."""
    inside = np.array([1, 1, 0, 0, 0, 1, 0, 0, 0, 1], dtype=np.int8)
    truth = TruthLabels(inside, np.concatenate([inside, np.array([1, 0], dtype=np.int8)]))
    rows = np.array([0, 2, 3, 4, 5, 6, 7, 9])
    sample = Sample(3000.0 + rows, {}, rows, 10)
    background, signal = split_by_truth(sample, truth, POOLS.bins)
    assert signal.rows.tolist() == [0, 5, 9]
    assert background.rows.tolist() == [2, 3, 4, 6, 7]
    assert (background.n_selected, signal.n_selected) == (6, 4)


def test_two_halves_make_the_whole() -> None:
    sample = POOLS.background
    even, odd = every_second(sample, "even"), every_second(sample, "odd")
    np.testing.assert_array_equal(np.sort([*even.rows, *odd.rows]), np.sort(sample.rows))
    assert even.n_events == odd.n_events == sample.n_events // 2
    for half in (even, odd):
        assert half.n_selected == sample.n_selected // 2
        assert half.features is sample.features
        np.testing.assert_array_equal(half.m_jj, sample.m_jj[np.isin(sample.rows, half.rows)])


def test_one_event_more_goes_to_the_even_half() -> None:
    sample = POOLS.background
    odd_number = sample.take(np.arange(sample.n_events) < 5, 7)
    assert every_second(odd_number, "even").n_events == 3
    assert every_second(odd_number, "odd").n_selected == 3


def test_parts_set_apart_share_no_event_and_make_the_whole() -> None:
    sample = POOLS.background
    parts = []
    for which in range(5):
        others, part = set_apart(sample, PseudoData(one_in=5, which=which))
        np.testing.assert_array_equal(np.sort([*others.rows, *part.rows]), np.sort(sample.rows))
        assert part.n_events == pytest.approx(sample.n_events / 5, abs=1)
        # The same share of the events outside of the evaluation region.
        assert part.n_selected / part.n_events == pytest.approx(sample.n_selected / sample.n_events, rel=0.01)
        parts.append(part.rows)
    assert len(np.unique(np.concatenate(parts))) == sample.n_events


def test_pseudo_experiments_have_the_size_of_the_pseudo_data_and_come_from_the_others() -> None:
    others, part = set_apart(POOLS.background, PseudoData(one_in=4, which=1))
    pools = replace(POOLS, background=others, data=part)
    observed = draw_data_set(pools, Task(Kind.OBSERVED, 100, 0, "signal"), 1).view
    assert [one.sample for one in observed.parts] == [part, pools.signals["signal"]]
    sizes = []
    for index in range(40):
        (null,) = draw_data_set(pools, Task(Kind.BACKGROUND_ONLY, 0, index), 1).view.parts
        assert null.sample is others
        sizes.append(null.multiplicity.sum())
    assert np.mean(sizes) == pytest.approx(part.n_events, abs=4 * np.sqrt(part.n_events / 40))
    assert pools.bins == BINS
