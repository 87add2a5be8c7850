"""Cards: what is read, and what is said about what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from hepcs._core.errors import CardError
from hepcs.config import read_card
from hepcs.config.running import Execution

GOOD = """\
name: good
samples:
  background: {kind: pythia, events: 1000}
  signal:
    kind: pythia
    process: zprime
    events: 100
cluster_scanning:
  k: 20
  theta: 2.5
injection: {epsilon: [0, 1e2]}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "card.yaml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str, *overrides: str) -> list[str]:
    with pytest.raises(CardError) as caught:
        read_card(write(folder, text), overrides)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_a_card_has_the_papers_defaults(tmp_path: Path) -> None:
    card = read_card(write(tmp_path, GOOD.replace("1e2", "100"))).card
    assert (card.cluster_scanning.k, card.cluster_scanning.theta) == (20, 2.5)
    # Table 1 of the paper
    assert card.cluster_scanning.batch_size == 2048
    assert card.cluster_scanning.outlier_fraction == 0.2
    assert card.cluster_scanning.ensemble == 15
    assert card.regions.training == (3000, 3100)
    assert card.regions.evaluation == (3000, 4600)
    assert card.regions.n_bins == 16
    assert card.pseudo_experiments.background_only == 3900


def test_every_problem_in_one_message_with_its_line(tmp_path: Path) -> None:
    text = """\
name: bad
sed: 3
samples:
  background: {kind: pythya, events: 3}
  signal: {kind: pythia, evnts: 10}
regions:
  training: [2000, 2100]
  bin_width: 77
cluster_scanning:
  k: fifty
jets: 4
output: {figures: [gif]}
"""
    found = problems(tmp_path, text, "fits.parameters=7")
    for line in [
        "card.yaml:2: sed: unknown key. Did you mean seed?",
        "card.yaml:4: samples.background.kind: found 'pythya', expected one of",
        "card.yaml:5: samples.signal.evnts: unknown key. Did you mean events?",
        "card.yaml:5: samples.signal.events: missing",
        "card.yaml:7: regions.training: [2000, 2100) is not inside the evaluation region [3000, 4600)",
        "card.yaml:8: regions.bin_width: 77 GeV does not divide",
        "card.yaml:10: cluster_scanning.k: found 'fifty', expected a valid integer",
        "card.yaml:11: jets: found 4, expected a section",
        "card.yaml:12: output.figures.0: found 'gif', expected pdf or png",
        "--set fits.parameters=7: fits.parameters.0: found 7, expected less than or equal to 5",
    ]:
        assert any(one.startswith(line) for one in found), (line, found)
    assert len(found) == 10


@pytest.mark.parametrize(
    ("window", "wrong"),
    [
        ("[3100, 3000]", "empty or inverted"),
        ("[3000, 3000]", "empty or inverted"),
        ("[-5, 10]", "below zero"),
    ],
)
def test_windows(tmp_path: Path, window: str, wrong: str) -> None:
    (line,) = problems(tmp_path, GOOD.replace("1e2", "100") + f"regions:\n  training: {window}\n")
    assert line.startswith("card.yaml:13: regions.training:")
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


def test_real_search_has_no_signal(tmp_path: Path) -> None:
    text = "name: x\nsamples:\n" + "".join(
        f"  {role}: {{kind: pythia, events: 1}}\n" for role in ("data", "background", "signal")
    )
    assert any("no `signal` to inject" in line for line in problems(tmp_path, text))


def test_set_replaces_and_adds(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("1e2", "100"))
    located = read_card(
        path, ["cluster_scanning.k=7", "regions.training=[3500, 3600]", "fits.parameters=[5]"]
    )
    assert located.card.cluster_scanning.k == 7
    assert located.card.regions.training == (3500, 3600)
    assert located.card.fits.parameters == (5,)
    assert located.where("cluster_scanning.k").startswith("--set cluster_scanning.k=7")
    assert located.where("cluster_scanning.theta").endswith("card.yaml:10: cluster_scanning.theta")


def test_missing_card_names_the_places_and_a_near_one(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(CardError, match=r"no such card.*Did you mean card\.yaml\?"):
        read_card(tmp_path / "crad.yaml")


@pytest.mark.parametrize("folder", ["../../../etc/x", "runs/../../x", "/etc/x", ".."])
def test_results_stay_below_the_working_folder(tmp_path: Path, folder: str) -> None:
    """Unless the user says so on the command line: the card may be somebody else's."""
    good = GOOD.replace("1e2", "100")
    (line,) = problems(tmp_path, good + f"output: {{folder: {folder}}}\n")
    assert line.startswith("card.yaml:12: output.folder: found")
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
    card = read_card(write(tmp_path, GOOD.replace("[0, 1e2]", "[0]") + "jets: {leading_pt_min: 1e3}\n")).card
    assert card.jets.leading_pt_min == 1000.0


SCHEDULER = "execution:\n  kind: dask\n  scheduler: {}\n"


def test_where_the_work_runs(tmp_path: Path) -> None:
    good = GOOD.replace("1e2", "100")
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
            "card.yaml:14: execution.scheduler: found '10.1.2.3:8786', expected tcp://host:port",
        ),
        (SCHEDULER.format("tcp://host"), "card.yaml:14: execution.scheduler: found 'tcp://host', expected"),
        (
            SCHEDULER.format("tcp://a:1") + "  tls: {ca: a, certificate: b, key: c}\n",
            "card.yaml:15: execution.tls: needs a tls:// scheduler, found tcp://a:1",
        ),
        (
            "execution:\n  workers: 2\n  scheduler: tcp://a:1\n",
            "card.yaml:14: execution.scheduler: is a Dask scheduler's, and kind is local; add `kind: dask`",
        ),
        ("execution:\n  kind: dusk\n", "card.yaml:13: execution.kind: found 'dusk', expected local or dask"),
        (
            "execution:\n  tls: {ca: a, certificate: b, key: c}\n",
            "card.yaml:13: execution.tls: is for a Dask scheduler, and kind is local; add `kind: dask`",
        ),
        ("execution:\n  kind: dask\n  patience: 0\n", "card.yaml:14: execution.patience: found 0"),
        ("execution:\n  tls: {ca: a}\n", "card.yaml:13: execution.tls.certificate: missing"),
    ],
)
def test_where_the_work_cannot_run(tmp_path: Path, section: str, expected: str) -> None:
    found = problems(tmp_path, GOOD.replace("1e2", "100") + section)
    assert found[0].startswith(expected)
