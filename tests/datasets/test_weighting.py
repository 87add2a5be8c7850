"""Event weights: stitched slices, negative weights, and unweighted pseudo-experiments drawn from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml
from numpy.typing import NDArray
from scipy import stats
from toy_events import PARTICLES, toy_events, write_toys

from hepcs._core.errors import ArgumentError, CardError, InputError
from hepcs.config import read_card
from hepcs.config.samples import PseudoData
from hepcs.datasets.bootstrap import Kind, Task, draw_data_set, draw_signal, poisson_draw, whole
from hepcs.datasets.loading import Loaded, load
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.datasets.splitting import set_apart
from hepcs.datasets.weighting import positive_weights
from hepcs.output import read_run, results_digest, write_run
from hepcs.pipeline import run
from hepcs.running.dry_run import estimate

BINS = MassBins(3000.0, 4600.0, 8)
#: Of the toy events, whose m_jj falls from 2900 GeV: pb, and the pT-hat that divides it into two slices.
INCLUSIVE, PT_HAT = 40.0, 1700.0


def write_weighted(
    path: Path, events: ak.Array, weights: NDArray[np.float64], labels: NDArray[np.int64] | None = None
) -> None:
    columns = {
        f"Particle_{name}": ak.values_astype(events[name], np.float32) for name in ("pt", "eta", "phi")
    }
    types: dict[str, Any] = dict.fromkeys(columns, "var * float32")
    numbers = {"genWeight": weights} | ({} if labels is None else {"label": labels})
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {**types, **{name: one.dtype for name, one in numbers.items()}})
        tree.extend({**columns, **numbers})


def generate(n: int, seed: int) -> tuple[ak.Array, NDArray[np.float64], NDArray[np.float64]]:
    """Toy events, the pT-hat of each, and weights of both signs as an NLO generator has them."""
    rng = np.random.default_rng(seed)
    events = toy_events(n, rng)
    pt_hat = ak.to_numpy(ak.sum(events["pt"][:, :PARTICLES], axis=1))
    return events, pt_hat, np.where(rng.random(n) < 0.15, -2.0, 2.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inclusive sample, and two slices, of which the upper one is generated with ten times the luminosity."""
    path = tmp_path_factory.mktemp("weighted")
    events, pt_hat, weights = generate(2500, 1)
    write_weighted(path / "inclusive.root", events, weights)
    np.savez(path / "pt_hat.npz", pt_hat=pt_hat)
    for seed, name, n, above in ((2, "low", 2500, False), (3, "high", 6000, True)):
        events, pt_hat, weights = generate(n, seed)
        chosen = (pt_hat > PT_HAT) == above
        # Each slice with weights of its own size.
        write_weighted(path / f"{name}.root", events[chosen], (5.0 if above else 0.1) * weights[chosen])
    write_toys(path / "data.root", 300, 9)
    write_toys(path / "signal.root", 100, 10, resonance=3500.0)
    return path


def share_above() -> float:
    """Of the cross-section, in the upper slice: of a million generated events."""
    mass = 2900 + np.random.default_rng(4).exponential(560, size=1_000_000)
    return float(np.mean(mass / 2 > PT_HAT))


def stitched(**keys: Any) -> dict[str, Any]:
    above = INCLUSIVE * share_above()
    slices = {"files": ["low.root", "high.root"], "cross_section": [INCLUSIVE - above, above]}
    return {"kind": "root", "weight": "genWeight", **slices, **keys}


def card(folder: Path, samples: dict[str, Any], **sections: Any) -> Any:
    content = {
        "name": "weighted",
        "samples": samples,
        "jets": {"leading_pt_min": 100.0},
        "images": {"pixels": 8},
        "regions": {"bin_width": 200},
        "searches": {"fit_3": {"kind": "dijet_fit", "parameters": 3}},
        "execution": {"cache": str(folder / "cache"), "workers": 1},
        **sections,
    }
    path = folder / f"{len(list(folder.glob('*.yaml')))}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_card(path)


def loaded(folder: Path, background: dict[str, Any], **samples: Any) -> Loaded:
    return load(card(folder, {"background": background, **samples}))


# ---------------------------------------------------------------------------- from files to expectations


