"""A notebook with two views, executed and saved, as others open it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
CELLS = (
    """import retab_analysis as ra
sandbox = ra.demo(speed=40)
view = ra.watch(ra.start_runs("wf_invoices"), interval=0.3)
view""",
    "_ = view.wait(60)",
    """shown = ra.explore("wf_claims")
_ = shown.wait(60)
shown""",
)


def execute(folder: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs, and the widgets' state in its metadata."""
    path = folder / "views.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in CELLS]), path
    )
    # In a process of its own: its event loop and Playwright's keep each other from ending.
    command = [sys.executable, "-m", "nbconvert", "--to=notebook", "--execute", "--inplace"]
    subprocess.run([*command, str(path)], check=True, capture_output=True, timeout=180)
    return nbformat.read(path, as_version=4)


def outputs(notebook: nbformat.NotebookNode) -> Iterator[dict[str, Any]]:
    """What each output is, by its MIME type."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield output.get("data", {})


def widget_state(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """The state of all widgets: ``state`` by their ids, and the version of the format."""
    found: dict[str, Any] = json.loads(json.dumps(notebook.metadata["widgets"][STATE]))
    return found
