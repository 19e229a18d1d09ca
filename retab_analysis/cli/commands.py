"""The commands except ``check``: call a public function, and print or write its result."""

from __future__ import annotations

import io
import json
import sys
from argparse import ArgumentTypeError, Namespace
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from retab_analysis.archive import Archive
from retab_analysis.checks.defaults import use
from retab_analysis.checks.overview import overview
from retab_analysis.checks.plan import LAST_GOOD
from retab_analysis.checks.tries import list_tried, tries
from retab_analysis.checks.week import UNREAD, USUAL, name_failing
from retab_analysis.cli.check_command import (
    add_since,
    compare_sides,
    read_rule,
    run_check,
    start,
)
from retab_analysis.cli.conclusion import Conclusion
from retab_analysis.cli.console import FAILS, HOLDS, NOT_ASKED, UNDECIDED, Console, UsageError
from retab_analysis.cli.doctor import run_doctor
from retab_analysis.cli.parser import RUNS_OF_RESULTS, report_file
from retab_analysis.cli.session import Session, say_cancel
from retab_analysis.comparison.comparison import inside, write_report
from retab_analysis.config import shows_values
from retab_analysis.errors import ArchiveError, ConfigError, RetabAnalysisError
from retab_analysis.export import write_csv
from retab_analysis.export.spreadsheets import OTHER_KINDS
from retab_analysis.fetch import cancel_runs, fetch_results, fetch_run, fetch_runs, fetch_workflows
from retab_analysis.fetch.lists import resolve_workflow
from retab_analysis.fetch.params import COUNTED, RunQuery
from retab_analysis.files import save
from retab_analysis.markup import count_noun, one_line, without_controls
from retab_analysis.progress import announce, choose_progress
from retab_analysis.render.door import Door
from retab_analysis.render.text import to_text


def run_command(options: Namespace, console: Console, session: Session) -> int:
    commands = {
        "check": run_check,
        "explain": _explain,
        "start": _start,
        "cancel": _cancel,
        "report": _report,
        "accept": _accept,
        "tries": _tries,
        "overview": _overview,
        "sync": _sync,
        "runs": _runs,
        "results": _results,
        "watch": _watch,
        "doctor": run_doctor,
    }
    path = getattr(options, "archive", None)
    if path is not None:
        use(archive=path)
    try:
        return commands[options.command](options, console, session)
    finally:
        if path is not None:
            use(archive=None)


def _explain(options: Namespace, console: Console, session: Session) -> int:
    its, asked = inside(compare_sides(options, console, session)), options.eval
    values = options.values or (console.out.isatty() and shows_values())
    console.show(its.explain() if asked is None else its.explain_eval(asked, values=values))
    return HOLDS


def _start(options: Namespace, console: Console, session: Session) -> int:
    if options.only and (options.evals or options.blocks):
        raise UsageError("--only edited chooses what to start: leave --eval and --block out")
    options.workflow = resolve_workflow(session.client, options.workflow, parts=False)
    started = start(options, console, session)
    if started is None:
        return NOT_ASKED
    _show_runs(started, "{run_id}", options, console)
    if started.height:
        console.say(say_cancel(started["run_id"]))
    return HOLDS


def _cancel(options: Namespace, console: Console, session: Session) -> int:
    runs = cancel_runs(options.runs, client=session.client)
    _show_runs(runs, "{run_id}: {status}", options, console)
    return HOLDS


def _show_runs(runs: pl.DataFrame, line: str, options: Namespace, console: Console) -> None:
    if options.json:
        console.show_json({"runs": json.loads(runs.write_json())})
        return
    for each in runs.iter_rows(named=True):
        console.show(one_line(line.format(**each)))


def _report(options: Namespace, console: Console, session: Session) -> int:
    if options.all:
        return _report_all(options, console, session)
    if options.workflow is None:
        raise UsageError("name the workflow, or give --all instead")
    if not options.report and not options.markdown:
        raise UsageError("name a file, .md or .html, or give --markdown")
    options.rule = read_rule(options)
    options.workflow = resolve_workflow(session.client, options.workflow)
    rule = add_since(options, session)
    comparison = compare_sides(options, console, session)
    gate = comparison.gate(**rule)
    for path in options.report:
        write_report(comparison, path, values=options.values, gate=gate)
    conclusion = Conclusion(options.workflow, comparison, gate)
    if options.markdown:
        console.show(conclusion.markdown(values=options.values))
    console.say(str(conclusion.document(values=False).head.heading))
    if options.report:
        console.say(f"Written to {', '.join(map(str, options.report))}.")
    return HOLDS


