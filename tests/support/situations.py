"""Situations in which somebody asks whether a change broke anything, and what each door says.

Each is a workflow's past as letters and a command line; ``python tests/support/situations.py``
writes what the doors say into ``docs/ci.md``, and ``tests/cli/test_situations.py`` holds the file
to it.
"""

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

import pytest

import retab_analysis as ra
from retab_analysis.cli import main
from retab_analysis.cli.session import RecordingClient, Session
from support.fakes import KEY, FakeTime, client_for
from support.faultserver import FaultServer, reply
from support.lettered_api import FLOW, LetteredApi

BEGIN, END = "<!-- situations: begin -->", "<!-- situations: end -->"
HEADER = ("Situation", "Command", "Exit", "It says", "JUnit", "pytest")
DOCS = Path(__file__).parents[2] / "docs" / "ci.md"
PAST = 20
P = "P" * PAST
EDIT = "A" * PAST + "B"
"""The code of one run more, whose block was edited."""
FINE = {f"fine {at}": P + "P" for at in range(6)}


@dataclass(frozen=True)
class Situation:
    """A past, a command line, and the exit code that it has to give.

    Attributes:
        about: What happened.
        code: The exit code.
        api: What the API serves.
        options: What follows ``check WORKFLOW``.
        accepted: What the file ``accepted.toml`` holds, if there is one.
        address: Where the API is said to be; the API's own address if None.
        key: The key; None for none.
        arguments: The whole command line, where it is another one.
    """

    about: str
    code: int
    api: LetteredApi
    options: str = ""
    accepted: str | None = None
    address: str | None = None
    key: str | None = KEY
    arguments: str | None = None

    @property
    def command(self) -> str:
        """The command line."""
        return self.arguments or f"check {FLOW} {self.options}".strip()


def _broken(more: str, codes: str = "", **settings: Any) -> LetteredApi:
    """Two evals that passed, and these letters since; others that are fine."""
    rows = {"total": P + more, "lines": P + more}
    fine = {name: "P" * (PAST + len(more)) for name in FINE}
    return LetteredApi({**rows, **fine}, codes=codes, **settings)


def _one(letters: str, codes: str = "", **settings: Any) -> LetteredApi:
    """One eval with these letters; others that are fine."""
    return LetteredApi(
        {"total": letters, **{name: "P" * len(letters) for name in FINE}}, codes, **settings
    )


def _all(letters: str, number: int = 12, **settings: Any) -> LetteredApi:
    return LetteredApi({f"eval {at}": letters for at in range(number)}, **settings)


def _accepted(until: str | None = None) -> str:
    entries = [
        f'[[accepted]]\nid = "{each}"\nreason = "known"\n' + (f"until = {until}\n" if until else "")
        for each in ("lines", "total")
    ]
    return "\n".join(entries)


_SUSPECT: dict[str, Any] = {"letters": "P" * 12 + "F"}
_FLAKY = "PPFPPPFPPFPPPPFPPFPP"

