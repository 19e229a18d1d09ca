"""The explorer as users hold it: arguments, files, saved pages."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient
from support.explored import section, send

import retab_analysis as ra


def pandas_frame() -> Any:
    """What looks like pandas' frame: the library itself is no dependency."""
    return type("DataFrame", (), {"__module__": "pandas", "columns": ["run_id"]})()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "pass runs, results= or both"),
        ({"runs": ra.decode_runs([]), "workflow_id": "wf"}, "pass runs, results= or both"),
        ({"workflow_id": ""}, "workflow_id"),
        (
            {"runs": [1]},
            "runs must be a RUNS frame (of polars, pandas, pyarrow or duckdb)",
        ),
        ({"runs": "wf_1"}, "explore(workflow_id='wf_1')"),
        ({"runs": pandas_frame()}, "pandas.DataFrame (polars.from_pandas converts it)"),
        ({"results": "run_1"}, "results must be a RESULTS frame"),
        ({"runs": ra.decode_runs([]), "save_values": None}, "save_values must be True or False"),
    ],
)
def test_what_it_cannot_use(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ra.ConfigError) as caught:
        ra.explore(**arguments)
    assert words in str(caught.value)


def test_lazy_frames_and_columns_of_nulls_and_of_ones_own(runs: pl.DataFrame) -> None:
    mine = runs.with_columns(eval_id=None, mine=1)
    explorer = ra.explore(mine.lazy())  # type: ignore[arg-type]
    assert explorer.frame.columns == mine.columns
    assert explorer.frame["eval_id"].dtype == pl.String


# CSV, saved pages, terminals.


def test_what_the_search_finds_is_written(
    runs: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    explorer = ra.explore(runs)
    send(explorer, "search", "extract_lines")
    target = tmp_path / "runs.csv"
    send(explorer, "export")
    assert 0 < explorer.frame.height < runs.height
    assert ra.read_csv(target, "runs").equals(explorer.frame)
    assert f"{explorer.frame.height} runs written to {target}" in section(explorer, "head")


def test_a_file_that_cannot_be_written_is_told(
    runs: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.csv").mkdir()
    explorer = ra.explore(runs)
    send(explorer, "export")
    send(explorer, "export")
    assert explorer.message.startswith("Nothing was written: ")
    with pytest.raises(ra.ConfigError, match="say where"):
        explorer.export("")
    for no_path in ("~nobody-of-that-name/x.csv", "a\0b.csv"):
        with pytest.raises(ra.ConfigError, match=r"there is no file|no path can have"):
            explorer.export(no_path)


def test_a_terminal_shows_a_table(runs: pl.DataFrame) -> None:
    text = repr(ra.explore(runs))
    lines = text.splitlines()
    assert lines[0] == f"{runs.height} runs"
    assert lines[1].startswith("Status")
    assert len(lines) == 3 + 15
    assert lines[-1].startswith(f"1 to 15 of {runs.height} runs; .frame is all of them")


def test_a_saved_page_has_no_values(runs: pl.DataFrame, results: pl.DataFrame) -> None:
    explorer = ra.explore(runs, results)
    run_id = results.filter(pl.col("expected_value").str.len_chars() > 5)["run_id"][0]
    for state in (explorer.state.runs, explorer.state.results):
        assert state is not None
        state.search(run_id)
        state.choose(state.shown_numbers[0])
    values = results.filter(run_id=run_id).select("expected_value", "actual_value")
    # What names say as well, "invoice" for example, proves nothing.
    named = str(results.select("eval_name", "document_names", "block_id", "path").to_dicts())
    said = {each.strip('"') for column in values for each in column.drop_nulls()}
    secrets = {each for each in said if len(each) > 5 and each not in named}
    assert len(secrets) > 30
    for tab in explorer.state.tabs:
        explorer.state.tab = tab
        bundle = explorer._repr_mimebundle_()
        assert "<table" in bundle["text/html"]
        assert bundle["text/plain"] == repr(explorer)
        assert "Those with “" in bundle["text/html"] or tab == "evals"
        for text in bundle.values():
            assert not [each for each in secrets if each in text]
    assert "application/vnd.jupyter.widget-view+json" not in bundle


def test_a_kernel_gets_the_widget(runs: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = types.SimpleNamespace(kernel=object())
    fake = types.SimpleNamespace(get_ipython=lambda: shell, version_info=(9,))
    monkeypatch.setitem(sys.modules, "IPython", fake)  # type: ignore[arg-type]
    bundle = ra.explore(runs)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "<table" in bundle["text/html"]


def test_a_saved_page_has_the_values_where_that_is_asked_for(
    runs: pl.DataFrame, results: pl.DataFrame
) -> None:
    failed = results.filter(state="failed").head(1).with_columns(actual_value=pl.lit('"secret"'))
    for given, tab in ((None, "results"), (runs, "runs")):
        for asked in (False, True):
            explorer = ra.explore(given, failed, save_values=asked)
            explorer.tab = tab
            explorer.state.listed.search(failed["run_id"][0])
            explorer.state.listed.choose(explorer.state.listed.shown_numbers[0])
            page = explorer._repr_mimebundle_()["text/html"]
            assert ("secret" in page) is asked, tab


def test_what_is_displayed_first_has_the_runs() -> None:
    """Who executes a notebook without a browser keeps that, and nothing that comes later."""
    cells = (
        "import retab_analysis as ra\nsandbox = ra.demo()",
        "ra.explore(workflow_id='wf_invoices')",
        "sandbox.stop()",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    quiet = ["--IPKernelApp.log_level=40"]
    NotebookClient(notebook, timeout=120, extra_arguments=quiet).execute()
    first = "".join(each["data"]["text/plain"] for each in notebook.cells[1].outputs)
    assert re.search(r"1 to 15 of [1-9]\d* runs", first), first
    assert "Fetching" not in first
