"""``metadata.json``: what a run is, in the terms of schema.org and DataCite, which archives can read.

Inputs by DOI or record, with licence and checksums; program and versions; the files, and the unit of every column.
The record is JSON-LD of the type `Dataset <https://schema.org/Dataset>`_; under ``datacite`` the same stands
in the properties of the `DataCite schema <https://schema.datacite.org/meta/kernel-4.5/>`_ 4.5, for a deposit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import hist

from hepcs.config.schema import Card
from hepcs.config.sources import FileSource
from hepcs.datasets.reports import SampleReport
from hepcs.output.histograms import TOGETHER_FOLDER
from hepcs.output.root import OUTCOMES, RESULTS, SHARED, outcome_columns, result_columns, search_rows
from hepcs.output.summary import results_digest
from hepcs.results import RunResult

METADATA = "metadata.json"

#: Of pure numbers, as the International System of Units writes their unit.
ONE = "1"
# What columns of the trees are counted in; all others are pure numbers.
_UNITS = {
    "n_events": "events",
    "epsilon": "events",
    "n_null": "pseudo-experiments",
    "n_above": "pseudo-experiments",
}
_FORMATS = {
    ".root": "application/x-root",
    ".json": "application/json",
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".png": "image/png",
}
_PHRASES = ("Proton-Proton Scattering", "Dijet Production", "Resonances", "Model-independent search")


def keywords(card: Card) -> tuple[str, ...]:
    """Keywords of a run, the same for archives and HEPData: what was looked for, by which kinds of search."""
    kinds = dict.fromkeys(search.kind.replace("_", " ") for search in card.searches.values())
    return (*_PHRASES, *kinds)


def describe_run(
    result: RunResult, histograms: Mapping[str, hist.Hist], files: Sequence[Mapping[str, Any]]
) -> Any:
    """The record of a run, in plain JSON types.

    Parameters
    ----------
    result
        The run.
    histograms
        From :func:`hepcs.output.histograms.run_histograms`.
    files
        Of the run: ``name``, ``size`` in bytes and ``sha256`` of each.
    """
    card, provenance = result.card.card, result.provenance
    digest = results_digest(result)
    inputs = [_sample(sample, card) for sample in result.samples]
    creators = [{"@type": "Person", "name": name} for name in card.output.creators or ()]
    description = card.description or f"Search for resonances in dijets: {card.name}"
    record = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": card.name,
        "description": description,
        "identifier": f"sha256:{digest}",
        "dateCreated": provenance.started,
        "creator": creators,
        "license": card.output.licence,
        "keywords": list(keywords(card)),
        "measurementTechnique": [search.title for search in result.searches],
        "isBasedOn": inputs,
        "variableMeasured": [*_columns(result), *_axes(histograms)],
        "distribution": [
            {
                "@type": "DataDownload",
                "name": file["name"],
                "contentUrl": file["name"],
                "contentSize": f"{file['size']} B",
                "sha256": file["sha256"],
                "encodingFormat": _FORMATS.get(PurePath(file["name"]).suffix, "application/octet-stream"),
            }
            for file in files
        ],
        "wasGeneratedBy": _action(result),
        "datacite": _datacite(card, description, digest, provenance.started, inputs, files),
    }
    return {key: value for key, value in record.items() if value not in (None, [])}


def _sample(sample: SampleReport, card: Card) -> dict[str, Any]:
    """A sample that the run is made from."""
    source = card.samples.by_role().get(sample.role)
    known: dict[str, Any] = {}
    if isinstance(source, FileSource):
        known = {
            "identifier": f"https://doi.org/{source.doi}" if source.doi else None,
            "url": source.record,
            "license": source.licence,
        }
    files = [
        {
            "@type": "DataDownload",
            "name": PurePath(file.path).name,
            "contentSize": f"{file.size} B",
            **_checksum(file.digest),
        }
        for file in sample.inputs
    ]
    return {
        "@type": "Dataset",
        "name": sample.role,
        "description": f"{sample.cutflow.counts[0] if sample.cutflow.counts else 0} entries read",
        **{key: value for key, value in known.items() if value},
        "distribution": files,
    }


def _checksum(digest: str) -> dict[str, str]:
    kind, _, value = digest.partition(":")
    return {"sha256": value} if kind == "sha256" else {"identifier": digest}


def _action(result: RunResult) -> dict[str, Any]:
    versions = dict(result.provenance.versions)
    return {
        "@type": "CreateAction",
        "startTime": result.provenance.started,
        "instrument": {
            "@type": "SoftwareApplication",
            "name": "hepcs",
            "softwareVersion": versions.pop("hepcs", None),
            "operatingSystem": result.provenance.platform,
            "softwareRequirements": [f"{name} {version}" for name, version in versions.items()],
        },
    }


def _columns(result: RunResult) -> Iterator[dict[str, str]]:
    """Each column of the trees in the ROOT file, with its unit."""
    for search in result.searches:
        trees = [
            (OUTCOMES, outcome_columns(search.outcomes)),
            (RESULTS, result_columns(search_rows(search))),
        ]
        if search.shared != search.outcomes:
            trees.append((SHARED, outcome_columns(search.shared)))
        for tree, columns in trees:
            for name in columns:
                yield _variable(f"{search.name}/{tree}/{name}", _UNITS.get(name, ONE))
    if result.combined:
        for name in result_columns(search_rows(result.searches[0])):
            yield _variable(f"{TOGETHER_FOLDER}/{RESULTS}/{name}", _UNITS.get(name, ONE))


def _axes(histograms: Mapping[str, hist.Hist]) -> Iterator[dict[str, str]]:
    """Each axis of each histogram, and what is counted in it, with units."""
    for path, histogram in histograms.items():
        for axis in histogram.axes:
            yield _variable(f"{path}/{axis.name}", _unit_of(axis.label), axis.label)
        counted = str(histogram.label or ONE)
        yield _variable(path, _unit_of(counted) if "[" in counted else counted)


def _variable(name: str, unit: str, description: str = "") -> dict[str, str]:
    known = {"description": description} if description else {}
    return {"@type": "PropertyValue", "name": name, "unitText": unit, **known}


def _unit_of(label: str) -> str:
    """The unit in the brackets of a label; of pure numbers, one."""
    found = re.search(r"\[([^\]]+)\]", label)
    return found[1] if found else ONE


def _datacite(
    card: Card,
    description: str,
    digest: str,
    started: str,
    inputs: Sequence[Mapping[str, Any]],
    files: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    related = [
        {
            "relatedIdentifier": one[key].removeprefix("https://doi.org/"),
            "relatedIdentifierType": kind,
            "relationType": "IsDerivedFrom",
        }
        for one in inputs
        for key, kind in (("identifier", "DOI"), ("url", "URL"))
        if one.get(key)
    ]
    return {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Search for resonances in dijets"},
        "titles": [{"title": card.name}],
        "creators": [{"name": name} for name in card.output.creators or ()],
        "publicationYear": started[:4],
        "subjects": [{"subject": keyword} for keyword in keywords(card)],
        "descriptions": [{"description": description, "descriptionType": "Abstract"}],
        "dates": [{"date": started, "dateType": "Created"}],
        "alternateIdentifiers": [
            {"alternateIdentifier": f"sha256:{digest}", "alternateIdentifierType": "digest of the results"}
        ],
        "relatedIdentifiers": [dict(one) for one in {tuple(one.items()): None for one in related}],
        "rightsList": [{"rights": card.output.licence}] if card.output.licence else [],
        "formats": sorted({_FORMATS.get(PurePath(file["name"]).suffix, "") for file in files} - {""}),
        "sizes": [f"{sum(file['size'] for file in files)} B"],
    }
