"""The command ``check``: start, wait, compare, settle, and print."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.arguments import suggest_option
from retab_analysis.checks.defaults import archive_or_default
from retab_analysis.checks.moments import read_since
from retab_analysis.checks.settle import RerunPlan, run_again
from retab_analysis.checks.start import select_edited
from retab_analysis.checks.verdict import check
from retab_analysis.cli.conclusion import Conclusion, tell_github
from retab_analysis.cli.console import MANY, NOT_ASKED, Console, UsageError
from retab_analysis.cli.session import Session, say_cancel
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.accepted import read_accepted
from retab_analysis.comparison.comparison import write_report
from retab_analysis.comparison.gate import FAIL_ON, GateRule
from retab_analysis.comparison.reruns import SETTLE_ROUNDS
from retab_analysis.config import shows_values
from retab_analysis.errors import ConfigError
from retab_analysis.fetch import wait_for_runs
from retab_analysis.fetch.lists import resolve_workflow
from retab_analysis.fetch.run_line import report
from retab_analysis.fetch.starts import select, start_each
from retab_analysis.markup import without_controls
from retab_analysis.progress import show_progress
from retab_analysis.render.door import Door
from retab_analysis.render.junit import write_junit
from retab_analysis.schema import RUNS

_WAIT = 24 * 3600.0  # a CI job has its own time limit


def run_check(options: Namespace, console: Console, session: Session) -> int:
    """Check a workflow; returns the exit code."""
    options.rule = read_rule(options)
    if options.start and options.candidate:
        raise UsageError("--start checks the run that it starts: leave --candidate out")
    if options.only and not options.start:
        raise UsageError("--only goes with --start")
    if len(options.workflows) != 1:
        given = len(options.workflows) or "none"
        raise UsageError(f"check takes one workflow, got {given}{suggest_option('--all', ())}")
    [options.workflow] = options.workflows
    code, told = _check_one(options, console, session)
    if told is not None:
        console.show_json(told)
    return code


def _check_one(
    options: Namespace, console: Console, session: Session
) -> tuple[int, dict[str, Any] | None]:
    """Check ``options.workflow``; returns the exit code, and the values for JSON."""
    archive_or_default()  # an unusable one must start nothing
    reads = not (options.start or options.settle)
    options.workflow = resolve_workflow(session.client, options.workflow, parts=reads)
    rule = add_since(options, session)
    started = _start_and_wait(options, console, session) if options.start else RUNS.empty()
    if started is None:
        return NOT_ASKED, None
    comparison = compare_sides(options, console, session, started)
    if started.height:
        client, progress = session.client, console.telling
        comparison = run_again(comparison, only_errors=True, client=client, progress=progress)
    if options.settle:
        comparison = _settle(options, console, session, comparison)
    gate = comparison.gate(**rule)
    conclusion = Conclusion(options.workflow, comparison, gate, options.undecided)
    return _tell(options, console, conclusion)


def compare_sides(
    options: Namespace, console: Console, session: Session, started: pl.DataFrame | None = None
) -> Comparison:
    """Check the started runs, else the version or runs in ``--candidate``."""
    named = options.candidate
    one = named[0] if named and len(named) == 1 else named
    return check(
        options.workflow,
        candidate=one if started is None or started.is_empty() else started,
        baseline=options.baseline,
        accepted=getattr(options, "accepted", ()),
        client=session.client,
        progress=console.progress,
    )


def read_rule(options: Namespace) -> dict[str, Any]:
    """The arguments of the gate, checked before any request or start."""
    rule = {
        "fail_on": options.fail_on or FAIL_ON,
        "max_failures": options.max_failures,
        "min_pass_rate": options.min_pass_rate,
    }
    try:
        GateRule.check(**rule)
        read_accepted(options.accepted)
    except ConfigError as error:
        raise UsageError(str(error)) from None
    return rule


def add_since(options: Namespace, session: Session) -> dict[str, Any]:
    """The rule for one workflow, with its moment, which is looked up before anything starts."""
    since = options.since and read_since(session.client, options.workflow, options.since)
    return {**options.rule, "since": since}


def start(options: Namespace, console: Console, session: Session) -> pl.DataFrame | None:
    """Start what the options choose; returns no runs if nothing was edited, None for a "no"."""
    client, workflow_id = session.client, options.workflow
    if options.only:
        selected = select_edited(client, workflow_id)
    else:
        selected = select(client, workflow_id, options.evals, options.blocks)
    if not _may_queue(options, console, sum(selected.sizes)):
        console.warn("Nothing was started.")
        return None
    console.say(selected.said)
    return start_each(client, workflow_id, selected.scopes)


def _start_and_wait(options: Namespace, console: Console, session: Session) -> pl.DataFrame | None:
    started, client = start(options, console, session), session.client
    if started is None:
        return None
    if started.is_empty():
        console.say("check uses the earlier runs.")
        return started
    console.say(f"Waiting until the end of what was started. {say_cancel(started['run_id'])}")
    with show_progress(console.progress, "Waiting", "evals") as bar:
        show = partial(report, bar=bar, client=client)
        return wait_for_runs(started, timeout=_WAIT, on_poll=show, client=client)


def _may_queue(options: Namespace, console: Console, evals: int | None) -> bool:
    """Whether so many evals may be queued; asks if there are many, or the number is unknown."""
    number = "evals" if evals is None else f"{evals:,} evals"
    question = f"This queues {number}; other people's runs wait behind them. Go on?"
    is_small = evals is not None and evals <= MANY
    return is_small or options.yes or console.confirm(question)


def _settle(
    options: Namespace, console: Console, session: Session, comparison: Comparison
) -> Comparison:
    """Run undecided evals again, after a question if there may be many runs."""
    most, client = options.settle, session.client
    plan = RerunPlan.make(comparison, SETTLE_ROUNDS, most, now=client.api_time)
    if not _may_queue(options, console, len(plan.asked)):
        console.warn("Nothing is run again.")
        return comparison
    return run_again(comparison, most=most, client=client, progress=console.telling)


def _tell(
    options: Namespace, console: Console, conclusion: Conclusion
) -> tuple[int, dict[str, Any] | None]:
    """Write the requested files, and print the outcome, but not the JSON."""
    comparison, gate, unwritten = conclusion.comparison, conclusion.gate, ""
    try:
        for path in options.report:
            write_report(comparison, path, values=options.values, gate=gate)
        for path in options.junit:
            cases = conclusion.cases(values=options.values)
            above = conclusion.properties(values=options.values)
            write_junit(path, options.workflow, cases, above)
    except (ConfigError, OSError) as error:
        # It must not hide the conclusion.
        unwritten = without_controls(f"Cannot write a file: {error}")
    told = None
    if options.json:
        failed = {"exit_code": NOT_ASKED, "error": unwritten} if unwritten else {}
        told = conclusion.to_dict(values=options.values) | failed
    else:
        # Your own terminal shows values as a notebook does.
        is_live = console.out.isatty()
        values = options.values or (is_live and shows_values())
        door = Door(values, "command", "--values" * console.hints, is_live)
        told_text = conclusion.text(console.width, door)
        console.hints &= "--values" not in told_text
        title, *lines = told_text.split("\n")
        tone = conclusion.document(values=values).head.heading.tone
        console.show("\n".join([console.coloured(title, tone), *lines]))
    tell_github(console, conclusion, values=options.values)
    if unwritten:
        console.warn(unwritten)
        console.tell_failure(conclusion.about, unwritten)
        return NOT_ASKED, told
    return conclusion.exit_code, told
