"""What each door says in a situation: the command line, as JSON, as JUnit, and pytest."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import polars as pl
import pytest

import retab_analysis as ra
from support.fakes import KEY, FakeTime, client_for
from support.faultserver import FaultServer
from support.inside import RecordingClient, Session, main
from support.situations import Situation
from support.story import FLOWS

REPORTS = ("report.md", "report.html")
HEADER = ("Situation", "Command", "Exit", "It says", "JUnit", "pytest")


@dataclass
class Answer:
    """What the doors said.

    Attributes:
        code: The exit code.
        out: The standard output.
        err: The standard error.
        document: What ``--json`` printed.
        junit: How many cases there are by outcome; None where no file was written.
        properties: What the JUnit file says above its cases.
        reports: What the reports say, as Markdown and as HTML.
    """

    code: int
    out: str
    err: str
    document: dict[str, Any] = field(default_factory=dict)
    junit: Mapping[str, int] | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    reports: list[str] = field(default_factory=list)

    @property
    def says(self) -> str:
        """The first line of what was said, and what the gate does."""
        lines = self.out.splitlines() or self.err.splitlines()[-1:]
        gate = [each.rstrip(":.") for each in lines[1:] if each.startswith("The gate ")]
        # Without what stands at the end of the line.
        said = ". ".join([*(each.split("  ")[0] for each in lines[:1]), *gate])
        # The server takes any port that is free, and each system has numbers of its own.
        said = re.sub(r"(127\.0\.0\.1):\d{3,}", r"\1:8000", said)
        return re.sub(r"\[Errno \d+\] ", "", said)


@contextlib.contextmanager
def environment(
    situation: Situation, url: str, folder: Path, key: str = KEY
) -> Iterator[dict[str, str]]:
    """A folder with what the command line names, and the variables that it reads.

    Args:
        situation: What is asked.
        url: Where the API is.
        folder: The folder.
        key: The API's key.
    """
    if situation.accepted is not None and key == KEY:
        (folder / "accepted.toml").write_text(situation.accepted)
    found = {"RETAB_API_BASE_URL": situation.address or url}
    if situation.key is not None:
        found["RETAB_API_KEY"] = key if situation.key == KEY else situation.key
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith(("RETAB_", "GITHUB_"))]:
            patch.delenv(name)
        for name, value in found.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        yield found


def ask_command_line(situation: Situation) -> Answer:
    """Ask on the command line, for its text, and for all its files; each with an API of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        answer = _run(situation, folder, [])
        files = [f"--report={each}" for each in REPORTS] * ("check" in situation.command)
        as_json = _run(situation, folder, ["--json", "--junit", "junit.xml", *files])
        assert as_json.code == answer.code, (as_json, answer)
        answer.document = json.loads(as_json.out) if as_json.out else {}
        file = folder / "junit.xml"
        if file.exists():
            answer.junit, answer.properties = _count_cases(file), _read_properties(file)
        written = [folder / each for each in REPORTS]
        answer.reports = [each.read_text("utf-8") for each in written if each.exists()]
    return answer


def ask_pytest(situation: Situation) -> tuple[int, Mapping[str, int], str] | None:
    """pytest's exit code, how many tests there are by outcome, and what it printed.

    None where the command has options that the plugin does not.
    """
    with tempfile.TemporaryDirectory() as name:
        return _run_pytest(situation, Path(name))


def ask_for_text(situation: Situation) -> Answer:
    """Ask on the command line for its text alone."""
    with tempfile.TemporaryDirectory() as name:
        return _run(situation, Path(name), [])


def commands_in_sandbox(situation: Situation, runs: Mapping[str, list[str]]) -> list[list[str]]:
    """The command lines that show a situation in the sandbox, with the ids of its runs."""
    return [each.split() for each in situation.shown.format_map(runs).split(";")]


