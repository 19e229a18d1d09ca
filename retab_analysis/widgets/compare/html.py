"""A comparison that is looked at, as HTML and text: the same live, saved and exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from retab_analysis.comparison.wording import list_evals, phrase
from retab_analysis.markup import Html, join, name, one_line, tag
from retab_analysis.report.differences import count_fields, edit_segments, html_marks, name_block
from retab_analysis.report.facts import list_causes
from retab_analysis.widgets.common.text import count_noun, format_probability, label_eval
from retab_analysis.widgets.compare.detail import (
    label_transition,
    render_eval,
    render_sides,
    render_title,
)
from retab_analysis.widgets.compare.plot import render_plot
from retab_analysis.widgets.compare.state import ROUNDS, SIDE_COLUMNS, CompareState
from retab_analysis.widgets.compare.task import TaskState
from retab_analysis.widgets.elements import (
    GridColumn,
    GridRow,
    Option,
    button,
    chips,
    grid,
    render_still,
    scroll_area,
    select,
)

SAME = "Baseline and candidate are the same. Choose two that differ."
NOTHING = "No eval is listed. Press one of the buttons above the list."
PLOTS = {"block": "Plot by block", "eval": "Plot by eval"}

# Rows of the list that are sent at once; evals that a saved notebook holds, and those of them that
# can be opened there.
PAGE, SAVED, OPENED = 100, 200, 20
_CAUSES, _EDITS = 6, 40
# More evals and columns than that cannot be told apart in a plot.
_PLOTTED_EVALS, _PLOTTED_COLUMNS = 60, 16

_KINDS = {"version": "Versions", "run": "Runs", "draft": "Drafts"}
_COLUMNS = (
    GridColumn("what", "What", width="11em"),
    GridColumn("eval", "Eval"),
    GridColumn("sides", "Before, now", width="8.2em"),
    GridColumn("p", "Got worse", is_number=True, width="7.2em"),
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReportForm:
    """What a report is to be: the file, whether with values; and what became of the last one."""

    path: str = "comparison.html"
    values: bool = False
    said: str = ""


@dataclass(frozen=True, slots=True)
class CompareLook:
    """How a comparison is shown.

    Attributes:
        values: Whether expected and actual values are shown, and what may quote them.
        live: Whether there are buttons.
        asking: Whether it is being asked if evals are to be run again.
        task: What goes on beside the notebook, or has failed.
        plots: The plots that are open, by their name.
        form: The report that is to be written, or None.
    """

    values: bool = True
    live: bool = True
    asking: bool = False
    task: TaskState | None = None
    plots: Mapping[str, Html] = field(default_factory=dict)
    form: ReportForm | None = None


def render_sections(state: CompareState, look: CompareLook) -> dict[str, Html]:
    """The whole view by the sections of its page, from the top to the bottom."""
    return {
        "sides": _render_sides(state, look),
        "head": _render_title(state),
        "said": _render_said(state),
        "causes": _render_causes(state, look),
        "work": _render_work(state, look),
        "chips": _render_chips(state),
        "list": _render_list(state),
        "detail": _render_detail(state, look),
        "plots": _render_plots(look),
        "report": _render_report(state, look.form),
    }


def _render_sides(state: CompareState, look: CompareLook) -> Html:
    # What is being settled is the pair that was chosen then.
    held = look.task is not None and look.task.is_running
    offered = state.sides[state.kind]
    chosen = {"baseline": state.baseline, "candidate": state.candidate}
    lists = (
        select(
            [Option(side.value, side.words, chosen=side.value == value) for side in offered],
            event,
            label=event.capitalize(),
            disabled=held,
        )
        for event, value in chosen.items()
    )
    kinds = [Option(each, _KINDS[each], chosen=each == state.kind) for each in state.sides]
    kind = select(kinds, "kind", label="Compare", disabled=held)
    return tag("div", kind, *lists, class_="ra-actions")


def _render_title(state: CompareState) -> Html:
    """What broke, in one line."""
    if state.same:
        return tag("div", SAME, class_="ra-alert", role="status")
    return tag("div", tag("b", state.comparison.title, role="status"), class_="ra-head")


def _render_said(state: CompareState) -> Html:
    """What the numbers say, and the gate."""
    if state.same:
        return Html("")
    said = tag("div", state.comparison.explain(), class_="ra-text ra-soft")
    return tag("div", said, _render_gate(state), class_="ra-pane ra-wide")


def _render_gate(state: CompareState) -> Html:
    said = tag("b", "✓ Gate holds" if state.gate else "✗ Gate does not hold")
    if not state.gate.reasons:
        return tag("div", said)
    opened = tag("summary", said, tag("span", " · why", class_="ra-soft"))
    return tag("details", opened, _list(state.gate.reasons))


def _list(items: Iterable[object]) -> Html:
    return tag("ul", *(tag("li", each) for each in items))


# What can be done about what is undecided


def _render_work(state: CompareState, look: CompareLook) -> Html:
    task = look.task
    if task is not None and task.is_running:
        return _render_task(task)
    failure = None if task is None else task.failure
    return join(
        tag("div", failure, class_="ra-alert ra-text", role="alert") if failure else None,
        _render_plan(state, look.asking),
    )


def _render_task(task: TaskState) -> Html:
    """How far it is; what was started cannot be taken back, but need not be waited for."""
    total = task.total
    done = f"{task.done} of at most {total} have ended" if total else ""
    said = " · ".join(each for each in (task.words, task.note, done) if each)
    bar = tag(
        "div",
        tag("span", style=f"flex:{task.done} 0 0;background:var(--ra-mark)"),
        tag("span", class_="ra-active", style=f"flex:{max((total or 1) - task.done, 0)} 0 0"),
        class_="ra-bar",
        role="img",
        aria_label=said,
    )
    stop = button("Stop waiting", "leave", hint="Runs that were started go on, and are kept")
    return join(tag("div", said, role="status"), bar, tag("div", stop, class_="ra-actions"))


def _render_plan(state: CompareState, asking: bool) -> Html:
    if state.plan is None or state.same:
        words = "No eval is undecided: running one again would not change what is said of it."
        return tag("div", button("Settle…", "ask", disabled=True), words, class_="ra-actions")
    if not asking:
        settle = button("Settle…", "ask", hint="Shows first what would be run")
        return tag("div", settle, describe_undecided(state), class_="ra-actions")
    return tag(
        "div",
        tag("div", describe_plan(state), role="alert", class_="ra-text"),
        button("Start", "settle", hint="Starts runs of the workflow as it is now"),
        button("No", "keep", hint="Nothing is run"),
        class_="ra-actions",
    )


def describe_undecided(state: CompareState) -> str:
    """How many evals could be run again to know more."""
    plan = state.plan
    if plan is None:
        return ""
    said = []
    if plan.evals:
        verb, them = ("is", "it") if len(plan.evals) == 1 else ("are", "them")
        evals = count_noun(len(plan.evals), "eval")
        said.append(f"{evals} {verb} undecided: more results may decide {them}.")
    if plan.started:
        said.append(f"{count_noun(plan.started, 'run')} that you did not wait for may have ended.")
    return " ".join(said)


def describe_plan(state: CompareState) -> str:
    """What settling would start, in plain words."""
    plan = state.plan
    if plan is None:
        return ""
    lines = []
    if plan.started:
        lines.append(f"First {count_noun(plan.started, 'run')} that were started are waited for.")
    if plan.evals:
        undecided = list_evals(state.comparison.choose_reruns(ROUNDS))
        lines.append(
            f"Run {count_noun(len(plan.evals), 'undecided eval')} again, at most {ROUNDS} times "
            f"each and only until it is decided: about {count_noun(plan.mean, 'run')}, at most "
            f"{plan.most}? {undecided}"
        )
    return "\n".join(lines)


# What has changed


def _render_causes(state: CompareState, look: CompareLook) -> Html:
    """What the flips have in common, and what was edited."""
    if state.same:
        return Html("")
    causes, edits = _list_causes(state, look), _render_edits(state, look)
    if not causes:
        return edits
    shown, more = causes[:_CAUSES], causes[_CAUSES:]
    title = tag("h4", "What the evals that flipped have in common")
    rest = tag("details", tag("summary", f"and {len(more)} more"), _list(more)) if more else None
    return tag("div", title, _list(shown), rest, edits, class_="ra-pane")


def _list_causes(state: CompareState, look: CompareLook) -> list[object]:
    """A sentence for each; with buttons, each leads to an example."""
    if not look.live:
        return [*list_causes(state.comparison, look.values)]
    found = state.causes.select("sentence", "example_eval_id").iter_rows()
    return [join(f"{sentence} ", _render_example(eval_id)) for sentence, eval_id in found]


def _render_example(eval_id: str) -> Html:
    return button("Example", "reveal", value=eval_id, hint="Open an eval of this group")


def _render_edits(state: CompareState, look: CompareLook) -> Html:
    """What was edited, field by field; what prompts and schemas say only where values are shown."""
    edits = state.comparison.sides.edits
    if edits is None:
        if state.edited_between is None or not look.live:
            return Html("")
        words = button("What was edited?", "look_up", hint="Asks the API: two requests")
        return tag("div", words, class_="ra-actions")
    rows = [_render_edit(row, look.values) for row in edits.changes.head(_EDITS).to_dicts()]
    more = edits.changes.height - len(rows)
    title = f"What was edited: {count_fields(edits.changes)}"
    box = scroll_area(
        tag("div", edits.between, class_="ra-soft"),
        *rows,
        tag("div", f"… and {more:,} more fields", class_="ra-soft") if more > 0 else None,
        label="What was edited",
    )
    return tag("details", tag("summary", title), box, class_="ra-fold", data_key="edits")


def _render_edit(row: Row, values: bool) -> Html:
    block, path = name(name_block(row)), tag("code", row["field"])
    marked = tag("pre", *html_marks(edit_segments(row), "removed", "added")) if values else None
    return tag("div", join(block, " · ", path, f" {row['change']}"), marked, class_="ra-run")


# The evals


def _render_chips(state: CompareState) -> Html:
    found = (
        Option(each, phrase(each), count, each in state.shown)
        for each, count in state.counts.items()
    )
    place = state.place or 0
    several = len(state.listed) > 1
    steps = [("Previous", -1, several), ("Next", 1, several)]
    if len(state.listed) > PAGE:
        steps += [(f"{PAGE} back", -PAGE, place >= PAGE), (f"{PAGE} on", PAGE, True)]
    buttons = (
        button(words, "step", value=str(by), disabled=not can, hint="Also: arrow keys in the list")
        for words, by, can in steps
    )
    said = tag("span", describe_position(state), role="status", class_="ra-soft")
    row = tag("div", *buttons, said, class_="ra-actions")
    return join(tag("div", chips(found, "chip", label="What is listed"), class_="ra-actions"), row)


def describe_position(state: CompareState) -> str:
    """Which eval of how many is open."""
    if state.place is None:
        return "none listed"
    shown = len(state.listed)
    more = f" (the first of {shown + state.hidden:,})" if state.hidden else ""
    return f"{state.place + 1} of {shown:,}{more}"


def _render_list(state: CompareState) -> Html:
    """The page of the list in which the open eval is."""
    begin = (state.place or 0) // PAGE * PAGE
    rows = (
        GridRow(row["eval_id"], _list_cells(row), row["eval_id"] == state.chosen)
        for row in state.listed[begin : begin + PAGE]
    )
    listed = grid(_COLUMNS, rows, label="Evals", event="open", follow=True)
    return tag("div", listed, class_="ra-pane")


def _list_cells(row: Row) -> list[object]:
    p = row["p_regressed"]
    label = label_eval(row)
    return [
        label_transition(row["transition"]),
        tag("div", label, title=label, dir="auto"),
        render_sides(row),
        "" if p is None else format_probability(p).removeprefix("p "),
    ]


def _render_detail(state: CompareState, look: CompareLook) -> Html:
    if state.row is None:
        shown: tuple[Html, ...] = (tag("div", NOTHING, class_="ra-soft"),)
    else:
        title = tag("div", render_title(state.row), class_="ra-title")
        shown = title, render_eval(state, state.row, values=look.values)
    # Another eval starts at its top.
    box = scroll_area(*shown, label="The eval", key=state.chosen)
    return tag("div", box, class_="ra-pane ra-wide")


# What is asked for


def _render_plots(look: CompareLook) -> Html:
    options = [Option(each, words, chosen=each in look.plots) for each, words in PLOTS.items()]
    shown = (scroll_area(each, label=PLOTS[name]) for name, each in look.plots.items())
    return join(tag("div", chips(options, "plot", label="Plots"), class_="ra-actions"), *shown)


def draw_plot(state: CompareState, which: str) -> Html:
    """Draw one of the plots; it takes a second."""
    return _plot_by_block(state) if which == "block" else _plot_by_eval(state)


def _plot_by_block(state: CompareState) -> Html:
    """What flipped, by block."""
    from retab_analysis.plots import plot_comparison

    blocks = state.comparison.evals["block_id"].n_unique()
    return render_plot(
        lambda ax: plot_comparison(state.comparison, ax=ax),
        label=f"What flipped in each of {blocks} blocks",
        width=9.0,
        height=min(1.6 + 0.4 * blocks, 12.0),
    )


def _plot_by_eval(state: CompareState) -> Html:
    """The listed evals as a grid of verdicts, over the newest versions or runs."""
    from retab_analysis.plots import plot_verdicts

    column = SIDE_COLUMNS[state.kind]
    evals = [row["eval_id"] for row in state.listed[:_PLOTTED_EVALS]]
    shown = {side.value for side in state.sides[state.kind][:_PLOTTED_COLUMNS]}
    shown |= {state.baseline, state.candidate}
    rows = state.results.filter(pl.col("eval_id").is_in(evals), pl.col(column).is_in(sorted(shown)))
    across = rows[column].n_unique()
    drawing = render_plot(
        lambda ax: plot_verdicts(rows, by=column, ax=ax),
        label=f"The verdicts of {len(evals)} evals in {across} {state.kind}s",
        width=max(9.0, 3.2 + 0.3 * across),
        height=min(2.4 + 0.26 * len(evals), 18.0),
    )
    cut = len(state.listed) + state.hidden - len(evals)
    words = f"The first {len(evals)} of the listed evals." if cut else None
    return join(tag("div", words, class_="ra-soft") if words else None, drawing)


def _render_report(state: CompareState, form: ReportForm | None) -> Html:
    words = "Write report…" if form is None else "No report"
    opener = button(words, "report", hint="A file for somebody else")
    if form is None:
        return tag("div", opener, class_="ra-actions")
    field_ = tag("input", type="text", value=form.path, data_event="path", class_="ra-field")
    box = tag("input", type="checkbox", checked=form.values, data_event="values")
    write = button("Write", "write", hint="A file that is there is replaced", disabled=state.same)
    return tag(
        "div",
        opener,
        tag("label", tag("span", "File", class_="ra-soft"), field_, class_="ra-labelled"),
        tag("label", box, "with expected and actual values"),
        write,
        tag("span", form.said, role="status"),
        class_="ra-actions",
    )


# Where nothing drives it


def render_still_view(state: CompareState, look: CompareLook, token: str | None = None) -> Html:
    """The view for where nothing drives it: without buttons, the listed evals to be opened."""
    return render_still(
        {
            "head": _render_title(state),
            "said": _render_said(state),
            "causes": _render_causes(state, look),
            "evals": join(*_render_evals(state, look.values)),
            "plots": join(*look.plots.values()),
        },
        token=token,
    )


def _render_evals(state: CompareState, values: bool) -> Iterator[Html]:
    counts = (f"{count:,} {phrase(each)}" for each, count in state.counts.items())
    yield tag("div", " · ".join(counts), class_="ra-soft")
    shown = [] if state.same else state.listed[:SAVED]
    for at, row in enumerate(shown):
        reason = tag("span", " · ", name(one_line(row["reason"])), class_="ra-soft")
        line = join(render_title(row), reason if row["reason"] else None)
        if at < OPENED:
            about = render_eval(state, row, values=values, live=False)
            yield tag("details", tag("summary", line), about, class_="ra-run")
        else:
            yield tag("div", line, class_="ra-run")
    more = len(state.listed) + state.hidden - len(shown)
    if more > 0:
        yield tag("div", f"… and {more:,} more evals", class_="ra-soft")


def plain_text(state: CompareState) -> str:
    """The state as text, without expected and actual values."""
    if state.same:
        return f"{one_line(state.side(state.baseline).words)}\n{SAME}"
    gate = "Gate holds." if state.gate else "Gate does not hold."
    return "\n".join([repr(state.comparison), " ".join([gate, *state.gate.reasons])])
