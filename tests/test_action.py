"""The GitHub Action: its steps are run in a shell, with a runner and a GitHub made here."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.fakes import KEY
from support.faultserver import FaultServer
from support.inside import build_parser
from support.lettered_api import FLOW, LetteredApi

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {each.get("name", each.get("id")): each for each in ACTION["runs"]["steps"]}
PAST = 20
GREEN = {f"fine {at}": "P" * (PAST + 1) for at in range(6)}
RED = {"total": "F", "lines": "F"}
QUIET = {"comment": "false", "status": "false"}

# What GitHub does of its command line: comments, commits and issues, and statuses.
GH = """\
import json, os, pathlib, sys
state = pathlib.Path(os.environ["GITHUB_STATE"])
known = json.loads(state.read_text())
(noun, verb), arguments = sys.argv[1:3], sys.argv[2:]
options = dict(zip(arguments, arguments[1:]))
assert os.environ["GH_TOKEN"] == "ghs_token"
if known["forbidden"]:
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
def body():
    return json.loads(pathlib.Path(options["--input"]).read_text())["body"]
def ask_api(path, method):
    if "/compare/" in path:
        assert path.endswith("/compare/b45e...c0ffee?per_page=1")
        commit = {"committer": {"date": known["merge_base"]}}
        sys.stdout.write(json.dumps({"merge_base_commit": {"commit": commit}}))
    elif method == "GET":
        sys.stdout.write("".join(json.dumps([each]) for each in known["comments"]))
    elif "/statuses/" in path:
        fields = [arguments[at + 1] for at, each in enumerate(arguments) if each == "--raw-field"]
        known["statuses"].append({"path": path, **dict(each.split("=", 1) for each in fields)})
    elif method == "POST":
        number = len(known["comments"]) + 1
        known["comments"].append({"id": number, "user": {"type": "Bot"}, "body": body()})
    else:
        known["comments"][int(path.rpartition("/")[2]) - 1]["body"] = body()
def ask_issues():
    issues = known["issues"]
    report = pathlib.Path(options.get("--body-file", os.devnull)).read_text()
    if verb == "list":
        assert options["--label"] == "retab wf_letters"
        assert options["--jq"] == ".[0].number // empty"
        print(*[each["number"] for each in issues if each["open"]][:1])
    elif verb == "create":
        made = {"number": len(issues) + 1, "open": True, "title": options["--title"]}
        issues.append({**made, "body": report})
    elif verb == "edit":
        issues[int(arguments[1]) - 1]["body"] = report
    else:
        issues[int(arguments[1]) - 1]["open"] = False
if noun == "api":
    path = next(each for each in arguments if each.startswith("repos/"))
    ask_api(path, options.get("--method", "GET"))
elif noun == "issue":
    ask_issues()
else:
    assert sys.argv[1:4] == ["label", "create", "retab wf_letters"]
