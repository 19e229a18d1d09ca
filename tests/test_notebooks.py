"""The notebooks run, against the sandbox and an API of one's own, and export to one page."""

from __future__ import annotations

import importlib.util
import re
import sys
from html import escape
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from support.fakes import STILL
from support.inside import inside

import retab_analysis as ra

BROKE = re.compile(r"✗ \d+ evals (?:broke|are still broken) since the edit of extract_lines")
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``notebooks/run.py`` with a build folder of its own."""
    spec = importlib.util.spec_from_file_location("notebooks_run", NOTEBOOKS / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "BUILD", tmp_path / "build")
    return module


def plain(html: str) -> str:
    """A page without its tags, its white space as one blank."""
    return " ".join(re.sub(r"<[^>]*>", "", html).split())


def outside(html: str) -> list[str]:
    """What a browser would fetch from elsewhere."""
    loads = r"""(?:src|href)\s*=\s*["']?((?:https?:)?//[^"'\s>]+)|url\(["']?((?:https?:)?//[^)]+)"""
    return [one or other for one, other in re.findall(loads, html)]


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert "widgets" not in notebook.metadata


def test_the_quickstart_runs_without_a_key(
    runner: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(NOTEBOOKS / "01_quickstart.ipynb") == 0
    said = capsys.readouterr().out
    assert re.search(r"^\d+ runs of wf_invoices in 180 days, as CSV: ", said, re.M)
    # The answer of the first half; then two tries that mend none, one that helps, one that mends.
    marks = re.findall(r"^([✗✓]) (\d) evals", said, re.M)
    assert marks == [("✗", "9"), ("✗", "9"), ("✗", "9"), ("✗", "4"), ("✓", "4")]
    mended = re.findall(r"; the edit of .* (mended .*)", said)
    assert mended == ["mended none", "mended none", "mended 5 of 9"]
    assert re.search(BROKE, said)
    html = (runner.BUILD / "quickstart.html").read_text()
    assert f"{runner.BUILD / 'quickstart.html'}" in said
    assert outside(html) == []
    assert "<script" not in html
    assert html.count("rv-view") >= 4
    assert "jp-RenderedText" in html
    assert 'data-mime-type="application/vnd.jupyter.stderr"' not in html
    assert "extract_lines was edited again and has not run" in plain(html)
    assert plain(html).count("Starting 1 run of 18 evals in wf_invoices") == 4
    assert "best: try " in plain(html)
    assert html.count('src="data:image/png') == 1
    runs = ra.read_csv(runner.BUILD / "runs.csv")
    assert runs.height > 100
    assert set(runs["workflow_id"]) == {"wf_invoices"}


def test_notebook_check_report_and_live_view_say_the_same(
    runner: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        monkeypatch.setenv("RETAB_API_KEY", sandbox.credentials["api_key"])
        monkeypatch.setenv("RETAB_API_BASE_URL", sandbox.credentials["base_url"])
        monkeypatch.setenv("RETAB_WORKFLOW_ID", "wf_invoices")
        assert runner.main(NOTEBOOKS / "01_quickstart.ipynb") == 0
        comparison = ra.check("wf_invoices", client=client, progress=False)
        view = ra.watch(
            inside(comparison).sides.candidate["run_id"].unique().to_list(), client=client
        )
        view.wait(60)
    ra.write_report(comparison, tmp_path / "report.html")
    assert comparison.summary["regressed"].item() > 0
    said = capsys.readouterr().out.splitlines()
    assert any(line.startswith(comparison.headline) for line in said)
    assert comparison.headline in (tmp_path / "report.html").read_text()
    assert view.comparison is not None
    assert view.comparison.headline == comparison.headline


def test_the_results_notebook_finds_what_does_not_pass(
    runner: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(NOTEBOOKS / "02_results.ipynb") == 0
    said = capsys.readouterr().out
    assert re.search(r"evals in the newest run of wf_invoices: \d+ do not pass\.", said)
    assert re.search(r"^Of these, \d+ .*, \d+ regressed\b", said, re.M)
    results = ra.read_csv(runner.BUILD / "not_passing.csv", "results")
    assert results.height > 5
    assert set(results["state"]) <= {"failed", "blocked", "error"}
    html = (runner.BUILD / "results.html").read_text()
    # The document that is opened is the only thing that is not in the page.
    assert all("/files/" in each for each in outside(html))
    assert "expected_value" in html


def test_the_comparing_notebook_finds_the_planted_regression(
    runner: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(NOTEBOOKS / "03_compare_versions.ipynb") == 0
    said = capsys.readouterr().out
    assert re.search(BROKE, said)
    assert "The gate does not hold." in said
    html = (runner.BUILD / "compare_versions.html").read_text()
    assert outside(html) == []
    assert "extract_lines was edited" in plain(html)
    assert html.count('src="data:image/png') == 3
    report = (runner.BUILD / "comparison.html").read_text()
    assert outside(report) == []
    assert re.search(BROKE, plain(report))
    assert "Values are hidden" in (runner.BUILD / "comparison.md").read_text()
    assert (runner.BUILD / "comparison.csv").read_text().startswith("eval_name,transition,")


def test_the_dashboard_keeps_all_its_parts_and_no_values(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RETAB_API_KEY", "RETAB_WORKFLOW_ID"):
        monkeypatch.delenv(name, raising=False)
    assert runner.main(NOTEBOOKS / "04_dashboard.ipynb") == 0
    page = (runner.BUILD / "dashboard.html").read_text()
    assert outside(page) == []
    assert "<script" not in page
    assert "5 workflows" in page
    assert "Invoices: header, lines, checks" in page
    with ra.Sandbox() as sandbox:
        client = ra.Client(**sandbox.credentials)
        runs = ra.fetch_runs("wf_invoices", status="completed", limit=60, client=client)
        suites = runs.filter(pl.col("scope") == "workflow").head(16)
        results = ra.fetch_results(suites, client=client)
    values = pl.concat([results["expected_value"], results["actual_value"]]).drop_nulls().unique()
    # Shorter ones are numbers that stand there for other reasons.
    long = [each for each in values if len(each) > 6]
    assert len(long) > 50
    assert [each for each in long if escape(each) in page] == []


def test_the_archive_notebook_keeps_all_there_is(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RETAB_API_KEY", raising=False)
    assert runner.main(NOTEBOOKS / "05_archive.ipynb") == 0
    said = capsys.readouterr().out
    kept = re.search(r"(\d+) runs of wf_invoices with [\d,]+ results are kept in ", said)
    assert kept is not None
    assert "evals of them are not saved any more.\nNothing is damaged.\n" in said
    page = plain((runner.BUILD / "archive.html").read_text())
    without, whole = re.findall(r"with(?:out)?: (\d+) runs read;", page)
    assert int(without) < int(whole) <= int(kept[1])
    assert f"{kept[1]} runs are in the archive" in page
    assert "extract_lines was edited" in page


def test_the_watching_notebook_ends_with_the_view_of_a_run_that_has_ended(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETAB_API_KEY", raising=False)
    assert runner.main(NOTEBOOKS / "06_watch.ipynb") == 0
    page = (runner.BUILD / "watch.html").read_text()
    assert outside(page) == []
    shown, _, last = plain(page).rpartition("What stays")
    for part in (shown, last):
        assert "95 evals" in part
        assert "since the edit of extract_lines" in part


@pytest.mark.parametrize("workflow_id", ["wf_claims", "wf_untitled"])
def test_the_dashboard_starts_nothing_where_there_is_a_key(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch, workflow_id: str
) -> None:
    with ra.Sandbox(seed=3) as sandbox:
        monkeypatch.setenv("RETAB_API_KEY", sandbox.credentials["api_key"])
        monkeypatch.setenv("RETAB_API_BASE_URL", sandbox.credentials["base_url"])
        monkeypatch.setenv("RETAB_WORKFLOW_ID", workflow_id)
        client = ra.Client(**sandbox.credentials)
        # The sandbox's own runs, which come as time goes by, are started by schedule and webhook.
        before = ra.fetch_runs(trigger_type="api", client=client)
        assert runner.main(NOTEBOOKS / "04_dashboard.ipynb") == 0
        after = ra.fetch_runs(trigger_type="api", client=client)
        assert after["run_id"].equals(before["run_id"])
    page = (runner.BUILD / "dashboard.html").read_text()
    never_run = workflow_id not in before["workflow_id"]
    assert ("No saved eval yet" in page) == never_run


def test_a_notebook_that_fails_says_why(
    runner: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import nbformat

    cell = nbformat.v4.new_code_cell("1 / 0")
    broken = tmp_path / "broken.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), broken)
    assert runner.main(broken) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert sys.exc_info() == (None, None, None)