def test_slices_by_cross_section_are_the_inclusive_sample(folder: Path) -> None:
    inclusive = {"kind": "root", "files": "inclusive.root", "weight": "genWeight", "cross_section": INCLUSIVE}
    one = loaded(folder, inclusive, luminosity=0.05).pools.background
    two = loaded(folder, stitched(), luminosity=0.05).pools.background
    variances = [sample.variances(BINS) for sample in (one, two)]
    assert variances[0] is not None and variances[1] is not None
    pulls = (one.spectrum(BINS) - two.spectrum(BINS)) / np.sqrt(variances[0] + variances[1])
    assert stats.chi2.sf(np.square(pulls).sum(), BINS.n_bins) > 1e-3
    # All 2,000 events of 0.05 / fb lie above 2900 GeV; the luminosity scales them.
    share = np.exp(-100 / 560) - np.exp(-1700 / 560)
    assert two.n_expected == pytest.approx(2000 * share, abs=4 * np.sqrt(variances[1].sum()))
    # The slices make the tail of ten times the luminosity: more is known of it.
    assert variances[1][-3:].sum() < 0.4 * variances[0][-3:].sum()
    assert two.n_effective == pytest.approx(two.n_expected**2 / variances[1].sum())


def test_a_sum_of_weights_replaces_that_of_the_files(folder: Path) -> None:
    plain = loaded(folder, stitched(), luminosity=0.05)
    (report,) = plain.reports
    assert report.weights is not None
    read = [one.sum_of_weights for one in report.weights.slices]
    # A skim that kept half of what was generated counts half.
    halved = loaded(folder, stitched(sum_of_weights=[2 * read[0], 2 * read[1]]), luminosity=0.05)
    assert halved.pools.background.n_expected == pytest.approx(plain.pools.background.n_expected / 2)
    assert [one.files for one in report.weights.slices] == ["low.root", "high.root"]
    # All toy events pass this selection, but those of skims are half of what was generated.
    assert plain.reports[0].acceptance[0] == pytest.approx(1, abs=0.01)
    assert halved.reports[0].acceptance[0] == pytest.approx(0.5, abs=0.01)
    assert sum(one.n_events for one in report.weights.slices) == plain.pools.background.n_events
    assert report.weights.negative_share == pytest.approx(0.15, abs=0.03)


def test_without_a_luminosity_a_sample_is_as_large_as_it_is_worth(folder: Path) -> None:
    sample = loaded(folder, stitched()).pools.background
    assert sample.n_expected == pytest.approx(sample.n_effective)
    assert 0 < sample.n_effective < sample.n_events
    # Slices keep their relative sizes.
    absolute = loaded(folder, stitched(), luminosity=1.0).pools.background
    np.testing.assert_allclose(
        sample.spectrum(BINS) / sample.n_expected, absolute.spectrum(BINS) / absolute.n_expected
    )


def test_the_share_of_the_region_is_by_weight(folder: Path) -> None:
    sample = loaded(folder, stitched(), luminosity=0.05).pools.background
    share = np.exp(-100 / 560) - np.exp(-1700 / 560)
    assert sample.share_inside == pytest.approx(share, abs=0.05)


