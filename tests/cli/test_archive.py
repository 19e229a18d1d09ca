"""``sync``, and the commands that read the whole history from an archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes import KEY
from support.faultserver import reply
from support.inside import RecordingClient, Session, main
from support.lettered_api import FLOW, LetteredApi

import retab_analysis as ra

ARCHIVE = "kept.sqlite"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RETAB_ANALYSIS_ARCHIVE", raising=False)


@pytest.fixture
def api() -> Iterator[LetteredApi]:
    with LetteredApi({"a": "PPP", "b": "PPF"}) as api:
        yield api


def run(api: LetteredApi, line: str) -> int:
    with RecordingClient(KEY, api.client.base_url, max_attempts=1) as client:
        return main(line.split(), Session(client))


def test_sync_says_what_came_and_what_became_of_it(
    api: LetteredApi, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"sync {FLOW} --archive {ARCHIVE}"
    assert run(api, line) == 0
    came, where = capsys.readouterr()
    assert came == f"{FLOW}: 1 block, 1 edit, 2 evals, 6 results, 3 runs came\n"
    assert where == f"In {ARCHIVE}.\n"
    assert run(api, line) == 0
    assert capsys.readouterr().out == f"{FLOW}: nothing new\n"
    api.remove("b")
    api.run("P")
    assert run(api, line) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{FLOW}: 1 result, 1 run came; ")
    assert told.endswith("1 eval went\n")
    assert ra.Archive(ARCHIVE).scan_runs().collect().height == 4
    assert run(api, f"{line} -q") == 0
    assert capsys.readouterr() == ("", "")


def test_what_is_synced_can_be_less_and_all_again(
    api: LetteredApi, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = api.runs[-1].at.date()
    line = f"sync {FLOW} --archive {ARCHIVE}"
    assert run(api, f"{line} --since {newest} --no-results") == 0
    assert capsys.readouterr().out == f"{FLOW}: 1 block, 1 edit, 2 evals, 1 run came\n"
    assert run(api, line) == 0
    assert capsys.readouterr().out == f"{FLOW}: 6 results, 2 runs came\n"
    before = len(api.asked)
    assert run(api, f"{line} --refresh") == 0
    assert len(api.asked) - before > 3


def test_what_is_kept_is_exported_for_other_engines(
    api: LetteredApi, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = f"sync {FLOW} --archive {ARCHIVE} --export lake"
    assert run(api, line) == 0
    written = sorted(
        each.parent.parent.parent.name for each in (tmp_path / "lake").rglob("*.parquet")
    )
    assert set(written) >= {"runs", "results", "evals"}
    assert capsys.readouterr().err.splitlines()[-1] == f"lake: {len(written)} files written."
    assert run(api, line) == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"lake: {len(written)} files unchanged."
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("Dear")
    assert run(api, f"sync {FLOW} --archive {ARCHIVE} --export mine") == 3
    assert run(api, f"sync {FLOW} --archive {ARCHIVE} --export {tmp_path / ARCHIVE}") == 3


def test_a_list_that_the_api_does_not_have_is_said(
    api: LetteredApi, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (f"{FLOW}/published-versions", "versions?"):
        api.broken[f"GET /v1/workflows/{path}"] = reply(404, {"detail": "no such page"})
    assert run(api, f"sync {FLOW} --archive {ARCHIVE}") == 0
    assert "; the API has no list of versions\n" in capsys.readouterr().out


def test_one_workflow_that_cannot_be_asked_keeps_no_other_back(
    api: LetteredApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(api, f"sync wf_nope --all --archive {ARCHIVE}") == 4
    assert "name the workflows, or give --all instead" in capsys.readouterr().err
    api.broken["GET /v1/workflows/evals?workflow_id=wf_nope"] = reply(403, {"detail": "not yours"})
    assert run(api, f"sync wf_nope {FLOW} --archive {ARCHIVE}") == 3
    told = capsys.readouterr()
    assert told.out.startswith(f"{FLOW}: 1 block, 1 edit, 2 evals, 6 results, ")
    assert "wf_nope: no answer: " in told.err
    assert run(api, f"sync --all --archive {ARCHIVE}") == 0
    assert capsys.readouterr().out == f"{FLOW}: nothing new\n"


def test_what_is_not_an_archive_is_no_answer(
    api: LetteredApi, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(ARCHIVE).write_text("It was a dark and stormy night.")
    before = len(api.asked)
    for command in (f"sync {FLOW}", f"check {FLOW}", "overview"):
        assert run(api, f"{command} --archive {ARCHIVE}") == 3
        assert "No answer: " in capsys.readouterr().err
    assert len(api.asked) == before
    assert Path(ARCHIVE).read_text().startswith("It was")
    assert run(api, f"check {FLOW} --archive not/there.sqlite") == 4


@pytest.mark.parametrize("command", ["check", "report", "overview"])
def test_commands_bring_an_archive_up_to_date_and_read_it(
    command: str, api: LetteredApi, capsys: pytest.CaptureFixture[str]
) -> None:
    files = " out.md" if command == "report" else ""
    assert run(api, f"{command} {FLOW}{files} --archive {ARCHIVE}") in (0, 1, 2)
    assert ra.Archive(ARCHIVE).scan_runs(FLOW).collect().height == len(api.runs)
    api.runs.clear()
    if command == "check":
        # The server has forgotten them, and the archive has not.
        api.run("PP", id="new")
        assert run(api, f"check {FLOW} --archive {ARCHIVE}") == 0
        assert capsys.readouterr().out.splitlines()[-1] == "The gate holds."


def test_earlier_runs_are_read_in_a_whole_world(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ra.Sandbox(speed=600) as sandbox, RecordingClient(**sandbox.credentials) as client:
        session = Session(client)
        run_id = ra.start_runs("wf_claims", client=client)["run_id"].item()
        assert main(["watch", "wf_claims", "--run", run_id, "--archive", ARCHIVE], session) == 0
        assert ra.Archive(ARCHIVE).scan_runs("wf_claims").collect().height
        capsys.readouterr()
        # One of them was never run.
        assert main(["overview", "--archive", ARCHIVE], session) == 0
    assert "Untitled Workflow" in capsys.readouterr().out


@pytest.mark.parametrize("named", ["option", "environment"])
def test_a_check_starts_nothing_where_the_archive_cannot_be_used(
    named: str,
    api: LetteredApi,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("junk.txt").write_text("not an archive, and longer than a header of SQLite would be\n" * 9)
    option = "--archive junk.txt" if named == "option" else ""
    if named == "environment":
        monkeypatch.setenv("RETAB_ANALYSIS_ARCHIVE", "junk.txt")
    assert run(api, f"check {FLOW} --start {option}") == 3
    assert "it is not an archive" in capsys.readouterr().err
    assert api.started == []
