"""The command line as a program: streams, exit codes, questions, colours, Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.fakes import KEY, FakeTime
from support.faultserver import FaultServer, reply
from support.inside import Console, RecordingClient, Session, main
from support.lettered_api import FLOW, LetteredApi
from support.small_world import small_api
from support.studied import with_studies

import retab_analysis as ra

ROOT = Path(__file__).parents[1]
PAST = 20
RED = {"total": "P" * PAST + "F", **{f"fine {at}": "P" * (PAST + 1) for at in range(6)}}
CODES = "A" * PAST + "B"
TO_CANCEL = f"To cancel: retab-analysis cancel started_{PAST + 1}"
GOES_ON = f"Started: 1 run; what has not ended goes on. {TO_CANCEL}"
GREEN = {f"fine {at}": "P" * (PAST + 1) for at in range(7)}


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [each for each in os.environ if each.startswith("GITHUB_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


class Served:
    """An API, and the command line that asks it."""

    def __init__(self, api: LetteredApi, server: FaultServer) -> None:
        self.api, self.server = api, server
        client = RecordingClient(KEY, server.url)
        client._set_time(FakeTime().as_time())
        self.session = Session(client)

    def __call__(self, *arguments: object) -> int:
        return main([str(each) for each in arguments], self.session)

    @property
    def variables(self) -> dict[str, str]:
        return {**os.environ, "RETAB_API_KEY": KEY, "RETAB_API_BASE_URL": self.server.url}


def serve(api: LetteredApi) -> Iterator[Served]:
    with FaultServer([api]) as server:
        yield Served(api, server)


@pytest.fixture
def red() -> Iterator[Served]:
    yield from serve(LetteredApi(RED, CODES))


@pytest.fixture
def green() -> Iterator[Served]:
    yield from serve(LetteredApi(GREEN))


def program(arguments: Sequence[str], **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "retab_analysis", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, **more)


# Help and usage


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["results", "--help"]])
def test_help_loads_neither_polars_nor_requests(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom retab_analysis.cli import main\n"
        f"code = main({arguments})\n"
        "heavy = {'polars', 'requests', 'numpy', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy\nsys.exit(code)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stderr
    assert "usage: retab-analysis" in ended.stdout


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"retab-analysis {ra.__version__}\n"


USELESS = [
    (shlex.split(line), message)
    for line, _, message in (
        each.partition("\t")
        for each in (ROOT / "data" / "command_lines.txt").read_text().splitlines()[1:]
    )
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *USELESS,
        (["check", "wf\udcff"], "WORKFLOW: must be UTF-8"),
        (["check", "wf", "--junit", "x" * 300], "cannot be written: File name too long"),
        (["check", "wf", "--settle", "9" * 20], "--settle: must be a whole number of at least 0"),
        (["check", "wf", "--max-failures", "9" * 6000], "--max-failures: must be a whole number"),
        (["runs", "wf", "--from", "9" * 20], "must be a date such as"),
    ],
)
def test_what_cannot_be_used_is_4_and_asks_nothing(
    green: Served, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    Path("deep.toml").write_text(f"accepted = {'[' * 5000}{']' * 5000}")
    assert green(*arguments) == 4
    told = capsys.readouterr()
    assert message in told.err
    assert told.out == ""
    assert green.api.asked == []


def test_how_many_may_fail_and_how_few_may_pass(red: Served) -> None:
    check = ("check", FLOW, "--fail-on", "regressed")
    assert red(*check) == 1
    assert red(*check, "--max-failures", "1", "--undecided", "ok") == 0
    assert red(*check, "--max-failures", "1", "--min-pass-rate", "0.95") == 1
    assert red(*check, "--max-failures", "1", "--min-pass-rate", "0.8", "--undecided", "ok") == 0


def test_what_broke_before_a_moment_passes(red: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert red("check", FLOW, "--since", "2026-04-21T12:00") == 0
    assert "1 broke before 21 Apr 12:00: not counted" in capsys.readouterr().out
    for moment in ("run_20", "edit of 21 Apr", "2026-04-21"):
        assert red("check", FLOW, "--since", moment) == 1
    assert red("report", FLOW, "--markdown", "--since", "2026-04-21T12:00") == 0
    assert "gate holds" in capsys.readouterr().out
    # It is looked up before anything starts.
    assert red("check", FLOW, "--start", "--since", "main") == 4
    assert "a version, an edit or a run, got 'main'" in capsys.readouterr().err
    assert red.api.started == []


def test_87_a_run_of_no_evals_is_an_answer(tmp_path: Path) -> None:
    with FaultServer([LetteredApi({})]) as server:
        variables = {**os.environ, "RETAB_API_KEY": KEY, "RETAB_API_BASE_URL": server.url}
        ended = program(["check", FLOW], env=variables)
    assert "Traceback" not in ended.stderr
    assert ended.returncode in (2, 3)


# What goes where


def test_values_are_left_out_unless_asked_for(
    red: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["r.md", "r.html", "j.xml"]
    options = ["--report", "r.md", "--report", "r.html", "--junit", "j.xml", "--json"]
    assert red("check", FLOW, *options) == 1
    said = capsys.readouterr().out
    for text in (said, *((tmp_path / each).read_text() for each in files)):
        assert "green apples" not in text
        assert "total" in text
    assert red("check", FLOW, *options, "--values") == 1
    said = capsys.readouterr().out
    for text in (said, *((tmp_path / each).read_text() for each in files)):
        assert "green" in text
        assert "apples" in text


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "✗ 1"), ("latin-1", "\\u2717 1")])
def test_json_is_utf_8_or_ascii(red: Served, encoding: str, mark: str) -> None:
    command = [sys.executable, "-m", "retab_analysis", "check", FLOW, "--json"]
    known = {**red.variables, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    ended = subprocess.run(command, capture_output=True, env=known)
    assert mark in ended.stdout.decode("utf-8")
    assert json.loads(ended.stdout)["headline"].startswith("✗ 1 eval broke")


def test_a_reader_that_goes_away_is_no_traceback(green: Served) -> None:
    command = f"{sys.executable} -m retab_analysis runs {FLOW} | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", command], capture_output=True, encoding="utf-8", env=green.variables
    )
    assert "Traceback" not in ended.stderr
    assert ended.stdout.strip() in ("0", "141")


STREAMS = [
    ("check wf_letters >/dev/full", 3),
    ("runs wf_letters >/dev/full", 3),
    ("--version >/dev/full", 3),
    ("--help >/dev/full", 3),
    ("check wf_letters 2>/dev/full", 1),
    ("check wf_nope 2>/dev/full", 3),
    ("check wf_letters >&-", 1),
    ("check wf_letters 2>&-", 1),
    ("runs wf_letters -o runs.csv >&-", 0),
    ("runs wf_letters >&-", 4),
    ("runs wf_letters --format parquet >&-", 4),
]
OFTEN = [(*STREAMS[at], True) for at in (0, 3, 4, 6, 9)]


@pytest.mark.parametrize(
    ("command", "code", "buffered"),
    with_studies(
        [*((*each, True) for each in STREAMS), *((*each, False) for each in STREAMS[:2])], OFTEN
    ),
)
def test_a_stream_that_cannot_be_written_is_no_traceback(
    red: Served, command: str, code: int, buffered: bool
) -> None:
    """With a buffer Python writes once more at its end, and would end with 120."""
    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m retab_analysis {command}"],
        capture_output=True,
        encoding="utf-8",
        env={**red.variables, "PYTHONUNBUFFERED": "" if buffered else "1"},
    )
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 1
    if code >= 3 and "2>" not in command:
        assert re.search("annot write|standard output is closed", ended.stderr)


# A run of one's own


def test_what_is_started_is_named(green: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert green("check", FLOW, "--start") == 0
    told = capsys.readouterr()
    assert told.err == (
        f"Starting 1 run of 7 evals in {FLOW}.\n"
        f"Waiting until the end of what was started. {TO_CANCEL}\n"
    )
    assert [run.eval_id for run in green.api.started] == [None]


def test_117_an_answer_that_a_proxy_repeats_is_no_verdict(
    green: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    past = f"run_{PAST}"
    green.api.broken["POST "] = lambda _: green.api._get(f"/v1/workflows/evals/runs/{past}", {})
    assert green("check", FLOW, "--start") == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert f"it may be {past}, see .unconfirmed" in told.err
    assert "To cancel" not in told.err


def test_what_stops_nothing_is_not_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[[accepted]]\nid = "extract 0"\n')
    rows = {f"{block} {at}": "P" * 21 for block in ("extract", "classify") for at in range(9)}
    rows |= {"extract 0": f"{'P' * PAST}F", "classify 0": f"{'P' * PAST}F"}
    settings: dict[str, Any] = {"blocks": {each: each.split()[0] for each in rows}}
    line = ("check", FLOW, "--accepted", path)
    for served in serve(LetteredApi(rows, **settings)):
        served(*line)
        told = " ".join(capsys.readouterr().out.split())
        assert "Not sure yet: 1 eval failed once (one rerun may clear it)" in told
        served(*line, "--settle", "9")
        assert {run.eval_id for run in served.api.started} == {"classify 0"}
        capsys.readouterr()
        # Alone it is nothing to settle, and an error of it is not run again.
        named = ("classify 0", "extract 0", "extract 1")
        path.write_text("".join(f'[[accepted]]\nid = "{each}"\n' for each in named))
        served.api.write({**rows, "extract 1": f"{'P' * PAST}E"})
        assert served(*line, "--settle", "9") == 0
        assert not served.api.started
        said = "Nothing to run again: no eval that counts is undecided.\n"
        assert capsys.readouterr().err == said
        served.api.reruns = {"extract 0": "E"}
        served(*line, "--start", "-q")
        assert [run.scope for run in served.api.started] == ["W"]
        assert capsys.readouterr().err == ""


def test_a_failure_names_what_was_started(capsys: pytest.CaptureFixture[str]) -> None:
    broken = {"GET /v1/workflows/evals/results": reply(403, {"detail": "not yours"})}
    for served in serve(LetteredApi(GREEN, broken=broken)):
        assert served("check", FLOW, "--start") == 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert "not yours" in last
    assert last.endswith(GOES_ON)


def test_ctrl_c_is_130_and_names_what_was_started() -> None:
    # The run is never over: one of its evals has no result.
    api = LetteredApi(GREEN, reruns={"fine 0": "U"})
    for served in serve(api):
        with subprocess.Popen(
            [sys.executable, "-m", "retab_analysis", "check", FLOW, "--start"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=served.variables,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            try:
                while not any("/runs/started" in each for each in api.asked):
                    assert process.poll() is None
                    time.sleep(0.05)
                process.send_signal(signal.SIGINT)
                out, errors = process.communicate(timeout=60)
            finally:
                process.kill()
    assert process.returncode == 130
    assert out == ""
    assert errors.splitlines()[-1] == (f"Interrupted. {GOES_ON}")
    assert not any("cancel" in each for each in api.asked)


def test_what_check_started_can_be_cancelled(
    green: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    """``start`` prints the ids alone, so that a script hands them to ``cancel`` and ``check``."""
    assert green("start", FLOW) == 0
    run = f"started_{PAST + 1}"
    said = f"Starting 1 run of 7 evals in {FLOW}.\nTo cancel: retab-analysis cancel {run}\n"
    assert capsys.readouterr() == (f"{run}\n", said)
    assert green("cancel", run) == 0
    assert capsys.readouterr().out == f"{run}: completed\n"
    assert [each for each in green.api.asked if "cancel" in each]
    assert green("start", FLOW, "--eval", "fine 1", "--json") == 0
    told = capsys.readouterr()
    (started,) = json.loads(told.out)["runs"]
    assert (started["scope"], started["eval_id"]) == ("eval", "fine 1")
    assert "Starting 1 run of 1 eval" in told.err
    assert [run.scope for run in green.api.started] == ["W", "E"]


def test_explain_shows_values_only_where_they_are_asked_for(
    red: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert red("explain", FLOW) == 0
    assert "Compared the run of" in capsys.readouterr().out
    assert red("explain", FLOW, "total") == 0
    told = capsys.readouterr().out
    assert told.startswith("total (total): broke\n")
    assert "apples" not in told
    assert red("explain", FLOW, "total", "--values") == 0
    assert "apples" in capsys.readouterr().out
    assert red("explain", FLOW, "totl") == 4
    assert "did you mean 'total'?" in capsys.readouterr().err


def test_ctrl_c_while_polars_is_loaded_is_130() -> None:
    code = (
        "import sys\nfrom retab_analysis.cli import main\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'polars':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "sys.exit(main(['check', 'wf', '--json']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert (ended.returncode, ended.stderr) == (130, "Interrupted.\n")
    assert json.loads(ended.stdout) == {"exit_code": 130, "error": "Interrupted."}


# On a terminal


class Terminal:
    """A program whose three streams are a terminal."""

    def __init__(self, arguments: list[str], variables: dict[str, str]) -> None:
        self._leader, follower = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "retab_analysis", *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={"TERM": "xterm", **variables},
        )
        os.close(follower)

    def type(self, text: str) -> None:
        os.write(self._leader, text.encode())

    def read(self) -> str:
        """All that it prints until it ends."""
        found = b""
        while True:
            try:
                piece = os.read(self._leader, 65536)
            except OSError:  # how Linux says that nobody writes any more
                piece = b""
            if not piece:
                break
            found += piece
        self.process.wait(60)
        os.close(self._leader)
        return found.decode()


def test_colours_are_for_a_terminal_and_can_be_turned_off(red: Served) -> None:
    shown = Terminal(["check", FLOW], red.variables)
    assert "\x1b[1;31m✗ 1 eval broke since the edit of extract " in shown.read()
    assert shown.process.returncode == 1
    for more in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[1;31m" not in Terminal(["check", FLOW], {**red.variables, **more}).read()


MANY = {f"e{at:02}": "P" * 13 for at in range(26)}


@pytest.mark.parametrize(("answer", "code"), [("n\n", 3), ("\n", 3), ("y\n", 0)])
def test_many_evals_are_queued_only_after_a_question(answer: str, code: int) -> None:
    for served in serve(LetteredApi(MANY)):
        terminal = Terminal(["check", FLOW, "--start"], served.variables)
        terminal.type(answer)
        said = terminal.read()
        assert "This queues 26 evals; other people's runs wait behind them. Go on? [y/N]" in said
        assert terminal.process.returncode == code
        assert len(served.api.started) == (code == 0)
        assert ("Nothing was started." in said) is (code == 3)


def test_many_reruns_are_asked_for_too() -> None:
    rows = {f"e{at:02}": "PF" if at < 28 else "PP" for at in range(60)}
    for served in serve(LetteredApi(rows)):
        terminal = Terminal(["check", FLOW, "--settle", "30"], served.variables)
        terminal.type("n\n")
        said = terminal.read()
        assert "This queues 28 evals;" in said
        assert "Nothing is run again." in said
        assert terminal.process.returncode == 2
        assert served.api.started == []


def test_parquet_is_not_written_to_a_terminal(green: Served) -> None:
    terminal = Terminal(["runs", FLOW, "--format", "parquet"], green.variables)
    assert "Parquet is not text" in terminal.read()
    assert terminal.process.returncode == 4


def test_without_a_terminal_there_is_no_bar_and_nobody_is_asked() -> None:
    console = Console(out=io.StringIO(), errors=io.StringIO())
    assert console.progress is False
    assert console.confirm("Go on?")
    for served in serve(LetteredApi(MANY)):
        ended = program(["check", FLOW, "--start"], env=served.variables, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0
    assert "\r" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 2


# Tables


def test_runs_are_csv_on_stdout_and_nothing_else(green: Served, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "retab_analysis", "runs", FLOW, "--limit", "3"],
        capture_output=True,
        env=green.variables,
    )
    assert ended.returncode == 0
    assert ended.stderr == b"3 rows.\n"
    named = subprocess.run(
        [*ended.args, "-o", "-"], capture_output=True, env=green.variables, cwd=tmp_path
    )
    assert (named.returncode, named.stdout, list(tmp_path.iterdir())) == (0, ended.stdout, [])
    runs = ra.read_csv(io.BytesIO(ended.stdout))
    assert runs["run_id"].to_list() == [f"run_{at}" for at in (PAST, PAST - 1, PAST - 2)]


def test_tables_in_files(green: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert green("runs", FLOW, "-o", "runs.csv") == 0
    assert ra.read_csv(tmp_path / "runs.csv").height == PAST + 1
    assert capsys.readouterr() == ("", f"{PAST + 1} rows written to runs.csv.\n")
    assert green("runs", FLOW, "-o", "runs.parquet") == 0
    assert pl.read_parquet(tmp_path / "runs.parquet").schema == ra.schema.RUNS.schema
    assert green("results", FLOW, "--limit", "2", "-o", "r.csv", "--quiet") == 0
    results = ra.read_csv(tmp_path / "r.csv", table="results")
    assert results["run_id"].unique().sort().to_list() == [f"run_{PAST - 1}", f"run_{PAST}"]
    assert green("results", FLOW, "--run", "run_3", "-o", "one.parquet") == 0
    assert pl.read_parquet(tmp_path / "one.parquet")["run_id"].unique().to_list() == ["run_3"]


# The other commands


def test_what_is_accepted_passes(
    red: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = ["--reason", "known", "--who", "Ada", "--until", "2999-12-31"]
    assert red("accept", FLOW, "known.toml", *reason) == 0
    assert "Accepted: total. known.toml holds 1 now." in capsys.readouterr().err
    assert 'who = "Ada"' in (tmp_path / "known.toml").read_text()
    assert red("check", FLOW, "--accepted", "known.toml") == 0
    assert "1 accepted: total." in capsys.readouterr().out
    assert red("accept", FLOW, "known.toml", "--reason", "more", "--eval", "fine 1") == 4
    assert "nothing to accept, as these pass: fine 1" in capsys.readouterr().err
    known = (tmp_path / "known.toml").read_text()
    (tmp_path / "known.toml").write_text(f'{known}\n[[accepted]]\nid = "fine 1"\n')
    assert red("check", FLOW, "--accepted", "known.toml") == 1
    assert red("accept", FLOW, "known.toml", "--reason", "x", "--eval", "nope") == 4
    assert "there is no eval 'nope'" in capsys.readouterr().err
    (tmp_path / "bad.toml").write_text("x = 1")
    assert red("accept", FLOW, "bad.toml", "--reason", "x") == 4


def test_a_file_that_cannot_be_written_is_3(
    red: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    arguments = ["check", FLOW, "--junit", str(tmp_path / "gone" / "j.xml")]
    real = red.api.__class__.__call__

    def vanish(api: LetteredApi, request: str) -> Any:
        if (tmp_path / "gone").exists():
            (tmp_path / "gone").rmdir()
        return real(api, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LetteredApi, "__call__", vanish)
        assert red(*arguments) == 3
        told = capsys.readouterr()
        assert "Cannot write a file: path: there is no folder" in told.err
        # What was concluded is said all the same.
        assert told.out.startswith("✗ 1 eval broke since the edit of extract")
        (tmp_path / "gone").mkdir()
        assert red(*arguments, "--json", "--quiet") == 3
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert (document["exit_code"], document["gate"]["ok"]) == (3, False)
    assert document["error"] == told.err.strip()


def test_overview_and_watch(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with small_api() as api:
        client = RecordingClient(KEY, api.server.url)
        session = Session(client)
        assert main(["overview"], session) == 0
        board = capsys.readouterr().out
        assert re.match(r"(?s)✗ 1 workflow: 1 with broken evals.*✗ Letters .*broken", board)
        assert main(["overview", "--json"], session) == 0
        (row,) = json.loads(capsys.readouterr().out)["workflows"]
        assert (row["workflow_id"], row["n_evals"]) == (FLOW, 16)
        assert main(["overview", "-o", "o.csv"], session) == 0
        assert FLOW in (tmp_path / "o.csv").read_text()
        assert main(["overview", FLOW, "Letters"], session) == 0
        board = capsys.readouterr().out.splitlines()
        assert board[: len(board) // 2] == board[len(board) // 2 :], "the same workflow twice"
        assert main(["overview", FLOW, "--json"], session) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["workflows"] == [row | {"read_at": told["workflows"][0]["read_at"]}]
        assert {each["workflow_id"] for each in told["evals"]} == {FLOW}
        assert all(each["eval_name"] in " ".join(board) for each in told["evals"])
        assert main(["overview", FLOW, "-o", "e.csv"], session) == 0
        assert "reason" in (tmp_path / "e.csv").read_text().splitlines()[0]
        assert main(["overview", "wf_nope"], session) == 3
        run_id = api.run_of(-1)
        capsys.readouterr()
        assert main(["watch", FLOW, "--run", run_id], session) == 0
        told = capsys.readouterr()
        assert told.out.startswith("✗ 1 eval is still broken since the edit of classify")
        assert "still broken" not in told.err
        assert "{+green+}" not in told.out + told.err
        # What a build keeps has no values.
        (news,) = (line for line in told.err.splitlines() if line.startswith("✗ classify 1"))
        assert "green" not in news
        shown = Terminal(["watch", FLOW, "--run", run_id], Served(api, api.server).variables)
        assert "two [-red-] {+green+} apples" in shown.read()


def test_a_workflow_that_is_not_there_is_3(capsys: pytest.CaptureFixture[str]) -> None:
    with small_api() as api:
        client = RecordingClient(KEY, api.server.url)
        session = Session(client)
        for command in (["runs"], ["runs", "--from", "2020-01-01"], ["results"], ["watch"]):
            assert main([command[0], "wf_nope", *command[1:]], session) == 3
            told = capsys.readouterr()
            assert re.fullmatch("No answer: there is no workflow '?wf_nope.*\n", told.err)
            assert told.out == ""
        # One that is there may well have none.
        assert main(["runs", FLOW, "--to", "2020-01-01"], session) == 0
        assert capsys.readouterr().err == "0 rows.\n"
        # Where no run is going on, it says how the workflow is.
        assert main(["watch", FLOW], session) == 0
        assert "still broken" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["results", "watch"])
def test_a_run_of_another_workflow_is_3(
    green: Served, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert green(command, "wf_nope", "--run", "run_3") == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"No answer: run run_3 is of workflow {FLOW}, not wf_nope\n"
    assert green(command, FLOW, "--run", "run_3", "--run", "nope") == 3
    assert capsys.readouterr().out == ""
