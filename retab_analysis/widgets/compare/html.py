"""A comparison that is looked at, as HTML and text: its document, with a choice of its sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retab_analysis.checks.settle import RerunPlan
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.detail import list_stories
from retab_analysis.comparison.report import make_document
from retab_analysis.comparison.verdict_document import Door
from retab_analysis.config import shows_values
from retab_analysis.markup import Html, count_noun, join, one_line, tag
from retab_analysis.render.document import Document
from retab_analysis.render.html import to_piece
from retab_analysis.render.text import to_text
from retab_analysis.widgets.compare.state import CompareState
from retab_analysis.widgets.elements import Option, button, render_still, select
from retab_analysis.widgets.open_eval import OpenEval

SAME = "Baseline and candidate are the same. Choose two that differ."
_KINDS = {"version": "Versions", "run": "Runs", "draft": "Drafts"}


@dataclass(frozen=True, slots=True)
class CompareLook:
    """Whether the view asks before it runs evals, what goes on meanwhile, and why that failed."""

    asking: bool = False
    doing: str = ""
    failure: str = ""


def render_sections(state: CompareState, look: CompareLook, opened: OpenEval) -> dict[str, Html]:
    """The whole view by the sections of its page, from the top to the bottom."""
    document = tag("div", SAME, class_="ra-alert", role="status")
    if not state.same:
        made = opened.render(state.comparison, _make_document(state.comparison, shows_values()))
        document = to_piece(made)
    return {
        "sides": _render_sides(state, held=bool(look.doing)),
        "work": _render_work(state, look),
        "document": document,
    }


def _make_document(comparison: Comparison, values: bool) -> Document:
    door = Door(values, settle="Settle", more="view.comparison.explain()")
    return make_document(comparison, comparison.gate(), door)


def _render_sides(state: CompareState, *, held: bool) -> Html:
    # What is being settled is the pair that was chosen then.
    kinds = [Option(each, _KINDS[each], chosen=each == state.kind) for each in state.sides]
    lists = [select(kinds, "kind", label="Compare", disabled=held)]
    for event, value in (("baseline", state.baseline), ("candidate", state.candidate)):
        offered = (
            Option(side.value, side.words, chosen=side.value == value)
            for side in state.sides[state.kind]
        )
        lists.append(select(offered, event, label=event.capitalize(), disabled=held))
    return tag("div", *lists, class_="ra-actions")


def _render_work(state: CompareState, look: CompareLook) -> Html:
    """What can be done about what is not sure, and how far that is."""
    if look.doing:
        stop = button("Stop waiting", "leave", hint="Runs that were started go on, and are kept")
        return tag("div", stop, tag("span", look.doing, role="status"), class_="ra-actions")
    alert = None
    if look.failure:
        alert = tag("div", look.failure, class_="ra-alert ra-text", role="alert")
    offered = () if state.same else _offer_work(state, look.asking)
    return join(alert, tag("div", *offered, class_="ra-actions"))


def _offer_work(state: CompareState, asking: bool) -> Iterator[object]:
    """A button that settles, and before it does, what it would start; one that looks up edits."""
    plan, waiting = state.plan, state.started
    if asking:
        yield tag("div", describe_plan(plan, waiting), role="alert", class_="ra-text")
        yield button("Start", "settle", hint="Starts runs of the workflow as it is now")
        yield button("No", "keep", hint="Nothing is run")
        return
    is_decided = not plan.asked and not waiting
    words = "Settle…" if is_decided else f"Settle: {count_noun(len(plan.asked), 'run')}…"
    yield button(words, "ask", hint="Shows first what would be run", disabled=is_decided)
    yield tag("span", describe_undecided(plan, waiting), class_="ra-soft")
    if state.can_look_up:
        yield button("What was edited?", "look_up", hint="Asks the API: a few requests")


def describe_undecided(plan: RerunPlan, waiting: int) -> str:
    """How many evals could be run again to know more."""
    if not plan.asked and not waiting:
        return str(plan)
    asked, said = len(plan.asked), []
    if asked:
        verb, them = ("is", "it") if asked == 1 else ("are", "them")
        evals = count_noun(asked, "eval")
        said.append(f"{evals} {verb} undecided: more results may decide {them}.")
    if waiting:
        said.append(f"{count_noun(waiting, 'run')} that you did not wait for may have ended.")
    return " ".join(said)


def describe_plan(plan: RerunPlan, waiting: int) -> str:
    lines = []
    if waiting:
        lines.append(f"First {count_noun(waiting, 'run')} that were started are waited for.")
    if plan.asked:
        evals = count_noun(len(plan.asked), "undecided eval")
        lines.append(f"Run {evals} again, once? {list_stories(plan.asked)}")
    return "\n".join(lines)


def render_still_view(state: CompareState, *, values: bool, token: str | None = None) -> Html:
    """The view for where nothing drives it: the document, and nothing to choose."""
    shown = tag("div", SAME, class_="ra-alert")
    if not state.same:
        shown = to_piece(_make_document(state.comparison, values))
    return render_still({"document": shown}, token=token)


def plain_text(state: CompareState, *, values: bool) -> str:
    if state.same:
        side = next(each for each in state.sides[state.kind] if each.value == state.baseline)
        return f"{one_line(side.words)}\n{SAME}"
    return to_text(_make_document(state.comparison, values))