state.write_text(json.dumps(known))
"""
NOTHING: dict[str, Any] = {
    "comments": [],
    "statuses": [],
    "issues": [],
    "forbidden": False,
    "merge_base": None,
}


class Runner:
    """A runner of GitHub Actions with one job of one pull request."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.temporary = folder / "temp"
        self.state = folder / "github.json"
        self.summary = folder / "summary.md"
        self.set_state()
        self.summary.touch()
        tools = folder / "tools"
        installed = self.temporary / "retab-analysis" / "bin"
        for place in (tools, installed):
            place.mkdir(parents=True)
        _script(tools / "gh", f'exec "{sys.executable}" "{folder / "gh.py"}" "$@"')
        (folder / "gh.py").write_text(GH)
        # An isolated Python of the tests' environment, in which the library is installed.
        _script(installed / "python", f'exec "{sys.executable}" "$@"')
        self.variables = {
            **{name: each for name, each in os.environ.items() if not name.startswith("RETAB_")},
            "PATH": f"{tools}:{os.environ['PATH']}",
            "RETAB_API_BASE_URL": url,
            "GITHUB_ACTIONS": "true",
            "GITHUB_STATE": str(self.state),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_REPOSITORY": "acme/documents",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_RUN_ID": "77",
            "RUNNER_TEMP": str(self.temporary),
        }
        self.log = ""
        self.kills: Callable[[], bool] | None = None  # tells when the job is cancelled

    def set_state(self, **changes: object) -> None:
        self.state.write_text(json.dumps({**NOTHING, **changes}))

    def run(self, **inputs: str) -> int:
        """Run the job; gives what its last step ended with."""
        given = {name: each.get("default", "") for name, each in ACTION["inputs"].items()}
        given |= {name.replace("_", "-"): each for name, each in inputs.items()}
        given["github-token"] = "ghs_token"
        known = {f"inputs.{name}": each for name, each in given.items()}
        known["github.event.pull_request.number"] = "5"
        known["github.event.pull_request.head.sha || github.sha"] = "c0ffee"
        base = "github.event.pull_request.base.sha || github.event.merge_group.base_sha"
        known[f"{base} || github.event.before"] = "b45e"
        known["steps.merge-base.outputs.at"] = known["steps.check.outputs.runs"] = ""
        is_cancelled = False
        for name, step in STEPS.items():
            is_chosen = given.get(name.lower(), "true") == "true"
            if name == "Merge base":
                is_chosen = given["since"] == "merge-base"
            elif name == "Cancel":
                is_chosen = is_cancelled and bool(known["steps.check.outputs.runs"])
            if name in ("python", "Install") or not is_chosen or is_cancelled != (name == "Cancel"):
                continue
            code, outputs = self._step(step, known)
            is_cancelled |= name == "Check" and self.kills is not None
            if code and not step.get("continue-on-error") and not is_cancelled:
                return code
            ident = step.get("id")
            known |= {f"steps.{ident}.outputs.{key}": each for key, each in outputs.items()}
        return 0

    def _step(
        self, step: Mapping[str, Any], known: Mapping[str, str]
    ) -> tuple[int, dict[str, str]]:
        script, output = self.folder / "step.sh", self.folder / "output"
        script.write_text(step["run"])
        output.write_text("")
        variables = {name: _resolve(each, known) for name, each in step["env"].items()}
        with subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.folder,
            env={**self.variables, **variables, "GITHUB_OUTPUT": str(output)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        ) as process:
            if self.kills is not None and step.get("id") == "check":
                while not self.kills():
                    assert process.poll() is None
                    time.sleep(0.05)
                os.killpg(process.pid, signal.SIGKILL)  # as GitHub does, after some seconds
            said, _ = process.communicate(timeout=120)
        self.log += said
        pairs = (line.split("=", 1) for line in output.read_text().splitlines())
        return process.returncode, dict(pairs)  # type: ignore[arg-type]

    @property
    def github(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.state.read_text())
        return found


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def _resolve(text: str, known: Mapping[str, str]) -> str:
    """A value of a step with its expressions replaced; every one of them is known here."""
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found[1]], text)


@pytest.fixture
def api() -> LetteredApi:
    return LetteredApi({**GREEN, "total": "P" * 21, "lines": "P" * 21}, "A" * 22 + "B")


@pytest.fixture
def runner(tmp_path: Path, api: LetteredApi) -> Iterator[Runner]:
    if shutil.which("jq") is None or shutil.which("bash") is None:
        pytest.skip("needs bash and jq, as GitHub's runners have them")
    with FaultServer([api]) as server:
        yield Runner(tmp_path, server.url)


def check(runner: Runner, **inputs: str) -> int:
    return runner.run(**{"workflow": FLOW, "api_key": KEY, **inputs})


