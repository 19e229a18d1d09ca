"""The state of a live view as HTML and text: the same live, saved, exported and in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from retab_analysis.comparison.detail import (
    find_sign,
    list_documents,
    name_eval,
    say_short,
    say_word,
)
from retab_analysis.config import shows_values
from retab_analysis.evidence.story import Story
from retab_analysis.markup import (
    STATE_COLOURS,
    STATE_SIGNS,
    Html,
    join,
    one_line,
    sign,
    tag,
    without_controls,
)
from retab_analysis.render.html import to_piece
from retab_analysis.render.text import to_text
from retab_analysis.widgets.elements import beside, button, render_still, scroll_area
from retab_analysis.widgets.live.run_lines import SEGMENTS, RunLine
from retab_analysis.widgets.live.state import LiveState
from retab_analysis.widgets.open_eval import OpenEval, list_details
from retab_analysis.widgets.phrases import format_range, format_seconds

# More than that are not listed, but counted.
SHOWN_RUNS = SHOWN_EVALS = 20

Counts = Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class LiveLook:
    """How a state is shown; a ``limit`` of None shows all evals."""

    values: bool = field(default_factory=shows_values)  # and messages that may quote them
    limit: int | None = SHOWN_EVALS
    is_live: bool = True
    can_cancel: bool = False
    asking: bool = False


def render_sections(state: LiveState, look: LiveLook, opened: OpenEval) -> dict[str, Html]:
    """The whole view by the sections of its page, from the top to the bottom."""
    if state.failure and not state.runs:
        # Of what does not exist nothing is to be told.
        empty = dict.fromkeys(("total", "news", "alone", "runs", "actions"), Html(""))
        alert = tag("div", state.failure, class_="ra-alert ra-text", role="alert")
        return {"head": alert, **empty}
    return {
        "head": render_head(state, look),
        "total": _render_total(state),
        "news": _render_news(state, look, opened),
        "alone": _render_alone(state, look),
        "runs": _render_runs(state.runs) if len(state.runs) > 1 else Html(""),
        "actions": _render_actions(state, look),
    }


def _render_news(state: LiveState, look: LiveLook, opened: OpenEval) -> Html:
    """What became of the evals, as ``check`` shows it; of one workflow without its heading."""
    pieces = []
    for comparison, document in state.documents(values=look.values):
        shown = opened.render(comparison, document) if look.is_live else document
        pieces.append(to_piece(*shown.parts) if len(state.told) == 1 else to_piece(shown))
    return join(*pieces)


def _render_alone(state: LiveState, look: LiveLook) -> Html:
    """What does not pass and is held against nothing, or not yet."""
    if not state.alone:
        words = "No eval failed or was blocked."
        if state.phase == "watching":
            words = "Evals that do not pass will be listed here."
        return Html("") if state.told or not state.runs else tag("div", words, class_="ra-soft")
    shown = state.alone if look.limit is None else state.alone[: look.limit]
    more = len(state.alone) - len(shown)
    rest = tag("div", f"and {more} more", class_="ra-soft") if more else None
    title = "Not compared yet" if state.is_comparing else "Does not pass"
    heading = tag("div", title, class_="ra-title")
    return join(heading, to_piece(list_details(shown, values=look.values)), rest)


def render_head(state: LiveState, look: LiveLook) -> Html:
    """What is to be known first, what the runs are held against, and what is wrong."""
    heading: Html | None = tag("div", tag("b", state.heading, role="status"), class_="ra-head")
    if len(state.told) == 1 and not state.failure:
        ((_, document),) = state.documents(values=look.values)
        heading = tag("div", to_piece(replace(document, parts=())), role="status")
    about = " · ".join(filter(None, (say_when(state), state.later, state.compared)))
    return join(
        heading,
        # In one line; all of it is seen when it is opened, and where nothing cuts it.
        tag("details", tag("summary", about), class_="ra-soft ra-about"),
        *map(_render_alert, (state.failure, state.connection, *state.notes)),
    )


def say_when(state: LiveState) -> str:
    if state.phase == "stopped":
        return f"stopped, last seen {state.refreshed}"
    if state.phase != "watching":
        return f"last seen {state.refreshed}"
    return f"{'as of' if state.connection else 'refreshed'} {state.refreshed}"


def _render_alert(text: str | None) -> Html | None:
    return tag("div", text, class_="ra-alert") if text else None


def _render_total(state: LiveState) -> Html:
    """A bar of all runs together, and below it their sum, or the only run."""
    if not state.runs:
        return Html("")
    counts = tuple(sum_counts(state).items())
    if len(state.runs) == 1:
        return join(_render_bar(counts), _render_run(state.runs[0]))
    return join(_render_bar(counts), _render_counts(counts, list_total(state)))


def list_total(state: LiveState) -> list[str]:
    done, total = sum_progress(state)
    return [f"{done} of {total} done", *_say_left(state.eta)]


def _say_left(eta: tuple[float, float] | None) -> list[str]:
    return [] if eta is None else [f"{format_range(*eta)} left"]


def _render_runs(runs: Sequence[RunLine]) -> Html:
    # Runs that go on stand first: of many runs only some are shown.
    shown = sorted(runs, key=lambda run: run.status in ("completed", "cancelled"))
    hidden = len(shown) - SHOWN_RUNS
    more = tag("div", f"and {hidden} more runs", class_="ra-soft") if hidden > 0 else None
    return scroll_area(*map(_render_run, shown[:SHOWN_RUNS]), more, label="Runs")


def _render_run(run: RunLine) -> Html:
    return tag(
        "div",
        beside(
            tag("b", name_status(run)),
            tag("span", run.about),
            tag("code", run.run_id, class_="ra-soft ra-push ra-id"),
        ),
        _render_counts(run.counts, list_facts(run)),
        _render_alert(run.message),
        data_key=run.run_id,
        class_="ra-run",
    )


def list_counts(counts: Counts) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts)


def name_status(run: RunLine) -> str:
    """A run's status in words that hold the API's own word, which one filters runs by."""
    return run.words if run.status in run.words else f"{run.words} ({run.status})"


def list_facts(run: RunLine) -> list[str]:
    facts = [f"{run.done} of {run.total} done"]
    if run.waited is not None:
        facts.append(f"{format_seconds(run.waited)} in the queue")
    if run.ran is not None:
        facts.append(f"{format_seconds(run.ran)} running")
    if run.rate is not None:
        facts.append(f"{run.rate:.0f} evals a minute")
    return [*facts, *_say_left(run.eta), *run.marks]


def _render_bar(counts: Counts) -> Html:
    # What waits has no colour: it is the rest of the bar. What runs is striped, so that it is told
    # from the others without colour, too.
    pieces = [
        tag(
            "span",
            title=f"{count} {state}",
            style=f"flex:{count} 0 0;background-color:{STATE_COLOURS[state]}",
            data_key=state,
            class_="ra-active" if state == "running" else None,
        )
        for state, count in counts
        if count and state not in ("queued", "pending")
    ]
    waiting = sum(count for state, count in counts if state in ("queued", "pending"))
    if waiting:
        title = f"{waiting} waiting"
        pieces.append(tag("span", title=title, style=f"flex:{waiting} 0 0", data_key="waiting"))
    return tag("div", *pieces, class_="ra-bar", role="img", aria_label=list_counts(counts))


def _render_counts(counts: Counts, facts: Sequence[str]) -> Html:
    signs = (
        tag("span", sign(state), f" {count} {state}", class_="ra-count") for state, count in counts
    )
    said = tag("span", " · ".join(facts), class_="ra-soft ra-push")
    return beside(tag("span", join(*signs, by=" ")), said)


def _render_actions(state: LiveState, look: LiveLook) -> Html:
    """The buttons; what is not possible now is disabled, so that the others keep their places."""
    watching = state.phase == "watching"
    may_cancel = watching and state.can_cancel
    buttons = [
        button("Stop watching", "stop", hint="The runs go on", disabled=not watching),
        button("Refresh now", "refresh", hint="Look at once", disabled=not watching),
    ]
    if len(state.alone) > SHOWN_EVALS:
        words = "Show all" if look.limit else "Show fewer"
        buttons.append(button(words, "show", hint="Every eval that does not pass, or the first"))
    if look.can_cancel:
        buttons.append(button("Cancel run", "ask", hint="Asks first", disabled=not may_cancel))
    question = (
        tag("span", "Cancel what has not ended yet?", role="alert"),
        button("Yes, cancel", "cancel", hint="Ends the runs for everybody"),
        button("No", "keep", hint="The runs go on"),
    )
    asked = question if look.can_cancel and look.asking and may_cancel else ()
    keyed = (tag("span", each, data_key=str(at)) for at, each in enumerate((*buttons, *asked)))
    return tag("div", *keyed, class_="ra-actions")


def render_still_view(state: LiveState, look: LiveLook, token: str | None = None) -> Html:
    """The view for where nothing drives it: without buttons, and with every eval."""
    look = replace(look, is_live=False)
    sections = render_sections(_standing(state), look, OpenEval(None, lambda: None))
    del sections["actions"]
    return render_still({**sections, "saved": _render_saved(state)}, token=token)


def _render_saved(state: LiveState) -> Html:
    """A word where the view was saved while it was live: what is not there any more is the page."""
    if state.phase != "watching":
        return Html("")
    words = "This is how it stood when it was saved. Run the cell again to watch what goes on."
    return tag("div", words, class_="ra-soft")


def _standing(state: LiveState) -> LiveState:
    """A state as it is told later, when nobody looks for anything any more."""
    if state.runs or state.phase != "watching" or state.refreshed != "not yet":
        return state
    return replace(state, heading="The API had not answered yet")


def plain_text(state: LiveState, *, values: bool = False) -> str:
    """The state as text; with ``values`` also messages that may quote expected and actual ones."""
    above = (
        state.heading,
        state.later,
        state.compared,
        state.failure,
        state.connection,
        *state.notes,
    )
    lines = [*dict.fromkeys(each for each in above if each)]
    lines += [" · ".join(list_total(state))] if len(state.runs) > 1 else []
    for run in state.runs[:SHOWN_RUNS]:
        counts = ", ".join(f"{STATE_SIGNS[name]} {count} {name}" for name, count in run.counts)
        lines += [f"{name_status(run)}: {run.about} ({run.run_id})", f"  {counts}"]
        lines.append("  " + " · ".join(list_facts(run)))
        lines += [f"  {run.message}"] if run.message else []
    lines += [f"  {describe_eval(each, values=values)}" for each in state.alone[:SHOWN_EVALS]]
    more = len(state.alone) - SHOWN_EVALS
    lines += [f"  and {more} more"] if more > 0 else []
    for _, document in state.documents(values=values):
        lines += ["", to_text(document)]
    return "\n".join(map(without_controls, lines))


def describe_eval(story: Story, *, values: bool) -> str:
    """An eval as one line of text: what became of it, and why it does not pass."""
    said = dict.fromkeys((say_word(story), say_short(story, values=values)))
    documents = list_documents(story)
    document = f" [{documents}]" if documents else ""
    return one_line(f"{find_sign(story)[0]} {name_eval(story)}{document}: {'; '.join(said)}")


def sum_counts(state: LiveState) -> dict[str, int]:
    """How many evals of all runs together are in each state; ``passed`` is always there."""
    counts = dict.fromkeys(SEGMENTS, 0)
    for run in state.runs:
        for name, count in run.counts:
            counts[name] += count
    return {name: count for name, count in counts.items() if count or name == "passed"}


def sum_progress(state: LiveState) -> tuple[int, int]:
    return sum(run.done for run in state.runs), sum(run.total for run in state.runs)


def list_news(state: LiveState, said: set[tuple[str, str]], *, values: bool) -> Iterator[str]:
    """A line for each eval that is news and was not ``said`` yet, or has become something else."""
    # What is not compared yet may turn out to be old, and what is printed cannot be taken back.
    early = {each.id for each in state.alone} if state.is_comparing else set()
    for each in state.listed:
        key = each.id, each.transition
        if each.id not in early and key not in said:
            said.add(key)
            yield describe_eval(each, values=values)