SITUATIONS = (
    Situation("everything passes", 0, _all(P + "P")),
    Situation("an edit broke two evals", 1, _broken("F", EDIT)),
    Situation("red again: two runs later nothing is mended", 1, _broken("FFF", EDIT + "BB")),
    Situation("red still: a week later", 1, _broken("F" * 8, EDIT + "B" * 7)),
    Situation("an edit mended what an edit had broken", 0, _broken("FFFFP", EDIT + "BBBC")),
    Situation("drift: three failures in a row, and nobody edited", 1, _broken("FFF")),
    Situation("an edit blocks two evals", 1, _broken("B", EDIT)),
    Situation("flaky only, and it fails now", 0, _one(_FLAKY + "F")),
    Situation("flaky only, and it passes now", 0, _one(_FLAKY + "P")),
    Situation("an eval that never passed", 0, _one("F" * PAST + "F")),
    Situation("one failure, and nobody edited", 2, _one(**_SUSPECT)),
    Situation("the same", 0, _one(**_SUSPECT), "--undecided ok"),
    Situation("the same", 1, _one(**_SUSPECT), "--undecided fail"),
    Situation("the same", 1, _one(**_SUSPECT), "--fail-on regressed,suspect"),
    Situation("run again, it passes", 0, _one(**_SUSPECT, reruns={}), "--settle 12"),
    Situation("run again, it fails", 1, _one(**_SUSPECT, reruns={"total": "FFFF"}), "--settle 12"),
    Situation("an execution error", 1, _one(P + "E")),
    Situation("run again, it passes", 0, _one(P + "E"), "--settle 12"),
    Situation("an outage: every eval ends in an error", 1, _all(P + "E")),
    Situation("the run was cancelled", 1, _all(P + "C")),
    Situation(
        "half of the run was cancelled",
        1,
        LetteredApi({f"eval {at}": P + ("P" if at % 2 else "C") for at in range(12)}),
    ),
    Situation(
        "the run goes on still",
        1,
        LetteredApi({f"eval {at}": P + ("P" if at % 3 else "U") for at in range(12)}),
        f"--candidate run_{PAST}",
    ),
    Situation("the first run: nothing to compare with", 2, _all("P")),
    Situation("the same", 0, _all("P"), "--undecided ok"),
    Situation("no run has ended yet", 3, _all("U")),
    Situation(
        "every eval was edited, and passes",
        2,
        _all(P + "P", 3, edited=("eval 0", "eval 1", "eval 2")),
    ),
    Situation("an edited eval fails", 0, _one(P + "F", edited=("total",))),
    Situation("a new eval fails", 0, _one("." * PAST + "F")),
    Situation("an eval was removed", 0, _one(P + ".")),
    Situation(
        "what broke is accepted", 0, _broken("F", EDIT), "--allow accepted.toml", _accepted()
    ),
    Situation(
        "what was accepted passes again",
        1,
        _broken("P"),
        "--allow accepted.toml",
        _accepted(),
    ),
    Situation(
        "the acceptance has run out",
        1,
        _broken("F", EDIT),
        "--allow accepted.toml",
        _accepted("2026-01-01"),
    ),
    Situation(
        "no eval is sure, all together got worse",
        1,
        LetteredApi(
            {
                f"eval {at:02}": ("PPPPF" * 6)[at % 5 :][:PAST] + ("PPFFF" * 3)[at % 5 :][:5]
                for at in range(40)
            },
            codes="A" * PAST + "B" * 5,
        ),
        " ".join(f"--candidate run_{PAST + at}" for at in range(5)),
    ),
    Situation("three evals, one earlier run", 0, _all("PP", 3)),
    Situation("a fresh run, and it passes", 0, _all(P), "--start"),
    Situation(
        "a fresh run of an edited block breaks two evals",
        1,
        _broken("", "A" * PAST + "B", starts={"total": "F", "lines": "F"}),
        "--start",
    ),
    Situation(
        "against the run before, which was red too",
        0,
        _broken("FFF", EDIT + "BB"),
        "--baseline previous",
    ),
    Situation("no such baseline", 3, _all(P + "P"), "--baseline nope"),
    Situation("no such workflow", 3, _all(P + "P"), arguments="check wf_nope"),
    Situation("no key", 3, _all(P + "P"), key=None),
    Situation("a wrong key", 3, _all(P + "P"), key="sk_retab_wrong_key"),
    Situation("the server is away", 3, _all(P + "P"), address="http://127.0.0.1:9"),
    Situation(
        "the server fails",
        3,
        _all(P + "P", broken={"GET": reply(500, {"detail": "database on fire"})}),
    ),
    Situation(
        "something else answers",
        3,
        _all(P + "P", broken={"GET": reply(200, b"<html>Log in</html>")}),
    ),
    Situation("no workflow given", 4, _all(P + "P"), arguments="check"),
    Situation("nothing fails on that word", 4, _all(P + "P"), "--fail-on everything"),
    Situation("no such file", 4, _all(P + "P"), "--allow accepted.toml"),
    Situation(
        "names that would steer a terminal or a runner",
        1,
        _broken(
            "F",
            EDIT,
            names={"total": "\x1b[2J::error::\r\n##[x] <b>|", "lines": "`$(rm)`\n::set-output"},
        ),
    ),
)


@dataclass
class Answer:
    """What the doors said.

    Attributes:
        code: The exit code.
        out: The standard output.
        err: The standard error.
        document: What ``--json`` printed.
        junit: How many cases there are by outcome; None where no file was written.
        pytest: pytest's exit code and how many tests there are by outcome; None where the command
            has options that the plugin does not.
    """

    code: int
    out: str
    err: str
    document: dict[str, Any] = field(default_factory=dict)
    junit: Mapping[str, int] | None = None
    pytest: tuple[int, Mapping[str, int]] | None = None

    @property
    def says(self) -> str:
        """The first line of what was said, and what the gate does."""
        lines = self.out.splitlines() or self.err.splitlines()[-1:]
        gate = [each.rstrip(":.") for each in lines[1:] if each.startswith("The gate ")]
        said = ". ".join([*lines[:1], *gate])
        # The server takes any port that is free, and each system has numbers of its own.
        said = re.sub(r"(127\.0\.0\.1):\d{3,}", r"\1:8000", said)
        return re.sub(r"\[Errno \d+\] ", "", said)


