"""The state of a live view as HTML and text: in a notebook, in a saved page, in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

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
from retab_analysis.widgets.common.html import SHOWN_EVALS, STYLE, render_evals, render_view
from retab_analysis.widgets.common.text import (
    EvalLine,
    describe_change,
    format_range,
    format_seconds,
    name_transition,
)
from retab_analysis.widgets.live.run_lines import SEGMENTS, RunLine
from retab_analysis.widgets.live.state import LiveState

# More cards than that push the news off the screen.
SHOWN_RUNS = 20

Counts = Sequence[tuple[str, int]]


def render_top(state: LiveState) -> Html:
    """Heading, trouble, and one card for each run."""
    # Runs that go on stand first: of many runs only some are shown.
    shown = sorted(state.runs, key=lambda run: run.status in ("completed", "cancelled"))
    hidden = len(shown) - SHOWN_RUNS
    return render_view(
        _render_head(state),
        tag("div", state.compared, class_="ra-soft") if state.compared else None,
        _render_alert(state.failure),
        _render_alert(state.connection),
        *(_render_alert(note) for note in state.notes),
        *(_render_run(run) for run in shown[:SHOWN_RUNS]),
        tag("div", f"and {hidden} more runs", class_="ra-soft") if hidden > 0 else None,
    )


def _render_head(state: LiveState) -> Html:
    return tag(
        "div",
        tag("b", state.heading, role="status"),
        tag("span", say_when(state), class_="ra-soft ra-push"),
        class_="ra-head",
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


def _render_run(run: RunLine) -> Html:
    return tag(
        "div",
        tag(
            "div",
            tag("b", name_status(run)),
            tag("span", run.about),
            tag("code", run.run_id, class_="ra-soft ra-push ra-wide"),
            class_="ra-row",
        ),
        _render_bar(run.counts),
        tag(
            "div",
            tag("span", *(_render_count(state, count) for state, count in run.counts)),
            tag("span", " · ".join(list_facts(run)), class_="ra-soft ra-push"),
            class_="ra-row",
        ),
        _render_alert(run.message),
        class_="ra-run",
    )


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
    if run.eta is not None:
        facts.append(f"{format_range(*run.eta)} left")
    return [*facts, *run.marks]


def _render_bar(counts: Counts) -> Html:
    label = ", ".join(f"{count} {state}" for state, count in counts)
    # What waits has no colour: it is the rest of the bar. What runs is striped, so that it is told
    # from the others without colour, too.
    pieces = [
        tag(
            "span",
            title=f"{count} {state}",
            style=f"flex:{count} 0 0;background-color:{STATE_COLOURS[state]}",
            class_="ra-active" if state == "running" else None,
        )
        for state, count in counts
        if count and state not in ("queued", "pending")
    ]
    waiting = sum(count for state, count in counts if state in ("queued", "pending"))
    if waiting:
        pieces.append(tag("span", title=f"{waiting} waiting", style=f"flex:{waiting} 0 0"))
    return tag("div", *pieces, class_="ra-bar", role="img", aria_label=label)


def _render_count(state: str, count: int) -> Html:
    return tag("span", sign(state), f" {count} {state}", class_="ra-count")


def plain_text(state: LiveState, *, values: bool = False) -> str:
    """The state as text.

    Args:
        state: What is shown.
        values: Whether messages are in it that may quote expected and actual values.
    """
    above = (state.heading, state.compared, state.failure, state.connection, *state.notes)
    lines = [each for each in above if each]
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


def name_folded(state: LiveState) -> tuple[str, ...]:
    """What the folded lists are called, with how many evals are in them.

    These are ``apart``, ``known`` and ``passed``.
    """
    passed = f"Passed ({len(state.passed)})"
    kinds = Counter(name_transition(each.transition) for each in state.apart if each.transition)
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "0"
    return (f"Not counted as news ({said})", f"Known failures ({len(state.known)})", passed)


def describe_eval(line: EvalLine, *, values: bool) -> str:
    """An eval as one line of text: what became of it, and its message or only the cause."""
    why = line.message if values else line.cause
    said = "; ".join(each for each in (describe_change(line), why) if each)
    return one_line(f"{STATE_SIGNS[line.state]} {line.name} [{line.document}] {said}")


def static_page(state: LiveState, *, values: bool) -> Html:
    """The state as a page that is read without Jupyter.

    Args:
        state: What is shown.
        values: Whether expected and actual values are in it, and messages that may quote them.
    """
    several = len(state.runs) > 1
    lists = (state.apart, state.known, state.passed)
    nothing = say_nothing_new(state)
    return join(
        STYLE,
        render_top(state),
        render_evals(state.listed, limit=None, values=values, several=several, nothing=nothing),
        *(
            tag(
                "details",
                tag("summary", title),
                render_evals(lines, limit=None, values=values, several=several, nothing=""),
            )
            for title, lines in zip(name_folded(state), lists, strict=True)
            if lines
        ),
    )


def say_nothing_new(state: LiveState) -> str:
    """What to say while there is no bad news."""
    if state.phase == "watching":
        if state.news is None:
            return "Evals that do not pass will be listed here."
        return "Evals that broke, and suspects, will be listed here."
    if state.news is None:
        return "There is no eval that does not pass."
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
        counts = ", ".join(f"{count} {name}" for name, count in sum_counts(state).items())
        parts[1:1] = [_sum_statuses(state), f"{done} of {total} done", counts]
    return " · ".join(one_line(part) for part in parts if part)


def _sum_statuses(state: LiveState) -> str:
    """How many runs have each status; nothing where there is one run and the heading names it."""
    if len(state.runs) == 1:
        status = state.runs[0].status
        return "" if status in state.heading else status
    counts = Counter(run.status for run in state.runs)
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def render_briefly(state: LiveState) -> Html:
    """The whole view as one line and one bar: the compact form."""
    bar = _render_bar(tuple(sum_counts(state).items())) if state.runs else None
    line = tag("div", describe_briefly(state), class_="ra-row", role="status")
    return render_view(line, bar)


def static_line(state: LiveState) -> Html:
    """The compact form as a page that is read without Jupyter."""
    return join(STYLE, render_briefly(state))