def test_a_green_draft(runner: Runner, api: LetteredApi) -> None:
    assert check(runner) == 0, runner.log
    assert len(api.started) == 1
    (comment,) = runner.github["comments"]
    assert comment["body"].startswith(f"<!-- retab-analysis {FLOW} -->\n### ✓ **Nothing broke**")
    assert "https://github.com/acme/documents/actions/runs/77" in comment["body"]
    (status,) = runner.github["statuses"]
    assert status == {
        "path": "repos/acme/documents/statuses/c0ffee",
        "state": "success",
        "context": f"retab / {FLOW}",
        "description": "✓ Nothing broke: 8 of 8 pass",
        "target_url": "https://github.com/acme/documents/actions/runs/77",
    }
    assert "**gate holds**" in runner.summary.read_text()


def test_a_red_draft_and_one_comment_that_is_updated(runner: Runner, api: LetteredApi) -> None:
    other = {"id": 1, "user": {"type": "User"}, "body": f"<!-- retab-analysis {FLOW} --> mine"}
    runner.set_state(comments=[other])
    assert check(runner) == 0
    api.starts, api.reruns = RED, {"total": "FFFF", "lines": "FFFF"}
    assert check(runner) == 1
    mine, comment = runner.github["comments"]
    assert mine == other
    assert "2 broke since" in comment["body"]
    assert "gate holds" not in comment["body"]
    assert [each["state"] for each in runner.github["statuses"]] == ["success", "failure"]
    assert runner.github["statuses"][1]["description"].startswith("✗ 2 evals broke since the edit")
    assert "::error title=Retab check of" in runner.log


def test_what_cannot_be_asked_is_said(runner: Runner) -> None:
    assert check(runner, api_key="sk_retab_wrong_key") == 3
    (comment,) = runner.github["comments"]
    assert "Invalid API key" in comment["body"]
    assert runner.github["statuses"][0]["state"] == "error"
    assert runner.github["statuses"][0]["description"] == "No answer; the log says why."


def test_inputs(runner: Runner, api: LetteredApi) -> None:
    (runner.folder / "known.toml").write_text("")
    inputs = {"start": "false", "values": "true", **QUIET}
    more = {"fail_on": "regressed,suspect", "accepted": "known.toml", "junit": "junit.xml"}
    assert check(runner, **inputs, **more) == 0, runner.log
    assert api.started == []
    assert runner.github == NOTHING
    assert (runner.folder / "junit.xml").exists()
    assert check(runner, undecided="sometimes", **inputs) == 4


def test_only_what_was_edited(runner: Runner, api: LetteredApi) -> None:
    api.blocks = {"total": "totals"}
    api.codes = {"extract": "A", "totals": "A" * 21 + "B"}
    api.write(api.evals)
    assert check(runner, only="edited") == 0, runner.log
    assert [run.scope for run in api.started] == ["B"]
    assert f"Starting 1 run of 1 eval in {FLOW}: block 'totals' (" in runner.log, runner.log
    # It is not forgotten where it says nothing.
    assert check(runner, start="false", only="edited", **QUIET) == 4


@pytest.mark.parametrize("name", ["settle", "undecided"])
def test_an_input_that_cannot_be_used_is_said(runner: Runner, api: LetteredApi, name: str) -> None:
    assert check(runner, **{name: ""}) == 4
    assert api.asked == []
    assert f"::error title=retab-analysis check::argument --{name}: " in runner.log
    (comment,) = runner.github["comments"]
    for text in (runner.summary.read_text(), comment["body"]):
        assert f"argument --{name}: " in text


@pytest.mark.parametrize("name", ["start", "values", "comment", "status", "issue"])
def test_a_flag_is_true_or_false_and_nothing_else(
    runner: Runner, api: LetteredApi, name: str
) -> None:
    for value in ("", "$(touch stolen)\n::error::x"):
        assert check(runner, **{**QUIET, name: value}) == 4
    assert api.asked == []
    said = f"The input {name} must be true or false"
    assert f"::error::{said}" in runner.log
    assert said in runner.summary.read_text()
    assert "::error::x" not in runner.log
    assert not (runner.folder / "stolen").exists()
    for value in ("TRUE",) if name != "issue" else ():
        assert check(runner, **{"start": "false", **QUIET, name: value}) == 0, runner.log
    assert len(api.started) == (name == "start")


