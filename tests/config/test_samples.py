"""Samples on the card: signals, priors, simulation; and searches that need what there is not."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from hepcs._core.errors import CardError
from hepcs.config import Card, consistency, read_card

BACKGROUND = "background: {kind: pythia, events: 1}"
ONE = "kind: pythia, events: 1, process: zprime"
TWO = f"wide: {{{ONE}}}, narrow: {{{ONE}, seed: 2}}"


def card_of(folder: Path, samples: str, more: str = "") -> Card:
    path = folder / "card.yaml"
    path.write_text(f"name: x\nsamples: {{{samples}}}\n{more}\n", encoding="utf-8")
    return read_card(path).card


def problem(folder: Path, samples: str, more: str = "") -> str:
    with pytest.raises(CardError) as caught:
        card_of(folder, samples, more)
    (line,) = str(caught.value).replace(f"{folder}/card.yaml:", "").splitlines()
    return line


def test_numbers_are_of_every_signal_or_of_each(tmp_path: Path) -> None:
    samples = f"{BACKGROUND}, signals: {{{TWO}}}"
    same = card_of(tmp_path, samples, "injection: {epsilon: [0, 300]}")
    assert same.samples.signal_names == ("wide", "narrow")
    assert same.injection.of("wide") == same.injection.of("narrow") == same.injection.numbers == (0, 300)
    each = card_of(tmp_path, samples, "injection: {epsilon: {wide: [0, 300], narrow: 40}}")
    assert (each.injection.of("wide"), each.injection.of("narrow")) == ((0, 300), (40,))
    assert each.injection.numbers == (0, 300, 40)
    assert set(each.samples.by_role()) == {"background", "signals.wide", "signals.narrow"}


@pytest.mark.parametrize(
    ("epsilon", "expected"),
    [
        ("1.5", "epsilon: found 1.5, expected a valid integer"),
        ("[1, x]", "epsilon.1: found 'x', expected a valid integer"),
        ("[]", "epsilon: found [], tuple should have at least 1 item"),
        ("[3, 3]", "epsilon: each epsilon once, found [3, 3]"),
        ("{}", "epsilon: found a section, dictionary should have at least 1 item"),
        ("{wide: [1, -2]}", "epsilon.wide.1: found -2, expected greater than or equal to 0"),
        ("{wide: 3, narow: 4}", "epsilon.narow: no such signal. Did you mean narrow?"),
    ],
)
def test_numbers_that_cannot_be_injected(tmp_path: Path, epsilon: str, expected: str) -> None:
    line = problem(tmp_path, f"{BACKGROUND}, signals: {{{TWO}}}", f"injection:\n  epsilon: {epsilon}")
    assert line.startswith(f"4: injection.{expected}")


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ("signal: {kind: pythia, events: 1, process: zprime}", "samples: no `background` sample"),
        (
            f"{BACKGROUND}, signal: {{kind: pythia, events: 2, process: zprime}}, signals: {{{TWO}}}",
            "samples: `signal` is the only one, `signals` are several; remove one of the two",
        ),
        (
            f"labelled: {{kind: lhco, files: a.h5}}, signals: {{{TWO}}}",
            "samples: `labelled` stands alone; found background, signal or data beside it",
        ),
        (
            f"{BACKGROUND}, signals: {{a: {{kind: pythia, events: 1}}}}",
            "samples: two samples of one process with the same seed hold the same events; change a `seed`",
        ),
        (f"{BACKGROUND}, simulation: {{kind: pythia, events: 1}}", "samples: two samples of one process"),
        (
            f"{BACKGROUND}, priors: {{b c: {{kind: pythia, events: 1, seed: 3}}}}",
            "samples.priors.b c: found 'b c'",
        ),
        (
            f"{BACKGROUND}, priors: {{a: {{kind: pythia, evens: 1, events: 1, seed: 3}}}}",
            "samples.priors.a.evens: unknown key. Did you mean events?",
        ),
        (f"{BACKGROUND}, priors: {{kind: pythia}}", "samples.priors.kind: found 'pythia'"),
        (
            f"{BACKGROUND}, simulations: {{kind: pythia, events: 1}}",
            "samples.simulations: unknown key. Did you mean",
        ),
        (
            f"{BACKGROUND}, data: {{kind: pythia, events: 1, seed: 2}}, pseudo_data: {{one_in: 2}}",
            "samples: `data` are searched, so there is no `pseudo_data`",
        ),
    ],
)
def test_samples_that_do_not_go_together(tmp_path: Path, samples: str, expected: str) -> None:
    assert problem(tmp_path, samples).startswith(f"2: {expected}")


def test_all_roles_are_sources(tmp_path: Path) -> None:
    more = "simulation: {kind: pythia, events: 1, seed: 5}, priors: {p: {kind: pythia, events: 1, seed: 6}}"
    samples = card_of(tmp_path, f"{BACKGROUND}, data: {{kind: pythia, events: 1, seed: 4}}, {more}").samples
    assert list(samples.by_role()) == ["background", "data", "simulation", "priors.p"]
    assert not samples.has_signal


def test_a_search_says_which_sample_it_lacks_and_how_it_is_given(tmp_path: Path) -> None:
    expected = "needs the sample 'signal', which the card does not have: signal events, as `samples.signal`"
    for search in ("supervised: {}", "fit: {kind: dijet_fit, template: {shape: signal}}"):
        line = problem(tmp_path, BACKGROUND, f"searches:\n  {search}")
        assert line.startswith(f"4: searches.{search.partition(':')[0]}: {expected}")
        card_of(tmp_path, f"{BACKGROUND}, signals: {{{TWO}}}", f"searches:\n  {search}")


@pytest.mark.parametrize("role", ["simulation", "priors"])
def test_other_roles_are_asked_for_in_the_same_way(
    tmp_path: Path, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hepcs.searches.cwola.Cwola.roles", (role,))
    line = problem(tmp_path, BACKGROUND, "searches: {cwola: {}}")
    assert line.startswith(f"3: searches.cwola: needs the sample {role!r}, which the card does not have: ")
    assert line.endswith(f"as `samples.{role}`")
    source = "{kind: pythia, events: 1, seed: 9}"
    given = f"{{p: {source}}}" if role == "priors" else source
    card_of(tmp_path, f"{BACKGROUND}, {role}: {given}", "searches: {cwola: {}}")


@pytest.mark.parametrize(
    "search", ["supervised: {}", "idealised: {}", "idealised_fit: {}", "cluster_scanning: {idealised: true}"]
)
def test_nobody_knows_the_truth_of_data(tmp_path: Path, search: str) -> None:
    samples = f"{BACKGROUND}, signals: {{{TWO}}}"
    card_of(tmp_path, samples, f"searches: {{{search}}}")
    line = problem(
        tmp_path, f"{samples}, data: {{kind: pythia, events: 1, seed: 2}}", f"searches: {{{search}}}"
    )
    assert line.startswith(
        f"3: searches.{search.partition(':')[0]}: needs to know signal from background, and in a"
    )


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (
            "cwola: {window: 6}",
            "cwola.window: a window of 6 bins with sidebands of 6 on both sides needs 18 bins",
        ),
        (
            "cwola: {window: 13, sideband: 1, fit_parameters: 3}",
            "cwola.window: windows of 13 bins leave 3 of 16 for a fit of 3 parameters, expected 4 or more",
        ),
        (
            "fit: {kind: dijet_fit, windows: {widths: [17]}}",
            "fit.windows.widths: found 17, and there are 16 bins",
        ),
        (
            "scan: {kind: cluster_scanning, windows: {widths: [12]}}",
            "scan.trend: windows up to 12 bins wide, with 1 more on either side, leave 2 of 16 bins to fit",
        ),
        (
            "fit: {kind: dijet_fit, statistic: {kind: bumphunter, max_width: 17}}",
            "fit.statistic.max_width: is 17, and there are 16 bins",
        ),
    ],
)
def test_windows_that_leave_too_few_bins(tmp_path: Path, search: str, expected: str) -> None:
    assert problem(tmp_path, BACKGROUND, f"searches: {{{search}}}").startswith(f"3: searches.{expected}")


def test_features_train_on_events_that_there_are(tmp_path: Path) -> None:
    """Also where a search means them by the name of their kind."""
    regions = "regions: {evaluation: [3200, 4600]}\nsearches: {cluster_scanning: {training: [3200, 3300]}}"
    line = problem(tmp_path, BACKGROUND, regions)
    assert (
        line == "1: features.image_pca.training (a default): reaches out of regions.evaluation [3200, 4600)"
    )
    card_of(tmp_path, BACKGROUND, f"{regions}\nfeatures: {{image_pca: {{training: [3200, 3300]}}}}")


def test_packages_that_are_missing_are_named_with_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(name: str) -> object:
        if name in {"lightgbm", "fastjet"}:
            raise PackageNotFoundError(name)
        return distribution(name)

    monkeypatch.setattr(consistency, "distribution", found)
    text = f"name: x\nsed: 3\nsamples: {{{BACKGROUND}}}\nsearches:\n  pca_outliers: {{}}\n  cwola: {{}}\n"
    (tmp_path / "card.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CardError) as caught:
        read_card(tmp_path / "card.yaml")
    lines = str(caught.value).replace(f"{tmp_path}/card.yaml:", "").splitlines()
    assert lines[0] == "2: sed: unknown key. Did you mean seed?"
    assert lines[1].startswith(
        "6: searches.cwola: needs the package lightgbm, which is not installed: pip install"
    )
    assert lines[2].startswith(
        "1: features.event (a default): needs the package fastjet, which is not installed: pip install"
    )
    assert len(lines) == 3
