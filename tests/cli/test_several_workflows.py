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
    assert out.count(f"{UNRUN}:\n") == 1
    assert err.endswith("2 workflows: 1 failing, 1 undecided.\n")


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
