"""The state of a view as HTML: what the notebook shows and what a saved page keeps."""

from __future__ import annotations

from collections.abc import Sequence

from retab_analysis.markup import STATE_COLOURS, STATE_SIGNS, Html, join, sign, tag
from retab_analysis.widgets.pace import in_words, range_in_words
from retab_analysis.widgets.state import EvalLine, RunLine, WatchState

SHOWN_RUNS = 20
SHOWN_EVALS = 20
_CUT = 160

STYLE = Html("""<style>
.ra-view{font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);
 color:var(--jp-ui-font-color1,currentColor);
 --ra-line:color-mix(in srgb,currentColor 16%,transparent);
 --ra-soft:color-mix(in srgb,currentColor 65%,transparent)}
.ra-view .ra-head{display:flex;flex-wrap:wrap;gap:0 1em;align-items:baseline;margin-bottom:6px}
.ra-view .ra-head b{font-size:15px}
.ra-view .ra-soft{color:var(--ra-soft)}
.ra-view .ra-run{padding:6px 0 8px;border-top:1px solid var(--ra-line)}
.ra-view .ra-row{display:flex;flex-wrap:wrap;gap:0 1em;align-items:baseline}
.ra-view .ra-push{margin-left:auto}
.ra-view code{font:11px var(--jp-code-font-family,monospace);background:none;color:inherit;
 padding:0}
.ra-view .ra-bar{display:flex;height:12px;margin:5px 0;border-radius:3px;overflow:hidden;
 background:var(--ra-line)}
.ra-view .ra-bar span{min-width:3px;border-right:1px solid var(--jp-layout-color0,transparent)}
.ra-view .ra-bar .ra-active{
 background-image:repeating-linear-gradient(135deg,#0003 0 4px,#0000 4px 8px)}
.ra-view .ra-count{white-space:nowrap;margin-right:.9em}
.ra-view .ra-alert{border-left:3px solid #D55E00;padding:2px 8px;margin:4px 0}
.ra-view table{border-collapse:collapse;width:100%;table-layout:fixed;font-size:12px;margin:0}
.ra-view th{text-align:left;font-weight:600;color:var(--ra-soft);position:sticky;top:0;
 background:var(--jp-layout-color0,Canvas);z-index:1}
.ra-view th,.ra-view td{padding:3px 8px 3px 0;vertical-align:top;overflow-wrap:anywhere;
 text-align:left!important;border:0;white-space:normal}
.ra-view tbody tr{background:none!important}
.ra-view tbody td{border-top:1px solid var(--ra-line)}
.ra-view td code{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:3;
 overflow:hidden;white-space:pre-wrap}
.ra-view th.ra-sign{width:2.6em}
.ra-view{container-type:inline-size}
@container (max-width:560px){
 .ra-view .ra-wide,.ra-view thead{display:none}
 .ra-view table,.ra-view tbody,.ra-view tr,.ra-view td{display:block}
 .ra-view tbody tr{border-top:1px solid var(--ra-line);padding:4px 0 6px}
 .ra-view tbody td{border:0;padding:1px 0}
 .ra-view td:empty{display:none}
 .ra-view td[data-label]:not([data-label=""])::before{content:attr(data-label) " ";
  color:var(--ra-soft);font-size:11px}
 .ra-view td code{display:inline}
}
</style>""")


def view(*parts: object) -> Html:
    """Pieces as one view."""
    return tag("div", *parts, class_="ra-view")


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


def evals(
    lines: Sequence[EvalLine], *, limit: int | None, values: bool, several: bool, nothing: str
) -> Html:
    """A table of evals.

    Args:
        lines: The evals.
        limit: Show no more than so many, or all.
        values: Whether expected and actual values are shown.
        several: Whether they are of several runs.
        nothing: What to say where there are none.
    """
    if not lines:
        return view(tag("div", nothing, class_="ra-soft"))
    shown = lines if limit is None else lines[:limit]
    more = len(lines) - len(shown)
    columns = _columns(shown, values, several)
    return view(
        tag(
            "table",
            tag("thead", tag("tr", *(_heading(name) for name in columns))),
            tag("tbody", *(tag("tr", *_cells(line, columns)) for line in shown)),
        ),
        tag("div", f"and {more} more", class_="ra-soft") if more else None,
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


def _columns(lines: Sequence[EvalLine], values: bool, several: bool) -> list[str]:
    columns = ["", "eval", "document"]
    columns += ["expected", "actual"] if values else []
    columns += ["message"] if any(line.message for line in lines) else []
    return columns + (["run"] if several else [])


def _heading(name: str) -> Html:
    return tag("th", name, class_=None if name else "ra-sign", scope="col")


def _cells(line: EvalLine, columns: Sequence[str]) -> list[Html]:
    cells: dict[str, object] = {
        "": sign(line.state),
        "eval": line.name,
        "document": line.document,
        "expected": _value(line.expected),
        "actual": _value(line.actual),
        "message": line.message or "",
        "run": tag("code", line.run_id),
    }
    return [tag("td", cells[name], data_label=name) for name in columns]


def _value(text: str | None) -> Html:
    if text is None:
        return Html("")
    shown = text if len(text) <= _CUT else text[:_CUT] + "…"
    return tag("code", shown, title=text[:2_000])


def plain(state: WatchState) -> str:
    """The state as text, without expected and actual values."""
    lines = [state.heading + (f" (against {state.baseline})" if state.baseline else "")]
    lines += [each for each in (state.failure, state.connection, *state.notes) if each]
    for run in state.runs[:SHOWN_RUNS]:
        counts = ", ".join(f"{STATE_SIGNS[name]} {count} {name}" for name, count in run.counts)
        lines += [f"{run.words}: {run.about} ({run.run_id})", f"  {counts}"]
        lines.append("  " + " · ".join(facts(run)))
        lines += [f"  {run.message}"] if run.message else []
    lines += [f"  {one_line(line)}" for line in state.news[:SHOWN_EVALS]]
    more = len(state.news) - SHOWN_EVALS
    return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)


def one_line(line: EvalLine) -> str:
    """An eval as one line of text."""
    text = f"{STATE_SIGNS[line.state]} {line.name} [{line.document}] {line.message or ''}"
    return " ".join(text.split())


def page(state: WatchState, *, values: bool) -> Html:
    """The state as a page that is read without Jupyter."""
    several = len(state.runs) > 1
    folded = (("Did not pass before either", state.known), ("Passed", state.passed))
    return join(
        STYLE,
        top(state),
        evals(state.news, limit=None, values=values, several=several, nothing=nothing_new(state)),
        *(
            tag(
                "details",
                tag("summary", f"{title} ({len(lines)})"),
                evals(lines, limit=None, values=values, several=several, nothing=""),
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
