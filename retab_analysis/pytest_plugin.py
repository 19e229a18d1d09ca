"""pytest's door: ``pytest --retab WORKFLOW`` gives one test for each saved eval.

pytest imports this module at every start, so it loads nothing else until it sees ``--retab``. It
checks the workflow once, when the session starts. The workers of pytest-xdist get the answer from
there and all collect the same items.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

NOT_ASKED = 3
"""The exit code if the workflow could not be checked, as on the command line."""

_TOLD = pytest.StashKey[list[dict[str, Any]]]()
_WORKER_INPUT = "retab_analysis"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; without ``--retab`` the plugin collects and asks nothing."""
    add = parser.getgroup("retab", "saved evals of Retab workflows").addoption
    says = "check this workflow's newest run, one test for each saved eval; may be repeated"
    add("--retab", type=_word, action="append", default=[], metavar="WORKFLOW", help=says)
    says = "check this run, or a version's newest run"
    add("--retab-candidate", type=_word, metavar="RUN", help=says)
    says = "compare with: last_good (default), published, previous, a run or a version"
    add("--retab-baseline", type=_word, default="last_good", metavar="WHAT", help=says)
    says = "a file of accepted failures (TOML); they become xfail"
    add("--retab-accepted", type=_word, metavar="FILE", help=says)
    says = "how an undecided gate ends the item suite: fail (default) or pass"
    add("--retab-undecided", choices=("fail", "pass"), default="fail", help=says)
    says = "show expected and actual values (the customers' data) off a terminal, too"
    add("--retab-values", action="store_true", help=says)


def _word(text: str) -> str:
    """Refuse an empty argument, which is a mistake such as an unset variable."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must not be empty, got {text!r}")
    return text


def pytest_sessionstart(session: pytest.Session) -> None:
    """Check the workflows, once for all workers."""
    config = session.config
    if hasattr(config, "workerinput"):
        config.stash[_TOLD] = json.loads(config.workerinput.get(_WORKER_INPUT, "[]"))
    elif config.option.retab:
        config.stash[_TOLD] = _check_all(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput[_WORKER_INPUT] = json.dumps(node.config.stash.get(_TOLD, []))


def _check_all(config: pytest.Config) -> list[dict[str, Any]]:
    from retab_analysis.errors import ConfigError, RetabAnalysisError

    try:
        # A workflow that is named twice would have two tests of each name.
        return [_check(workflow_id, config) for workflow_id in dict.fromkeys(config.option.retab)]
    except RetabAnalysisError as error:
        if isinstance(error, ConfigError) and error.argument:
            raise pytest.UsageError(_as_output(f"--retab: {error}")) from None
        pytest.exit(_as_output(f"--retab: no answer: {error}"), returncode=NOT_ASKED)


def _check(workflow_id: str, config: pytest.Config) -> dict[str, Any]:
    """The answer about a workflow, as plain values that can be sent to a worker."""
    from retab_analysis.checks.verdict import check
    from retab_analysis.cli.conclusion import Conclusion
    from retab_analysis.config import shows_values
    from retab_analysis.render.text import WIDEST

    option = config.option
    comparison = check(
        workflow_id,
        candidate=option.retab_candidate,
        baseline=option.retab_baseline,
        accepted=Path(option.retab_accepted) if option.retab_accepted else (),
        progress=False,
    )
    # Your own terminal shows values as a notebook does.
    values = option.retab_values or (sys.stdout.isatty() and shows_values())
    undecided = {"fail": "fail", "pass": "ok"}[option.retab_undecided]
    conclusion = Conclusion(workflow_id, comparison, comparison.gate(), undecided, "--retab-values")
    # Disarmed here, because pytest prints names and reasons in many places.
    return {
        "workflow": _as_output(workflow_id),
        "lines": [
            *map(_as_output, conclusion.text(WIDEST, conclusion.door(values=values)).split("\n"))
        ],
        "checks": [
            {name: _as_output(text) for name, text in asdict(each).items() if name != "attempts"}
            for each in conclusion.cases(values=values)
        ],
    }


def _as_output(text: str) -> str:
    """Text that pytest may print: nothing in it steers a terminal or GitHub's runner."""
    from retab_analysis.cli import github
    from retab_analysis.markup import without_controls

    return github.as_output(without_controls(text))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the evals, before -k, --deselect and --lf choose."""
    for told in session.config.stash.get(_TOLD, []):
        name = _as_name(told["workflow"])
        workflow = RetabWorkflow.from_parent(
            session, name=name, nodeid=f"retab/{name}", checks=told["checks"]
        )
        items.extend(session.genitems(workflow))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for told in config.stash.get(_TOLD, []):
        terminalreporter.section(f"retab {told['workflow']}")
        for line in told["lines"]:
            terminalreporter.write_line(line)


class RetabWorkflow(pytest.Collector):
    """A workflow, whose items are its evals."""

    def __init__(self, *, checks: list[dict[str, Any]], **more: Any) -> None:
        super().__init__(**more)
        self._checks = checks

    def collect(self) -> Iterator[RetabEval]:
        """An item for each eval, and one for all of them together."""
        for check in self._checks:
            name = _as_name(check["name"])
            if check["name"] != check["key"]:
                name = f"{name}[{_as_name(check['key'])}]"
            # A text, to equal the one that pytest reads from its cache for --lf.
            yield RetabEval.from_parent(
                self, name=name, nodeid=f"{self.nodeid}::{name}", check=check
            )


class RetabEvalError(Exception):
    """An eval fails the gate: a line such as ``expected 18.5, got 1``, and the details."""

    def __str__(self) -> str:
        return str(self.args[0])


class RetabEval(pytest.Item):
    """One eval, with the gate's word about it."""

    def __init__(self, *, check: dict[str, Any], **more: Any) -> None:
        super().__init__(**more)
        self._check = check
        self.extra_keyword_matches.add(check["group"])  # for -k

    def runtest(self) -> None:
        """End as the gate says."""
        outcome, reason = self._check["outcome"], self._check["message"]
        if outcome == "failed":
            raise RetabEvalError(reason, self._check["details"])
        if outcome == "xfailed":
            pytest.xfail(reason)
        if outcome == "skipped":
            pytest.skip(reason)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The text, without a traceback through this file."""
        if isinstance(excinfo.value, RetabEvalError):
            return str(excinfo.value.args[1])
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.nodeid


def _as_name(text: str) -> str:
    """A text as one part of a test's name; ``::`` separates the parts."""
    return text.replace("::", ":")