def test_weights_of_parquet_are_read(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    events, _, weights = generate(400, 7)
    columns = {name: ak.to_list(events[name]) for name in ("pt", "eta", "phi")}
    pq.write_table(pa.table({**columns, "w": weights}), folder / "slice.parquet")
    source = {"kind": "parquet", "files": "slice.parquet", "weight": "w", "cross_section": 1.0}
    (report,) = loaded(folder, source, luminosity=1.0).reports
    assert report.weights is not None
    assert report.weights.slices[0].sum_of_weights == pytest.approx(weights.sum())


# ----------------------------------------------------------------------------------------- data sets


def toy_sample(n: int, seed: int, *, negative: float = 0.2) -> Sample:
    """Falling events with weights that depend on m_jj, a part of them negative."""
    rng = np.random.default_rng(seed)
    m_jj = 3000 + rng.exponential(500, 3 * n)
    m_jj = m_jj[m_jj < 4600][:n]
    weights = rng.uniform(0.5, 1.5, n) * np.where(m_jj > 3600, 0.1, 1.0)
    weights *= np.where(rng.random(n) < negative, -1.0, 1.0)
    features = {"event": rng.normal(size=(n, 3)).astype(np.float32)}
    positive = positive_weights(weights, m_jj, BINS, "toy")
    return Sample(m_jj, features, np.arange(n), 2 * n, "toy", 0, weights, positive, 0.25 * weights.sum())


def test_pseudo_experiments_are_unweighted_poisson_data() -> None:
    sample = toy_sample(3000, 1)
    pools = Pools(sample, BINS)
    expected, n = sample.spectrum(BINS), 1500
    views = [draw_data_set(pools, Task(Kind.BACKGROUND_ONLY, 0, index), 1).view for index in range(n)]
    spectra = np.array([view.spectrum for view in views])
    assert all(np.array_equal(view.weights, view.multiplicity) for view in views)
    pulls = (spectra.mean(axis=0) - expected) / np.sqrt(expected / n)
    assert stats.chi2.sf(np.square(pulls).sum(), BINS.n_bins) > 1e-3
    # Poisson: as large a variance, bins independent of each other.
    np.testing.assert_allclose(spectra.var(axis=0, ddof=1) / expected, 1.0, atol=5 * np.sqrt(2 / n))
    correlation = np.corrcoef(spectra.T) - np.eye(BINS.n_bins)
    assert np.abs(correlation).max() < 5 / np.sqrt(n)
    totals = spectra.sum(axis=1)
    assert totals.var(ddof=1) / sample.n_expected == pytest.approx(1, abs=5 * np.sqrt(2 / n))


def test_the_observed_data_set_is_drawn_as_well_and_stays_the_same() -> None:
    pools = Pools(toy_sample(3000, 2), BINS)
    one, again = (draw_data_set(pools, Task(Kind.OBSERVED, 0, 0), 1).view for _ in range(2))
    other = draw_data_set(pools, Task(Kind.OBSERVED, 0, 0), 2).view
    np.testing.assert_array_equal(one.spectrum, again.spectrum)
    assert not np.array_equal(one.spectrum, other.spectrum)
    assert one.n_events == one.spectrum.sum()


def test_in_a_real_search_they_have_the_size_of_the_data() -> None:
    data = Sample(np.linspace(3000, 4599, 700), {}, np.arange(700), 900)
    pools = Pools(toy_sample(3000, 3), BINS, {}, data)
    sizes = [
        draw_data_set(pools, Task(Kind.BACKGROUND_ONLY, 0, index), 1).view.n_events for index in range(400)
    ]
    assert np.mean(sizes) == pytest.approx(700, abs=4 * np.sqrt(700 / 400))
    assert np.var(sizes, ddof=1) == pytest.approx(700, rel=5 * np.sqrt(2 / 400))
    assert pools.scale == pytest.approx(700 / pools.background.n_expected)


def test_a_weighted_signal_is_drawn_by_its_weights() -> None:
    sample = toy_sample(2000, 4)
    rng = np.random.default_rng(5)
    drawn = sum(draw_signal(sample, 500, rng) for _ in range(200))
    # A fifth of the weight lies outside of the region.
    assert drawn.sum() == pytest.approx(100_000 * 0.8, abs=5 * np.sqrt(100_000 * 0.16))
    share = BINS.counts(sample.m_jj, drawn) / drawn.sum()
    expected = sample.spectrum(BINS) / sample.n_expected
    assert np.abs((share - expected) / np.sqrt(expected / drawn.sum())).max() < 4.5
    with pytest.raises(ArgumentError, match="epsilon = 4001"):
        draw_signal(sample, 4001, rng)


def test_trainings_see_the_positive_weights_of_whole_samples() -> None:
    sample = toy_sample(2000, 6)
    view = whole(sample, BINS)
    assert (view.weights >= 0).all()
    np.testing.assert_allclose(view.spectrum, sample.spectrum(BINS))
    part = sample.take(sample.m_jj < 3800, 1900)
    assert whole(part, BINS).weights.sum() == pytest.approx(sample.spectrum(BINS)[BINS.centres < 3800].sum())


def test_a_part_of_a_sample_has_its_part_of_the_weights() -> None:
    """As of events without weights; drawn as if it were all, its events would come several times over."""
    sample = toy_sample(4000, 7)
    background, data = set_apart(sample, PseudoData(one_in=4))
    assert background.n_events == 3 * data.n_events
    assert background.n_expected + data.n_expected == pytest.approx(sample.n_expected)
    assert data.n_expected == pytest.approx(sample.n_expected / 4, rel=0.2)
    assert data.weight_outside == pytest.approx(sample.weight_outside / 4, rel=0.2)
    assert data.n_effective < background.n_effective


# ------------------------------------------------------------------------------------- negative weights


def test_positive_weights_have_the_same_spectrum() -> None:
    sample = toy_sample(2000, 8)
    assert sample.weights is not None and sample.positive_weights is not None
    assert (sample.weights < 0).any() and (sample.positive_weights >= 0).all()
    np.testing.assert_allclose(BINS.counts(sample.m_jj, sample.positive_weights), sample.spectrum(BINS))
    plain = np.abs(sample.weights)
    assert positive_weights(plain, sample.m_jj, BINS, "toy") is plain


def test_a_bin_below_zero_is_refused() -> None:
    m_jj = np.array([3100.0, 3150.0, 4500.0])
    with pytest.raises(InputError, match=r"qcd: .*\[4400, 4600\) GeV add up to -1"):
        positive_weights(np.array([1.0, 2.0, -1.0]), m_jj, BINS, "qcd")


@pytest.mark.parametrize("expected", [0.0, -1.0, np.inf])
def test_a_draw_needs_an_expectation(expected: float) -> None:
    with pytest.raises(ArgumentError, match="expected > 0"):
        poisson_draw(toy_sample(100, 9), np.random.default_rng(1), expected=expected)


# --------------------------------------------------------------------------------------------- labelled


def test_a_weighted_labelled_sample_is_its_background_and_its_signal(folder: Path, tmp_path: Path) -> None:
    """Split by the truth, each part is what it would be as a sample of its own."""
    rng = np.random.default_rng(6)
    parts = [toy_events(1200, rng), toy_events(300, rng, resonance=3100.0)]
    # Weights of both signs, of another size for the signal; much of that lies below the region.
    weights = [np.where(rng.random(1200) < 0.15, -2.0, 2.0), rng.uniform(0.1, 0.9, 300)]
    order, labels = rng.permutation(1500), np.repeat([0, 1], [1200, 300])
    events = ak.concatenate(parts)[order]
    write_weighted(tmp_path / "labelled.root", events, np.concatenate(weights)[order], labels[order])
    for name, events, own in zip(("background", "signal"), parts, weights, strict=True):
        write_weighted(tmp_path / f"{name}.root", events, own)

    def source(name: str, **keys: Any) -> dict[str, Any]:
        return {"kind": "root", "files": str(tmp_path / f"{name}.root"), "weight": "genWeight", **keys}

    apart = loaded(folder, source("background"), signal=source("signal")).pools
    found = load(card(folder, {"labelled": source("labelled")}))
    together = found.pools
    for one, other in (
        (apart.background, together.background),
        (apart.signals["signal"], together.signals["signal"]),
    ):
        assert one.n_selected == other.n_selected
        assert one.share_inside == pytest.approx(other.share_inside)
        assert one.n_effective == pytest.approx(other.n_effective)
    np.testing.assert_allclose(together.background.spectrum(BINS), apart.background.spectrum(BINS))
    for spectrum in ("weights", "positive_weights"):
        sums = [
            BINS.counts(one.m_jj, getattr(one, spectrum)) for one in (apart.background, together.background)
        ]
        np.testing.assert_allclose(*sums)
    (report,) = found.reports
    assert report.weights is not None and 0.1 < report.weights.negative_share < 0.14


# --------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ({"background": stitched(cross_section=[1.0])}, "found 1 numbers for 2 entries of `files`"),
        ({"background": stitched(), "data": stitched()}, "of triggers without prescale count once each"),
        ({"background": {"kind": "lhco", "files": "a.h5", "sum_of_weights": 5.0}}, "there is none; add it"),
        ({"background": stitched(), "luminosity": 0.0}, "greater than 0"),
    ],
)
def test_what_does_not_go_together_is_told(folder: Path, samples: dict[str, Any], said: str) -> None:
    with pytest.raises(CardError) as caught:
        card(folder, samples)
    assert said in str(caught.value)


