"""The notebook runs from its first cell to its last, with few steps."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

import cyclekit

NOTEBOOK = Path(cyclekit.__file__).parents[1] / "examples/first_steps.ipynb"


@pytest.mark.proof
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("CYCLEKIT_NOTEBOOK_STEPS", "4")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    kernels = tmp_path / "jupyter"
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(kernels))  # no kernel of the person's own
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs: list[list[Any]] = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    shown = [{kind for out in of for kind in out.get("data", {})} for of in outputs]
    assert sum("image/png" in kinds for kinds in shown) == 2, "the sheet, and a translation"
    assert (tmp_path / "runs/00001-image-demo/report.html").is_file()
    figures = next(
        out["data"]["text/plain"]
        for of in outputs
        for out in of
        if "'identity': 0." in out.get("data", {}).get("text/plain", "")
    )
    assert "'translated': 0." in figures


def test_the_notebook_holds_no_outputs() -> None:
    """So that a change of it is a change of what somebody wrote."""
    import json

    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells)
