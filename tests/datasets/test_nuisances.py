"""Uncertainties of the signal: what they do to doped pseudo-experiments, and to limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import integrate, stats
from scipy.optimize import brentq
from toy_corrections import LARGE, write_constant_resolution, write_large_jets
from toy_events import write_toys

from hepcs._core.errors import CardError, InputError
from hepcs.config import read_card
from hepcs.config.running import Nuisances
from hepcs.datasets.bootstrap import Kind, Task, draw_data_set
from hepcs.datasets.loading import load
from hepcs.datasets.nuisances import draw_variation, wider_window
from hepcs.datasets.samples import MassBins, Pools, Sample
from hepcs.studies.limits import upper_limits

BINS = MassBins(3000.0, 4600.0, 16)


def sample(m_jj: np.ndarray, n_selected: int, first_event: int = 0) -> Sample:
    return Sample(
        m_jj,
        {"event": np.zeros((m_jj.size, 1), np.float32)},
        np.arange(m_jj.size),
        n_selected,
        "toy",
        first_event,
    )


def pools(signal: Sample, wider: Sample | None = None, n_background: int = 100) -> Pools:
    """A background of so many events in the region, one per cent of those selected."""
    background = sample(np.linspace(3000, 4599, n_background), 100 * n_background)
    return Pools(background, BINS, {"signal": signal}, None, {}, {} if wider is None else {"signal": wider})


def doped(of: Pools, epsilon: int, index: int, nuisances: Nuisances | None) -> Any:
    return draw_data_set(of, Task(Kind.DOPED, epsilon, index, "signal"), 1, nuisances)


def test_nothing_uncertain_changes_nothing() -> None:
    of = pools(sample(np.linspace(3300, 3700, 900), 1000, 1000))
    for index in range(5):
        plain, varied = (doped(of, 300, index, one).view for one in (None, Nuisances()))
        np.testing.assert_array_equal(plain.m_jj, varied.m_jj)
        np.testing.assert_array_equal(plain.event, varied.event)
    # Neither do they in an observed data set.
    task = Task(Kind.OBSERVED, 300, 0, "signal")
    one, other = (draw_data_set(of, task, 1, found).view for found in (None, Nuisances(acceptance=0.3)))
    np.testing.assert_array_equal(one.m_jj, other.m_jj)


@pytest.mark.slow
def test_a_limit_is_widened_as_computed_independently() -> None:
    """Counting above a known background, CLs averaged over a log-normal rate: numbers against an integral."""
    of = pools(sample(np.full(4000, 3500.0), 4000, 1000))
    nuisances, epsilons, n = Nuisances(acceptance=0.5, luminosity=0.1), (14, 17, 20, 24, 28, 34), 2400
    tasks = [Task(Kind.BACKGROUND_ONLY, 0, index) for index in range(n)]
    null = [draw_data_set(of, task, 1).view.n_events for task in tasks]
    background = stats.binom(10_000, 0.01)
    kappa = float(np.hypot(np.log(1.5), np.log(1.1)))
    theta = np.linspace(-4, 4, 401)

    def cls(epsilon: float, width: float) -> float:
        events = epsilon * np.exp(width * theta)
        whole = np.floor(events)
        share = events - whole
        below = (1 - share) * background.cdf(100 - whole) + share * background.cdf(99 - whole)
        return float(integrate.trapezoid(below * stats.norm.pdf(theta), theta) / background.cdf(100))

    limits = {}
    for uncertain, width in ((None, 0.0), (nuisances, kappa)):
        counts = {e: [doped(of, e, i, uncertain).view.n_events for i in range(n)] for e in epsilons}
        rng = np.random.default_rng(1)
        found = upper_limits(null, counts, rng=rng, observed=100.0, n_bootstrap=0).observed
        assert found is not None
        limits[width] = brentq(lambda epsilon, w=width: cls(epsilon, w) - 0.05, 10, 60)
        assert found.epsilon == pytest.approx(limits[width], rel=0.06)
    assert limits[kappa] > 1.15 * limits[0.0]


def test_the_energy_scale_moves_events_through_the_edges_of_the_region() -> None:
    # A signal at the upper edge: half of it outside, from where it comes back.
    rng = np.random.default_rng(2)
    wide = sample(rng.normal(4600, 60, 4000), 4000, 1000)
    of = pools(wide.within(BINS), wide)
    nuisances = Nuisances(energy_scale=0.02)
    shares, expected = [], []
    for index in range(300):
        data = doped(of, 1000, index, nuisances)
        m_jj = data.view.m_jj[data.injected]
        assert (m_jj < 4600).all()
        shares.append(m_jj.size / 1000)
    shift = 4600 * 0.02 * np.random.default_rng(3).normal(size=100_000)
    expected = stats.norm.cdf(-shift / 60)
    assert np.mean(shares) == pytest.approx(expected.mean(), abs=4 * expected.std() / np.sqrt(300))
    assert np.std(shares) == pytest.approx(expected.std(), rel=0.15)


def test_the_resolution_stretches_the_peak_about_its_median() -> None:
    peak = np.random.default_rng(4).normal(3800, 50, 5000)
    of = pools(sample(peak, 5000, 1000))
    widths, medians = [], []
    for index in range(200):
        data = doped(of, 2000, index, Nuisances(resolution=0.15))
        m_jj = data.view.m_jj[data.injected]
        widths.append(m_jj.std() / 50)
        medians.append(np.median(m_jj))
    assert np.mean(widths) == pytest.approx(1, abs=4 * 0.15 / np.sqrt(200))
    assert np.std(widths) == pytest.approx(0.15, rel=0.25)
    np.testing.assert_allclose(medians, 3800, atol=8)


def test_rates_are_log_normal_about_the_number_that_was_asked_for() -> None:
    rng = np.random.default_rng(5)
    nuisances = Nuisances(acceptance=0.2, luminosity=0.05)
    logs = np.log([draw_variation(nuisances, rng).rate for _ in range(4000)])
    assert np.median(logs) == pytest.approx(0, abs=0.02)
    assert logs.std() == pytest.approx(np.hypot(np.log(1.2), np.log(1.05)), rel=0.05)
    events = [draw_variation(Nuisances(), rng).events(7, rng) for _ in range(50)]
    assert set(events) == {7}


# -------------------------------------------------------------------------------------- from the card


def card(folder: Path, injection: dict[str, Any], samples: dict[str, Any] | None = None) -> Any:
    sources = {name: {"kind": "root", "files": f"{name}.root"} for name in ("background", "signal")}
    content = {
        "name": "nuisances",
        "samples": sources if samples is None else samples,
        "jets": {"leading_pt_min": 100.0},
        "images": {"pixels": 8},
        "searches": {"fit_3": {"kind": "dijet_fit", "parameters": 3}},
        "injection": injection,
        "execution": {"cache": str(folder / "cache")},
    }
    path = folder / f"{len(list(folder.glob('*.yaml')))}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_card(path)


def test_of_a_signal_what_can_be_moved_into_the_region_is_kept(tmp_path: Path) -> None:
    write_toys(tmp_path / "background.root", 300, 1)
    write_toys(tmp_path / "signal.root", 200, 2, resonance=4600.0)
    plain = load(card(tmp_path, {"epsilon": 20}))
    varied = load(card(tmp_path, {"epsilon": 20, "nuisances": {"energy_scale": 0.02}}))
    for one, other in ((plain.pools, varied.pools),):
        np.testing.assert_array_equal(one.background.m_jj, other.background.m_jj)
        np.testing.assert_array_equal(
            np.sort(one.signals["signal"].m_jj), np.sort(other.signals["signal"].m_jj)
        )
        assert one.signals["signal"].n_selected == other.signals["signal"].n_selected
    wider = varied.pools.wider_signals["signal"]
    assert wider.n_events > 1.5 * varied.pools.signals["signal"].n_events
    assert (wider.m_jj.min(), wider.m_jj.max()) >= wider_window((3000, 4600), Nuisances(energy_scale=0.02))[
        :1
    ]
    assert varied.reports[1].n_evaluation == plain.reports[1].n_evaluation
    assert not load(card(tmp_path, {"epsilon": 20, "nuisances": {"luminosity": 0.02}})).pools.wider_signals
    with pytest.raises(InputError, match=r"150 signal events asked for.*1\.46 times as many"):
        load(card(tmp_path, {"epsilon": 150, "nuisances": {"acceptance": 0.1}}))


@pytest.mark.parametrize("name", ["energy_scale", "resolution"])
def test_corrections_of_the_jets_vary_each_event(tmp_path: Path, name: str) -> None:
    """As wide in all events, they are the same as a number; and their smearing is that of the jets."""
    write_toys(tmp_path / "background.root", 300, 1)
    write_toys(tmp_path / "signal.root", 300, 2, resonance=3500.0)
    write_large_jets(tmp_path / "fatJet_jerc.json")
    energy = {key: LARGE[key] for key in ("file", "uncertainty")}
    if name == "resolution":
        write_constant_resolution(tmp_path / "fatJet_jerc.json")
        energy = {"file": "fatJet_jerc.json", "resolution": "width", "scale_factor": "scale"}
    sources = {role: {"kind": "root", "files": f"{role}.root"} for role in ("background", "signal")}
    sources["signal"]["energy_corrections"] = energy  # type: ignore[assignment]
    loaded = load(card(tmp_path, {"epsilon": 100, "nuisances": {name: "corrections"}}, sources))
    of, nuisances = loaded.pools, Nuisances.model_validate({name: "corrections"})
    wide = of.wider_signals["signal"]
    assert wide.m_jj.min() < 3500 - 2 * 50
    for index in range(20):
        found, number = doped(of, 100, index, nuisances), doped(of, 100, index, Nuisances(energy_scale=0.02))
        if name == "energy_scale":
            np.testing.assert_allclose(found.view.m_jj, number.view.m_jj)
            np.testing.assert_array_equal(found.view.event, number.view.event)
    if name == "resolution":
        # Up one standard deviation smears by as much more, and down by as much less: the width grows with theta.
        up, down = wide.shifts["resolution"]
        spread = 0.1 / np.sqrt(2)  # of a pair, if each jet is smeared by 10 %
        expected = spread * np.abs(np.sqrt((1.5, 0.6)) - 1)
        np.testing.assert_allclose((up.std(), down.std()), expected, rtol=0.2)
        assert np.corrcoef(up, down)[0, 1] < -0.95
        widths = [
            draw_variation(nuisances, np.random.default_rng(seed)).m_jj(wide).std() for seed in range(40)
        ]
        thetas = [
            draw_variation(nuisances, np.random.default_rng(seed)).thetas["resolution"] for seed in range(40)
        ]
        assert stats.spearmanr(thetas, widths).statistic > 0.9


@pytest.mark.parametrize(
    ("injection", "samples", "said"),
    [
        ({"nuisances": {"acceptance": 0.1}}, None, "are of injected signals, and `epsilon` asks for none"),
        (
            {"epsilon": 10, "nuisances": {"energy_scale": 0.02}},
            {"labelled": {"kind": "lhco", "files": "events.h5"}},
            "give the signal as a source of its own",
        ),
        ({"epsilon": 10, "nuisances": {"energy_scale": 2}}, None, "0.2"),
        (
            {"epsilon": 10, "nuisances": {"resolution": "corrections"}},
            None,
            "samples.signal has no `energy_corrections` with `scale_factor`",
        ),
    ],
)
def test_what_does_not_go_together_is_told(
    tmp_path: Path, injection: dict[str, Any], samples: dict[str, Any] | None, said: str
) -> None:
    with pytest.raises(CardError) as caught:
        card(tmp_path, injection, samples)
    assert said in str(caught.value)
