"""An explorer as HTML and text: lists, plots, what is chosen, and what a saved page keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from retab_analysis.markup import Html, join, name, one_line, tag, without_controls
from retab_analysis.widgets.common.html import (
    SHOWN_EVALS,
    STYLE,
    render_evals,
    render_plot,
    render_view,
)
from retab_analysis.widgets.common.text import (
    count_noun,
    label_documents,
    label_eval,
    make_eval_line,
)
from retab_analysis.widgets.explorer.lists import (
    HISTORY_COLUMNS,
    ListColumn,
    Row,
    format_scope,
    mark_state,
)
from retab_analysis.widgets.explorer.state import ExplorerState

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN_ROWS = 200
# Characters of one value.
_LONGEST = 20_000
# Characters of a cell in a terminal.
_CELL = 28

PLOT_CHOICES = ("Pass rate and outcomes", "Durations", "Timeline", "None")
# More versions or runs than that cannot be told apart in a plot.
_PLOTTED_VERSIONS, _PLOTTED_RUNS = 12, 30
_VERSION = "workflow_version_id"
# Inches.
_HALF, _WHOLE, _HEIGHT = 5.2, 10.6, 3.4


# Lists


def render_table(columns: Sequence[ListColumn], rows: Sequence[Row], *, heading: bool) -> Html:
    """Rows as a table of fixed widths, one line each.

    Args:
        columns: What is shown.
        rows: The rows.
        heading: Whether the headings are seen; else they are there for screen readers only.
    """
    total = sum(column.share for column in columns)
    widths = (tag("col", style=f"width:{100 * each.share / total:.3f}%") for each in columns)
    head = tag("tr", *(tag("th", each.title, scope="col") for each in columns))
    body = (tag("tr", *(_render_cell(column, row) for column in columns)) for row in rows)
    return tag(
        "table",
        tag("colgroup", *widths),
        tag("thead", head, class_=None if heading else "ra-heard"),
        tag("tbody", *body),
        class_="ra-list",
    )


def _render_cell(column: ListColumn, row: Row) -> Html:
    plain = column.text(row)
    return tag("td", column.html(row) if column.html else name(plain), title=plain or None)


def format_table(columns: Sequence[ListColumn], rows: Sequence[Row]) -> list[str]:
    """Rows as lines of text, one below the other."""
    cells = [[column.title for column in columns]]
    cells += [[one_line(column.text(row), _CELL) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


# What is chosen


def render_run(
    run: Mapping[str, Any],
    results: pl.DataFrame | None,
    *,
    fetching: bool = False,
    values: bool = True,
    limit: int = SHOWN_ROWS,
) -> Html:
    """A run, and its results with those that do not pass first.

    Args:
        run: A row of a RUNS frame.
        results: Its results, None where they are not here.
        fetching: Whether they are being fetched.
        values: Whether expected and actual values are shown.
        limit: Show no more results than so many.
    """
    facts = [format_scope(run), f"version {one_line(run['workflow_version_id'])}"]
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
        words = "Fetching its results …" if fetching else "Its results could not be fetched."
        return render_view(head, alert, tag("div", words, class_="ra-soft"))
    lines = [make_eval_line(each) for each in results.head(limit).iter_rows(named=True)]
    left = results.height - len(lines)
    more = tag("div", f"and {left:,} more", class_="ra-soft") if left else None
    # The lines are cut already.
    shown = render_evals(
        lines, limit=None, values=values, several=False, nothing="It has no results."
    )
    return join(render_view(head, alert), shown, render_view(more))


def render_result(row: Mapping[str, Any]) -> Html:
    """One result, with what was expected and what came."""
    facts = {
        "Eval": tag("span", name(label_eval(row)), " ", tag("code", row["eval_id"])),
        "State": mark_state(row),
        "Block": one_line(row["block_id"]),
        "Asserted": _describe_assertion(row),
        "Message": _describe_failure(row),
        "Document": _render_documents(row),
        "Expected": _render_value(row["expected_value"]),
        "Actual": _render_value(row["actual_value"]),
        "Score": _format_score(row),
        "Result": tag("code", row["result_id"]),
        "Run": tag("code", row["run_id"]),
        "Version": one_line(row["workflow_version_id"]),
    }
    lines = (
        tag("tr", tag("th", title, scope="row"), tag("td", shown))
        for title, shown in facts.items()
        if shown
    )
    return render_view(tag("table", tag("tbody", *lines), class_="ra-facts"))


def _describe_assertion(row: Mapping[str, Any]) -> str:
    """What is asserted, in words where they are known, and where in the output."""
    said = (row["condition"] or row["condition_kind"], row["path"])
    return " at ".join(one_line(each) for each in said if each)


def _describe_failure(row: Mapping[str, Any]) -> str:
    """Why a result does not pass: code and message."""
    message = row["failure_message"] or row["status_message"]
    return ": ".join(each for each in (row["failure_code"], message) if each)


def _render_documents(row: Mapping[str, Any]) -> Html | None:
    """The documents of a result, with the ids by which they are asked for."""
    ids = [tag("code", one_line(each)) for each in row["document_ids"] or () if each]
    names = label_documents(row)
    return tag("span", join(names, *ids, by=" ")) if names or ids else None


def render_eval(row: Mapping[str, Any], history: pl.DataFrame) -> Html:
    """One eval, run by run."""
    head = tag(
        "div",
        tag("b", name(label_eval(row))),
        tag("code", row["eval_id"], class_="ra-soft"),
        tag("span", f"{count_noun(history.height, 'run')}, the newest first", class_="ra-soft"),
        class_="ra-row",
    )
    left = history.height - SHOWN_ROWS
    more = tag("div", f"and {left:,} earlier ones", class_="ra-soft") if left > 0 else None
    runs = history.head(SHOWN_ROWS).to_dicts()
    return render_view(head, render_table(HISTORY_COLUMNS, runs, heading=True), more)


def _format_score(row: Mapping[str, Any]) -> str:
    if row["score"] is None:
        return ""
    threshold = row["threshold"]
    return f"{row['score']:g}" + ("" if threshold is None else f", threshold {threshold:g}")


def _render_value(text: str | None) -> Html | None:
    if text is None:
        return None
    left = len(text) - _LONGEST
    shown = text if left <= 0 else f"{text[:_LONGEST]}… and {left:,} characters more"
    return tag("code", shown, class_="ra-whole")


def render_hint(noun: str) -> Html:
    """What to say where nothing is chosen."""
    return tag(
        "div", f"Choose {'an' if noun[0] in 'aeiou' else 'a'} {noun} above.", class_="ra-soft"
    )


def render_heading(title: str, message: str, *, trouble: bool) -> Html:
    """What is explored, and what there is to know about it.

    Args:
        title: What is explored.
        message: How far a fetch is, or what has been done.
        trouble: Whether the message is of a failure.
    """
    looks = "ra-alert" if trouble else "ra-soft ra-push"
    said = tag("span", message or "", class_=looks, role="status")
    return render_view(tag("div", tag("b", title), said, class_="ra-head"))


def static_page(
    explored: ExplorerState, title: str, message: str, *, trouble: bool, values: bool
) -> Html:
    """The list that is seen as a page that is read without Jupyter.

    Args:
        explored: What is shown.
        title: What is explored.
        message: How far a fetch is, or what has been done.
        trouble: Whether the message is of a failure.
        values: Whether expected and actual values are in it, and messages that may quote them.
    """
    state = explored.listed
    rows = state.shown.to_dicts()
    return join(
        STYLE,
        tag(
            "div",
            render_heading(title, message, trouble=trouble),
            tag("div", _describe_filters(explored), class_="ra-soft"),
            render_view(render_table(state.listing.columns, rows, heading=True)),
            tag("div", state.position, class_="ra-soft"),
            _render_chosen(explored, values=values),
            class_="ra-explore",
        ),
    )


def _render_chosen(explored: ExplorerState, *, values: bool) -> Html | None:
    row = explored.listed.chosen_row
    if row is None:
        return None
    if explored.tab == "results":
        # Without its values a result says no more than its row in the list.
        return render_result(row) if values else None
    if explored.tab == "evals":
        return render_eval(row, explored.history_of(row["eval_id"]))
    results = explored.results_of(row["run_id"])
    if results is None:
        return None
    return render_run(row, results, values=values, limit=SHOWN_EVALS)


def _describe_filters(explored: ExplorerState) -> str:
    words = explored.listed.filters.describe(explored.listed.listing)
    return f"Filtered by {words}" if words else ""


def plain_text(explored: ExplorerState, title: str, message: str) -> str:
    """The list that is seen as text."""
    state = explored.listed
    lines = [title, *([message] if message else []), _describe_filters(explored)]
    lines += format_table(state.listing.columns, state.shown.to_dicts())
    # A terminal has no tabs to click on: it is told how to get to the others.
    others = [each for each in explored.tabs if each != explored.tab]
    lines += [f"{state.position}; .frame is all of them, .tab turns to {' or '.join(others)}"]
    return "\n".join(without_controls(line) for line in lines if line)


# Plots of the runs


def render_plots(runs: pl.DataFrame, which: str) -> Html:
    """Draw some runs: their newest versions, or the newest of them.

    Args:
        runs: A RUNS frame.
        which: One of :data:`PLOT_CHOICES`.
    """
    draw = {"Timeline": _plot_timeline, "Durations": _plot_durations, "None": _plot_nothing}
    return tag("div", *draw.get(which, _plot_versions)(runs), class_="ra-plots")


def _plot_versions(runs: pl.DataFrame) -> list[Html]:
    from retab_analysis.plots import plot_outcomes, plot_pass_rate

    recent, words = _choose_versions(runs)
    return [
        _render_figure(
            lambda ax: plot_pass_rate(recent, scope=None, ax=ax), f"Pass rate{words}", _HALF
        ),
        _render_figure(
            lambda ax: plot_outcomes(recent, by=_VERSION, ax=ax), f"Outcomes{words}", _HALF
        ),
    ]


def _plot_durations(runs: pl.DataFrame) -> list[Html]:
    from retab_analysis.plots import plot_durations

    recent, words = _choose_versions(runs)
    return [_render_figure(lambda ax: plot_durations(recent, ax=ax), f"Durations{words}", _WHOLE)]


def _plot_timeline(runs: pl.DataFrame) -> list[Html]:
    from retab_analysis.plots import plot_timeline

    newest = runs.sort("created_at", descending=True, nulls_last=True).head(_PLOTTED_RUNS)
    words = f"The newest {newest.height} runs" if newest.height < runs.height else "Runs"
    return [_render_figure(lambda ax: plot_timeline(newest, ax=ax), f"{words} in time", _WHOLE)]


def _plot_nothing(_: pl.DataFrame) -> list[Html]:
    return []


def _choose_versions(runs: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """The runs of the newest versions, and which these are in words."""
    # A version is as new as its newest run.
    newest = runs.group_by(_VERSION).agg(pl.col("created_at").max())
    versions = newest.sort("created_at", _VERSION, descending=True, nulls_last=True)[_VERSION]
    if len(versions) <= _PLOTTED_VERSIONS:
        return runs, " by version"
    kept = versions.head(_PLOTTED_VERSIONS).implode()
    shown = runs.filter(pl.col(_VERSION).is_in(kept, nulls_equal=True))
    return shown, f" of the newest {_PLOTTED_VERSIONS} of {len(versions)} versions"


def _render_figure(draw: Callable[[Axes], object], title: str, width: float) -> Html:
    picture = render_plot(draw, label=title, width=width, height=_HEIGHT)
    return tag("figure", tag("figcaption", title), picture)
