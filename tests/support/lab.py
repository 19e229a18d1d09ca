"""JupyterLab as a person uses it."""

from __future__ import annotations

from typing import Any

import nbformat
from playwright.sync_api import Page


def save(lab: Any, name: str, *cells: str) -> str:
    """Put a notebook where Lab finds it; gives its address."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, lab.root / name)
    return f"{lab.url}/lab/tree/{name}?token={lab.token}&reset"


def run_all(page: Page) -> None:
    """Run all cells, once the kernel is there."""
    ready = """() => {
        const app = window.jupyterapp, panel = app && app.shell.currentWidget;
        return panel && panel.context && panel.context.isReady
            && panel.sessionContext.session?.kernel?.status === 'idle';
    }"""
    page.wait_for_function(ready, timeout=60_000)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")


def turn_dark(page: Page) -> None:
    """Change the theme, as in the menu Settings."""
    page.evaluate("""() => window.jupyterapp.commands.execute(
        "apputils:change-theme", {theme: "JupyterLab Dark"})""")
    page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
