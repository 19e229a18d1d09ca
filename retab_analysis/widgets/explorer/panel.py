"""What is told of the run, the result or the eval that is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from retab_analysis.comparison import Comparison
from retab_analysis.comparison.detail import name_row, tell_result
from retab_analysis.comparison.report import make_document
from retab_analysis.comparison.verdict_document import Door
from retab_analysis.markup import Html, count_noun, join, name, one_line, tag
from retab_analysis.render.html import to_piece
from retab_analysis.widgets.elements import button, scroll_area
from retab_analysis.widgets.explorer.lists import (
    TO_MINUTE,
    format_as,
    format_duration,
    format_kind,
    format_scope,
    format_share,
    mark_state,
    mark_status,
)
from retab_analysis.widgets.explorer.state import ExplorerState
from retab_analysis.widgets.open_eval import (
    DetailLook,
    list_details,
    open_part,
    render_facts,
    render_id,
    render_result,
)
from retab_analysis.widgets.table import Row

# More than that are counted.
SHOWN_RESULTS, SHOWN_STILL = 100, 20


def render_panel(explored: ExplorerState, look: DetailLook, *, fetching: bool = False) -> Html:
    """The run, result or eval that is chosen; empty where none is."""
    row = explored.listed.chosen_row
    if row is None:
        return Html("")
    if explored.tab == "runs":
        parts = [*_render_run(explored, row, look, fetching)]
    else:
        result = explored.look_into(None)
        parts = [tag("div", name(name_row(row)), class_="ra-title")]
        parts += [] if result is None else [_render_result(explored, result, look)]
    kind, key = explored.tab.removesuffix("s"), f"{explored.tab}-{explored.listed.chosen_number}"
    close = button("Close", "close", hint=f"Close the {kind}") if look.is_live else None
    heading = tag("div", tag("b", kind.capitalize()), close, class_="ra-row ra-head")
    area = scroll_area(*parts, label=f"The {kind} that is chosen", key=key)
    return tag("div", heading, area, class_="ra-aside")


def _render_run(
    explored: ExplorerState, run: Row, look: DetailLook, fetching: bool
) -> Iterator[Html]:
    version, passed = run["workflow_version_id"], run["passed"]
    evals, rate = count_noun(run["total_evals"], "eval"), format_share("pass_rate")(run)
    known = "" if passed is None else f"{passed:,} of {evals}" + (f", {rate}" if rate else "")
    first = {
        "Status": mark_status(run),
        "Passed": known or f"not known, {evals}",
        "Message": one_line(run["status_message"]),
        "Version": render_id(version, look, explored.names.get(version, "")),
        "Run": render_id(run["run_id"], look),
    }
    last = {
        "Created": _add_unit(format_as("created_at", TO_MINUTE)(run), "UTC"),
        "Ran for": _add_unit(format_duration("duration_ms")(run), "s"),
        "In queue": _add_unit(format_duration("queue_ms")(run), "s"),
        "Scope": format_scope(explored.listed.with_names(run)),
        "Trigger": one_line(run["trigger_type"]),
        "Workflow": render_id(run["workflow_id"], look),
    }
    yield render_facts(first.items())
    opened = explored.look_into(look.eval_id)
    below = None if opened is None else _render_result(explored, opened, look)
    checked, results = explored.checked.get(run["run_id"]), explored.results_of(run["run_id"])
    if checked is not None:
        yield _render_verdict(checked, look, below)
    elif look.is_live:
        hint = "What broke, since when, and by which edit"
        yield tag("div", button("Check this run", "check", hint=hint), class_="ra-actions")
    if results is not None and checked is None:
        yield _render_results(results, look, below)
    elif results is None:
        words = "Fetching its results …" if fetching else "Its results could not be fetched."
        yield tag("div", words, class_="ra-soft")
    yield render_facts(last.items())


def _render_verdict(comparison: Comparison, look: DetailLook, below: Html | None) -> Html:
    document = make_document(comparison, comparison.gate(), Door(look.values, types="", shows=""))
    if not look.is_live:
        return to_piece(document)
    parts = tuple(open_part(each, look.eval_id, below) for each in document.parts)
    return to_piece(replace(document, parts=parts))


def _add_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if text else ""


def _render_results(results: pl.DataFrame, look: DetailLook, below: Html | None) -> Html:
    if results.is_empty():
        return tag("div", "It has no results.", class_="ra-soft")
    # Of what was cancelled there is one thing to say.
    told = results.filter(pl.col("state") != "cancelled")
    shown = told.head(SHOWN_RESULTS if look.is_live else SHOWN_STILL)
    details = map(tell_result, shown.iter_rows(named=True))
    table = list_details(details, values=look.values)
    part = open_part(table, look.eval_id, below) if look.is_live else table
    left, cancelled = told.height - shown.height, results.height - told.height
    said = [f"and {left:,} more"] * (left > 0) + [f"{cancelled:,} cancelled"] * (cancelled > 0)
    more = tag("div", ", ".join(said), class_="ra-soft") if said else None
    return join(to_piece(part) if shown.height else None, more)


def _render_result(explored: ExplorerState, row: Row, look: DetailLook) -> Html:
    versions, version = explored.names, row["workflow_version_id"]
    facts: list[tuple[str, object]] = [("State", mark_state(row))]
    if look.values and row["score"] is not None:
        least = "" if row["threshold"] is None else f", threshold {row['threshold']:g}"
        facts.append(("Score", f"{row['score']:g}{least}"))
    facts += [
        ("Block", one_line(explored.names.get(row["block_id"], row["block_id"]))),
        ("Took", _add_unit(format_duration("duration_ms")(row), "s")),
        ("Version", render_id(version, look, versions.get(version, ""))),
        ("Run", render_id(row["run_id"], look, format_as("run_created_at", TO_MINUTE)(row))),
    ]
    results = explored.results_of_eval(row["eval_id"])
    said = describe_evidence(explored.eval_row(row["eval_id"]), versions)
    # Of how many runs it is said: those whose results have not been read say nothing.
    over = f"in {count_noun(results['run_id'].n_unique(), 'run')}: {said}"
    return render_result(
        row, results, look, why=over if said else None, facts=facts, versions=versions
    )


_CAUSES = {"edit": "by an edit", "drift": "although nothing was edited", "unknown": "cause unknown"}


def describe_evidence(row: Mapping[str, Any] | None, versions: Mapping[str, str]) -> str:
    """What kind of eval a row of ``summarize_evals`` is, since when, and how often it fails."""
    if row is None:
        return ""
    parts = [format_kind(row)]
    if row["since_at"] is not None:
        version = row["since_version_id"]
        by = f" ({versions.get(version, one_line(version))})" if version else ""
        cause = _CAUSES.get(row["cause"] or "", one_line(row["cause"]))
        parts[0] += " ".join(["", f"since {row['since_at']:%Y-%m-%d}", cause]).rstrip() + by
    if row["outcomes"]:
        rate, low, high = (format_share(each)(row) for each in ("rate", "rate_low", "rate_high"))
        parts.append(
            f"failed {row['failures']:,} of {row['outcomes']:,}: {rate} (95 %: {low} to {high})"
        )
    return "; ".join(each for each in parts if each)
