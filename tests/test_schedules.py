"""The schedules of docs/ci.md: their scripts, run in a shell, open, renew and close one issue."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from support.fakes import KEY
from support.faultserver import FaultServer, Reply, reply
from support.lettered_api import FLOW, LetteredApi

BLOCKS = re.findall(
    r"```yaml\n(.*?)```",
    (Path(__file__).parents[1] / "docs" / "ci.md").read_text().partition("## Each week")[2],
    re.DOTALL,
)
GITHUB, GITLAB = (yaml.safe_load(block.replace("wf_invoices", FLOW)) for block in BLOCKS[:2])
PAST = {f"fine {at}": "P" * 20 for at in range(9)}

# What GitHub does of its command line: issues with a label.
GH = """\
import json, pathlib, sys
state = pathlib.Path(sys.argv[1])
issues = json.loads(state.read_text())
(noun, verb), arguments = sys.argv[2:4], sys.argv[4:]
options = dict(zip(arguments, arguments[1:]))
if (noun, verb) == ("issue", "list"):
    assert options["--label"] == "retab-weekly" and options["--jq"] == ".[0].number // empty"
    print(*[each["number"] for each in issues if each["open"]][:1])
elif (noun, verb) == ("issue", "create"):
    body = pathlib.Path(options["--body-file"]).read_text()
    number = len(issues) + 1
    issues.append({"number": number, "open": True, "title": options["--title"], "body": body})
elif (noun, verb) == ("issue", "edit"):
    issues[int(arguments[0]) - 1]["body"] = pathlib.Path(options["--body-file"]).read_text()
elif (noun, verb) == ("issue", "close"):
    issues[int(arguments[0]) - 1]["open"] = False
else:
    assert (noun, verb, arguments) == ("label", "create", ["retab-weekly", "--force"])
state.write_text(json.dumps(issues))
"""


class GitLab:
    """The issues of a project, over HTTP."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []

    def __call__(self, request: str) -> Reply:
        method, target, _ = request.split(" ", 2)
        assert "PRIVATE-TOKEN: glpat" in request
        address = urlsplit(target)
        sent = {key: each[0] for key, each in parse_qs(request.partition("\r\n\r\n")[2]).items()}
        if method == "GET":
            assert parse_qs(address.query) == {"labels": ["retab-weekly"], "state": ["opened"]}
            open_ones = [each for each in self.issues if each["open"]]
            return reply(200, [{"iid": each["number"]} for each in open_ones])
        if method == "POST":
            assert sent["labels"] == "retab-weekly"
            number = len(self.issues) + 1
            title, body = sent["title"], sent["description"]
            self.issues.append({"number": number, "open": True, "title": title, "body": body})
            return reply(201, {"iid": number})
        issue = self.issues[int(address.path.rpartition("/")[2]) - 1]
        issue["body"] = sent.get("description", issue["body"])
        issue["open"] &= sent.get("state_event") != "close"
        return reply(200, {})


def run(script: str, folder: Path, url: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a runner does, with the command of this library."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    commands = {
        "retab-analysis": f'exec "{sys.executable}" -m retab_analysis "$@"',
        "python": f'exec "{sys.executable}" "$@"',
        "gh": f'exec "{sys.executable}" "{folder / "gh.py"}" "{folder / "issues.json"}" "$@"',
    }
    for name, text in commands.items():
        (tools / name).write_text(f"#!/bin/bash\n{text}\n")
        (tools / name).chmod(0o755)
    (folder / "gh.py").write_text(GH)
    known = {name: each for name, each in os.environ.items() if not name.startswith("RETAB_")}
    known |= {"PATH": f"{tools}:{os.environ['PATH']}", "RETAB_API_KEY": KEY} | variables
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-c", script],
        cwd=folder,
        env=known | {"RETAB_API_BASE_URL": url},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def follow(run_job: Callable[[str], int], issues: Callable[[], list[dict[str, Any]]]) -> None:
    """Green, a drift, the same a week later with an edit's break, undecided, mended."""

    def week(rows: dict[str, str], codes: str = "A", **settings: Any) -> int:
        evals = {**PAST, **rows}
        blocks = {"mine": "mine"}
        api = LetteredApi(evals, codes={"extract": "A", "mine": codes}, blocks=blocks, **settings)
        with FaultServer([api]) as server:
            return run_job(server.url)

    drifts = {"total": "P" * 17 + "FFF"}
    assert week({}) == 0
    assert issues() == []
    assert week(drifts, reruns={"total": "F"}) == 0
    assert [(each["open"], each["title"]) for each in issues()] == [
        (True, f"Broken evals in {FLOW}")
    ]
    assert "1 eval is still broken** since 18 Apr, without an edit" in issues()[0]["body"]
    both = {"total": "F" * 4, "mine": "F" * 4}
    assert week({**drifts, "mine": "P" * 20}, "A" * 20 + "B", reruns=both) == 0
    assert len(issues()) == 1
    assert "since the edit of mine" in issues()[0]["body"]
    before = issues()
    assert week({"total": "P" * 20}, reruns={"total": "EEE"}) == 0
    assert run_job("http://127.0.0.1:9") != 0
    assert issues() == before
    assert week({}) == 0
    assert [each["open"] for each in issues()] == [False]
    assert week(drifts, reruns={"total": "F"}) == 0
    assert [each["open"] for each in issues()] == [False, True]


@pytest.fixture(autouse=True)
def _needs() -> None:
    if shutil.which("bash") is None or shutil.which("curl") is None:
        pytest.skip("needs bash and curl, as runners have them")


def test_one_issue_at_github(tmp_path: Path) -> None:
    job = GITHUB["jobs"]["weekly"]
    assert job["permissions"]["issues"] == "write"
    step = job["steps"][-1]
    assert set(step["env"]) == {"RETAB_API_KEY", "GH_TOKEN"}
    (tmp_path / "issues.json").write_text("[]")

    def run_job(url: str) -> int:
        return run(step["run"], tmp_path, url).returncode

    follow(run_job, lambda: json.loads((tmp_path / "issues.json").read_text()))


def test_one_issue_at_gitlab(tmp_path: Path) -> None:
    gitlab = GitLab()
    script = "\n".join(GITLAB["retab-weekly"]["script"][1:])
    with FaultServer([gitlab]) as there:
        variables = {"CI_API_V4_URL": there.url, "CI_PROJECT_ID": "7", "ISSUES_TOKEN": "glpat"}
        follow(
            lambda url: run(script, tmp_path, url, **variables).returncode,
            lambda: json.loads(json.dumps(gitlab.issues)),
        )
