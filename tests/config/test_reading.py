"""Cards: what is read, and what is said about what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from hepcs._core.errors import CardError
from hepcs.config import read_card
from hepcs.config.running import Execution
from hepcs.features.sections import ImagePca
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.searches.dijet_fit.section import DijetFitSection

GOOD = """\
name: good
samples:
  background: {kind: pythia, events: 1000}
  signal:
    kind: pythia
    process: zprime
    events: 100
searches:
  cluster_scanning:
    k: 20
    theta: 2.5
  fit: {kind: dijet_fit}
injection: {epsilon: [0, 100]}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "card.yaml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str, *overrides: str) -> list[str]:
    with pytest.raises(CardError) as caught:
        read_card(write(folder, text), overrides)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_what_a_card_does_not_say_is_as_published(tmp_path: Path) -> None:
    section = read_card(write(tmp_path, GOOD)).card.searches["cluster_scanning"]
    assert isinstance(section, ClusterScanning)
    assert (section.k, section.theta) == (20, 2.5)
    assert section == ClusterScanning(k=20, theta=2.5)


def test_a_card_that_names_only_its_input_is_the_published_analysis(tmp_path: Path) -> None:
    """Every number of Table 1."""
    card = read_card(write(tmp_path, "name: x\nsamples: {labelled: {kind: lhco, files: a.h5}}\n")).card
    assert list(card.searches) == ["cluster_scanning", "fit_3", "fit_4"]
    scan, *fits = card.searches.values()
    assert isinstance(scan, ClusterScanning)
    assert (scan.k, scan.batch_size, scan.outlier_fraction, scan.theta, scan.ensemble) == (
        50,
        2048,
        0.2,
        3,
        15,
    )
    assert (scan.clusterer, scan.jets, scan.training) == ("mini_batch", "both", (3000, 3100))
    assert (scan.combination, scan.windows, scan.neighbours) == ("mean", None, 0)
    assert scan.background_estimate == "signal_poor"
    assert (scan.statistic.kind, scan.statistic.local_significance) == (
        "maximum_local_significance",
        "gaussian",
    )
    assert [fit.parameters for fit in fits if isinstance(fit, DijetFitSection)] == [3, 4]
    assert all(isinstance(fit, DijetFitSection) and fit.toys for fit in fits)
    (features,) = card.used_features.values()
    assert isinstance(features, ImagePca)
    assert (features.gamma, features.smearing, features.training) == (0.5, 1, (3000, 3100))
    assert (card.images.pixels, card.images.half_width) == (40, 0.8)
    assert (card.jets.radius, card.jets.leading_pt_min, card.jets.abs_eta_max) == (1, 1200, 2.5)
    assert (card.regions.evaluation, card.regions.bin_width, card.regions.n_bins) == ((3000, 4600), 100, 16)
    assert card.regions.sqrt_s == 13_000
    assert card.pseudo_experiments.background_only == 3900


@pytest.mark.parametrize("section", ["searches", "features", "searches:\n  # cwola: {}\nfeatures"])
def test_a_section_whose_entries_are_all_commented_out_is_as_if_absent(tmp_path: Path, section: str) -> None:
    bare = "name: x\nsamples: {background: {kind: pythia, events: 1}}\n"
    assert read_card(write(tmp_path, f"{bare}{section}:\n")).card == read_card(write(tmp_path, bare)).card


