"""All workflows on one page, with one exit code; ``check`` takes one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes import KEY
from support.faultserver import FaultServer
from support.inside import RecordingClient, Session, main
from support.lettered_api import LetteredApi

import retab_analysis as ra

RED, UNRUN = "wf_invoices", "wf_statements"


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with ra.Sandbox() as sandbox, RecordingClient(**sandbox.credentials) as client:
        yield Session(client)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


@pytest.mark.parametrize("line", [["--all"], ["--all", RED], [RED, UNRUN], ["--json"], []])
def test_a_check_of_several_names_the_line_to_type(
    session: Session, capsys: pytest.CaptureFixture[str], line: list[str]
) -> None:
    assert main(["check", *line], session) == 4
    out, err = capsys.readouterr()
    assert "retab-analysis report --all week.html" in out + err
    assert "retab-analysis overview shows all workflows" in out + err


def test_one_page_of_all_and_the_exit_code(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["report", "--all", "week.html"], session) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("Failing: Invoices")
    page = (tmp_path / "week.html").read_text("utf-8")
    assert "5 workflows: 3 with broken evals" in page.replace("<b>", "").replace("</b>", "")
    assert main(["report", "--all", "--markdown", "-q"], session) == 1
    assert main(["report", "--all", "--markdown"], session) == 1
    out = capsys.readouterr().out
    assert out.startswith("### ✗ **5 workflows: 3 with broken evals**")
    assert out.rstrip().splitlines()[-1].startswith("Failing: Invoices")
    for line, said in (
        (["report", "--all"], "name a file, .md or .html, or give --markdown"),
        (["report", "--all", RED, "week.html"], "--all: leave the workflow out"),
        (["report", "--all", "week.html", "--baseline", "v4"], "--all asks each workflow"),
        (["report", RED], "name a file"),
        (["report"], "name the workflow, or give --all instead"),
    ):
        assert main(line, session) == 4
        assert said in capsys.readouterr().err


def test_the_exit_code_of_all_is_the_gravest() -> None:
    fine = {"fine": "P" * 12}
    doubtful = {"error": "P" * 11 + "E", **fine}
    broken = {"broken": "P" * 9 + "FFF", **fine}
    for evals, code in ((fine, 0), (doubtful, 2), (broken, 1)):
        api = LetteredApi(evals)
        with FaultServer([api]) as server, RecordingClient(KEY, server.url) as client:
            assert main(["report", "--all", "--markdown", "-q"], Session(client)) == code
