"""The HEPData submission: its numbers, and that HEPData would take it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from toy_run import toy_run

from hepcs._core.errors import ArgumentError, ComputationError
from hepcs._core.requirements import pip_install
from hepcs.calibration import Quantile
from hepcs.output import read_run, write_run
from hepcs.output.hepdata import write_hepdata
from hepcs.output.hepdata_tables import hepdata_tables
from hepcs.output.metadata import keywords
from hepcs.output.reading import StoredRun

# hepdata_validator leaves files open.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_the_spectrum_has_events_fits_and_significances(run: StoredRun) -> None:
    tables = {table.name: table for table in hepdata_tables(run)}
    table = tables["Dijet spectrum with 150 signal events"]
    assert table.rows[0] == (3000, 3100)
    assert table.rows[-1] == (4500, 4600)
    columns = {column.name: column for column in table.columns}
    observed = toy_run().searches[1].observed[1].observation.result
    assert columns["Events"].values == tuple(observed.observed)
    assert columns["Events"].errors is not None
    assert columns["Events"].errors[0][1] == math.sqrt(observed.observed[0])
    estimate = columns["Background estimate, 3-parameter fit"]
    np.testing.assert_allclose(estimate.values, observed.fit.expected)
    assert estimate.errors is not None
    np.testing.assert_allclose([high for _, high in estimate.errors], observed.fit.expected_error)
    significance = columns["Local significance, 4-parameter fit"]
    fourth = toy_run().searches[2].observed[1].observation.result
    np.testing.assert_allclose(significance.values, fourth.local_significance)


def test_searches_that_compare_one_spectrum_share_a_table(run: StoredRun) -> None:
    names = [table.name for table in hepdata_tables(run)]
    assert names[:4] == [
        "Cluster Scanning spectrum with no signal", "Dijet spectrum with no signal",
        "Cluster Scanning spectrum with 150 signal events", "Dijet spectrum with 150 signal events",
    ]  # fmt: skip
    (table,) = (table for table in hepdata_tables(run) if table.name == names[3])
    assert [column.name for column in table.columns] == [
        "Events", "Background estimate, 3-parameter fit", "Local significance, 3-parameter fit",
        "Background estimate, 4-parameter fit", "Local significance, 4-parameter fit",
    ]  # fmt: skip
    assert "3-parameter fit: 3-parameter dijet function fitted to the events" in table.description


def test_the_signal_rich_jets_with_their_estimate(run: StoredRun) -> None:
    tables = {table.name: table for table in hepdata_tables(run)}
    table = tables["Cluster Scanning spectrum with 150 signal events"]
    assert "jets of the signal-rich clusters" in table.description
    assert "An event counts with each of its jets" in table.description
    ensemble = toy_run().searches[0].observed[1].observation.result
    scan = ensemble.scans[ensemble.representative]
    jets, estimate, significance = table.columns
    assert jets.values == tuple(scan.observed)
    np.testing.assert_allclose(estimate.values, scan.expected)
    poor = scan.spectra[~scan.signal_rich].sum(axis=0)
    assert estimate.errors is not None
    # The estimate is s P, and P is Poisson distributed.
    np.testing.assert_allclose([high for _, high in estimate.errors], scan.expected / np.sqrt(poor))
    np.testing.assert_allclose(significance.values, scan.local_significance)


def test_the_sensitivity_has_quartiles_and_bounds(run: StoredRun) -> None:
    tables = {table.name: table for table in hepdata_tables(run)}
    table = tables["Sensitivity of Cluster Scanning"]
    z = toy_run().searches[0].doped[0].z
    assert table.rows == (150.0,)
    columns = {column.name: column for column in table.columns}
    assert columns["Median Z"].values == (z.median.z,)
    # Nothing is known of what lies above a lower bound, and an error of 0 would say that nothing does.
    assert columns["Median Z"].errors == (None,)
    for name, quartile in (("Lower quartile", z.lower_quartile), ("Upper quartile", z.upper_quartile)):
        assert columns[name].values == (quartile.z,)
    assert columns["Median Z is"].values == ("lower bound",)
    observed = tables["Observed significance of Cluster Scanning"]
    kinds = {column.name: column.values for column in observed.columns}
    calibrations = [one.calibration for one in toy_run().searches[0].observed]
    assert kinds["Z"] == tuple(one.z for one in calibrations if one is not None)
    assert kinds["Z is"][1] == "lower bound"
    assert kinds["Upper end of the interval of Z"][1] == "-"
    by_name = {column.name: column.errors for column in observed.columns}
    assert by_name["Z"] is not None
    assert by_name["Z"][0] is not None
    assert by_name["Z"][1] is None
    for words in ("p = 1/N is an upper bound", "p = 1 - 1/N is a lower bound"):
        assert words in observed.description
    exact = dataclasses.replace(
        z, lower_quartile=Quantile(1.0, None), median=Quantile(2.0, None), upper_quartile=Quantile(2.5, None)
    )
    search = run.result.searches[0]
    searches = (dataclasses.replace(search, doped=(dataclasses.replace(search.doped[0], z=exact),)),)
    with_exact = dataclasses.replace(
        run, result=dataclasses.replace(run.result, searches=searches, combined=())
    )
    median = hepdata_tables(with_exact)[-1].columns[0]
    assert median.errors == ((-1.0, 0.5),)


def test_a_fit_that_failed_has_no_p_value(run: StoredRun) -> None:
    search = run.result.searches[1]
    outcome = dataclasses.replace(search.observed[0].outcome, statistic=math.nan, valid=False)
    failed = dataclasses.replace(search.observed[0], outcome=outcome, calibration=None)
    searches = (dataclasses.replace(search, observed=(failed,)),)
    broken = dataclasses.replace(run, result=dataclasses.replace(run.result, searches=searches))
    table = next(table for table in hepdata_tables(broken) if table.name.startswith("Observed"))
    assert [column.values for column in table.columns] == [("-",)] * 6


def test_all_searches_together_have_tables(run: StoredRun) -> None:
    tables = {table.name: table for table in hepdata_tables(run)}
    observed = tables["Observed significance of all searches together"]
    combination = toy_run().combined[1].combination
    assert combination is not None
    columns = {column.name: column.values for column in observed.columns}
    assert columns["Smallest p"][1] == combination.smallest_p
    assert columns["p-value"][1] == combination.calibration.p
    assert "Sensitivity of all searches together" in tables


def test_several_signals_and_studies_are_told_apart(tmp_path: Path) -> None:
    signals = "signals: {wide: {kind: root, files: s.root}, narrow: {kind: root, files: n.root}}"
    samples = f"{{background: {{kind: root, files: b.root}}, {signals}}}"
    searches = "{fit_3: {kind: dijet_fit, parameters: 3}, idealised_fit: {}}"
    write_run(toy_run(searches=searches, samples=samples, epsilon="[0, 150]"), tmp_path)
    tables = {table.name: table for table in hepdata_tables(read_run(tmp_path))}
    assert tables["Observed significance of 3-parameter fit signal wide"].rows == (0.0, 150.0)
    assert tables["Observed significance of 3-parameter fit signal narrow"].rows == (150.0,)
    assert "Dijet spectrum with 150 events of narrow" in tables
    assert any("knows the truth" in table.description for table in tables.values())


def test_hepdata_would_take_it(run: StoredRun, tmp_path: Path) -> None:
    pytest.importorskip("hepdata_lib", reason=f"needs hepdata_lib: {pip_install('hepdata-lib')}")
    folder = tmp_path / "submission"
    archive = write_hepdata(run, folder)
    assert archive.is_file()
    documents = list(yaml.safe_load_all((folder / "submission.yaml").read_text(encoding="utf-8")))
    assert len(documents) == 1 + len(hepdata_tables(run))
    names = {path.name for path in folder.iterdir()}
    assert names == {"submission.yaml", archive.name} | {document["data_file"] for document in documents[1:]}
    # What HEPData's own command says of the folder, archive and all.
    from hepdata_validator.full_submission_validator import FullSubmissionValidator

    assert FullSubmissionValidator().validate(directory=str(folder))
    phrases = {
        tuple(one["values"]) for each in documents[1:] for one in each["keywords"] if one["name"] == "phrases"
    }
    assert phrases == {keywords(run.card)}
    spectrum = next(one for one in documents[1:] if one["name"] == "Dijet spectrum with 150 signal events")
    content = yaml.safe_load((folder / spectrum["data_file"]).read_text(encoding="utf-8"))
    events = content["dependent_variables"][0]["values"]
    assert [row["value"] for row in events] == list(
        toy_run().searches[1].observed[1].observation.result.observed
    )
    observed = next(one for one in documents[1:] if one["name"].endswith("significance of Cluster Scanning"))
    content = yaml.safe_load((folder / observed["data_file"]).read_text(encoding="utf-8"))
    z = next(one for one in content["dependent_variables"] if one["header"]["name"] == "Z")
    assert ["errors" in row for row in z["values"]] == [True, False], "the second one is a bound"
    with pytest.raises(ArgumentError, match="not empty"):
        write_hepdata(run, folder)
    write_hepdata(run, folder, overwrite=True)


def test_names_from_cards_make_no_paths(run: StoredRun, tmp_path: Path) -> None:
    pytest.importorskip("hepdata_lib", reason=f"needs hepdata_lib: {pip_install('hepdata-lib')}")
    search = dataclasses.replace(run.result.searches[0], title="../../outside <b> " + "long " * 30)
    hostile = dataclasses.replace(run, result=dataclasses.replace(run.result, searches=(search,)))
    write_hepdata(hostile, tmp_path / "deep" / "er" / "submission")
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"er"}


def entitled(run: StoredRun, titles: list[str]) -> StoredRun:
    """The run with other titles of its searches."""
    searches = tuple(
        dataclasses.replace(search, title=title)
        for search, title in zip(run.result.searches, titles, strict=True)
    )
    return dataclasses.replace(run, result=dataclasses.replace(run.result, searches=searches))


@pytest.mark.parametrize(
    "titles",
    [
        [f"{'A search with a title as long as that of a paper, ' * 2}{i}" for i in range(3)],
        ["Same", "Same", "Same"],
        ["Fit: a", "Fit; A", "fit a"],
    ],
    ids=["long", "same", "case"],
)
def test_searches_with_titles_alike_have_tables_of_their_own(
    run: StoredRun, titles: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("hepdata_lib", reason=f"needs hepdata_lib: {pip_install('hepdata-lib')}")
    alike = entitled(run, titles)
    tables = hepdata_tables(alike)
    assert len(tables) == len(hepdata_tables(run))
    assert max(len(table.name) for table in tables) <= 64
    for table in tables:
        columns = [column.name for column in table.columns]
        assert len(set(columns)) == len(columns)
    write_hepdata(alike, tmp_path)
    # A file each, beside the index and the archive.
    assert len(list(tmp_path.iterdir())) == len(tables) + 2


def test_an_earlier_submission_is_replaced_as_a_whole(run: StoredRun, tmp_path: Path) -> None:
    pytest.importorskip("hepdata_lib", reason=f"needs hepdata_lib: {pip_install('hepdata-lib')}")
    write_hepdata(entitled(run, ["Old", "Older", "Oldest"]), tmp_path / "twice")
    write_hepdata(run, tmp_path / "twice", overwrite=True)
    write_hepdata(run, tmp_path / "once")
    twice, once = ({path.name for path in (tmp_path / name).iterdir()} for name in ("twice", "once"))
    assert twice == once
    notes = tmp_path / "once" / "notes.yaml"
    notes.write_text("mine: 1\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"holds notes\.yaml"):
        write_hepdata(run, tmp_path / "once", overwrite=True)
    assert notes.is_file()


def test_what_hepdata_refuses_is_said_in_words(
    run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hepdata_lib", reason=f"needs hepdata_lib: {pip_install('hepdata-lib')}")
    tables = hepdata_tables(run)
    monkeypatch.setattr("hepcs.output.hepdata.hepdata_tables", lambda _: (*tables, tables[0]))
    with pytest.raises(ComputationError, match=r"not valid: .*[Dd]uplicate"):
        write_hepdata(run, tmp_path / "submission")
    assert not (tmp_path / "submission").exists()
