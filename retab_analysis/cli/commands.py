"""The commands but ``check``: call a public function, and print or write what it gives."""

from __future__ import annotations

import io
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import polars as pl

from retab_analysis._overview import overview
from retab_analysis.cli.check_command import (
    chosen_runs,
    compare_sides,
    read_rule,
    run_check,
)
from retab_analysis.cli.console import HOLDS, Console, UsageError
from retab_analysis.cli.session import Session
from retab_analysis.comparison.gate import read_accepted
from retab_analysis.comparison.wording import count_noun
from retab_analysis.errors import ConfigError
from retab_analysis.export import write_csv
from retab_analysis.fetch import fetch_results, fetch_runs
from retab_analysis.files import save
from retab_analysis.markup import one_line
from retab_analysis.report import write_report
from retab_analysis.widgets import watch
from retab_analysis.widgets.live.html import plain_text


def run_command(options: Namespace, console: Console, session: Session) -> int:
    """Do what a command line says; gives the exit code.

    Raises:
        UsageError: The options cannot be used together.
        RetabAnalysisError: It could not be asked.
        OSError: A file cannot be written.
    """
    commands = {
        "check": run_check,
        "report": _report,
        "accept": _accept,
        "overview": _overview,
        "runs": _runs,
        "results": _results,
        "watch": _watch,
    }
    return commands[options.command](options, console, session)


def _report(options: Namespace, console: Console, session: Session) -> int:
    rule = read_rule(options)
    comparison = compare_sides(options, console, session, chosen_runs(options.candidate))
    gate = comparison.gate(**rule)
    for path in options.report:
        write_report(comparison, path, values=options.values, gate=gate)
    console.say(comparison.title)
    console.say(f"Written to {', '.join(map(str, options.report))}.")
    return HOLDS


def _accept(options: Namespace, console: Console, session: Session) -> int:
    before = _accepted_ids(options.file)
    candidate = chosen_runs(options.candidate)
    comparison = compare_sides(options, console, session, candidate)
    said = {"reason": options.reason, "until": options.until, "who": options.who}
    try:
        comparison.accept(options.file, options.evals, **said)
    except ConfigError as error:
        raise UsageError(str(error)) from None
    after = read_accepted(options.file)
    new = [one_line(each.name or each.id) for each in after if each.id not in before]
    named = f": {', '.join(new)}" if new else ""
    failures = count_noun(len(after), "accepted failure")
    console.say(f"{options.file} holds {failures}, {len(new)} of them new{named}.")
    return HOLDS


def _accepted_ids(path: Path) -> set[str]:
    """Which failures are accepted already, read before anything is asked."""
    try:
        return {each.id for each in read_accepted(path)} if path.exists() else set()
    except ConfigError as error:
        raise UsageError(str(error)) from None


def _overview(options: Namespace, console: Console, session: Session) -> int:
    shown = overview(options.workflows or None, client=session.client, progress=console.progress)
    if options.output or options.format:
        return _write_table(shown.frame, options, console)
    console.show(repr(shown))
    return HOLDS


def _runs(options: Namespace, console: Console, session: Session) -> int:
    return _write_table(_fetch_runs(options, console, session), options, console)


def _results(options: Namespace, console: Console, session: Session) -> int:
    runs: Any = options.runs or _fetch_runs(options, console, session)
    results = fetch_results(runs, client=session.client, progress=console.progress)
    return _write_table(results, options, console)


def _fetch_runs(options: Namespace, console: Console, session: Session) -> pl.DataFrame:
    return fetch_runs(
        options.workflow,
        status=options.status,
        from_date=options.from_date,
        to_date=options.to_date,
        limit=options.limit,
        client=session.client,
        progress=console.progress,
    )


def _write_table(frame: pl.DataFrame, options: Namespace, console: Console) -> int:
    """Write a frame to the file, or to standard output and nothing beside it."""
    to_file = options.output is not None
    if not to_file and sys.stdout is None:
        raise UsageError("the standard output is closed: write the table to a file with -o")
    suffix = options.output.suffix.lower() if to_file else ""
    parquet = (options.format or ("parquet" if suffix == ".parquet" else "csv")) == "parquet"
    if parquet and not to_file and console.out.isatty():
        raise UsageError("Parquet is not text: write it to a file with -o, or into a pipe")
    # Bytes, so that nothing translates the ends of lines.
    target: Any = options.output if to_file else getattr(console.out, "buffer", sys.stdout.buffer)
    if parquet:
        body = io.BytesIO()
        frame.write_parquet(body)
        save(target, body.getvalue())
    else:
        write_csv(frame, target)
    if not to_file:
        target.flush()
    where = f" written to {options.output}" if to_file else ""
    console.say(f"{count_noun(frame.height, 'row')}{where}.")
    return HOLDS


def _watch(options: Namespace, console: Console, session: Session) -> int:
    """Follow runs; on a terminal bars are drawn, elsewhere a line is printed at each change."""
    which: Any = {"runs": options.runs} if options.runs else {"workflow_id": options.workflow}
    on_terminal = console.errors.isatty()
    said: list[str] = []

    def tell(view: Any) -> None:
        line = repr(view)
        if said[-1:] != [line]:
            said.append(line)
            console.show(line)

    with watch(**which, compact=not on_terminal, client=session.client) as view:
        if not on_terminal:
            view.on_update(tell)
        view.wait()
        console.show(plain_text(view.state))
    return HOLDS
