"""Tables of a finished run for HEPData (Maguire, Heinrich and Watt, J. Phys. Conf. Ser. 898 (2017) 102006).

:mod:`hepcs.output.hepdata_tables` says what is in them; :func:`write_hepdata` writes them with hepdata_lib.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import yaml

from hepcs._core.errors import ArgumentError, ComputationError, MissingDependencyError
from hepcs._core.requirements import pip_install
from hepcs.config.schema import Card
from hepcs.output.hepdata_tables import Column, HepdataTable, hepdata_tables
from hepcs.output.metadata import keywords
from hepcs.output.reading import StoredRun

# hepdata_lib rounds to this many digits: more than any count has.
DIGITS = 10
_SUBMISSION = "submission.yaml"
_ARCHIVE = "submission.tar.gz"


def write_hepdata(run: StoredRun, folder: Path | str, *, overwrite: bool = False) -> Path:
    """Write the submission of a run: ``submission.yaml``, a YAML file for each table, ``submission.tar.gz``.

    Both the archive and the folder are checked as HEPData does, by ``hepdata-validate``, first. The working folder
    of the process changes for a moment, since hepdata_lib knows no other place for its archive.

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
    folder = Path(folder)
    earlier = _earlier_submission(folder, overwrite)
    submission = _submission(hepdata_lib, run)
    with tempfile.TemporaryDirectory() as temporary:
        with chdir(temporary):
            submission.create_files(".", validate=False)
        _refer_to_archive(Path(temporary) / _SUBMISSION)
        for what in ({"archive": str(Path(temporary) / _ARCHIVE)}, {"directory": temporary}):
            validator = FullSubmissionValidator()
            if not validator.validate(**what):
                messages = [one.message for each in validator.get_messages().values() for one in each]
                raise ComputationError(f"{folder}: the submission is not valid: {'; '.join(messages)}")
        folder.mkdir(parents=True, exist_ok=True)
        for path in earlier:
            path.unlink()
        for path in sorted(Path(temporary).iterdir()):
            shutil.move(path, folder / path.name)
    return folder / _ARCHIVE


def _refer_to_archive(index: Path) -> None:
    """Name the archive in the index beside it (not in the one that it holds): HEPData takes no unnamed files."""
    about, *tables = yaml.safe_load_all(index.read_text(encoding="utf-8"))
    resource = {"location": _ARCHIVE, "description": "All files of the submission in one, to upload"}
    about["additional_resources"] = [*about.get("additional_resources", ()), resource]
    index.write_text(
        yaml.safe_dump_all([about, *tables], sort_keys=False, allow_unicode=True), encoding="utf-8"
    )


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


def _submission(hepdata_lib: Any, run: StoredRun) -> Any:
    submission = hepdata_lib.Submission()
    submission.comment = (
        f"{run.card.name}: {run.card.description or 'dijet search'} (digest of the results {run.digest})"
    )
    for table in hepdata_tables(run):
        submission.add_table(_table(hepdata_lib, table, run.card))
    return submission


def _table(hepdata_lib: Any, table: HepdataTable, card: Card) -> Any:
    sqrt_s = card.regions.sqrt_s
    made = hepdata_lib.Table(table.name)
    made.description = table.description
    made.location = "Written by hepcs from a finished run"
    made.keywords = {
        "reactions": ["P P --> JET JET X"],
        "cmenergies": [sqrt_s],
        "phrases": list(keywords(card)),
    }
    binned = isinstance(table.rows[0], tuple)
    axis = hepdata_lib.Variable(table.axis, is_independent=True, is_binned=binned, units=table.units)
    axis.digits = DIGITS
    axis.values = list(table.rows)
    made.add_variable(axis)
    for column in table.columns:
        made.add_variable(_variable(hepdata_lib, column, sqrt_s))
    return made


def _variable(hepdata_lib: Any, column: Column, sqrt_s: float) -> Any:
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
        # hepdata_lib writes no errors for a value whose only ones are 0: those that have none.
        errors = [(0.0, 0.0) if error is None else error for error in column.errors]
        symmetric = all(-low == high for low, high in errors)
        uncertainty = hepdata_lib.Uncertainty(column.label, is_symmetric=symmetric)
        uncertainty.values = [high for _, high in errors] if symmetric else errors
        variable.add_uncertainty(uncertainty)
    return variable
