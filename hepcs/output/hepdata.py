"""Tables of a finished run for HEPData (Maguire, Heinrich and Watt, J. Phys. Conf. Ser. 898 (2017) 102006).

:func:`hepdata_tables` says what is in them; :func:`write_hepdata` writes the submission with hepdata_lib.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import chdir
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hepcs.calibration import Quantile
from hepcs.errors import ArgumentError, ComputationError, MissingDependencyError
from hepcs.output.histograms import epsilon_folder
from hepcs.output.reading import StoredRun
from hepcs.output.sentences import data_set
from hepcs.output.table import NOTHING
from hepcs.requirements import pip_install
from hepcs.results import Observed

#: What can stand in a cell: a number, or a word where there is none.
Value = float | str
# hepdata_lib rounds to this many digits: more than any count has.
DIGITS = 10
# Longest name of a table.
_LONGEST_NAME = 64
_SUBMISSION = "submission.yaml"
_ARCHIVE = "submission.tar.gz"


@dataclass(frozen=True)
class Column:
    """A dependent variable.

    Attributes
    ----------
    name, units
        Header; no units for pure numbers.
    values
        One for each row.
    errors
        Downward (negative) and upward error of each value; None where there are none.
    label
        What the errors are.
    """

    name: str
    units: str
    values: tuple[Value, ...]
    errors: tuple[tuple[float, float], ...] | None = None
    label: str = ""


@dataclass(frozen=True)
class HepdataTable:
    """A table of the submission.

    Attributes
    ----------
    name, description
        For its readers.
    axis, units
        Name and units of the independent variable.
    rows
        Its values: numbers, or bins [low, high).
    columns
        The dependent variables.
    """

    name: str
    description: str
    axis: str
    units: str
    rows: tuple[float, ...] | tuple[tuple[float, float], ...]
    columns: tuple[Column, ...]


def hepdata_tables(run: StoredRun) -> tuple[HepdataTable, ...]:
    """The tables of a run: spectra with background estimates and local significances, results, sensitivity.

    For each observed data set one table of all events with the fits to them, and one for each ensemble of cluster
    scans, of its representative scan. Then p and Z of the observed data sets, and median and quartiles of Z over
    doped pseudo-experiments, if there are any. Searches with one title have their names behind it.
    """
    run = _with_distinct_titles(run)
    return _with_distinct_names(
        (
            *_spectrum_tables(run),
            *_scan_tables(run),
            *_observed_tables(run),
            *_sensitivity_tables(run),
        )
    )


def write_hepdata(run: StoredRun, folder: Path, *, overwrite: bool = False) -> Path:
    """Write the submission of a run: ``submission.yaml``, a YAML file for each table, ``submission.tar.gz``.

    It is checked against the schema of HEPData first. The working folder of the process changes for a moment,
    since hepdata_lib knows no other place for its archive.

    Parameters
    ----------
    run
        The run.
    folder
        Where to write.
    overwrite
        Whether a submission that is there may be replaced; all of its files go.

    Returns
    -------
    The archive, which is what to upload.

    Raises
    ------
    ArgumentError
        If the folder is not empty and `overwrite` is false, or if it holds anything but an earlier submission.
    ComputationError
        If the submission is not valid.
    MissingDependencyError
        Without hepdata_lib.
    """
    try:
        import hepdata_lib
        from hepdata_validator.full_submission_validator import FullSubmissionValidator
    except ImportError as error:
        raise MissingDependencyError(
            "hepdata_lib", "to write HEPData tables", pip_install("hepdata-lib")
        ) from error
    earlier = _earlier_submission(folder, overwrite)
    submission = hepdata_lib.Submission()
    submission.comment = (
        f"{run.card.name}: {run.card.description or 'dijet search'} (digest of the results {run.digest})"
    )
    for table in hepdata_tables(run):
        submission.add_table(_hepdata_table(hepdata_lib, table, run.card.fits.sqrt_s))
    with tempfile.TemporaryDirectory() as temporary:
        with chdir(temporary):
            submission.create_files(".", validate=False)
        validator = FullSubmissionValidator()
        if not validator.validate(archive=str(Path(temporary) / _ARCHIVE)):
            found = (
                message.message for messages in validator.get_messages().values() for message in messages
            )
            raise ComputationError(f"{folder}: the submission is not valid: {'; '.join(found)}")
        folder.mkdir(parents=True, exist_ok=True)
        for path in earlier:
            path.unlink()
        for path in sorted(Path(temporary).iterdir()):
            shutil.move(path, folder / path.name)
    return folder / _ARCHIVE


def _earlier_submission(folder: Path, overwrite: bool) -> list[Path]:
    """The files of the submission in a folder, all of which a new one replaces."""
    if not folder.exists():
        return []
    present = sorted(folder.iterdir()) if folder.is_dir() else []
    if not folder.is_dir() or (present and not overwrite):
        raise ArgumentError(f"{folder}: exists and is not empty. Name another folder, or use --overwrite")
    index, known = folder / _SUBMISSION, {_SUBMISSION, _ARCHIVE}
    if index.is_file():
        try:
            documents = list(yaml.safe_load_all(index.read_text(encoding="utf-8")))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ArgumentError(f"{index}: cannot be read ({error}). Name another folder") from error
        known |= {str(document.get("data_file")) for document in documents if isinstance(document, dict)}
    others = [path.name for path in present if path.name not in known or not path.is_file()]
    if others:
        raise ArgumentError(
            f"{folder}: holds {', '.join(others[:5])}, which no earlier submission there names, and --overwrite "
            "replaces all of it. Name another folder"
        )
    return present


# ------------------------------------------------------------------------------------------- the tables


def _bins(run: StoredRun) -> tuple[tuple[float, float], ...]:
    return tuple(pairwise(run.bins.edges.tolist()))


def _name(text: str, suffix: str = "") -> str:
    """Name of a table, not longer than HEPData allows; hepdata_lib makes the name of a file from it."""
    plain = re.sub(r"[^A-Za-z0-9 +-]", " ", text)
    return f"{plain[: _LONGEST_NAME - len(suffix)].strip()}{suffix}"


def _with_distinct_titles(run: StoredRun) -> StoredRun:
    """The same, with its name behind the title of each search whose title another one has as well."""
    searches = run.result.searches
    times = Counter(search.title for search in searches)
    distinct = tuple(
        dataclasses.replace(search, title=f"{search.title} ({search.name})")
        if times[search.title] > 1
        else search
        for search in searches
    )
    return dataclasses.replace(run, result=dataclasses.replace(run.result, searches=distinct))


def _with_distinct_names(tables: Iterable[HepdataTable]) -> tuple[HepdataTable, ...]:
    """The same, numbered where a name, and the file that hepdata_lib names after it, would come again."""
    distinct: dict[str, HepdataTable] = {}
    for table in tables:
        name, number = table.name, 1
        while name.lower() in distinct:
            number += 1
            name = _name(table.name, f" {number}")
        distinct[name.lower()] = dataclasses.replace(table, name=name)
    return tuple(distinct.values())


def _with_epsilon(text: str, run: StoredRun, epsilon: int) -> str:
    """The same with the data set behind it, where there are several."""
    return _name(text, "" if run.card.samples.is_real_search else f" with {epsilon} signal events")


def _spectrum_tables(run: StoredRun) -> Iterator[HepdataTable]:
    """Events in bins of m_jj, with the estimate and the local significance of each search that fits them."""
    epsilons = dict.fromkeys(
        observed.epsilon for search in run.result.searches for observed in search.observed
    )
    for epsilon in epsilons:
        columns: list[Column] = []
        for search in run.result.searches:
            prefix = f"{search.name}/observed/{epsilon_folder(epsilon)}"
            if f"{prefix}/spectrum" not in run.histograms:
                continue
            if not columns:
                counts = _values(run, f"{prefix}/spectrum")
                columns.append(Column("Events", "", counts, _symmetric(np.sqrt(counts)), "statistical"))
            columns += _estimate_columns(run, prefix, search.title)
        if columns:
            subject = data_set(epsilon, run.card.samples.is_real_search)
            yield HepdataTable(
                _with_epsilon("Dijet spectrum", run, epsilon),
                f"Events of {subject} in bins of the dijet mass, the functions fitted to them with the "
                "uncertainty of the fit, and the local significance of the excess in each bin.",
                "$m_{jj}$",
                "GeV",
                _bins(run),
                tuple(columns),
            )


def _scan_tables(run: StoredRun) -> Iterator[HepdataTable]:
    """Jets of the signal-rich clusters of the representative scans."""
    for search in run.result.searches:
        for observed in search.observed:
            n = run.n_scans(search.name, observed.epsilon)
            if n == 0:
                continue
            member = run.representative(search.name, observed.epsilon)
            prefix = f"{search.name}/observed/{epsilon_folder(observed.epsilon)}/member_{member:02d}"
            counts = _values(run, f"{prefix}/signal_rich")
            subject = data_set(observed.epsilon, run.card.samples.is_real_search)
            yield HepdataTable(
                _with_epsilon(f"{search.title} signal-rich clusters", run, observed.epsilon),
                f"{search.title} of {subject}, scan {member + 1} of {n}, whose statistic is nearest to the mean: "
                "jets of the signal-rich clusters in bins of the dijet mass (an event counts with each of its two "
                "jets that is in such a cluster), the background estimate from the signal-poor clusters with its "
                "statistical uncertainty, and the local significance of the excess.",
                "$m_{jj}$",
                "GeV",
                _bins(run),
                (
                    Column("Jets", "", counts, _symmetric(np.sqrt(counts)), "statistical"),
                    *_estimate_columns(run, prefix, search.title),
                ),
            )


def _estimate_columns(run: StoredRun, prefix: str, title: str) -> Iterator[Column]:
    """Background estimate and local significance of a search, as far as it keeps them."""
    if f"{prefix}/background_estimate" in run.histograms:
        variances = np.asarray(run.histograms[f"{prefix}/background_estimate"].variances())
        yield Column(
            f"Background estimate, {title}",
            "",
            _values(run, f"{prefix}/background_estimate"),
            _symmetric(np.sqrt(variances)),
            "of the estimate",
        )
    if f"{prefix}/local_significance" in run.histograms:
        yield Column(f"Local significance, {title}", "", _values(run, f"{prefix}/local_significance"))


def _observed_tables(run: StoredRun) -> Iterator[HepdataTable]:
    """Statistic, p and Z of each search."""
    for search in run.result.searches:
        calibrations = [observed.calibration for observed in search.observed]
        yield HepdataTable(
            _name(f"Observed significance of {search.title}"),
            f"{search.title}: test statistic of each observed data set, p-value and significance Z from "
            f"{run.card.pseudo_experiments.background_only} background-only pseudo-experiments, with 68 % "
            "intervals. Where no pseudo-experiment reaches the statistic, p = 1/N is an upper bound and Z a lower "
            "one.",
            "Injected signal events",
            "",
            tuple(float(observed.epsilon) for observed in search.observed),
            (
                Column("Test statistic", "", tuple(_statistic(observed) for observed in search.observed)),
                Column(
                    "p-value",
                    "",
                    tuple(NOTHING if one is None else one.p for one in calibrations),
                    tuple(
                        (0.0, 0.0) if one is None else _around(one.p, one.p_low, one.p_high)
                        for one in calibrations
                    ),
                    "68 % interval",
                ),
                Column(
                    "Z",
                    "",
                    tuple(NOTHING if one is None else one.z for one in calibrations),
                    tuple(
                        (0.0, 0.0) if one is None else _around(one.z, one.z_low, one.z_high)
                        for one in calibrations
                    ),
                    "68 % interval",
                ),
                Column(
                    "Z is", "", tuple(NOTHING if one is None else _kind(one.bound) for one in calibrations)
                ),
            ),
        )


def _sensitivity_tables(run: StoredRun) -> Iterator[HepdataTable]:
    """Median and quartiles of Z over doped pseudo-experiments by the number of injected events."""
    for search in run.result.searches:
        if not search.doped:
            continue
        quantiles = [(one.z.lower_quartile, one.z.median, one.z.upper_quartile) for one in search.doped]
        yield HepdataTable(
            _name(f"Sensitivity of {search.title}"),
            f"{search.title}: median significance over pseudo-experiments with injected signal; the errors lead "
            "to the quartiles. What is only a bound, for want of background-only pseudo-experiments, is said "
            "beside it.",
            "Injected signal events",
            "",
            tuple(float(one.epsilon) for one in search.doped),
            (
                Column(
                    "Median Z",
                    "",
                    tuple(median.z for _, median, _ in quantiles),
                    tuple(_around(median.z, low.z, high.z) for low, median, high in quantiles),
                    "quartiles",
                ),
                *(
                    Column(f"{name} is", "", tuple(_kind(row[i].bound) for row in quantiles))
                    for i, name in ((1, "Median Z"), (0, "Lower quartile"), (2, "Upper quartile"))
                ),
                Column("Pseudo-experiments", "", tuple(float(one.n_used) for one in search.doped)),
            ),
        )


def _values(run: StoredRun, path: str) -> tuple[float, ...]:
    return tuple(np.asarray(run.histograms[path].values(), dtype=np.float64).tolist())


def _symmetric(errors: Any) -> tuple[tuple[float, float], ...]:
    return tuple((-float(error), float(error)) for error in errors)


def _around(value: float, low: float | None, high: float | None) -> tuple[float, float]:
    """Errors that lead from a value to its limits; 0 where there is none."""
    return (0.0 if low is None else low - value, 0.0 if high is None else high - value)


def _statistic(observed: Observed) -> Value:
    outcome = observed.observation.outcome
    return outcome.statistic if outcome.valid else NOTHING


def _kind(bound: Quantile | str | None) -> str:
    return "exact" if bound is None else f"{bound} bound" if bound != "undetermined" else "undetermined"


# ------------------------------------------------------------------------------------------ hepdata_lib


def _hepdata_table(hepdata_lib: Any, table: HepdataTable, sqrt_s: float) -> Any:
    made = hepdata_lib.Table(table.name)
    made.description = table.description
    made.location = "Written by hepcs from a finished run"
    made.keywords = {"reactions": ["P P --> JET JET X"], "cmenergies": [sqrt_s]}
    binned = isinstance(table.rows[0], tuple)
    axis = hepdata_lib.Variable(table.axis, is_independent=True, is_binned=binned, units=table.units)
    axis.digits = DIGITS
    axis.values = list(table.rows)
    made.add_variable(axis)
    for column in table.columns:
        variable = hepdata_lib.Variable(
            column.name,
            is_independent=False,
            is_binned=False,
            units=column.units,
            zero_uncertainties_warning=False,
        )
        variable.digits = DIGITS
        variable.values = list(column.values)
        variable.add_qualifier("SQRT(S)", sqrt_s, "GeV")
        if column.errors is not None:
            symmetric = all(-low == high for low, high in column.errors)
            uncertainty = hepdata_lib.Uncertainty(column.label, is_symmetric=symmetric)
            uncertainty.values = [high for _, high in column.errors] if symmetric else list(column.errors)
            variable.add_uncertainty(uncertainty)
        made.add_variable(variable)
    return made