def test_a_missing_or_broken_weight_is_told_with_file_and_entry(folder: Path) -> None:
    with pytest.raises(InputError, match=r"low\.root.*`genWeigth`.*genWeight"):
        loaded(folder, stitched(weight="genWeigth"))
    events, _, weights = generate(50, 8)
    weights[17] = np.nan
    write_weighted(folder / "broken.root", events, weights)
    with pytest.raises(InputError, match=r"broken\.root: entry 17: `genWeight` = nan, and 0 more of 50"):
        loaded(folder, {"kind": "root", "files": "broken.root", "weight": "genWeight"})


def test_weights_that_cancel_are_refused(folder: Path) -> None:
    events, _, weights = generate(60, 11)
    write_weighted(folder / "negative.root", events, -np.abs(weights))
    with pytest.raises(
        InputError, match=r"all events of negative\.root add up to -120; expected more than zero"
    ):
        loaded(folder, {"kind": "root", "files": "negative.root", "weight": "genWeight"})


# ----------------------------------------------------------------------------------------- a whole run


def test_a_weighted_run_is_written_and_read(folder: Path, tmp_path: Path) -> None:
    located = card(
        folder,
        {"background": stitched(), "signal": {"kind": "root", "files": "signal.root"}, "luminosity": 0.05},
        pseudo_experiments={"background_only": 12, "doped": 2},
        injection={"epsilon": [40]},
        searches={
            "fit_3": {"kind": "dijet_fit", "parameters": 3},
            "ideal": {"kind": "idealised_fit"},
            "shape": {"kind": "dijet_fit", "parameters": 3, "template": {"shape": "signal", "step": 200}},
        },
    )
    result = run(located)
    write_run(result, tmp_path / "run")
    found = read_run(tmp_path / "run")
    assert results_digest(found.result) == results_digest(result)
    written, again = (one.samples[0].weights for one in (result, found.result))
    assert written is not None and again is not None
    assert again.slices == written.slices
    np.testing.assert_array_equal(again.variances, written.variances)
    with uproot.open(tmp_path / "run" / "results.root") as file:
        np.testing.assert_allclose(file["samples/background/weighted"].variances(), written.variances)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "events without weights" in page and "low.root" in page
    assert any("negative weights" in warning for warning in result.warnings)
    # Observed data are counts, and the fit to the weighted background expects their sum.
    observed = result.searches[0].observed[0].observation
    assert observed.spectrum is not None
    np.testing.assert_array_equal(observed.spectrum.observed % 1, 0)
    ideal = result.searches[1].observed[0].observation.spectrum
    assert ideal is not None
    np.testing.assert_allclose(ideal.expected, written.spectrum)


