"""The notebook that opens a finished run, executed by the interpreter that runs the tests."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from toy_run import toy_run

from hepcs._core.requirements import pip_install
from hepcs.output import write_run

nbformat = pytest.importorskip("nbformat", reason=f"needs nbformat: {pip_install('nbformat')}")
nbclient = pytest.importorskip("nbclient", reason=f"needs nbclient: {pip_install('nbclient')}")
pytest.importorskip("ipykernel", reason=f"needs ipykernel: {pip_install('ipykernel')}")

NOTEBOOK = Path(__file__).parents[2] / "analysis" / "open_a_run.ipynb"


def outputs(notebook: Any, kind: str) -> list[str]:
    """What the cells show in a MIME type, in order."""
    return [
        output["data"][kind]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if kind in output.get("data", {})
    ]


def test_it_is_stored_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


@pytest.mark.slow
def test_it_opens_a_run_and_redraws_its_figures(
    kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    write_run(toy_run(), folder)
    monkeypatch.setenv("HEPCS_RUN", str(folder))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name=kernel, resources=resources).execute()
    # Warnings and errors would go there.
    streams = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "stream" in output.output_type
    ]
    assert streams == []
    shown = "\n".join(outputs(notebook, "text/plain"))
    assert "40 background-only pseudo-experiments for each search" in shown
    assert "4-parameter fit" in shown
    assert "a warning" in shown
    calibration, sensitivity = (base64.b64decode(image) for image in outputs(notebook, "image/png"))
    assert calibration[:4] == sensitivity[:4] == b"\x89PNG"
    assert calibration != sensitivity
