"""``pytest --retab``: a session of its own in a process of its own, as a user starts it.

The plugin is imported before anything measures coverage, so that the processes are measured
themselves where this one is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Xml

import coverage
import pytest
from support.fakes import KEY
from support.faultserver import FaultServer
from support.lettered_api import FLOW, LetteredApi, alike

ROOT = Path(__file__).parents[1]
SURE = 20
ROWS = {
    "total": "P" * SURE + "F",
    "lines": "P" * SURE + "F",
    "gap": "F" * (SURE + 1),
    "stopped": "P" * (SURE + 1),
    "changed": "P" * (SURE + 1),
    **{f"fine {at}": "P" * (SURE + 1) for at in range(4)},
}
CODES = "A" * SURE + "B"
NAMES = {"total": "Total: of [invoice] 1::x", "fine 1": "a\x1b[2J\x00\n## b"}


class Session:
    """Starts pytest in a folder of its own."""

    def __init__(self, folder: Path, api: LetteredApi, server: FaultServer) -> None:
        self.folder, self.api = folder, api
        self.variables = {
            **{name: each for name, each in os.environ.items() if not name.startswith("RETAB_")},
            "RETAB_API_KEY": KEY,
            "RETAB_API_BASE_URL": server.url,
            # What is installed beside us is not what is tested; we are named on the command line.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
        }

    def __call__(self, *arguments: str, key: bool = True) -> subprocess.CompletedProcess[str]:
        variables = self.variables if key else {**self.variables, "RETAB_API_KEY": ""}
        plugin = ["-p", "retab_analysis.pytest_plugin"]
        return subprocess.run(
            [*_python(), "-m", "pytest", *plugin, *arguments],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )

    @property
    def checks(self) -> int:
        """How often the workflow was checked."""
        return self.api.asked.count("GET /v1/workflows/evals")


def _python() -> list[str]:
    """Python, measured where this process is."""
    if coverage.Coverage.current() is None:
        return [sys.executable]
    settings = [f"--rcfile={ROOT / 'pyproject.toml'}", f"--data-file={ROOT / '.coverage'}"]
    return [sys.executable, "-m", "coverage", "run", "--parallel-mode", *settings]


@contextmanager
def session_in(folder: Path) -> Iterator[Session]:
    api = LetteredApi(ROWS, CODES, NAMES, definitions={"changed": CODES})
    with FaultServer([api]) as server:
        yield Session(folder, api, server)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with session_in(tmp_path) as made:
        yield made


@dataclass
class Ended:
    """A session that has ended, in a folder that later ones are started in, too."""

    session: Session
    process: subprocess.CompletedProcess[str]
    checks: int


@pytest.fixture(scope="module")
def all_of_it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    """What several tests look at."""
    with session_in(tmp_path_factory.mktemp("all")) as session:
        values = ("--retab-values", "-rA", "--junit-xml", "junit.xml")
        process = session("--retab", FLOW, *values)
        yield Ended(session, process, session.checks)


def counts(ended: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """What the last line of a session says."""
    last = ended.stdout.strip().splitlines()[-1]
    return {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", last.partition(" in ")[0])}


def test_one_test_for_each_eval(all_of_it: Ended) -> None:
    ended = all_of_it.process
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert counts(ended) == {"failed": 2, "passed": 7, "xfailed": 1}
    said = ended.stdout
    assert "collected 10 items" in said
    assert f"FAILED retab/{FLOW}::lines" in said
    assert f"FAILED retab/{FLOW}::Total: of [invoice] 1:x[total]" in said
    assert f"XFAIL retab/{FLOW}::gap - failing as before: never passed" in said
    assert re.search(rf"FAILED retab/{FLOW}::lines - .*expected .*, got ", said)
    # Of a failure: the condition, the values, and the words that differ.
    assert "  asserts    = {" in said
    assert '  got          {"total":"12.50","note":"two green apples"}' in said
    assert 'note: "two [-red-] {+green+} apples"' in said
    # The verdict, in the summary.
    assert f"= retab {FLOW} =" in said
    assert "✗ 2 evals broke since the edit of extract" in said
    assert "The gate does not hold:" in said
    assert "Traceback" not in said
    assert "\x1b[2J" not in said
    assert all_of_it.checks == 1


def test_names_give_the_runner_no_command(session: Session) -> None:
    hostile = "\n::error::pwn ##[error]x"
    session.api.names = dict.fromkeys(ROWS, hostile)
    session.variables["GITHUB_ACTIONS"] = "true"
    for ended in (
        session("--retab", FLOW, "-v", "-rA"),
        session("--retab", FLOW, "--collect-only"),
        session("--retab", hostile),
        session("--retab", FLOW, "--retab-accepted", f"{hostile}.toml"),
    ):
        said = (ended.stdout + ended.stderr).splitlines()
        assert any("error::pwn" in line or "error:pwn" in line for line in said)
        assert not [line for line in said if line.lstrip().startswith("::") or "##[" in line]


def test_values_are_shown_off_a_terminal_only_where_asked_for(session: Session) -> None:
    ended = session("--retab", FLOW)
    assert ended.returncode == 1, ended.stderr
    assert "apples" not in ended.stdout
    assert "asserts  " not in ended.stdout


def test_without_the_option_nothing_is_collected_loaded_or_asked(session: Session) -> None:
    (session.folder / "test_other.py").write_text(
        "import sys\n"
        "def test_nothing_is_loaded():\n"
        "    assert 'retab_analysis.pytest_plugin' in sys.modules\n"
        "    assert not {'polars', 'requests', 'retab_analysis.errors'} & set(sys.modules)\n"
    )
    ended = session()
    assert ended.returncode == 0, ended.stdout
    assert counts(ended) == {"passed": 1}
    assert session.api.asked == []


def test_k_takes_names_and_blocks(session: Session) -> None:
    ended = session("--retab", FLOW, "-k", "lines or gap")
    assert counts(ended) == {"failed": 1, "xfailed": 1, "deselected": 8}
    ended = session("--retab", FLOW, "-k", "extract and not fine")
    assert counts(ended)["deselected"] == 5


def test_lf_runs_what_failed(all_of_it: Ended) -> None:
    ended = all_of_it.session("--retab", FLOW, "--lf")
    assert counts(ended) == {"failed": 2, "deselected": 8}


def test_workers_are_told_what_came_out(session: Session, all_of_it: Ended) -> None:
    ended = session("--retab", FLOW, "-p", "xdist", "-n", "2")
    assert counts(ended) == counts(all_of_it.process)
    assert ended.returncode == 1
    assert f"= retab {FLOW} =" in ended.stdout
    # However many workers there are, the API is asked once.
    assert session.checks == 1
    idle = session("-p", "xdist", "-n", "2")
    assert idle.returncode == 5
    assert session.checks == 1


def test_junit(all_of_it: Ended) -> None:
    file = all_of_it.session.folder / "junit.xml"
    cases = Xml.parse(file).getroot().findall(".//testcase")
    outcomes = Counter(case[0].tag if len(case) else "passed" for case in cases)
    assert outcomes == {"failure": 2, "skipped": 1, "passed": 7}
    assert {case.get("classname") for case in cases} == {f"retab.{FLOW}"}
    assert {"lines", "gap", "suite"} <= {case.get("name") for case in cases}


def test_where_only_the_suite_fails_the_suite_fails(session: Session) -> None:
    entry = '[[accepted]]\nid = "fine 0"\nreason = "known"\n'
    (session.folder / "known.toml").write_text(entry)
    session.api.write(alike(6, "P" * 13))
    ended = session("--retab", FLOW, "--retab-accepted", "known.toml")
    assert ended.returncode == 1
    assert counts(ended) == {"failed": 1, "passed": 6}
    assert f"FAILED retab/{FLOW}::suite" in ended.stdout
    assert "Accepted, but passes again: fine 0. Remove the entry." in ended.stdout


@pytest.mark.parametrize("option", ["", "-candidate", "-baseline", "-accepted"])
def test_an_empty_option_is_4(session: Session, option: str) -> None:
    ended = session("--retab", FLOW, f"--retab{option}=")
    assert ended.returncode == 4
    assert f"--retab{option}: must not be empty, got ''" in ended.stderr
    assert session.api.asked == []


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]])
def test_without_an_answer_the_session_ends_with_3(session: Session, workers: list[str]) -> None:
    ended = session("--retab", "wf_nope", *workers)
    assert ended.returncode == 3
    assert "--retab: no answer: there is no workflow 'wf_nope'" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_an_undecided_gate_fails_the_suite_unless_it_may_pass(session: Session) -> None:
    session.api.write({"total": "P" * 12 + "F", **alike(5, "P" * 13)})
    session.api.codes = "A"
    red, green = (
        session("--retab", FLOW, "-rfs"),
        session("--retab", FLOW, "--retab-undecided=pass"),
    )
    assert (red.returncode, green.returncode) == (1, 0)
    assert "The gate is undecided: 1 eval may have broken." in red.stdout
    assert "1 failed, 5 passed, 1 skipped" in red.stdout
    assert "6 passed, 1 skipped" in green.stdout
    assert "Next: Run 1 eval again, once, which may clear it: retab-analysis check" in red.stdout
    assert session("--retab", FLOW, "--retab-undecided=maybe").returncode == 4
