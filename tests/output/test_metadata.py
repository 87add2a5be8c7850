"""The record of a run for archives."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import uproot
from toy_run import toy_run

from hepcs._core.storage import file_sha256
from hepcs.config.sources import RootSource
from hepcs.output import read_histograms, results_digest, run_histograms, write_run
from hepcs.output.metadata import METADATA, describe_run, keywords
from hepcs.output.verification import verify_folder
from hepcs.results import RunResult


def published() -> RunResult:
    """The toy run, as if its labelled sample had been published."""
    result = toy_run()
    source = RootSource.model_validate(
        {
            "kind": "root",
            "files": "events.root",
            "record": "https://opendata.cern.ch/record/1",
            "doi": "10.7483/OPENDATA.CMS.XYZ",
            "licence": "CC0-1.0",
        }
    )
    card = result.card.card
    samples = card.samples.model_copy(update={"labelled": source})
    output = card.output.model_copy(update={"creators": ("A. Physicist",), "licence": "CC-BY-4.0"})
    changed = card.model_copy(update={"samples": samples, "output": output})
    return dataclasses.replace(result, card=dataclasses.replace(result.card, card=changed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    write_run(published(), path)
    return path


def test_the_record_is_a_file_of_the_run_and_names_the_others_with_their_checksums(folder: Path) -> None:
    record = json.loads((folder / METADATA).read_text())
    assert (record["@context"], record["@type"]) == ("https://schema.org/", "Dataset")
    assert record["identifier"] == f"sha256:{results_digest(published())}"
    files = {file["name"]: file for file in record["distribution"]}
    assert {"results.root", "histograms.json", "report.html"} <= set(files)
    for name, file in files.items():
        assert file["sha256"] == file_sha256(folder / name)
        assert file["contentSize"] == f"{(folder / name).stat().st_size} B"
    assert METADATA in json.loads((folder / "summary.json").read_text())["files"]
    verify_folder(folder)


def test_inputs_have_doi_record_licence_and_checksum(folder: Path) -> None:
    record = json.loads((folder / METADATA).read_text())
    (sample,) = record["isBasedOn"]
    assert sample["identifier"] == "https://doi.org/10.7483/OPENDATA.CMS.XYZ"
    assert sample["url"] == "https://opendata.cern.ch/record/1"
    assert sample["license"] == "CC0-1.0"
    assert sample["distribution"][0]["sha256"] == "00ff"
    assert (record["license"], record["creator"][0]["name"]) == ("CC-BY-4.0", "A. Physicist")
    related = record["datacite"]["relatedIdentifiers"]
    assert {(one["relatedIdentifier"], one["relatedIdentifierType"]) for one in related} == {
        ("10.7483/OPENDATA.CMS.XYZ", "DOI"),
        ("https://opendata.cern.ch/record/1", "URL"),
    }
    assert record["wasGeneratedBy"]["instrument"]["softwareRequirements"] == ["python 3.11"]


def test_every_column_and_axis_has_a_unit(folder: Path) -> None:
    record = json.loads((folder / METADATA).read_text())
    units = {one["name"]: one["unitText"] for one in record["variableMeasured"]}
    assert all(units.values())
    names = {search.name for search in published().searches}
    with uproot.open(folder / "results.root") as file:
        trees = [path for path, kind in file.classnames(cycle=False).items() if kind == "TTree"]
        for tree in (path for path in trees if path.split("/")[0] in names):
            columns = file[tree].keys()
            # uproot adds the lengths of columns of lists.
            counts = {f"n{name}" for name in columns}
            assert not {name for name in columns if f"{tree}/{name}" not in units} - counts
    for path, histogram in read_histograms(folder / "histograms.json").items():
        for axis in histogram.axes:
            assert f"{path}/{axis.name}" in units
    assert units["fit_3/observed/epsilon_0000/spectrum/m_jj"] == "GeV"
    assert units["fit_3/observed/epsilon_0000/spectrum"] == "events"
    assert units["fit_3/pseudo_experiments/n_events"] == "events"
    assert units["fit_3/results/p"] == "1"


def test_a_run_whose_inputs_nobody_published_says_nothing_of_it() -> None:
    result = toy_run()
    record = describe_run(result, run_histograms(result), [])
    assert {"identifier", "url", "license"}.isdisjoint(record["isBasedOn"][0])
    assert {"license", "creator"}.isdisjoint(record)
    assert record["datacite"]["relatedIdentifiers"] == record["datacite"]["rightsList"] == []


def test_keywords_name_the_kinds_of_search() -> None:
    found = keywords(toy_run().card.card)
    assert "Dijet Production" in found
    assert {"cluster scanning", "dijet fit"} <= set(found)
    assert len(set(found)) == len(found)
