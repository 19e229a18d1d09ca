"""Several workflows in one call of ``check``, and one exit code for all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.inside import RecordingClient, Session, main

import retab_analysis as ra

RED, UNRUN, EMPTY = "wf_invoices", "wf_statements", "wf_untitled"


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with ra.Sandbox() as sandbox, RecordingClient(**sandbox.credentials) as client:
        yield Session(client)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_the_gravest_exit_code_is_that_of_all(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", UNRUN, RED, UNRUN], session) == 1
    out, err = capsys.readouterr()
    green, red = (out.index(f"{each}:\n") for each in (UNRUN, RED))
    assert out[green:].startswith(f"{UNRUN}:\n○ ")
    assert out[red:].startswith(f"{RED}:\n✗ ")
    assert out.count(f"{UNRUN}:\n") == out.count("--values shows them") == 1
    assert err.endswith("2 workflows: 1 failing, 1 undecided.\nFailing: wf_invoices.\n")


def test_one_that_cannot_be_asked_keeps_no_other_back(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "wf_nowhere", UNRUN, "--json"], session) == 3
    document = told(capsys)
    nowhere, green = document["workflows"]
    assert document["exit_code"] == 3
    assert (nowhere["workflow_id"], nowhere["exit_code"]) == ("wf_nowhere", 3)
    assert "No workflow with id 'wf_nowhere'" in nowhere["error"]
    assert (green["workflow_id"], green["exit_code"], green["gate"]["ok"]) == (UNRUN, 2, False)
    # What fails counts more than what is not known.
    assert main(["check", "wf_nowhere", RED, "-q"], session) == 1


def test_all_are_those_with_saved_evals_and_a_run(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--all", "--json"], session) == 1
    out, err = capsys.readouterr()
    found = [each["workflow_id"] for each in json.loads(out)["workflows"]]
    assert {RED, UNRUN} < set(found)
    assert EMPTY not in found
    assert f"Left out, without a saved eval or a run of the workflow: {EMPTY}." in err


def test_each_has_files_of_its_own(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = ["--report", "{workflow}.md", "--junit", "junit-{workflow}.xml"]
    assert main(["check", UNRUN, RED, "-q", *files], session) == 1
    written = {each.name for each in tmp_path.iterdir()}
    names = (f"{each}.md" for each in (UNRUN, RED)), (f"junit-{each}.xml" for each in (UNRUN, RED))
    assert written == {*names[0], *names[1]}
    assert "9 evals" in (tmp_path / f"{RED}.md").read_text("utf-8")
    capsys.readouterr()
    assert main(["check", UNRUN, RED, "--report", "one.md"], session) == 4
    assert "several workflows would write 'one.md': put {workflow} into" in capsys.readouterr().err
    assert not (tmp_path / "one.md").exists()


def test_which_are_meant_has_to_be_said(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--settle", "0", UNRUN, "-q"], session) == 2
    assert main(["check", "--json"], session) == 4
    assert "name the workflows, or give --all instead" in capsys.readouterr().err
    assert main(["check", "--all", UNRUN], session) == 4
    assert "name the workflows, or give --all instead" in capsys.readouterr().err


def test_one_page_of_all_and_the_exit_code(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["report", "--all", "week.html"], session) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("Failing: Invoices")
    page = (tmp_path / "week.html").read_text("utf-8")
    assert "3 of 4 workflows have broken evals" in page.replace("<b>", "").replace("</b>", "")
    assert main(["report", "--all", "--markdown", "-q"], session) == 1
    assert main(["report", "--all", "--markdown"], session) == 1
    out = capsys.readouterr().out
    assert out.startswith("**✗ 3 of 4 workflows have broken evals**")
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


def test_an_index_lies_beside_the_reports(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["check", UNRUN, RED, "wf_nowhere", "--report", "{workflow}.html"], session) == 1
    err = capsys.readouterr().err
    assert err.splitlines()[-1] == f"Failing: {RED}."
    index = (tmp_path / "index.html").read_text("utf-8")
    for each in (UNRUN, RED):
        assert f'href="{each}.html"' in index
        assert (tmp_path / f"{each}.html").exists()
    assert index.index(f"{RED}.html") < index.index(f"{UNRUN}.html")  # the worst first
    assert "1 workflow could not be read" in index
    assert "Not read" in index
