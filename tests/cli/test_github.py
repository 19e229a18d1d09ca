"""In GitHub Actions: the job's summary, annotations, and names that the runner must not obey."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.fakes import KEY
from support.faultserver import FaultServer
from support.inside import main
from support.lettered_api import FLOW, LetteredApi

PAST = 20
HOSTILE = {"total": "a%0A::error::x\r\n##[add-mask]y, b: c", "lines": "::stop-commands::z"}
ROWS = {
    "total": "P" * PAST + "F",
    "lines": "P" * PAST + "F",
    **{f"fine {at}": "P" * (PAST + 1) for at in range(6)},
}


@pytest.fixture
def summary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of a job's summary, in which another step has written."""
    path = tmp_path / "summary.md"
    path.write_text("# Another step\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


def ask(monkeypatch: pytest.MonkeyPatch, api: LetteredApi, *arguments: str) -> int:
    with FaultServer([api]) as server:
        monkeypatch.setenv("RETAB_API_KEY", KEY)
        monkeypatch.setenv("RETAB_API_BASE_URL", server.url)
        return main(list(arguments))


def test_what_fails_the_gate_is_annotated_and_summarized(
    summary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = LetteredApi(ROWS, "A" * PAST + "B")
    assert ask(monkeypatch, api, "check", FLOW) == 1
    lines = [each for each in capsys.readouterr().err.splitlines() if each.startswith("::")]
    title = f"::error title=Retab check of {FLOW}::"
    assert lines == [
        f"{title}✗ 2 evals broke since the edit of extract",
        f"{title}2 broke since 21 Apr: lines, total.",
    ]
    written = summary.read_text()
    assert written.startswith("# Another step\n### ✗ **2 evals broke** since the edit of extract\n")
    assert "**gate fails**" in written
    assert "green apples" not in written


def test_what_is_open_is_a_warning(
    summary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"total": "P" * 12 + "F", **{f"fine {at}": "P" * 13 for at in range(6)}}
    assert ask(monkeypatch, LetteredApi(rows), "check", FLOW) == 2
    title = f"::warning title=Retab check of {FLOW}::"
    assert capsys.readouterr().err.splitlines() == [
        f"{title}? 1 eval may have broken; nothing else did",
        f"{title}The gate is undecided: 1 eval may have broken.",
    ]
    assert "**gate undecided**" in summary.read_text()
    assert f"retab-analysis check {FLOW}".replace("_", "&#95;") in summary.read_text()


@pytest.mark.parametrize("letters", ["a name of sixty characters", "@"])
def test_a_summary_fits_into_a_comment(
    summary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], letters: str
) -> None:
    evals = [f"{at:03}" for at in range(400)]
    names = {each: f"{each} {letters * (400 // len(letters))}" for each in evals}
    entries = (f'[[accepted]]\nid = "gone {each}"\nname = "{names[each]}"\n' for each in evals)
    accepted = summary.with_name("accepted.toml")
    accepted.write_text("".join(entries))
    api = LetteredApi(dict.fromkeys(evals, "P" * 12 + "F"), "A" * 12 + "B", names)
    assert ask(monkeypatch, api, "check", FLOW, "--accepted", str(accepted)) == 1
    text = summary.read_text()
    # What the action adds are its marker and a link.
    assert len(text) < 65_000
    assert "**400 evals broke**" in text
    assert re.search(r"… and \d+ more|Left out: the rest", text)
    assert capsys.readouterr().out.count("Accepted, but not a saved eval") == 400


@pytest.mark.parametrize("path", ["missing/summary.md", "."])
@pytest.mark.parametrize(("workflow", "code"), [(FLOW, 1), ("wf_nope", 3)])
def test_a_summary_that_cannot_be_written_changes_nothing_else(
    summary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    path: str,
    workflow: str,
    code: int,
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary.parent / path))
    api = LetteredApi(ROWS, "A" * PAST + "B")
    assert ask(monkeypatch, api, "check", workflow, "--json") == code
    told = capsys.readouterr()
    assert json.loads(told.out)["exit_code"] == code
    assert "Warning: GITHUB_STEP_SUMMARY cannot be written: [Errno" in told.err
    assert "::error title=Retab check of" in told.err


def test_without_an_answer_that_is_said(
    summary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(monkeypatch, LetteredApi({}), "check", "wf_nope") == 3
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("No answer: there is no workflow 'wf_nope'")
    assert told[1] == f"::error title=Retab check of wf_nope::{told[0]}"
    assert "there is no workflow 'wf\\_nope'" in summary.read_text()


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_names_give_the_runner_no_command(
    summary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    api = LetteredApi(ROWS, "A" * PAST + "B", HOSTILE)
    assert ask(monkeypatch, api, "check", FLOW, *arguments) == 1
    told = capsys.readouterr()
    assert "##[" not in told.out
    assert not [line for line in told.out.splitlines() if line.lstrip().startswith("::")]
    # On the other stream, each command is one of ours, whole in one line.
    commands = [line for line in told.err.splitlines() if line.lstrip().startswith("::")]
    assert len(commands) == 2
    assert all(line.startswith(f"::error title=Retab check of {FLOW}::") for line in commands)
    assert "a%250A::error::x" in commands[1]
    if arguments:
        names = [row["eval_name"] for row in json.loads(told.out)["evals"]]
        assert HOSTILE["total"] in names


def test_arguments_give_the_runner_no_command(
    summary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", FLOW, "a\n::error::x ##[group]\x1b[2J"]) == 4
    said = capsys.readouterr().err
    assert "unrecognized arguments: a\n\u200b::error::x ##\u200b[group]\ufffd[2J" in said