def test_every_problem_in_one_message_with_its_line(tmp_path: Path) -> None:
    text = """\
name: bad
sed: 3
samples:
  background: {kind: pythya, events: 3}
  signal: {kind: pythia, evnts: 10}
regions:
  evaluation: [3000, 4600]
  bin_width: 77
searches:
  cluster_scanning:
    k: fifty
  fit: {kind: dijet_ft}
  cw: {kind: cwola, features: images}
features:
  images: {kind: event, set: al_tau}
  many: {kind: event, divide_by_mjj: true}
jets: 4
output: {figures: [gif]}
"""
    found = problems(tmp_path, text, "searches.fit_9={kind: dijet_fit, parameters: 9}")
    for line in [
        "card.yaml:2: sed: unknown key. Did you mean seed?",
        "card.yaml:4: samples.background.kind: found 'pythya', expected one of",
        "card.yaml:5: samples.signal.evnts: unknown key. Did you mean events?",
        "card.yaml:5: samples.signal.events: missing",
        "card.yaml:8: regions.bin_width: 77 GeV does not divide",
        "card.yaml:11: searches.cluster_scanning.k: found 'fifty', expected a valid integer",
        "card.yaml:12: searches.fit.kind: found 'dijet_ft', which is no kind of search that is installed. Did you "
        "mean dijet_fit? `hepcs searches` lists them",
        "card.yaml:15: features.images.set: found 'al_tau', expected standard, extended or all_tau. Did you mean "
        "all_tau?",
        "card.yaml:16: features.many.divide_by_mjj: unknown key. Did you mean divide_by_m_jj?",
        "card.yaml:17: jets: found 4, expected a section",
        "card.yaml:18: output.figures.0: found 'gif', expected pdf or png",
        "--set searches.fit_9={kind: dijet_fit, parameters: 9}: searches.fit_9.parameters: found 9, expected less "
        "than or equal to 5",
    ]:
        assert any(one.startswith(line) for one in found), (line, found)
    assert len(found) == 12


def test_cuts_that_nothing_passes(tmp_path: Path) -> None:
    samples = "name: x\nsamples: {background: {kind: pythia, events: 1}}\n"
    text = f"{samples}jets: {{delta_eta_min: 1.3, delta_eta_max: 1.3}}\n"
    assert problems(tmp_path, text) == [
        "card.yaml:3: jets.delta_eta_min: found 1.3, expected less than delta_eta_max = 1.3: no event passes"
    ]


def test_what_goes_between_sections_is_told_beside_what_is_wrong_in_them(tmp_path: Path) -> None:
    """As far as valid sections tell, and without what only follows from the others."""
    text = """\
name: bad
sed: 3
samples:
  background: {kind: pythia, events: 3}
  data: {kind: pythia, events: 3, seed: 2}
regions: {evaluation: [3000, 3800]}
features:
  broken: {kind: event, sets: standard}
searches:
  cw: {kind: cwola, features: broken, window: 3}
  one: {kind: cwola, features: evnt}
  scan: {kind: cluster_scanning, k: fifty, training: [2000, 2100]}
  other: {kind: cluster_scanning, training: [3700, 3900]}
  truth: {kind: idealised_fit}
injection:
  epsilon: 7
"""
    assert problems(tmp_path, text) == [
        "card.yaml:8: features.broken.sets: unknown key. Did you mean set?",
        "card.yaml:12: searches.scan.k: found 'fifty', expected a valid integer",
        "card.yaml:2: sed: unknown key. Did you mean seed?",
        "card.yaml:16: injection.epsilon: asks for signal events, and there is no signal; expected `labelled`, or "
        "`background` with `signal` or `signals`, among the samples",
        "card.yaml:10: searches.cw.window: a window of 3 bins with sidebands of 3 on both sides needs 9 bins, and "
        "there are 8 of m_jj",
        "card.yaml:11: searches.one.features: found 'evnt', which is no feature of the card, and no kind of "
        "feature. Did you mean event?",
        "card.yaml:13: searches.other.training: reaches out of regions.evaluation [3000, 3800)",
        "card.yaml:14: searches.truth: needs to know signal from background, and in a real search "
        "(`samples.data`) nobody does",
    ]