def test_an_input_is_never_a_command(runner: Runner) -> None:
    hostile = '$(touch stolen)"; touch stolen; `touch stolen` -->'
    assert check(runner, workflow=hostile, baseline="$(touch stolen)") in (3, 4)
    assert not (runner.folder / "stolen").exists()
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_89_nothing_of_the_checkout_is_run(runner: Runner) -> None:
    for name in ("retab_analysis", "polars", "json", "sitecustomize"):
        (runner.folder / f"{name}.py").write_text("open('stolen', 'w')")
    runner.variables["PYTHONPATH"] = str(runner.folder)
    assert check(runner, start="false", **QUIET) == 0, runner.log
    assert not (runner.folder / "stolen").exists()
    for step in ACTION["runs"]["steps"]:
        for words in re.findall(r"python\"? (.*)|PYTHON\"? (.*)", step.get("run", "")):
            assert "".join(words).startswith("-I -m ")
    assert STEPS["Install"]["working-directory"] == "${{ runner.temp }}"


def test_what_broke_before_the_merge_base_does_not_fail(runner: Runner, api: LetteredApi) -> None:
    api.write({**GREEN, "total": "P" * 19 + "FF", "lines": "P" * 21})
    inputs = {"start": "false", "settle": "0"}
    assert check(runner, **inputs) == 1, runner.log
    for moment, code in (("2026-04-21T12:00:00Z", 0), ("2026-04-20T00:00:00Z", 1)):
        runner.set_state(merge_base=moment)
        assert check(runner, since="merge-base", **inputs) == code, runner.log
    assert check(runner, since="2026-04-21", **inputs) == 0
    assert "1 broke before 21 Apr: not counted" in runner.github["comments"][0]["body"]
    assert check(runner, since="soon", **inputs) == 4
    # Without an answer of GitHub, nothing is asked of Retab.
    runner.set_state(forbidden=True)
    api.asked.clear()
    assert check(runner, since="merge-base", **inputs) == 4
    assert "GitHub names no such commit" in runner.summary.read_text()
    assert api.asked == []


@pytest.mark.parametrize("broken", ["library", "python"])
def test_a_broken_installation_is_no_answer(runner: Runner, broken: str) -> None:
    """Python ends with 1 if it cannot start, which would be a gate that fails."""
    python = runner.temporary / "retab-analysis" / "bin" / "python"
    if broken == "python":
        python.unlink()
    else:
        _script(python, "echo 'ImportError: no polars' >&2; exit 1")
    assert STEPS["Install"]["continue-on-error"] is True
    assert check(runner) == 3
    (comment,) = runner.github["comments"]
    for text in (runner.summary.read_text(), comment["body"], runner.log):
        assert "No answer" in text
        assert "could not start" in text
    assert runner.github["statuses"][0]["state"] == "error"


def test_a_cancelled_job_cancels_its_run(runner: Runner, api: LetteredApi) -> None:
    api.reruns = {"lines": "U"}  # the run never ends by itself
    runner.kills = lambda: any("/runs/started" in each for each in api.asked)
    assert check(runner) == 0
    assert any(f"/runs/started_{PAST + 1}/cancel" in each for each in api.asked), api.asked
    assert f"started_{PAST + 1}: cancelled" in runner.log, runner.log
    assert runner.github == NOTHING


def test_a_run_that_somebody_cancels_is_said(runner: Runner, api: LetteredApi) -> None:
    api.reruns = {each: "C" for each in api.evals}
    assert check(runner) == 1
    assert "was cancelled" in runner.github["comments"][0]["body"]
    assert runner.github["statuses"][0]["state"] == "failure"