@contextlib.contextmanager
def environment(situation: Situation, url: str, folder: Path) -> Iterator[dict[str, str]]:
    """A folder with what the command line names, and the variables that it reads."""
    if situation.accepted is not None:
        (folder / "accepted.toml").write_text(situation.accepted)
    found = {"RETAB_API_BASE_URL": situation.address or url}
    if situation.key is not None:
        found["RETAB_API_KEY"] = situation.key
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith(("RETAB_", "GITHUB_"))]:
            patch.delenv(name)
        for name, value in found.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        yield found


def ask_all_doors(situation: Situation) -> Answer:
    """Ask on the command line, as JSON, as JUnit, and in pytest; each with an API of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        answer = _run(situation, folder, [])
        as_json = _run(situation, folder, ["--json", "--junit", "junit.xml"])
        assert as_json.code == answer.code, (as_json, answer)
        answer.document = json.loads(as_json.out) if as_json.out else {}
        file = folder / "junit.xml"
        answer.junit = _count_cases(file) if file.exists() else None
        answer.pytest = _run_pytest(situation, folder)
    return answer


def fresh(api: LetteredApi) -> LetteredApi:
    """The same API, of which nothing was asked yet."""
    return LetteredApi(
        api.evals, api.codes, api.names, api.edited, api.reruns, api.starts, api.broken
    )


def _run(situation: Situation, folder: Path, more: list[str]) -> Answer:
    out, err = io.StringIO(), io.StringIO()
    with FaultServer([fresh(situation.api)]) as server:
        with environment(situation, server.url, folder):
            session = Session()
            with contextlib.suppress(ra.ConfigError):
                client = RecordingClient()
                client._set_time(FakeTime().as_time())
                session = Session(client)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main([*situation.command.split(), *more], session)
    return Answer(code, out.getvalue(), err.getvalue())


def _count_cases(path: Path) -> Mapping[str, int]:
    cases = Xml.parse(path).getroot().findall(".//testcase")
    return Counter(case[0].tag if len(case) else "passed" for case in cases)


class _Recorder:
    """A plugin that counts what became of tests."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            xfailed = hasattr(report, "wasxfail") and report.skipped
            self.counts["xfailed" if xfailed else report.outcome] += 1


def _run_pytest(situation: Situation, folder: Path) -> tuple[int, Mapping[str, int]] | None:
    words = situation.command.split()[1:]
    names = {f"--{each}": f"--retab-{each}" for each in ("candidate", "baseline", "allow")}
    options = [each for each in words if each.startswith("--")]
    if not words or len(set(options)) < len(options) or not set(options) <= set(names):
        return None
    (folder / "pytest.ini").write_text("[pytest]\n")
    recorder = _Recorder()
    arguments = [
        *("-p", "retab_analysis.pytest_plugin", "-p", "no:cacheprovider", "-c", "pytest.ini"),
        *("--retab", words[0], *(names.get(each, each) for each in words[1:])),
    ]
    with FaultServer([fresh(situation.api)]) as server:
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
    return int(code), recorder.counts


def row_of(situation: Situation, answer: Answer) -> str:
    """A row of the table, as Markdown."""
    cells = [
        situation.about,
        f"`{situation.command}`",
        f"**{answer.code}**",
        _cell(answer.says),
        "–" if answer.junit is None else _say_counts(answer.junit),
        "–" if answer.pytest is None else f"{answer.pytest[0]}: {_say_counts(answer.pytest[1])}",
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


def write_table(answers: Mapping[int, Answer]) -> None:
    """Put the table into the document."""
    rows = [row_of(SITUATIONS[at], answers[at]) for at in sorted(answers)]
    head = [f"| {' | '.join(HEADER)} |", f"|{' --- |' * len(HEADER)}"]
    before, _, rest = DOCS.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCS.write_text("\n".join([before + BEGIN, *head, *rows, END]) + after)


if __name__ == "__main__":
    write_table({at: ask_all_doors(each) for at, each in enumerate(SITUATIONS)})