def list_whole_runs(sandbox: ra.Sandbox) -> dict[str, list[str]]:
    """The runs of whole workflows that have ended, the newest first, by workflow without ``wf_``.

    Under ``going`` there are a workflow and a run of it that is in flight, as long as one is.
    """
    with ra.Client(**sandbox.credentials) as client:
        of_all = [ra.fetch_runs(flow, client=client, progress=False) for flow in FLOWS]
    known = pl.concat(of_all).filter(scope="workflow")
    ended = {
        flow.removeprefix("wf_"): known.filter("is_terminal", workflow_id=flow)["run_id"].to_list()
        for flow in FLOWS
    }
    going = known.filter(~pl.col("is_terminal")).select("workflow_id", "run_id").rows()
    return {**ended, "going": list(going[0])} if going else ended


def _run(situation: Situation, folder: Path, more: list[str]) -> Answer:
    with FaultServer([situation.api.again()]) as server:
        command = [*situation.command.split(), *more]
        return _call(situation, command, server.url, KEY, folder)


def _call(situation: Situation, command: list[str], url: str, key: str, folder: Path) -> Answer:
    out, err = io.StringIO(), io.StringIO()
    with environment(situation, url, folder, key):
        session = Session()
        with contextlib.suppress(ra.ConfigError):
            client = RecordingClient()
            client._set_time(FakeTime().as_time())
            session = Session(client)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(command, session)
    return Answer(code, out.getvalue(), err.getvalue())


def _count_cases(path: Path) -> Mapping[str, int]:
    cases = Xml.parse(path).getroot().findall(".//testcase")
    return Counter(case[0].tag if len(case) else "passed" for case in cases)


def _read_properties(path: Path) -> Mapping[str, str]:
    found = Xml.parse(path).getroot().findall(".//property")
    return {each.get("name", ""): each.get("value", "") for each in found}


class _Recorder:
    """A plugin that counts what became of tests."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            xfailed = hasattr(report, "wasxfail") and report.skipped
            self.counts["xfailed" if xfailed else report.outcome] += 1


def _run_pytest(situation: Situation, folder: Path) -> tuple[int, Mapping[str, int], str] | None:
    words = situation.command.split()[1:]
    names = {f"--{each}": f"--retab-{each}" for each in ("candidate", "baseline", "accepted")}
    options = [each for each in words if each.startswith("--")]
    if not words or len(set(options)) < len(options) or not set(options) <= set(names):
        return None
    (folder / "pytest.ini").write_text("[pytest]\n")
    recorder = _Recorder()
    arguments = [
        *("-p", "retab_analysis.pytest_plugin", "-p", "no:cacheprovider", "-c", "pytest.ini"),
        # It collects garbage again and again, of the process that asks, too. And of a traceback
        # that nobody sees, it would parse each file.
        *("-p", "no:unraisableexception", "--tb=native"),
        *("--retab", words[0], *(names.get(each, each) for each in words[1:])),
    ]
    with FaultServer([situation.api.again()]) as server:
        with environment(situation, server.url, folder), pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
            if situation.key == KEY:
                ra.use(client_for(os.environ["RETAB_API_BASE_URL"]))
            try:
                with contextlib.redirect_stdout(io.StringIO()) as told:
                    with contextlib.redirect_stderr(io.StringIO()):
                        code = pytest.main(arguments, plugins=[recorder])
            finally:
                ra.use(None)
    assert "Traceback" not in told.getvalue(), told.getvalue()
    return int(code), recorder.counts, told.getvalue()


def row_of(
    situation: Situation, answer: Answer, tests: tuple[int, Mapping[str, int], str] | None
) -> str:
    """A row of the table, as Markdown: what the command line answers, and pytest."""
    cells = [
        situation.about,
        f"`{situation.command}`",
        f"**{answer.code}**",
        _cell(answer.says),
        "–" if answer.junit is None else _say_counts(answer.junit),
        "–" if tests is None else f"{tests[0]}: {_say_counts(tests[1])}",
    ]
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    shown = text.replace("|", "\\|").replace("<", "&lt;")
    return shown if len(shown) <= 200 else f"{shown[:199]}…"


def _say_counts(counts: Mapping[str, int]) -> str:
    order = ("failure", "failed", "xfailed", "skipped", "passed")
    words = {"failure": "failed"}
    said = [f"{counts[each]} {words.get(each, each)}" for each in order if counts.get(each)]
    return ", ".join(said) or "nothing"