def test_a_dry_run_of_weights_and_uncertainties_is_that_of_the_run(folder: Path) -> None:
    located = card(
        folder,
        {"background": stitched(), "signal": {"kind": "root", "files": "signal.root"}, "luminosity": 0.05},
        pseudo_experiments={"background_only": 12, "doped": 2},
        injection={"epsilon": [10, 40], "nuisances": {"energy_scale": 0.02, "luminosity": 0.03}},
    )
    found = estimate(located, workers=1)
    assert found.samples[0].n_entries > 3000
    assert found.searches[0].n_data_sets == 2 + 12 + 2 * 2
    # Data sets have the size of the luminosity, not that of the files.
    (again,) = run(located).searches
    assert np.mean([one.n_events for one in again.shared]) == pytest.approx(1600, rel=0.15)


# ------------------------------------------------------------------------ dijet masses that a file holds


def test_a_dijet_mass_of_the_file_is_compared_with_ours(folder: Path, tmp_path: Path) -> None:
    events, *_ = generate(300, 12)
    momenta = [ak.sum(events["pt"] * function(events["phi"]), axis=1) for function in (np.cos, np.sin)]
    energy, pz = (ak.sum(events["pt"] * function(events["eta"]), axis=1) for function in (np.cosh, np.sinh))
    m_jj = ak.to_numpy(np.sqrt(energy**2 - pz**2 - momenta[0] ** 2 - momenta[1] ** 2))
    # As good as ours, since the two jets hold all particles; 10 % lower in another column.
    fields = ("pt", "eta", "phi")
    columns = {f"Particle_{name}": ak.values_astype(events[name], np.float32) for name in fields}
    with uproot.recreate(folder / "masses.root") as file:
        types = {f"Particle_{name}": "var * float32" for name in fields}
        tree = file.mktree("Events", {**types, "mass": np.float64, "raw": np.float64})
        tree.extend({**columns, "mass": m_jj, "raw": 0.9 * m_jj})
    source = {"kind": "root", "files": "masses.root"}
    same, lower = (loaded(folder, {**source, "m_jj": name}).reports[0] for name in ("mass", "raw"))
    assert same.mass_ratio == pytest.approx((1, 1, 1), rel=1e-4)
    assert lower.mass_ratio == pytest.approx((0.9, 0.9, 0.9), rel=1e-4)
    result = run(
        card(
            folder,
            {"background": {**source, "m_jj": "raw"}},
            pseudo_experiments={"background_only": 10},
        )
    )
    assert any("0.900 times ours" in warning for warning in result.warnings)
    write_run(result, tmp_path / "run")
    assert read_run(tmp_path / "run").result.samples[0].mass_ratio == result.samples[0].mass_ratio
    assert "over ours: 0.9000" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"`m_gg`"):
        loaded(folder, {**source, "m_jj": "m_gg"})