@pytest.mark.parametrize(
    ("wrong", "silent"),
    [
        ("regions: {evaluation: [3000, 3800], bin_with: 100}", ("window", "bins")),
        (
            "samples: {background: {kind: pythia}, data: {kind: pythia, events: 1, seed: 2}}",
            ("truth", "signal"),
        ),
        ("searches: 7", ("window", "truth")),
        ("features: 7", ("no feature",)),
    ],
)
def test_nothing_is_said_in_view_of_a_section_that_is_wrong(
    tmp_path: Path, wrong: str, silent: tuple[str, ...]
) -> None:
    lines = {
        "name": "name: x",
        "samples": "samples: {background: {kind: pythia, events: 3}}",
        "regions": "regions: {evaluation: [3000, 3800]}",
        "searches": "searches: {cw: {kind: cwola, features: evnt, window: 3}, truth: {kind: idealised_fit}}",
        "injection": "injection: {epsilon: 7}",
    }
    key = wrong.partition(":")[0]
    found = problems(tmp_path, "\n".join({**lines, key: wrong}.values()))
    assert any(f": {key}" in line for line in found)
    assert not any(word in line for word in silent for line in found), found


@pytest.mark.parametrize(
    ("window", "wrong"),
    [
        ("[3100, 3000]", "empty or inverted"),
        ("[3000, 3000]", "empty or inverted"),
        ("[-5, 10]", "below zero"),
    ],
)
def test_windows(tmp_path: Path, window: str, wrong: str) -> None:
    (line,) = problems(tmp_path, GOOD + f"regions:\n  evaluation: {window}\n")
    assert line.startswith("card.yaml:15: regions.evaluation:")
    assert wrong in line


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "expected sections"),
        ("- a\n- b\n", "expected sections"),
        ("name: [\n", "not readable as YAML"),
        ("name: x\nname: y\n", "given twice"),
        ("name: !!python/object/apply:os.system ['true']\n", "is not allowed in a card"),
        ("name: &a [*a]\n", "not readable as YAML"),
        ("name: ../../up\nsamples: {background: {kind: pythia, events: 1}}\n", "name: found"),
        ("name: x\nsamples: {}\n", "no `background` sample"),
        ("name: x\nsamples: {background: {kind: pythia, events: true}}\n", "found True"),
        ("name: x\nsamples: {background: {kind: pythia, events: '7'}}\n", "found '7'"),
    ],
)
def test_refused(tmp_path: Path, text: str, wrong: str) -> None:
    assert any(wrong in line for line in problems(tmp_path, text))


def test_signal_needs_a_signal_sample(tmp_path: Path) -> None:
    text = "name: x\nsamples: {background: {kind: pythia, events: 1}}\ninjection:\n  epsilon: 5\n"
    (line,) = problems(tmp_path, text)
    assert line.startswith("card.yaml:4: injection.epsilon: asks for signal events")


def test_in_a_real_search_signal_is_injected_into_pseudo_experiments(tmp_path: Path) -> None:
    text = "name: x\nsamples:\n" + "".join(
        f"  {role}: {{kind: pythia, events: 1, seed: {seed}}}\n"
        for seed, role in enumerate(("data", "background", "signal"))
    )
    card = read_card(write(tmp_path, f"{text}injection: {{epsilon: 5}}\n")).card
    assert card.samples.is_real_search
    assert card.samples.signal_names == ("signal",)


def test_set_replaces_and_adds(tmp_path: Path) -> None:
    located = read_card(
        write(tmp_path, GOOD),
        ["searches.cluster_scanning.k=7", "searches.fit.parameters=5", "searches.cwola.folds=3"],
    )
    scan, fit, cwola = located.card.searches.values()
    assert isinstance(scan, ClusterScanning)
    assert isinstance(fit, DijetFitSection)
    assert (scan.k, scan.theta, fit.parameters, cwola.kind) == (7, 2.5, 5, "cwola")
    assert located.where("searches.cluster_scanning.k").startswith("--set searches.cluster_scanning.k=7")
    assert located.where("searches.cluster_scanning.theta").endswith(
        "card.yaml:11: searches.cluster_scanning.theta"
    )
    # What the card says nothing of is a default; what is set is none.
    assert located.where("regions.sqrt_s").endswith("card.yaml:1: regions.sqrt_s (a default)")
    set_here = read_card(write(tmp_path, GOOD), ["execution.cache=here"])
    assert set_here.where("execution.cache") == "--set execution.cache=here: execution.cache"