def _report_all(options: Namespace, console: Console, session: Session) -> int:
    """A page of all workflows; the last line names those that fail."""
    rule = (options.fail_on, options.max_failures, options.min_pass_rate, options.since)
    if options.candidate or any(rule) or options.baseline != LAST_GOOD:
        raise UsageError("--all asks each workflow as it is now, with the usual rule")
    try:
        paths = [report_file(str(each)) for each in (options.workflow, *options.report) if each]
    except ArgumentTypeError as error:
        raise UsageError(f"--all: leave the workflow out; a file {error}") from None
    if not paths and not options.markdown:
        raise UsageError("name a file, .md or .html, or give --markdown")
    if options.accepted is not None:
        use(accepted=options.accepted)
    shown = overview(every=USUAL, client=session.client, progress=console.progress)
    for path in paths:
        write_report(shown, path)
    if options.markdown:
        console.show(shown.to_markdown())
    if paths:
        console.say(f"Written to {', '.join(map(str, paths))}.")
    console.say(name_failing(shown._seen))
    codes = {NOT_ASKED for each in shown.frame["mark"] if each == UNREAD}
    codes |= {*shown.frame["exit_code"].drop_nulls()}
    return next((each for each in (FAILS, NOT_ASKED, UNDECIDED) if each in codes), HOLDS)


def _accept(options: Namespace, console: Console, session: Session) -> int:
    options.accepted = options.file if options.file.exists() else ()
    comparison = compare_sides(options, console, session)
    said = {"reason": options.reason, "until": options.until, "who": options.who}
    try:
        told = inside(comparison).write_down(options.file, options.evals, **said)
    except ConfigError as error:
        raise UsageError(str(error)) from None
    use = f"retab-analysis check {one_line(options.workflow)} --accepted {options.file}"
    console.say(f"{told} From now on: {use}")
    return HOLDS


def _tries(options: Namespace, console: Console, session: Session) -> int:
    found = tries(
        options.workflow,
        options.block,
        last=options.last,
        client=session.client,
        progress=console.progress,
    )
    shows = options.values or (console.out.isatty() and shows_values())
    if options.json:
        console.show_json(list_tried(found, values=options.values))
    else:
        is_live = console.out.isatty()
        told = found._document(Door(shows, "command", "--values", is_live))
        console.show(to_text(told, console.width))
    return HOLDS


def _overview(options: Namespace, console: Console, session: Session) -> int:
    as_table = options.output or options.format
    if as_table and options.json:
        raise UsageError("--json prints JSON: leave -o and --format out, or --json")
    kind = _choose_format(options, console) if as_table else None
    asked = dict.fromkeys(options.workflows) or [None]
    client, progress = session.client, console.progress
    shown = [overview(each, client=client, progress=progress) for each in asked]
    rows = pl.concat([each.frame for each in shown])
    if kind:
        return _write_table(rows, kind, options, console)
    if options.json:
        told = {"workflows": rows}
        if options.workflows:
            known = [each.workflow for each in shown if each.workflow is not None]
            told = {"workflows": pl.concat(known), "evals": rows}
        console.show_json({name: json.loads(each.write_json()) for name, each in told.items()})
    else:
        for each in shown:
            console.show(repr(each))
    return HOLDS


def _sync(options: Namespace, console: Console, session: Session) -> int:
    client, code = session.client, HOLDS
    if bool(options.workflows) == options.all:
        raise UsageError("name the workflows, or give --all instead")
    listed = fetch_workflows(client=client, progress=False)["workflow_id"] if options.all else ()
    workflows = dict.fromkeys(options.workflows or listed)
    if not workflows:
        raise UsageError(f"--all: there is no workflow. {client.describe_environment()}")
    archive = Archive(options.archive)
    for workflow_id in workflows:
        try:
            changes = archive.sync(
                workflow_id,
                results=not options.no_results,
                since=options.since,
                refresh=options.refresh,
                client=client,
                progress=console.progress,
            )
        except ArchiveError:
            raise
        except RetabAnalysisError as error:
            code = NOT_ASKED
            console.warn(without_controls(f"{one_line(workflow_id)}: no answer: {error}"))
        else:
            console.show(f"{one_line(workflow_id)}: {_describe_changes(changes)}")
    console.say(f"In {archive.path}.")
    if options.export is not None:
        files = Counter(archive.export_parquet(options.export)["change"])
        counted = [f"{count_noun(n, 'file')} {change}" for change, n in files.items()]
        console.say(f"{options.export}: {', '.join(counted) or 'nothing to export'}.")
    return code


