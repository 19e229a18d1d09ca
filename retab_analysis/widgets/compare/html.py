"""A comparison that is looked at, as HTML and text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from retab_analysis.comparison.render import BLOCKS, SIGNS, VERDICTS
from retab_analysis.comparison.wording import counted, headline, phrase
from retab_analysis.markup import Html, join, name, one_line, sign, tag
from retab_analysis.widgets.common.text import documents, eval_name, milliseconds
from retab_analysis.widgets.compare.state import Versus
from retab_analysis.widgets.compare.style import STYLE

SAME = "Baseline and candidate are the same. Choose two that differ."
NOTHING = "No eval is listed. Press one of the buttons above the list."

_LONGEST = 20_000
_PATHS = 60
_SIDES = {"expected": "Expected", "baseline": "Baseline", "candidate": "Candidate"}
_VALUES = dict(zip(_SIDES, ("expected_value", "baseline_actual", "candidate_actual"), strict=True))
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')


def head(state: Versus) -> Html:
    """The verdict, what the numbers say, and the gate."""
    if state.same:
        return _view(tag("div", SAME, class_="ra-alert", role="status"))
    comparison = state.comparison
    words, kind = VERDICTS[comparison.verdict]
    said = headline(comparison.summary.row(0, named=True), comparison.evals)
    return _view(
        tag(
            "div",
            tag("span", words, class_=f"rta-{kind}"),
            tag("span", f" · {said}", class_="ra-rest"),
            class_="ra-verdict",
            role="status",
        ),
        tag("div", comparison.explain(), class_="ra-text ra-soft"),
        _gate(state),
    )


def _view(*children: object) -> Html:
    return tag("div", *children, class_="ra-view rta")


def _gate(state: Versus) -> Html:
    words, kind = ("✓ Gate holds", "good") if state.gate else ("✗ Gate does not hold", "bad")
    said = tag("b", words, class_=f"rta-{kind}")
    if not state.gate.reasons:
        return tag("div", said, class_="ra-gate")
    opened = tag("summary", said, tag("span", " · why", class_="ra-soft"))
    reasons = tag("ul", *(tag("li", reason) for reason in state.gate.reasons))
    return tag("details", opened, reasons, class_="ra-gate")


def chip(transition: str, count: int) -> str:
    """What stands on the button of a transition."""
    return f"{SIGNS[transition][0]} {phrase(transition)} {count}"


def options(state: Versus) -> tuple[tuple[str, str], ...]:
    """The evals of the list, each with its id."""
    return tuple((_option(row), row["eval_id"]) for row in state.listed)


def _option(row: Mapping[str, Any]) -> str:
    return f"{SIGNS[row['transition']][0]}  {eval_name(row)}"


def position(state: Versus) -> str:
    """Which eval of how many is open."""
    if state.place is None:
        return "none listed"
    shown = len(state.listed)
    more = f" (the first of {shown + state.hidden:,})" if state.hidden else ""
    return f"{state.place + 1} of {shown:,}{more}"


def detail(state: Versus) -> Html:
    """The open eval: what became of it, where, and its values side by side."""
    row = state.row
    if row is None:
        content: tuple[object, ...] = (tag("div", NOTHING, class_="ra-soft"),)
    else:
        said = state.told("candidate")["failure_message"]
        content = (
            _title(row),
            _facts(state, row),
            *(tag("div", name(each)) for each in (row["reason"], said) if each),
            _values(row),
            _paths(state, row["eval_id"]),
        )
    return tag(
        "div",
        *content,
        class_="ra-view rta ra-detail",
        tabindex="0",
        role="region",
        aria_label="The eval",
    )


def _title(row: Mapping[str, Any]) -> Html:
    mark, kind = SIGNS[row["transition"]]
    what = tag("span", f"{mark} {phrase(row['transition'])}", class_=f"rta-tag rta-{kind}")
    return tag("div", what, " · ", name(eval_name(row)), class_="ra-title", title=row["eval_id"])


def _facts(state: Versus, row: Mapping[str, Any]) -> Html:
    facts = {
        "": join(_side(row, "baseline"), _side(row, "candidate"), by=" → "),
        "block": _block(row),
        "document": documents(row),
        "path": state.told("candidate")["path"] or state.told("baseline")["path"],
        "took": _took(row["duration_delta_ms"]),
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
    return tag("div", *shown, class_="ra-row")


def _side(row: Mapping[str, Any], side: str) -> Html:
    state, n, rate = (row[f"{side}_{each}"] for each in ("state", "n", "pass_rate"))
    if state is None:
        return tag("span", "absent")
    mark = tag("span", "~", title=state) if state == "mixed" else sign(state)
    return join(mark, f" {state}", _of(n, round(rate * n)) if n > 1 else None)


def _of(n: int, passed: int) -> str:
    many = {n: f"all {n}", 0: f"none of {n} passed"}
    return f" ({many.get(passed, f'{passed} of {n} passed')})"


def _block(row: Mapping[str, Any]) -> Html | None:
    if row["block_id"] is None:
        return None
    code = BLOCKS[row["block_changed"]]
    block = name(one_line(row["block_id"]))
    return join(block, f" (code {code})") if code else block


def _took(delta: int | None) -> str | None:
    if delta is None:
        return None
    return f"{milliseconds(abs(delta))} {'longer' if delta > 0 else 'less'}" if delta else "as long"


def _values(row: Mapping[str, Any]) -> Html:
    columns = (
        tag("section", tag("h4", title, _which(row, side)), _value(row[_VALUES[side]]))
        for side, title in _SIDES.items()
    )
    return tag("div", *columns, class_="ra-values")


def _which(row: Mapping[str, Any], side: str) -> str | None:
    """Which of several results is shown, where they differ."""
    return ": the newest that did not pass" if row.get(f"{side}_state") == "mixed" else None


def _value(text: str | None) -> Html:
    if text is None:
        return tag("div", "no value", class_="ra-none")
    if len(text) <= _LONGEST:
        return tag("pre", in_lines(text))
    return tag("pre", f"{text[:_LONGEST]}… and {len(text) - _LONGEST:,} characters more")


def in_lines(text: str) -> str:
    """Compact JSON in lines; every scalar stays as it was written.

    Example:
        >>> print(in_lines('{"price":1.10,"lines":[]}'))
        {
          "price": 1.10,
          "lines": []
        }
    """
    try:
        if not isinstance(json.loads(text), dict | list):
            return text
    except (ValueError, RecursionError):
        return text
    pieces, depth, last = [], 0, ""
    for token in _TOKEN.findall(text):
        depth -= token in ("}", "]")
        opened = last in ("{", "[")
        if (
            (opened and token not in ("}", "]"))
            or last == ","
            or (token in ("}", "]") and not opened)
        ):
            pieces.append("\n" + "  " * depth)
        pieces.append(": " if token == ":" else token)
        depth += token in ("{", "[")
        last = token
    return "".join(pieces)


def _paths(state: Versus, eval_id: str) -> Html | None:
    differing = state.comparison.diff(eval_id)
    if not differing.height or differing["path"].to_list() == ["$"]:
        return None  # scalars stand side by side already
    moved = pl.col("baseline").ne_missing(pl.col("candidate"))
    rows = differing.with_columns(moved=moved).sort("moved", descending=True, maintain_order=True)
    more = rows.height - _PATHS
    header = tag("tr", *(tag("th", each, scope="col") for each in ("Path", *_SIDES.values())))
    body = (_path(row) for row in rows.head(_PATHS).iter_rows(named=True))
    return join(
        tag("h4", f"Where they differ: {counted(rows.height, 'path')}"),
        tag("table", tag("thead", header), tag("tbody", *body)),
        tag("div", f"… and {more:,} more", class_="ra-soft") if more > 0 else None,
    )


def _path(row: Mapping[str, Any]) -> Html:
    cells = [tag("td", tag("code", row["path"]), data_label="")]
    for side, title in _SIDES.items():
        moved = side == "candidate" and row["moved"]
        value = "" if row[side] is None else tag("code", row[side])
        cells.append(tag("td", value, data_label=title, class_="ra-moved" if moved else None))
    return tag("tr", *cells)


def page(state: Versus) -> Html:
    """What a saved page keeps: no expected and no actual values."""
    said: Sequence[object] = (
        (tag("div", SAME, class_="ra-alert"),)
        if state.same
        else (Html(state.comparison.to_html(values=False)), _gate(state))
    )
    return join(STYLE, _view(*said))


def plain(state: Versus) -> str:
    """The state as text, without expected and actual values."""
    if state.same:
        return f"{state.side(state.baseline).words}\n{SAME}"
    gate = "Gate holds." if state.gate else "Gate does not hold."
    return "\n".join([repr(state.comparison), " ".join([gate, *state.gate.reasons])])