def test_missing_card_names_the_places_and_a_near_one(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(CardError, match=r"no such card.*Did you mean card\.yaml\?"):
        read_card(tmp_path / "crad.yaml")


@pytest.mark.parametrize("folder", ["../../../etc/x", "runs/../../x", "/etc/x", ".."])
def test_results_stay_below_the_working_folder(tmp_path: Path, folder: str) -> None:
    """Unless the user says so on the command line: the card may be somebody else's."""
    good = GOOD
    (line,) = problems(tmp_path, good + f"output: {{folder: {folder}}}\n")
    assert line.startswith("card.yaml:14: output.folder: found")
    assert line.endswith("expected a path below the working folder; name another with --output")
    assert read_card(write(tmp_path, good), ["output.folder=runs/..x"]).card.output.folder == "runs/..x"


def test_a_folder_named_like_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dcard.yaml").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CardError, match=r"^dcard\.yaml: is a folder, expected a card"):
        read_card("dcard.yaml")
    with pytest.raises(CardError, match="no such card") as refused:
        read_card("dcrad.yaml")
    assert "Did you mean dcard.yaml" not in str(refused.value)


def test_numbers_as_people_write_them(tmp_path: Path) -> None:
    card = read_card(write(tmp_path, GOOD + "jets: {leading_pt_min: 1e3}\n")).card
    assert card.jets.leading_pt_min == 1000.0


SCHEDULER = "execution:\n  kind: dask\n  scheduler: {}\n"


def test_where_the_work_runs(tmp_path: Path) -> None:
    good = GOOD
    assert read_card(write(tmp_path, good)).card.execution == Execution()
    assert (Execution().kind, Execution().transfer) == ("local", "path")
    for address in ("tcp://10.1.2.3:8786", "tls://scheduler.site.org:8786", "tcp://[fe80::1]:8786"):
        card = read_card(write(tmp_path, good + SCHEDULER.format(f'"{address}"'))).card
        assert card.execution.scheduler == address
    tls = "  tls: {ca: ca.pem, certificate: c.pem, key: k.pem}\n  transfer: broadcast\n"
    execution = read_card(write(tmp_path, good + SCHEDULER.format("tls://a:1") + tls)).card.execution
    assert execution.tls is not None
    assert (execution.tls.ca, execution.transfer) == ("ca.pem", "broadcast")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            SCHEDULER.format("10.1.2.3:8786"),
            "card.yaml:16: execution.scheduler: found '10.1.2.3:8786', expected tcp://host:port",
        ),
        (SCHEDULER.format("tcp://host"), "card.yaml:16: execution.scheduler: found 'tcp://host', expected"),
        (
            SCHEDULER.format("tcp://a:1") + "  tls: {ca: a, certificate: b, key: c}\n",
            "card.yaml:17: execution.tls: needs a tls:// scheduler, found tcp://a:1",
        ),
        (
            "execution:\n  workers: 2\n  scheduler: tcp://a:1\n",
            "card.yaml:16: execution.scheduler: is a Dask scheduler's, and kind is local; add `kind: dask`",
        ),
        ("execution:\n  kind: dusk\n", "card.yaml:15: execution.kind: found 'dusk', expected local or dask"),
        (
            "execution:\n  tls: {ca: a, certificate: b, key: c}\n",
            "card.yaml:15: execution.tls: is for a Dask scheduler, and kind is local; add `kind: dask`",
        ),
        ("execution:\n  kind: dask\n  patience: 0\n", "card.yaml:16: execution.patience: found 0"),
        ("execution:\n  tls: {ca: a}\n", "card.yaml:15: execution.tls.certificate: missing"),
    ],
)
def test_where_the_work_cannot_run(tmp_path: Path, section: str, expected: str) -> None:
    found = problems(tmp_path, GOOD + section)
    assert found[0].startswith(expected)