def test_one_issue_each_week(tmp_path: Path) -> None:
    """Green, a drift, the same a week later with an edit's break, undecided, mended."""
    past = {f"fine {at}": "P" * 20 for at in range(9)}
    runner = Runner(tmp_path, "http://127.0.0.1:9")

    def week(rows: dict[str, str], codes: str = "A", **settings: Any) -> int:
        blocks = {"mine": "mine"}
        its = {"extract": "A", "mine": codes}
        with FaultServer(
            [LetteredApi({**past, **rows}, codes=its, blocks=blocks, **settings)]
        ) as api:
            runner.variables["RETAB_API_BASE_URL"] = api.url
            return check(runner, issue="true", **QUIET)

    drifts = {"total": "P" * 17 + "FFF"}
    assert week({}) == 0, runner.log
    assert runner.github["issues"] == []
    assert week(drifts, reruns={"total": "F"}) == 0
    (issue,) = runner.github["issues"]
    assert (issue["open"], issue["title"]) == (True, f"Broken evals in {FLOW}")
    assert "1 eval is still broken** since 18 Apr, without an edit" in issue["body"]
    both = {"total": "F" * 4, "mine": "F" * 4}
    assert week({**drifts, "mine": "P" * 20}, "A" * 20 + "B", reruns=both) == 0
    before = runner.github["issues"]
    assert len(before) == 1
    assert "since the edit of mine" in before[0]["body"]
    assert week({"total": "P" * 20}, reruns={"total": "EEE"}) == 0
    runner.variables["RETAB_API_BASE_URL"] = "http://127.0.0.1:9"
    assert check(runner, issue="true", **QUIET) == 3
    assert runner.github["issues"] == before
    assert week({}) == 0
    assert [each["open"] for each in runner.github["issues"]] == [False]
    assert week(drifts, reruns={"total": "F"}) == 0
    assert [each["open"] for each in runner.github["issues"]] == [False, True]


def test_a_token_that_may_not_comment_stops_nothing(runner: Runner) -> None:
    runner.set_state(forbidden=True)
    assert check(runner) == 0
    assert "Resource not accessible" in runner.log


def test_the_inputs_and_outputs_that_are_used_are_declared() -> None:
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    assert set(re.findall(r"steps\.check\.outputs\.([\w-]+)", text)) == set(ACTION["outputs"])


def test_the_examples_of_the_document_fit() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(), re.DOTALL)
    github, step, gitlab, *_ = map(yaml.safe_load, blocks)
    used = github["jobs"]["check"]["steps"][-1]
    assert set(used["with"]) <= set(ACTION["inputs"])
    needed = {name for name, each in ACTION["inputs"].items() if each.get("required")}
    assert needed <= set(used["with"])
    lines = [step[0]["run"].partition("&& ")[2], *gitlab["retab"]["script"]]
    commands = [each.partition(" ||")[0] for each in lines if each.startswith("retab-analysis ")]
    assert len(commands) == 2
    for command in commands:
        assert build_parser().parse_args(shlex.split(command)[1:]).settle == 12


@pytest.mark.parametrize(
    ("broken", "red", "code"),
    [("", False, 0), ("", True, 1), ("pip", False, 3), ("python", False, 3)],
)
def test_the_lines_for_gitlab_tell_a_broken_installation_from_a_gate_that_fails(
    runner: Runner, api: LetteredApi, broken: str, red: bool, code: int
) -> None:
    page = (ROOT / "docs" / "ci.md").read_text().partition("## In GitLab")[2]
    job = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])["retab"]
    tools = runner.folder / "tools"
    its = f'exec "{sys.executable}" -m retab_analysis "$@"'
    _script(tools / "pip", f"exit {int(broken == 'pip')}")
    _script(tools / "git", "echo 2026-04-10T00:00:00+02:00")
    _script(tools / "retab-analysis", "exit 1" if broken == "python" else its)
    if red:  # by a drift after the merge base
        api.write({**GREEN, "total": "P" * 19 + "FF", "lines": "P" * 21})
        api.reruns = {"total": "FF"}
    ended = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join(job["script"]).replace("wf_invoices", FLOW)],
        cwd=runner.folder,
        env={**runner.variables, "RETAB_API_KEY": KEY, "CI_MERGE_REQUEST_DIFF_BASE_SHA": "b45e"},
        capture_output=True,
        encoding="utf-8",
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
