"""A comparison that is looked at, as HTML and text: the same live, saved and exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from retab_analysis.comparison.comparison import sides_of
from retab_analysis.comparison.config_changes import readable
from retab_analysis.comparison.detail import WORDS, list_evals, mark_texts
from retab_analysis.comparison.report import make_document
from retab_analysis.comparison.verdict_document import Door
from retab_analysis.config import shows_values
from retab_analysis.markup import Html, join, name, one_line, tag
from retab_analysis.render.html import write_html_line
from retab_analysis.render.text import to_text
from retab_analysis.widgets.compare.open_eval import render_eval, render_title
from retab_analysis.widgets.compare.state import PAGE, CompareState
from retab_analysis.widgets.compare.task import TaskState
from retab_analysis.widgets.elements import (
    Option,
    button,
    chips,
    render_still,
    scroll_area,
    select,
)
from retab_analysis.widgets.phrases import count_noun
from retab_analysis.widgets.table_html import render_rows

SAME = "Baseline and candidate are the same. Choose two that differ."
NOTHING = "No eval is listed. Press one of the buttons above the list."

# Evals that a saved notebook holds, and those of them that can be opened there.
SAVED, OPENED = 200, 20
_CAUSES, _EDITS = 6, 40
_KINDS = {"version": "Versions", "run": "Runs", "draft": "Drafts"}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CompareLook:
    """How a comparison is shown.

    Attributes:
        values: Whether expected and actual values are shown, and what may quote them.
        live: Whether there are buttons.
        asking: Whether it is being asked if evals are to be run again.
        task: What goes on beside the notebook, or has failed.
    """

    values: bool = field(default_factory=shows_values)
    live: bool = True
    asking: bool = False
    task: TaskState | None = None


def render_sections(state: CompareState, look: CompareLook) -> dict[str, Html]:
    """The whole view by the sections of its page, from the top to the bottom."""
    return {
        "sides": _render_sides(state, look.task),
        "head": _render_title(state),
        "said": _render_said(state),
        "causes": _render_causes(state, look),
        "work": _render_work(state, look),
        "chips": _render_chips(state),
        "list": tag("div", render_rows(state.table, follow=True), class_="ra-pane"),
        "detail": _render_detail(state, look),
    }


def _render_sides(state: CompareState, task: TaskState | None) -> Html:
    # What is being settled is the pair that was chosen then.
    held = task is not None and task.is_running
    kinds = [Option(each, _KINDS[each], chosen=each == state.kind) for each in state.sides]
    lists = [select(kinds, "kind", label="Compare", disabled=held)]
    for event, value in (("baseline", state.baseline), ("candidate", state.candidate)):
        offered = (
            Option(side.value, side.words, chosen=side.value == value)
            for side in state.sides[state.kind]
        )
        lists.append(select(offered, event, label=event.capitalize(), disabled=held))
    return tag("div", *lists, class_="ra-actions")


def _render_title(state: CompareState) -> Html:
    if state.same:
        return tag("div", SAME, class_="ra-alert", role="status")
    return tag("div", tag("b", state.comparison.headline, role="status"), class_="ra-head")


def _render_said(state: CompareState) -> Html:
    """What the numbers say, and the gate."""
    if state.same:
        return Html("")
    gate = tag("b", "✓ Gate holds" if state.gate else "✗ Gate does not hold")
    if state.gate.reasons:
        opened = tag("summary", gate, tag("span", " · why", class_="ra-soft"))
        gate = tag("details", opened, _list(state.gate.reasons))
    else:
        gate = tag("div", gate)
    said = tag("div", state.comparison.explain(), class_="ra-text ra-soft")
    return tag("div", said, gate, class_="ra-pane ra-wide")


def _list(items: Iterable[object]) -> Html:
    return tag("ul", *(tag("li", each) for each in items))


# What can be done about what is undecided


def _render_work(state: CompareState, look: CompareLook) -> Html:
    task = look.task
    if task is not None and task.is_running:
        return _render_task(task)
    failure = None if task is None else task.failure
    alert = tag("div", failure, class_="ra-alert ra-text", role="alert") if failure else None
    return join(alert, tag("div", *_offer_reruns(state, look.asking), class_="ra-actions"))


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


def _offer_reruns(state: CompareState, asking: bool) -> Iterator[object]:
    """A button that settles, and before it does, what it would start."""
    if state.same or (state.plan.asked.is_empty() and not state.started):
        yield button("Settle…", "ask", disabled=True)
        yield "Nothing is compared." if state.same else str(state.plan)
    elif not asking:
        yield button("Settle…", "ask", hint="Shows first what would be run")
        yield describe_undecided(state)
    else:
        yield tag("div", describe_plan(state), role="alert", class_="ra-text")
        yield button("Start", "settle", hint="Starts runs of the workflow as it is now")
        yield button("No", "keep", hint="Nothing is run")


def describe_undecided(state: CompareState) -> str:
    """How many evals could be run again to know more."""
    asked, said = state.plan.asked.height, []
    if asked:
        verb, them = ("is", "it") if asked == 1 else ("are", "them")
        evals = count_noun(asked, "eval")
        said.append(f"{evals} {verb} undecided: more results may decide {them}.")
    if state.started:
        runs = count_noun(state.started, "run")
        said.append(f"{runs} that you did not wait for may have ended.")
    return " ".join(said)


def describe_plan(state: CompareState) -> str:
    """What settling would start, in plain words."""
    plan, lines = state.plan, []
    if state.started:
        lines.append(f"First {count_noun(state.started, 'run')} that were started are waited for.")
    if not plan.asked.is_empty():
        evals, runs = count_noun(plan.asked.height, "undecided eval"), count_noun(plan.mean, "run")
        lines.append(
            f"Run {evals} again, each only until it is decided: about {runs}, at most "
            f"{plan.most}? {list_evals(plan.asked)}{plan.say_hour()}"
        )
    return "\n".join(lines)


# What has changed


def _render_causes(state: CompareState, look: CompareLook) -> Html:
    """What the flips have in common, and what was edited."""
    if state.same:
        return Html("")
    edits = _render_edits(state, look)
    causes: list[object] = []
    if look.live:
        hint = "Open an eval of this group"
        for sentence, example in state.causes.select("sentence", "example_eval_id").iter_rows():
            shown = button("Example", "reveal", value=example, hint=hint)
            causes.append(join(f"{sentence} ", shown))
    else:
        causes = [*state.comparison.causes["sentence"]]
    if not causes:
        return edits
    more = causes[_CAUSES:]
    title = tag("h4", "What the evals that flipped have in common")
    rest = tag("details", tag("summary", f"and {len(more)} more"), _list(more)) if more else None
    return tag("div", title, _list(causes[:_CAUSES]), rest, edits, class_="ra-pane")


def _render_edits(state: CompareState, look: CompareLook) -> Html:
    """What was edited, field by field; what prompts and schemas say only where values are shown."""
    edits = sides_of(state.comparison).edits
    if edits is None:
        if state.edited_between is None or not look.live:
            return Html("")
        words = button("What was edited?", "look_up", hint="Asks the API: two requests")
        return tag("div", words, class_="ra-actions")
    rows = []
    for row in edits.changes.head(_EDITS).iter_rows(named=True):
        block = one_line(row["block_id"] or row["label"] or row["block_type"])
        field = (name(block), tag("code", row["field"]))
        line = mark_texts(readable(row["before"]), readable(row["after"])) if look.values else ()
        marked = tag("pre", write_html_line(line)) if line else None
        about = join(*field, by=" · ")
        rows.append(tag("div", about, f" {row['change']}", marked, class_="ra-run"))
    more = edits.changes.height - len(rows)
    title = f"What was edited: {count_noun(edits.changes.height, 'field')}"
    box = scroll_area(
        tag("div", edits.between, class_="ra-soft"),
        *rows,
        tag("div", f"… and {more:,} more fields", class_="ra-soft") if more > 0 else None,
        label="What was edited",
    )
    return tag("details", tag("summary", title), box, class_="ra-fold", data_key="edits")


# The evals


def _render_chips(state: CompareState) -> Html:
    found = (
        Option(each, WORDS[each][1], count, each in state.shown)
        for each, count in state.counts.items()
    )
    place, several = state.table.chosen_place or 0, state.table.height > 1
    steps = [("Previous", -1, several), ("Next", 1, several)]
    if state.table.pages > 1:
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
    place = state.table.chosen_place
    return "none listed" if place is None else f"{place + 1:,} of {state.table.height:,}"


def _render_detail(state: CompareState, look: CompareLook) -> Html:
    shown = [tag("div", NOTHING, class_="ra-soft")]
    if (row := state.row) is not None:
        title = tag("div", render_title(row), class_="ra-title")
        shown = [title, render_eval(state, row, values=look.values)]
    # Another eval starts at its top.
    box = scroll_area(*shown, label="The eval", key=state.table.chosen)
    return tag("div", box, class_="ra-pane ra-wide")


# Where nothing drives it


def render_still_view(state: CompareState, look: CompareLook, token: str | None = None) -> Html:
    """The view for where nothing drives it: without buttons, the listed evals to be opened."""
    return render_still(
        {
            "head": _render_title(state),
            "said": _render_said(state),
            "causes": _render_causes(state, look),
            "evals": join(*_render_evals(state, look.values)),
        },
        token=token,
    )


def _render_evals(state: CompareState, values: bool) -> Iterator[Html]:
    counts = (f"{count:,} {WORDS[each][1]}" for each, count in state.counts.items())
    yield tag("div", " · ".join(counts), class_="ra-soft")
    shown = 0 if state.same else SAVED
    for at, row in enumerate(state.table.rows.head(shown).iter_rows(named=True)):
        reason = tag("span", " · ", name(one_line(row["reason"])), class_="ra-soft")
        line = join(render_title(row), reason if row["reason"] else None)
        if at < OPENED:
            about = render_eval(state, row, values=values, live=False)
            yield tag("details", tag("summary", line), about, class_="ra-run")
        else:
            yield tag("div", line, class_="ra-run")
    more = state.table.height - shown
    if more > 0:
        yield tag("div", f"… and {more:,} more evals", class_="ra-soft")


def plain_text(state: CompareState) -> str:
    """The state as text, without expected and actual values."""
    if state.same:
        side = next(each for each in state.sides[state.kind] if each.value == state.baseline)
        return f"{one_line(side.words)}\n{SAME}"
    gate = "Gate holds." if state.gate else "Gate does not hold."
    document = make_document(state.comparison, state.gate, Door(values=False))
    return "\n".join([to_text(document), " ".join([gate, *state.gate.reasons])])
