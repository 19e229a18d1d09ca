"""An explorer as HTML and text: details of what is chosen, and what a saved page keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from retab_analysis.comparison.wording import counted
from retab_analysis.markup import Html, join, name, one_line, tag
from retab_analysis.widgets.common.html import SHOWN_EVALS, STYLE, eval_line, eval_table, view
from retab_analysis.widgets.common.text import documents, eval_name
from retab_analysis.widgets.explorer import cells
from retab_analysis.widgets.explorer.lists import HISTORY_COLUMNS
from retab_analysis.widgets.explorer.state import Exploration

SHOWN_ROWS = 200
_LONGEST = 20_000


def run_details(
    run: Mapping[str, Any],
    results: pl.DataFrame | None,
    *,
    reading: bool = False,
    values: bool = True,
    limit: int = SHOWN_ROWS,
) -> Html:
    """A run, and its results with those that do not pass first.

    Args:
        run: A row of a RUNS frame.
        results: Its results, None where they are not here.
        reading: Whether they are being fetched.
        values: Whether expected and actual values are shown.
        limit: Show no more results than so many.
    """
    facts = [cells.scope(run), f"version {one_line(run['workflow_version_id'])}"]
    message = run["status_message"]
    head = tag(
        "div",
        tag("b", "Run "),
        tag("code", run["run_id"]),
        tag("span", " · ".join(facts), class_="ra-soft"),
        class_="ra-row",
    )
    alert = tag("div", message, class_="ra-alert") if message else None
    if results is None:
        words = "Reading its results …" if reading else "Its results could not be read."
        return view(head, alert, tag("div", words, class_="ra-soft"))
    lines = [eval_line(each) for each in results.head(limit).iter_rows(named=True)]
    left = results.height - len(lines)
    more = tag("div", f"and {left:,} more", class_="ra-soft") if left else None
    shown = eval_table(
        lines, limit=None, values=values, several=False, nothing="It has no results."
    )
    return join(view(head, alert), shown, view(more))


def result_details(row: Mapping[str, Any]) -> Html:
    """One result, with what was expected and what came."""
    facts = {
        "Eval": tag("span", name(eval_name(row)), " ", tag("code", row["eval_id"])),
        "State": cells.state(row),
        "Block": one_line(row["block_id"]),
        "Condition": " at ".join(
            one_line(row[each]) for each in ("condition_kind", "path") if row[each]
        ),
        "Message": row["failure_message"] or row["status_message"] or "",
        "Document": documents(row),
        "Expected": _code(row["expected_value"]),
        "Actual": _code(row["actual_value"]),
        "Score": _score(row),
        "Run": tag("code", row["run_id"]),
        "Version": one_line(row["workflow_version_id"]),
    }
    lines = (
        tag("tr", tag("th", title, scope="row"), tag("td", shown))
        for title, shown in facts.items()
        if shown
    )
    return view(tag("table", tag("tbody", *lines), class_="ra-facts"))


def eval_details(row: Mapping[str, Any], history: pl.DataFrame) -> Html:
    """One eval, run by run."""
    head = tag(
        "div",
        tag("b", name(eval_name(row))),
        tag("code", row["eval_id"], class_="ra-soft"),
        tag("span", f"{counted(history.height, 'run')}, the newest first", class_="ra-soft"),
        class_="ra-row",
    )
    left = history.height - SHOWN_ROWS
    more = tag("div", f"and {left:,} earlier ones", class_="ra-soft") if left > 0 else None
    runs = history.head(SHOWN_ROWS).to_dicts()
    return view(head, cells.table(HISTORY_COLUMNS, runs, heading=True), more)


def _score(row: Mapping[str, Any]) -> str:
    if row["score"] is None:
        return ""
    threshold = row["threshold"]
    return f"{row['score']:g}" + ("" if threshold is None else f", threshold {threshold:g}")


def _code(text: str | None) -> Html | None:
    if text is None:
        return None
    left = len(text) - _LONGEST
    shown = text if left <= 0 else f"{text[:_LONGEST]}… and {left:,} characters more"
    return tag("code", shown, class_="ra-whole")


def hint(noun: str) -> Html:
    """What to say where nothing is chosen."""
    return tag(
        "div", f"Choose {'an' if noun[0] in 'aeiou' else 'a'} {noun} above.", class_="ra-soft"
    )


def heading(title: str, message: str, *, trouble: bool) -> Html:
    """What is explored, and what there is to know about it.

    Args:
        title: What is explored.
        message: How far a fetch is, or what has been done.
        trouble: Whether the message is of a failure.
    """
    looks = "ra-alert" if trouble else "ra-soft ra-push"
    said = tag("span", message or "", class_=looks, role="status")
    return view(tag("div", tag("b", title), said, class_="ra-head"))


def page(explored: Exploration, title: str, message: str, *, trouble: bool) -> Html:
    """The list that is seen as a page that is read without Jupyter, without any values."""
    state = explored.listed
    rows = state.shown.to_dicts()
    return join(
        STYLE,
        tag(
            "div",
            heading(title, message, trouble=trouble),
            tag("div", _filters(explored), class_="ra-soft"),
            view(cells.table(state.listing.columns, rows, heading=True)),
            tag("div", state.position, class_="ra-soft"),
            _chosen(explored),
            class_="ra-explore",
        ),
    )


def _chosen(explored: Exploration) -> Html | None:
    row = explored.listed.chosen_row
    if row is None or explored.tab == "results":
        return None
    if explored.tab == "evals":
        return eval_details(row, explored.history_of(row["eval_id"]))
    results = explored.results_of(row["run_id"])
    if results is None:
        return None
    return run_details(row, results, values=False, limit=SHOWN_EVALS)


def _filters(explored: Exploration) -> str:
    words = explored.listed.wanted.words(explored.listed.listing)
    return f"Filtered by {words}" if words else ""


def plain(explored: Exploration, title: str, message: str) -> str:
    """The same as text."""
    state = explored.listed
    lines = [title, *([message] if message else []), _filters(explored)]
    lines += cells.as_text(state.listing.columns, state.shown.to_dicts())
    others = [each for each in explored.tabs if each != explored.tab]
    lines += [f"{state.position}; .frame is all of them, .tab turns to {' or '.join(others)}"]
    return "\n".join(line for line in lines if line)
