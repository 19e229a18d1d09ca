"""The state of a live view as HTML and text: the same live, saved, exported and in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from retab_analysis.config import shows_values
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
from retab_analysis.widgets.elements import beside, button, copy_button, render_still, scroll_area
from retab_analysis.widgets.live.run_lines import SEGMENTS, RunLine
from retab_analysis.widgets.live.state import LiveState
from retab_analysis.widgets.phrases import (
    EvalLine,
    describe_change,
    format_range,
    format_seconds,
    name_transition,
)

# More than that are not listed, but counted; of more than three runs each is one line.
SHOWN_RUNS, SHOWN_CARDS = 20, 3
SHOWN_EVALS = 20
_LONGEST_VALUE, _LONGEST_TITLE = 160, 2_000

Counts = Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class LiveLook:
    """How a state is shown.

    Attributes:
        values: Whether expected and actual values are shown, and messages that may quote them.
        limit: Show no more than so many evals of a list, or all.
        can_cancel: Whether cancelling is offered.
        asking: Whether it is being asked if the runs are to be cancelled.
        code: The lines that fetch the results.
    """

    values: bool = field(default_factory=shows_values)
    limit: int | None = SHOWN_EVALS
    can_cancel: bool = False
    asking: bool = False
    code: str = ""


def render_sections(state: LiveState, look: LiveLook) -> dict[str, Html]:
    """The whole view by the sections of its page, from the top to the bottom."""
    nothing = tag("div", say_nothing_new(state), class_="ra-soft")
    folded = {}
    for name, title in zip(("apart", "known", "passed"), name_folded(state), strict=True):
        lines: tuple[EvalLine, ...] = getattr(state, name)
        folded[name] = _fold(title, _render_evals(title, lines, state, look)) if lines else Html("")
    code = _fold("Code that fetches these results", tag("pre", look.code))
    return {
        "head": render_head(state),
        "total": _render_total(state),
        "news": _render_evals("News", state.listed, state, look) if state.listed else nothing,
        "runs": _render_runs(state.runs) if len(state.runs) > 1 else Html(""),
        **folded,
        "code": code if look.code else Html(""),
        "actions": _render_actions(state, look),
    }


def _fold(title: str, body: Html) -> Html:
    return tag("details", tag("summary", title), body, class_="ra-fold")


def render_head(state: LiveState) -> Html:
    """What is to be known first, what the runs are held against, and what is wrong."""
    about = " · ".join([say_when(state), *([state.compared] if state.compared else [])])
    return join(
        tag("div", tag("b", state.heading, role="status"), class_="ra-head"),
        # In one line; all of it is seen when it is opened, and where nothing cuts it.
        tag("details", tag("summary", about), class_="ra-soft ra-about"),
        *map(_render_alert, (state.failure, state.connection, *state.notes)),
    )


def say_when(state: LiveState) -> str:
    """As of when everything is that is shown."""
    if state.phase == "stopped":
        return f"stopped, last seen {state.refreshed}"
    if state.phase != "watching":
        return f"last seen {state.refreshed}"
    return f"{'as of' if state.connection else 'refreshed'} {state.refreshed}"


def _render_alert(text: str | None) -> Html | None:
    return tag("div", text, class_="ra-alert") if text else None


def _render_total(state: LiveState) -> Html:
    """One run, or the sum of several, with a bar."""
    if len(state.runs) == 1:
        # The heading tells its status, but perhaps not in the API's own word.
        return _render_run(state.runs[0], is_told=state.runs[0].status in state.heading)
    if not state.runs:
        return Html("")
    counts = tuple(sum_counts(state).items())
    return join(_render_bar(counts), _render_counts(counts, list_total(state)))


def list_total(state: LiveState) -> list[str]:
    """The line that sums up several runs."""
    done, total = sum_progress(state)
    return [f"{done} of {total} done", *_say_left(state.eta)]


def _say_left(eta: tuple[float, float] | None) -> list[str]:
    return [] if eta is None else [f"{format_range(*eta)} left"]


def _render_runs(runs: Sequence[RunLine]) -> Html:
    # Runs that go on stand first: of many runs only some are shown.
    shown = sorted(runs, key=lambda run: run.status in ("completed", "cancelled"))
    hidden = len(shown) - SHOWN_RUNS
    draw = _render_run if len(shown) <= SHOWN_CARDS else _render_line
    more = tag("div", f"and {hidden} more runs", class_="ra-soft") if hidden > 0 else None
    return scroll_area(*(draw(run) for run in shown[:SHOWN_RUNS]), more, label="Runs")


def _render_run(run: RunLine, *, is_told: bool = False) -> Html:
    """A run as a card, with its status unless that is told already."""
    return tag(
        "div",
        beside(
            None if is_told else tag("b", name_status(run)),
            tag("span", run.about),
            tag("code", run.run_id, class_="ra-soft ra-push ra-id"),
        ),
        _render_bar(run.counts),
        _render_counts(run.counts, list_facts(run)),
        _render_alert(run.message),
        data_key=run.run_id,
        class_="ra-run",
    )


def _render_line(run: RunLine) -> Html:
    """A run as one line; what it does not hold is in its tooltip."""
    progress = f"{run.done} of {run.total} done, {dict(run.counts)['passed']} passed"
    message = [run.message] if run.message else []
    hint = (run.about, _list_counts(run.counts), *list_facts(run), *message)
    status = run.status if run.status in ("queued", "pending") else name_status(run)
    parts = (
        tag("b", status),
        tag("span", run.message or run.about, class_="ra-soft"),
        _render_bar(run.counts),
        tag("span", " · ".join([progress, *_say_left(run.eta), *run.marks])),
        tag("code", run.run_id, class_="ra-soft"),
    )
    title = " · ".join(hint)
    return tag(
        "div", join(*parts, by=" "), title=title, data_key=run.run_id, class_="ra-run ra-line"
    )


def _list_counts(counts: Counts) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts)


def name_status(run: RunLine) -> str:
    """A run's status in words that hold the API's own word, which one filters runs by."""
    return run.words if run.status in run.words else f"{run.words} ({run.status})"


def list_facts(run: RunLine) -> list[str]:
    """What the numbers of a run say, in words."""
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
    return tag("div", *pieces, class_="ra-bar", role="img", aria_label=_list_counts(counts))


def _render_counts(counts: Counts, facts: Sequence[str]) -> Html:
    signs = (
        tag("span", sign(state), f" {count} {state}", class_="ra-count") for state, count in counts
    )
    said = tag("span", " · ".join(facts), class_="ra-soft ra-push")
    return beside(tag("span", join(*signs, by=" ")), said)


def _render_evals(label: str, lines: Sequence[EvalLine], state: LiveState, look: LiveLook) -> Html:
    """A list of evals, as long as the look allows."""
    shown = lines if look.limit is None else lines[: look.limit]
    more = len(lines) - len(shown)
    columns = ["eval"]
    columns += ["change"] if any(map(describe_change, shown)) else []
    columns += ["expected and actual"] if look.values else []
    columns += ["cause"] if not look.values and any(line.cause for line in shown) else []
    heads = (
        tag("th", each, class_="ra-change" if each == "change" else None, scope="col")
        for each in columns
    )
    # Which run an eval belongs to is told only where there are several.
    rows = (_render_eval(line, columns, several=len(state.runs) > 1) for line in shown)
    table = tag(
        "table",
        # A heading without words says nothing to whoever has it read out.
        tag("thead", tag("tr", tag("td", class_="ra-sign"), *heads)),
        tag("tbody", *rows),
        class_="ra-list",
    )
    rest = tag("div", f"and {more} more", class_="ra-soft") if more else None
    return scroll_area(table, rest, label=label)


def _render_eval(line: EvalLine, columns: Sequence[str], *, several: bool) -> Html:
    about = [line.document] if line.document else []
    about += [line.run_id] if several and line.run_id else []
    message = line.message
    cells: dict[str, object] = {
        "eval": join(line.name, tag("small", " · ".join(about)) if about else None, by=" "),
        "change": describe_change(line),
        "expected and actual": join(
            _render_value("expected", line.expected),
            _render_value("actual", line.actual),
            tag("div", message, title=message, class_="ra-value") if message else None,
        ),
        "cause": line.cause or "",
    }
    cut = (tag("td", each) for each in (sign(line.state), *(cells[name] for name in columns)))
    return tag("tr", *cut, data_key=f"{line.run_id} {line.eval_id}")


def _render_value(label: str, text: str | None) -> Html | None:
    if text is None:
        return None
    shown = text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"
    value = tag("code", shown, title=text[:_LONGEST_TITLE])
    return tag("div", tag("span", label, " ", class_="ra-soft"), value, class_="ra-value")


def _render_actions(state: LiveState, look: LiveLook) -> Html:
    """The buttons; what is not possible now is disabled, so that the others keep their places."""
    watching = state.phase == "watching"
    may_cancel = watching and state.can_cancel
    buttons = [
        button("Stop watching", "stop", hint="The runs go on", disabled=not watching),
        button("Refresh now", "refresh", hint="Look at once", disabled=not watching),
    ]
    lists = (state.listed, state.apart, state.known, state.passed)
    if max(map(len, lists)) > SHOWN_EVALS:
        words = "Show all" if look.limit else "Show fewer"
        buttons.append(button(words, "show", hint="Of each list, every eval or the first ones"))
    buttons.append(copy_button("Copy code", look.code, hint="The lines that fetch these results"))
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
    sections = render_sections(_standing(state), look)
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


def render_brief_sections(state: LiveState) -> dict[str, Html]:
    """The compact form: one line and one bar for all runs together."""
    bar = _render_bar(tuple(sum_counts(state).items())) if state.runs else None
    return {"line": join(tag("div", describe_briefly(state), role="status"), bar)}


def render_still_line(state: LiveState, token: str | None = None) -> Html:
    """The compact form for where nothing drives it."""
    sections = render_brief_sections(_standing(state))
    return render_still({**sections, "saved": _render_saved(state)}, token=token)


def plain_text(state: LiveState, *, values: bool = False) -> str:
    """The state as text.

    Args:
        state: What is shown.
        values: Whether messages are in it that may quote expected and actual values.
    """
    above = (state.heading, state.compared, state.failure, state.connection, *state.notes)
    lines = [each for each in above if each]
    lines += [" · ".join(list_total(state))] if len(state.runs) > SHOWN_CARDS else []
    for run in state.runs[:SHOWN_RUNS]:
        counts = ", ".join(f"{STATE_SIGNS[name]} {count} {name}" for name, count in run.counts)
        lines += [f"{name_status(run)}: {run.about} ({run.run_id})", f"  {counts}"]
        lines.append("  " + " · ".join(list_facts(run)))
        lines += [f"  {run.message}"] if run.message else []
    lines += [f"  {describe_eval(line, values=values)}" for line in state.listed[:SHOWN_EVALS]]
    more = len(state.listed) - SHOWN_EVALS
    lines += [f"  and {more} more"] if more > 0 else []
    folded = [f"{title}." for title in name_folded(state)] if state.news is not None else []
    return "\n".join(map(without_controls, [*lines, *folded]))


def name_folded(state: LiveState) -> tuple[str, str, str]:
    """What the folded lists are called, with how many evals are in them.

    These are ``apart``, ``known`` and ``passed``.
    """
    passed = f"Passed ({len(state.passed)})"
    kinds = Counter(name_transition(each.transition) for each in state.apart if each.transition)
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "0"
    return (f"Other changes ({said})", f"Known failures ({len(state.known)})", passed)


def describe_eval(line: EvalLine, *, values: bool) -> str:
    """An eval as one line of text: its change, and its message or only the cause."""
    why = line.message if values else line.cause
    said = "; ".join(each for each in (describe_change(line), why) if each)
    return one_line(f"{STATE_SIGNS[line.state]} {line.name} [{line.document}] {said}")


def say_nothing_new(state: LiveState) -> str:
    """What to say while there is no bad news."""
    if state.phase == "watching":
        if state.news is None:
            return "Evals that do not pass will be listed here."
        return "Evals that broke, and suspects, will be listed here."
    if state.news is None:
        return "No eval failed or was blocked."
    return "No eval is called broken, and none is suspect."


def sum_counts(state: LiveState) -> dict[str, int]:
    """How many evals of all runs together are in each state; ``passed`` is always there."""
    counts = dict.fromkeys(SEGMENTS, 0)
    for run in state.runs:
        for name, count in run.counts:
            counts[name] += count
    return {name: count for name, count in counts.items() if count or name == "passed"}


def sum_progress(state: LiveState) -> tuple[int, int]:
    """How many evals of all runs together have ended, and how many there are."""
    return sum(run.done for run in state.runs), sum(run.total for run in state.runs)


def describe_briefly(state: LiveState) -> str:
    """The whole view in one line of text, over all runs together: the compact form."""
    parts = [state.heading, state.failure, state.connection]
    if state.runs:
        done, total = sum_progress(state)
        statuses = Counter(run.status for run in state.runs)
        told = _list_counts([*statuses.items()])
        if len(state.runs) == 1:
            # Nothing where the heading names it.
            told = "" if state.runs[0].status in state.heading else state.runs[0].status
        parts[1:1] = [told, f"{done} of {total} done", _list_counts([*sum_counts(state).items()])]
    return " · ".join(one_line(part) for part in parts if part)
