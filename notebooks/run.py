"""Execute a notebook and keep it as one HTML file that needs no network."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

BUILD = Path(__file__).resolve().parents[1] / "build"
WIDGET = "application/vnd.jupyter.widget-view+json"
# What still watches ends while the sockets of the kernel are open.
CLOSE = """import sys
if "retab_analysis.widgets.view" in sys.modules:
    sys.modules["retab_analysis.widgets.view"].end_all()"""
SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)


def execute(source: Path) -> nbformat.NotebookNode:
    """Run all cells in a kernel of this Python, in the folder ``build``."""
    notebook = nbformat.read(source, as_version=4)
    BUILD.mkdir(exist_ok=True)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # not a kernel that somebody has installed
    resources = {"metadata": {"path": str(BUILD)}}
    notebook.cells.append(nbformat.v4.new_code_cell(CLOSE))
    done = NotebookClient(
        notebook,
        timeout=600,
        startup_timeout=600,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources=resources,
        store_widget_state=False,  # its viewer would come from the network
    ).execute()
    done.cells.pop()
    return done


def to_html(notebook: nbformat.NotebookNode, title: str) -> str:
    """The notebook as HTML without scripts: all of them are for things that it does not have.

    They would come from the network, and tables, figures and colours do not need them. Widgets
    need them: what is left of a progress bar is how far it was when it appeared.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if not _is_only_a_widget(each)]
    resources = {"metadata": {"name": title}}
    html, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook, resources)
    return SCRIPT.sub("", html)


def _is_only_a_widget(output: nbformat.NotebookNode) -> bool:
    """Whether nothing is to be seen of an output without its script; our views have HTML, too."""
    forms = output.get("data", {})
    return WIDGET in forms and "text/html" not in forms


def printed(notebook: nbformat.NotebookNode) -> str:
    """What the last cell printed."""
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return "".join(each.text for each in outputs[-1] if each.output_type == "stream").rstrip()


def main(source: Path) -> int:
    """Execute, export, and say what was found and where it is."""
    try:
        notebook = execute(source)
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    name = re.sub(r"^[0-9]+_", "", source.stem)
    target = BUILD / f"{name}.html"
    target.write_text(to_html(notebook, name), encoding="utf-8")
    print(printed(notebook))
    print(f"The notebook, executed: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
