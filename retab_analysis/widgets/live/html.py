"""The state of a view as HTML: what the notebook shows and what a saved page keeps."""

from __future__ import annotations

from retab_analysis.markup import STATE_COLOURS, STATE_SIGNS, Html, join, sign, tag
from retab_analysis.widgets.common.html import SHOWN_EVALS, STYLE, EvalLine, eval_table, view
from retab_analysis.widgets.common.text import in_words, range_in_words
from retab_analysis.widgets.live.state import RunLine, WatchState

SHOWN_RUNS = 20


def top(state: WatchState) -> Html:
    """Heading, trouble, and one card for each run."""
    shown = sorted(state.runs, key=lambda run: run.status in ("completed", "cancelled"))
    hidden = len(shown) - SHOWN_RUNS
    return view(
        _head(state),
        _alert(state.failure),
        _alert(state.connection),
        *(_alert(note) for note in state.notes),
        *(_run(run) for run in shown[:SHOWN_RUNS]),
        tag("div", f"and {hidden} more runs", class_="ra-soft") if hidden > 0 else None,
    )


def _head(state: WatchState) -> Html:
    phase = {"watching": "refreshed", "stopped": "stopped, last seen"}.get(state.phase, "last seen")
    baseline = f"against {state.baseline}" if state.baseline else None
    return tag(
        "div",
        tag("b", state.heading, role="status"),
        tag("span", baseline, class_="ra-soft") if baseline else None,
        tag("span", f"{phase} {state.refreshed}", class_="ra-soft ra-push"),
        class_="ra-head",
    )


def _alert(text: str | None) -> Html | None:
    return tag("div", text, class_="ra-alert") if text else None


def _run(run: RunLine) -> Html:
    return tag(
        "div",
        tag(
            "div",
            tag("b", run.words),
            tag("span", run.about),
            tag("code", run.run_id, class_="ra-soft ra-push ra-wide"),
            class_="ra-row",
        ),
        _bar(run),
        tag(
            "div",
            tag("span", *(_count(state, count) for state, count in run.counts)),
            tag("span", " · ".join(facts(run)), class_="ra-soft ra-push"),
            class_="ra-row",
        ),
        _alert(run.message),
        class_="ra-run",
    )


def facts(run: RunLine) -> list[str]:
    """What the numbers of a run say, in words."""
    found = [f"{run.done} of {run.total} done"]
    if run.waited is not None:
        found.append(f"{in_words(run.waited)} in the queue")
    if run.ran is not None:
        found.append(f"{in_words(run.ran)} running")
    if run.rate is not None:
        found.append(f"{run.rate:.0f} evals a minute")
    if run.eta is not None:
        found.append(f"{range_in_words(*run.eta)} left")
    return [*found, *run.marks]


def _bar(run: RunLine) -> Html:
    label = ", ".join(f"{count} {state}" for state, count in run.counts)
    pieces = [
        tag(
            "span",
            title=f"{count} {state}",
            style=f"flex:{count} 0 0;background-color:{STATE_COLOURS[state]}",
            class_="ra-active" if state == "running" else None,
        )
        for state, count in run.counts
        if state not in ("queued", "pending")
    ]
    waiting = sum(count for state, count in run.counts if state in ("queued", "pending"))
    if waiting:
        pieces.append(tag("span", title=f"{waiting} waiting", style=f"flex:{waiting} 0 0"))
    return tag("div", *pieces, class_="ra-bar", role="img", aria_label=label)


def _count(state: str, count: int) -> Html:
    return tag("span", sign(state), f" {count} {state}", class_="ra-count")


def plain(state: WatchState, *, values: bool = False) -> str:
    """The state as text; ``values`` for messages that may quote expected and actual values."""
    lines = [state.heading + (f" (against {state.baseline})" if state.baseline else "")]
    lines += [each for each in (state.failure, state.connection, *state.notes) if each]
    for run in state.runs[:SHOWN_RUNS]:
        counts = ", ".join(f"{STATE_SIGNS[name]} {count} {name}" for name, count in run.counts)
        lines += [f"{run.words}: {run.about} ({run.run_id})", f"  {counts}"]
        lines.append("  " + " · ".join(facts(run)))
        lines += [f"  {run.message}"] if run.message else []
    lines += [f"  {one_line(line, values=values)}" for line in state.news[:SHOWN_EVALS]]
    more = len(state.news) - SHOWN_EVALS
    return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)


def one_line(line: EvalLine, *, values: bool) -> str:
    """An eval as one line of text, with its message or only the cause."""
    why = line.message if values else line.cause
    text = f"{STATE_SIGNS[line.state]} {line.name} [{line.document}] {why or ''}"
    return " ".join(text.split())


def page(state: WatchState, *, values: bool) -> Html:
    """The state as a page that is read without Jupyter."""
    several = len(state.runs) > 1
    folded = (("Did not pass before either", state.known), ("Passed", state.passed))
    return join(
        STYLE,
        top(state),
        eval_table(
            state.news, limit=None, values=values, several=several, nothing=nothing_new(state)
        ),
        *(
            tag(
                "details",
                tag("summary", f"{title} ({len(lines)})"),
                eval_table(lines, limit=None, values=values, several=several, nothing=""),
            )
            for title, lines in folded
            if lines
        ),
    )


def nothing_new(state: WatchState) -> str:
    """What to say while there is no bad news."""
    if state.phase == "watching":
        return "Evals that do not pass will be listed here."
    return "No eval that passed before fails." if state.baseline else "Nothing that does not pass."
