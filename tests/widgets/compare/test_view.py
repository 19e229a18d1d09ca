"""The comparison view as users hold it, and what is saved of it."""

from __future__ import annotations

import subprocess
import sys
import types

import nbformat
import polars as pl
import pytest
from ipywidgets.widgets.widget import _instances
from nbclient import NotebookClient
from support.compared import THREE
from support.inside import CompareView

import retab_analysis as ra


def test_outside_a_kernel_there_is_html_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    view = ra.compare_view(THREE.with_columns(actual_value=pl.lit('"secret"')), "v1", "v3")
    assert isinstance(view, CompareView)
    assert view.comparison.summary["newly_blocked"].item() == 1
    bundle = view._repr_mimebundle_()
    assert sorted(bundle) == ["text/html", "text/plain"]
    assert "secret" in repr(view), "in one's own terminal values are shown"
    assert "secret" not in bundle["text/html"] + bundle["text/plain"]
    for words in ("✗", "gate fails", "name of e0"):
        assert words in bundle["text/html"]
        assert words in bundle["text/plain"]
    assert view.widget is view.widget
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    live = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in live
    assert live["text/plain"] == repr(view) == bundle["text/plain"]


def test_the_view_says_what_is_chosen_at_present() -> None:
    view = ra.compare_view(THREE)
    view.widget._handle_custom_msg({"id": "1", "event": "baseline", "value": "v1"}, [])
    assert "(v1)" in view.comparison.explain()


def test_a_terminal_loads_no_widgets() -> None:
    code = (
        "import retab_analysis as ra, sys\n"
        "with ra.Sandbox(speed=100) as sandbox:\n"
        "    client = ra.Client(**sandbox.credentials)\n"
        "    runs = ra.fetch_runs('wf_claims', limit=12, client=client)\n"
        "    view = ra.compare_view(ra.fetch_results(runs, client=client))\n"
        "    print(view)\n"
        "    view._repr_mimebundle_()\n"
        "print(sorted({'ipywidgets', 'matplotlib', 'IPython'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.endswith("[]\n")
    assert "of 20 pass" in run.stdout


def test_an_executed_notebook_keeps_a_page_without_values() -> None:
    cells = [
        "import retab_analysis as ra\nra.demo(speed=300)\n"
        "runs = ra.fetch_runs('wf_invoices', status='completed', limit=25)\n"
        "results = ra.fetch_results(runs, evals=ra.fetch_evals('wf_invoices'))",
        "view = ra.compare_view(results)\nassert view.comparison.evals.height > 80\nview",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    quiet = ["--IPKernelApp.log_level=40"]
    NotebookClient(notebook, timeout=600, startup_timeout=600, extra_arguments=quiet).execute()
    live, still = (each["data"] for each in notebook.cells[-1].outputs)
    assert "application/vnd.jupyter.widget-view+json" in live
    data = still
    assert "✗" in data["text/html"]
    assert "Buffet lunch" not in data["text/html"] + data["text/plain"]


def test_a_saved_page_has_the_values_where_that_is_asked_for() -> None:
    frame = THREE.with_columns(actual_value=pl.lit('"secret"'))
    for asked in (False, True):
        view = ra.compare_view(frame, "v1", "v3", save_values=asked)
        assert ("secret" in view._repr_mimebundle_()["text/html"]) is asked
    with pytest.raises(ra.ConfigError, match="save_values must be True or False, got 'yes'"):
        ra.compare_view(frame, save_values="yes")  # type: ignore[arg-type]
    with pytest.raises(ra.ConfigError, match="client must be a Client"):
        ra.compare_view(frame, client="nonsense")  # type: ignore[arg-type]


def test_closing_leaves_nothing() -> None:
    before = dict(_instances)
    for _ in range(20):
        view = ra.compare_view(THREE)
        page = view.widget
        assert len(_instances) == len(before) + 2  # the page and its layout
        view.close()
        view.close()
        assert page.comm is None
        assert _instances == before
    assert view.state.candidate == "v3"
    assert view.comparison.evals.height == 7
    assert view.widget is not page
    view.close()
