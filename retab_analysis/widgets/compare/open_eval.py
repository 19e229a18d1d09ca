"""The open eval as HTML: what became of it and how sure that is, its history, its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from retab_analysis.comparison.config_changes import readable
from retab_analysis.comparison.detail import mark_change
from retab_analysis.comparison.json_diff import is_moved
from retab_analysis.comparison.word_marks import mark_words
from retab_analysis.markup import Html, join, name, one_line, tag, without_controls
from retab_analysis.render.html import write_html_line
from retab_analysis.widgets.compare.compared import SIDES, join_sides, label_transition, mark_side
from retab_analysis.widgets.compare.state import CompareState
from retab_analysis.widgets.elements import beside, copy_bar
from retab_analysis.widgets.phrases import (
    count_noun,
    format_milliseconds,
    format_probability,
    label_documents,
    label_eval,
    shorten_version,
)
from retab_analysis.widgets.values import mark_segments

_LONGEST = 20_000  # characters of a value
_PATHS = 60
_RUNS = 24  # signs of a history, on each side
_CODE = {True: "edited", False: "not edited", None: ""}
_VALUES = {"Expected": "expected_value", "Before": "baseline_actual", "Now": "candidate_actual"}

Row = Mapping[str, Any]


def render_eval(state: CompareState, row: Row, *, values: bool, live: bool = True) -> Html:
    """All that is known of an eval, a row of ``Comparison.evals``."""
    failure = one_line(row["failure"]) if values else ""
    ids = _list_ids(state, row)
    if live:
        known = copy_bar(ids, label="Copy the id of")
    else:
        shown = (join(f"{words} ", tag("code", one_line(text))) for words, text in ids)
        known = tag("div", join(*shown, by=" · "), class_="ra-soft")
    return join(
        _render_facts(state, row, values),
        _render_history(state, row),
        *(tag("div", name(each)) for each in (one_line(row["reason"]), failure) if each),
        known,
        *(_render_values(state, row) if values else ()),
    )


def render_title(row: Row) -> Html:
    """What became of an eval, and its name."""
    return join(f"{label_transition(row)} · ", name(label_eval(row)))


def _render_facts(state: CompareState, row: Row, values: bool) -> Html:
    p, block, delta = row["p_regressed"], row["block_id"], row["duration_delta_ms"]
    # How sure it is that the eval got worse, and what would settle that.
    sure = [] if p is None else [format_probability(p)]
    for word, nouns in (("clear", ("pass", "passes")), ("confirm", ("failure", "failures"))):
        if p is not None and (n := row[f"reruns_to_{word}"]):
            sure.append(f"{n} more {nouns[n > 1]} would {word} it")
    code = _CODE[row["block_changed"]]
    longer = "longer" if (delta or 0) > 0 else "less"
    took = f"{format_milliseconds(abs(delta))} {longer}" if delta else "as long"
    facts: dict[str, object] = {
        "": join_sides(_describe_side(row, side) for side in SIDES),
        "got worse": ", ".join(sure),
        "block": block and join(name(one_line(block)), f" (code {code})" if code else None),
        "document": label_documents(row),
        "path": _either_side(state, row, "path") if values else None,
        "asserted": one_line(row["condition"]) if values else None,
        "took": None if delta is None else took,
    }
    shown = (
        tag(
            "span",
            tag("span", f"{title} ", class_="ra-soft") if title else None,
            value if isinstance(value, Html) else name(value),
        )
        for title, value in facts.items()
        if value
    )
    return beside(*shown)


def _either_side(state: CompareState, row: Row, what: str) -> Any:
    return state.result_of(row, "candidate")[what] or state.result_of(row, "baseline")[what]


def _describe_side(row: Row, side: str) -> Html:
    state, n, rate = (row[f"{side}_{each}"] for each in ("state", "n", "pass_rate"))
    if state is None:
        return tag("span", "absent")
    passed = _describe_passed(n, round(rate * n)) if n > 1 else None
    return join(mark_side(state), f" {state}", passed)


def _describe_passed(n: int, passed: int) -> str:
    many = {n: f"all {n}", 0: f"none of {n} passed"}
    return f" ({many.get(passed, f'{passed} of {n} passed')})"


def _render_history(state: CompareState, row: Row) -> Html:
    """A sign for each run, before the candidate and on its side; a line where it got worse."""
    since = row["since_run_id"]
    parts, said = [], []
    for title, runs in zip(("before", "now"), state.history_of(row["eval_id"]), strict=True):
        shown = runs.tail(_RUNS)
        newest = f" (newest {_RUNS})" if runs.height > _RUNS else ""
        parts.append(tag("span", title, newest, class_="ra-soft"))
        for run in shown.iter_rows(named=True):
            if run["run_id"] == since:
                parts.append(tag("span", title="Worse since this run", class_="ra-step"))
            parts.append(mark_side(run["state"], _describe_run(run)))
        parts += [tag("span", "no run")] if runs.is_empty() else []
        said.append(f"{title} {', '.join(shown['state']) or 'no run'}")
    if since is not None:
        said.append(f"worse since run {one_line(since)}")
    label = "; ".join(said)
    return tag("div", join(*parts, by=" "), role="img", aria_label=label, class_="ra-signs")


def _describe_run(run: Row) -> str:
    """What a sign of the history stands for."""
    many = _describe_passed(run["n"], round((run["pass_rate"] or 0) * run["n"]))
    version, moment = run["workflow_version_id"], run["run_created_at"]
    parts = [
        run["state"] + (many if run["n"] > 1 else ""),
        "" if moment is None else f"{moment:%Y-%m-%d %H:%M}",
        "" if version is None else shorten_version(one_line(version)),
        one_line(run["run_id"]),
    ]
    return " · ".join(part for part in parts if part)


def _list_ids(state: CompareState, row: Row) -> list[tuple[str, str]]:
    """The ids by which an eval, its results and its documents are asked for."""
    documents = [each for each in _either_side(state, row, "document_ids") or () if each]
    known = [
        ("eval", row["eval_id"]),
        ("since", row["since_version_id"] or row["since_run_id"]),
        *((f"{side} result", row[f"{side}_result_id"]) for side in SIDES),
        *((f"{side} run", row[f"{side}_run_id"]) for side in SIDES),
        *(("document", each) for each in documents),
    ]
    return [(words, text) for words, text in known if text]


def _render_values(state: CompareState, row: Row) -> Iterator[Html]:
    """Where the values differ, and the values: side by side, or one in the other if it is narrow.

    Before and now are the same text twice, with all that was removed and added. Which of the two is
    seen of each, and whether both are, depends on the room.
    """
    if (paths := _render_paths(state, row["eval_id"])) is not None:
        yield paths
    expected, before, now = (row[column] for column in _VALUES.values())
    # Where several results differ, it is said which one is shown.
    mixed = " (the newest that did not pass)"
    was, is_ = (
        f"{title}{mixed if row[f'{side}_state'] == 'mixed' else ''}"
        for side, title in zip(SIDES, [*_VALUES][1:], strict=True)
    )
    if before is None or now is None or before == now:
        columns = [
            _render_column(title, _render_text(text)) for title, text in ((was, before), (is_, now))
        ]
    else:
        marked = join(*mark_segments(mark_words(indent(before), indent(now))))
        inline = join(tag("span", f"{was} → ", class_="ra-inline"), is_)
        columns = [_render_column(was, marked, "ra-was"), _render_column(inline, marked, "ra-is")]
    shown = _render_column("Expected", _render_text(expected))
    yield tag("div", shown, *columns, class_="ra-values")


def _render_column(title: str, shown: Html, css_class: str | None = None) -> Html:
    return tag("div", tag("h4", title), tag("pre", shown), class_=css_class)


def _render_text(text: str | None) -> Html:
    if text is None:
        return tag("i", "no value", class_="ra-soft")
    return join(without_controls(indent(text)))


def indent(text: str) -> str:
    """JSON in lines, every number and string as it was written; too long a text is cut.

    Example:
        >>> print(indent('{"price":1.10,"lines":[]}'))
        {
          "price": 1.10,
          "lines": []
        }
    """
    # A string keeps its quotes: "7" is not 7.
    shown = readable(text) if text.startswith(("{", "[")) else text
    more = len(shown) - _LONGEST
    return shown if more <= 0 else f"{shown[:_LONGEST]}… and {more:,} characters more"


def _render_paths(state: CompareState, eval_id: str) -> Html | None:
    # The first row is the whole values, which stand side by side already.
    differing = state.comparison.diff(eval_id).slice(1)
    if differing.is_empty():
        return None
    # Paths at which the candidate differs from the baseline first; the others differ only from what
    # was expected. An item that only moved has the same text on both sides.
    rows = sorted(
        differing.iter_rows(named=True),
        key=lambda row: row["baseline"] == row["candidate"] and not is_moved(row["path"]),
    )
    more = len(rows) - _PATHS
    # An eval of one part of a value expects nothing of the rest.
    expects = any(row["expected"] is not None for row in rows)
    titles = ["Path", *(["Expected"] if expects else []), "Before → now"]
    head = tag("tr", *(tag("th", each, scope="col") for each in titles))
    body = []
    for row in rows[:_PATHS]:
        expected = [tag("code", row["expected"] or "–")] if expects else []
        changed = tag("code", write_html_line(mark_change(row["baseline"], row["candidate"])))
        cells = (tag("code", row["path"]), *expected, changed)
        body.append(tag("tr", *(tag("td", each) for each in cells)))
    return join(
        tag("h4", f"Where they differ: {count_noun(len(rows), 'path')}"),
        tag("table", tag("thead", head), tag("tbody", *body)),
        tag("div", f"… and {more:,} more", class_="ra-soft") if more > 0 else None,
    )
