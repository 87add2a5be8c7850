"""The notebooks of the documentation, executed at their smallest by the interpreter that runs the tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from hepcs._core.requirements import pip_install

nbformat = pytest.importorskip("nbformat", reason=f"needs nbformat: {pip_install('nbformat')}")
nbclient = pytest.importorskip("nbclient", reason=f"needs nbclient: {pip_install('nbclient')}")
pytest.importorskip("ipykernel", reason=f"needs ipykernel: {pip_install('ipykernel')}")
pytest.importorskip("pandas", reason=f"needs pandas: {pip_install('pandas')}")

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
# In place of the cell with the tag `parameters`.
SMALLEST = {
    "tour": ("BACKGROUND, SIGNAL, INJECTED = 6_000, 400, 60\nPSEUDO_EXPERIMENTS, DOPED, CLUSTERS = 12, 2, 3"),
    "own_files": ("DATA, SIGNAL_IN_DATA, BACKGROUND = 800, 40, 3_000\nPSEUDO_EXPERIMENTS, CLUSTERS = 12, 3"),
    "own_search": "BACKGROUND, SIGNAL, INJECTED = 6_000, 400, 60\nPSEUDO_EXPERIMENTS, DOPED = 12, 2",
}
NEEDS_PYTHIA = ("tour", "own_search")


def cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def executed(name: str, kernel: str, folder: Path) -> list[Any]:
    """The code cells of a notebook after it was run at its smallest in a folder."""
    if name in NEEDS_PYTHIA and importlib.util.find_spec("pythia8mc") is None:
        pytest.skip(f"needs Pythia: {pip_install('pythia8mc')}")
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    (parameters,) = [cell for cell in cells(notebook) if "parameters" in cell.metadata.get("tags", [])]
    assert [line.split(" = ")[0] for line in SMALLEST[name].splitlines()] == [
        line.split(" = ")[0] for line in parameters.source.splitlines()
    ]
    parameters.source = SMALLEST[name]
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name=kernel, resources=resources).execute()
    return cells(notebook)


def shown(found: list[Any], kind: str) -> list[str]:
    """What the cells show in a MIME type, in order."""
    return [
        "".join(output["data"][kind])
        for cell in found
        for output in cell.outputs
        if kind in output.get("data", {})
    ]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_they_are_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stem in SMALLEST
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells(notebook))


@pytest.mark.slow
def test_the_tour(kernel: str, tmp_path: Path) -> None:
    found = executed("tour", kernel, tmp_path)
    assert any("Did you mean" in text or "unknown key" in text for text in shown(found, "text/plain"))
    pages = shown(found, "text/html")
    # Bars of the run, its table, and the spectrum of a search.
    assert any("<progress" in page for page in pages)
    assert any("All 2 searches together" in page for page in pages)
    assert any("<svg" in page for page in pages)
    assert len(shown(found, "image/png")) == 2
    assert shown(found, "text/plain")[-1] == "True"
    assert (tmp_path / "runs/tour/report.html").is_file()


@pytest.mark.slow
def test_own_files(kernel: str, tmp_path: Path) -> None:
    found = executed("own_files", kernel, tmp_path)
    texts = shown(found, "text/plain")
    assert any("'cand_pt'" in text for text in texts)
    assert any(text.startswith("(True,") for text in texts), "the first run is blind"
    pages = shown(found, "text/html")
    assert any("3-parameter fit" in page and "the data" in page for page in pages)
    assert any("is not much larger than the data" in page for page in pages)
    # Nobody injected anything into data.
    assert not any("injected signal events" in page for page in pages)
    assert "report.html" in texts[-1]


@pytest.mark.slow
def test_own_search(kernel: str, tmp_path: Path) -> None:
    found = executed("own_search", kernel, tmp_path)
    assert any("heavy_jets" in text for text in shown(found, "text/plain"))
    assert sum("<svg" in page for page in shown(found, "text/html")) == 1
    assert len(shown(found, "image/png")) == 2
