"""What is told of the run, the result or the eval that is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from retab_analysis.checks.open_document import IMAGES
from retab_analysis.config import shows_values
from retab_analysis.markup import Html, join, name, one_line, sign, tag
from retab_analysis.widgets.elements import (
    GridColumn,
    GridRow,
    button,
    copy_button,
    grid,
    scroll_area,
)
from retab_analysis.widgets.explorer.lists import (
    HISTORY_COLUMNS,
    format_duration,
    format_kind,
    format_scope,
    format_share,
    format_time,
    mark_sign,
    mark_state,
    mark_status,
)
from retab_analysis.widgets.explorer.state import ExplorerState
from retab_analysis.widgets.phrases import count_noun, label_documents, label_eval
from retab_analysis.widgets.table import Row
from retab_analysis.widgets.table_html import render_cell
from retab_analysis.widgets.values import render_values

# More than that are counted.
SHOWN_RESULTS, SHOWN_STILL, SHOWN_RUNS, SHOWN_SIGNS = 200, 20, 50, 40
_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class Preview:
    """A document that somebody asked to see.

    Attributes:
        document_id: Which one.
        name: The name of the file.
        url: A temporary address, None while it is asked for.
    """

    document_id: str
    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PanelLook:
    """How it is told.

    Attributes:
        values: Whether expected and actual values are shown, and what may quote them.
        is_live: Whether somebody can click.
        fetching: Whether results are being fetched.
        preview: A document that is shown, or None.
    """

    values: bool = field(default_factory=shows_values)
    is_live: bool = True
    fetching: bool = False
    preview: Preview | None = None


def render_panel(explored: ExplorerState, look: PanelLook) -> Html:
    """The run, result or eval that is chosen; empty where none is."""
    state = explored.listed
    row, opened = state.chosen_row, explored.opened
    if row is None:
        return Html("")
    if opened is not None:
        parts = [*_render_result(explored, opened, look)]
    else:
        tell = {"runs": _render_run, "results": _render_result, "evals": _render_eval}
        parts = [*tell[explored.tab](explored, row, look)]
    kind = "result" if opened else explored.tab.removesuffix("s")
    back = button("‹ Back", "back", hint="What it was opened from") if opened else None
    close = button("Close", "close", hint=f"Close the {kind}")
    actions = tag("div", back, close, class_="ra-actions ra-push") if look.is_live else None
    number = state.chosen_number
    inside = "" if opened is None else f"-{one_line(opened['result_id'])}"
    area = scroll_area(
        *parts, label=f"The {kind} that is chosen", key=f"{explored.tab}-{number}{inside}"
    )
    heading = tag("div", tag("b", kind.capitalize()), actions, class_="ra-row ra-head")
    return tag("div", heading, area, class_="ra-aside")


def _render_facts(facts: Iterable[tuple[str, object]]) -> Html:
    lines = []
    for title, shown in facts:
        if shown:
            cell = tag("td", shown if isinstance(shown, Html) else name(shown))
            lines.append(tag("tr", tag("th", title, scope="row"), cell, data_key=title))
    return tag("table", tag("tbody", *lines), class_="ra-facts")


def _render_id(text: str | None, look: PanelLook, before: str = "") -> Html | None:
    """An id, with what it is called, and a button that copies it."""
    if not text:
        return None
    called = before if before and before != text else None
    copy = copy_button("Copy", text, hint=f"Copy {one_line(text)}") if look.is_live else None
    parts = (called, tag("code", one_line(text), class_="ra-id"), copy)
    return join(*(each for each in parts if each is not None), by=" ")


# A run


def _render_run(explored: ExplorerState, run: Row, look: PanelLook) -> Iterator[Html | None]:
    version, passed = run["workflow_version_id"], run["passed"]
    evals, rate = count_noun(run["total_evals"], "eval"), format_share("pass_rate")(run)
    known = "" if passed is None else f"{passed:,} of {evals}" + (f", {rate}" if rate else "")
    first = {
        "Status": mark_status(run),
        "Passed": known or f"not known, {evals}",
        "Message": one_line(run["status_message"]),
        "Version": _render_id(version, look, explored.listed.versions.get(version, "")),
        "Run": _render_id(run["run_id"], look),
    }
    last = {
        "Created": _add_unit(format_time("created_at")(run), "UTC"),
        "Ran for": _add_unit(format_duration("duration_ms")(run), "s"),
        "In queue": _add_unit(format_duration("queue_ms")(run), "s"),
        "Scope": format_scope(run),
        "Trigger": one_line(run["trigger_type"]),
        "Workflow": _render_id(run["workflow_id"], look),
    }
    yield _render_facts(first.items())
    results = explored.results_of(run["run_id"])
    if results is not None:
        yield _render_results(results, look)
    else:
        words = "Fetching its results …" if look.fetching else "Its results could not be fetched."
        yield tag("div", words, class_="ra-soft")
    yield _render_facts(last.items())


def _add_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if text else ""


def _render_results(results: pl.DataFrame, look: PanelLook) -> Html:
    """The results of a run, what does not pass first."""
    if results.is_empty():
        return tag("div", "It has no results.", class_="ra-soft")
    shown = results.head(SHOWN_RESULTS if look.is_live else SHOWN_STILL)
    lines = (_render_line(at, row, look) for at, row in enumerate(shown.iter_rows(named=True)))
    left = results.height - shown.height
    more = tag("div", f"and {left:,} more", class_="ra-soft") if left else None
    heads = (tag("th", each, scope="col") for each in ("Eval", "Why it does not pass"))
    head = tag("thead", tag("tr", tag("td", class_="ra-sign"), *heads))
    return join(tag("table", head, tag("tbody", *lines), class_="ra-list"), more)


def _render_line(number: int, row: Row, look: PanelLook) -> Html:
    about = " · ".join(each for each in (one_line(row["block_id"]), label_documents(row)) if each)
    called = name(label_eval(row))
    if look.is_live:
        called = button(called, "result", value=str(number), hint="Look into it")
    why: object = one_line(row["failure_code"])
    if row["state"] != "passed" and look.values:
        values = []
        for each in ("expected", "actual"):
            if (text := row[f"{each}_value"]) is not None:
                label = tag("span", each, class_="ra-soft")
                shown = tag("code", one_line(text, _LONGEST_VALUE))
                values.append(tag("div", label, " ", shown, class_="ra-value"))
        why = join(_describe_reason(row), *values)
    cells = (sign(row["state"]), join(called, tag("small", about) if about else None, by=" "), why)
    return tag("tr", *(tag("td", each) for each in cells), data_key=str(number))


# A result


def _render_result(explored: ExplorerState, row: Row, look: PanelLook) -> Iterator[Html | None]:
    yield tag("div", name(label_eval(row)), class_="ra-title")
    yield _render_facts(_list_facts(explored, row, look))


def _list_facts(explored: ExplorerState, row: Row, look: PanelLook) -> Iterator[tuple[str, object]]:
    versions, version = explored.listed.versions, row["workflow_version_id"]
    yield "State", mark_state(row)
    if look.values:
        # In words where they are known, and where in the output.
        asserted = (row["condition"] or row["condition_kind"], row["path"])
        yield "Asserts", " at ".join(one_line(each) for each in asserted if each)
        yield "Reason", _describe_reason(row)
        yield from render_values(row)
        score, threshold = row["score"], row["threshold"]
        least = "" if threshold is None else f", threshold {threshold:g}"
        yield "Score", "" if score is None else f"{score:g}{least}"
    else:
        yield "Reason", one_line(row["failure_code"])
    yield "History", _render_history(explored, row["eval_id"], look)
    yield "Document", _render_documents(row, look)
    yield "Block", one_line(row["block_id"])
    yield "Took", _add_unit(format_duration("duration_ms")(row), "s")
    yield "Version", _render_id(version, look, versions.get(version, ""))
    yield "Eval", _render_id(row["eval_id"], look)
    yield "Run", _render_id(row["run_id"], look, format_time("run_created_at")(row))
    yield "Result", _render_id(row["result_id"], look)


def _describe_reason(row: Row) -> str:
    """Why a result does not pass: code and message."""
    message = row["failure_message"] or row["status_message"]
    return ": ".join(one_line(each) for each in (row["failure_code"], message) if each)


def list_documents(row: Row) -> list[tuple[str, str]]:
    """The documents of a result: id and name."""
    ids, names = row["document_ids"] or (), row["document_names"] or ()
    named = len(ids) == len(names)
    return [(each, (names[at] if named else "") or each) for at, each in enumerate(ids) if each]


def _render_documents(row: Row, look: PanelLook) -> Html | None:
    """The documents of a result, and the one that somebody asked to see."""
    documents = list_documents(row)
    if not documents:
        return name(label_documents(row)) if label_documents(row) else None
    lines = []
    for at, (document_id, called) in enumerate(documents):
        hint = "Ask for the document"
        show = button("Show", "document", value=str(at), hint=hint) if look.is_live else None
        is_shown = look.preview is not None and look.preview.document_id == document_id
        preview = _render_preview(look.preview) if look.preview and is_shown else None
        about = (name(one_line(called)), " ", show, " ", _render_id(document_id, look))
        lines.append(tag("div", *about, preview))
    return join(*lines)


def _render_preview(preview: Preview) -> Html:
    """An image, or the first page of a PDF, and a link to either."""
    if preview.url is None:
        return tag("div", "Asking for the document …", class_="ra-soft")
    # Anything but the web's own schemes could run in the page.
    if urlsplit(preview.url).scheme not in ("http", "https"):
        return tag("div", "Its address is not one of the web.", class_="ra-soft")
    called, suffix = one_line(preview.name), PurePosixPath(preview.name).suffix.lower()
    shown = None
    if suffix in IMAGES:
        shown = tag("img", src=preview.url, alt=called, referrerpolicy="no-referrer")
    elif suffix == ".pdf":
        page = f"{preview.url}#page=1&toolbar=0&view=FitH"
        shown = tag("object", data=page, type="application/pdf", aria_label=called)
    words = "Open in a new tab"
    link = tag("a", words, href=preview.url, target="_blank", rel="noopener noreferrer")
    return tag("div", link, shown, data_key=preview.document_id, class_="ra-preview")


# An eval


def _render_eval(explored: ExplorerState, row: Row, look: PanelLook) -> Iterator[Html | None]:
    """One eval: what its history says, its newest result, and run by run."""
    newest = explored.newest_of(row["eval_id"])
    if newest is None:
        yield tag("div", name(label_eval(row)), class_="ra-title")
        return
    yield from _render_result(explored, newest, look)
    history = explored.history_of(row["eval_id"])
    columns = [
        GridColumn(each.name, each.title, each.is_number, width=each.width)
        for each in HISTORY_COLUMNS
    ]
    runs = [
        GridRow(str(number), [render_cell(explored.listed, each, run) for each in HISTORY_COLUMNS])
        for number, run in enumerate(history.head(SHOWN_RUNS).iter_rows(named=True))
    ]
    words = f"{count_noun(history.height, 'run')}, the newest first"
    yield tag("div", words, class_="ra-title")
    yield grid(columns, runs, label=words)
    left = history.height - len(runs)
    if left:
        yield tag("div", f"and {left:,} earlier ones", class_="ra-soft")


def _render_history(explored: ExplorerState, eval_id: str, look: PanelLook) -> Html:
    """The states of an eval, and what they say together."""
    history = explored.history_of(eval_id)
    shown = history.head(SHOWN_SIGNS).reverse()
    runs = shown.select("state", "run_created_at", "workflow_version_id")
    versions = explored.listed.versions
    marks = []
    for before, (state, at, version) in enumerate(runs.iter_rows(), 1 - runs.height):
        when = "" if at is None else f"{at:%Y-%m-%d %H:%M} "
        words = f"{state}, {when}{versions.get(version, one_line(version))}"
        mark = tag("span", mark_sign(state), title=words)
        if look.is_live:
            at_click = {"data_key": str(-before), "data_value": str(-before)}
            mark = tag(
                "button",
                mark_sign(state),
                type="button",
                tabindex=-1,
                title=words,
                aria_label=words,
                data_event="history",
                **at_click,
            )
        marks.append(mark)
    said = describe_evidence(explored.eval_row(eval_id), versions)
    role = "toolbar" if look.is_live else "group"
    label = "Its newest runs, the newest last"
    strip = tag("div", *marks, role=role, aria_label=label, class_="ra-signs")
    # Of how many runs it is said: those whose results have not been read say nothing.
    over = f"in {count_noun(history.height, 'run')}: {said}"
    return join(strip, tag("div", over, data_key="evidence") if said else None)


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