def _describe_changes(changes: pl.DataFrame) -> str:
    said = []
    for change, verb in (("added", "came"), ("changed", "changed"), ("gone", "went")):
        kinds = sorted(Counter(changes.filter(change=change)["kind"]).items())
        counted = [count_noun(number, kind.removesuffix("s")) for kind, number in kinds]
        said += [f"{', '.join(counted)} {verb}"] if counted else []
    skipped = changes.filter(change="skipped")["kind"]
    said += [f"the API has no list of {', '.join(skipped)}"] if len(skipped) else []
    return "; ".join(said) or "nothing new"


def _runs(options: Namespace, console: Console, session: Session) -> int:
    kind = _choose_format(options, console)
    runs = _fetch_runs(options, console, session, options.limit)
    return _write_table(runs, kind, options, console)


def _results(options: Namespace, console: Console, session: Session) -> int:
    kind = _choose_format(options, console)
    if options.runs:
        given = (options.status, options.from_date, options.to_date, options.limit)
        if any(each is not None for each in given):
            raise UsageError(
                "--run names the runs: leave --from, --to, --status and --limit out, or --run"
            )
        runs = _read_runs(options, session)
    else:
        limit = RUNS_OF_RESULTS if options.limit is None else options.limit
        runs = _fetch_runs(options, console, session, limit)
    results = fetch_results(runs, client=session.client, progress=console.progress)
    return _write_table(results, kind, options, console)


def _fetch_runs(
    options: Namespace, console: Console, session: Session, limit: int | None
) -> pl.DataFrame:
    for state in COUNTED.keys() & {*(getattr(options, "status", None) or ())}:
        raise UsageError(f"--status {state}: no run has it; leave it out, and read column {state}")
    names = ("status", "from_date", "to_date")
    filters: dict[str, Any] = {name: getattr(options, name, None) for name in names}
    try:
        RunQuery.make(**filters)
    except ConfigError as error:
        raise UsageError(f"--from and --to cannot be used together: {error}") from None
    ask = partial(fetch_runs, options.workflow, client=session.client, progress=console.progress)
    runs = ask(**filters, limit=limit)
    if runs.is_empty():
        # Certain days may well have no runs; without dates, the id is misspelled.
        ask(limit=1)
    return runs


def _read_runs(options: Namespace, session: Session) -> pl.DataFrame:
    chosen = dict.fromkeys(options.runs)
    runs = pl.concat([fetch_run(run_id, client=session.client) for run_id in chosen])
    asked = resolve_workflow(session.client, options.workflow)
    for run_id, workflow_id in runs.select("run_id", "workflow_id").iter_rows():
        if workflow_id not in (None, asked):
            raise ConfigError(f"run {run_id} is of workflow {workflow_id}, not {asked}")
    return runs


def _is_to_file(options: Namespace) -> bool:
    return options.output not in (None, Path("-"))


def _choose_format(options: Namespace, console: Console) -> str:
    to_file = _is_to_file(options)
    suffix = options.output.suffix.lower() if to_file else ""
    kind: str = options.format or ("parquet" if suffix == ".parquet" else "csv")
    if not to_file and sys.stdout is None:
        raise UsageError("the standard output is closed: write the table to a file with -o")
    if kind == "parquet" and not to_file and console.out.isatty():
        raise UsageError("Parquet is not text: write it to a file with -o, or into a pipe")
    if kind == "csv" and suffix in OTHER_KINDS:
        raise UsageError(
            f"-o {options.output}: the output is CSV, and a file that ends in {suffix} is not; "
            "let it end in .csv"
        )
    return kind


def _write_table(frame: pl.DataFrame, kind: str, options: Namespace, console: Console) -> int:
    to_file = _is_to_file(options)
    # Bytes: nothing translates the ends of lines.
    target: Any = options.output if to_file else getattr(console.out, "buffer", sys.stdout.buffer)
    if kind == "parquet":
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
    """Follow runs: a line for each newly decided eval, and progress as a bar or in lines."""
    # Here, because the other commands do not need widgets.
    from retab_analysis.widgets import watch
    from retab_analysis.widgets.view import count_done, say_line, tell_news, write_text

    which: Any = {"workflow_id": options.workflow}
    if options.runs:
        which = {"runs": _read_runs(options, session)}
    else:
        _fetch_runs(options, console, session, 1)  # asks whether the workflow exists
    progress = console.telling or choose_progress(True, "watch", "evals")
    said: set[tuple[str, str]] = set()
    values = console.errors.isatty() and shows_values()  # none in a log

    def tell(view: Any) -> None:
        done = count_done(view)
        for line in tell_news(view, said, values=values):
            announce(progress, line, *done)
        is_away = bool(view.state.look.trouble)
        progress.update(*done, say_line(view) if is_away or console.telling is None else "")

    with closing(progress), watch(**which, client=session.client) as view:
        view.on_update(tell).wait()
    console.show(write_text(view, values=console.out.isatty() and shows_values()))
    return HOLDS
