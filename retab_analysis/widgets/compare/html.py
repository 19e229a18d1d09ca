"""A comparison that is looked at, as HTML and text.

Only here does the view use the signs and phrases in which ``comparison`` tells its findings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from retab_analysis.comparison.render import BLOCKS, SIGNS, VERDICTS
from retab_analysis.comparison.wording import phrase
from retab_analysis.markup import STYLE as COLOURS
from retab_analysis.markup import Html, join, name, one_line, sign, tag
from retab_analysis.widgets.common.html import STYLE as VIEW
from retab_analysis.widgets.common.html import render_plot
from retab_analysis.widgets.common.text import (
    count_noun,
    format_milliseconds,
    label_documents,
    label_eval,
)
from retab_analysis.widgets.compare.state import SIDE_COLUMNS, CompareState

SAME = "Baseline and candidate are the same. Choose two that differ."
NOTHING = "No eval is listed. Press one of the buttons above the list."

_LONGEST = 20_000
_PATHS = 60
_SIDES = {"expected": "Expected", "baseline": "Baseline", "candidate": "Candidate"}
_VALUES = dict(zip(_SIDES, ("expected_value", "baseline_actual", "candidate_actual"), strict=True))
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
# More evals and columns than that cannot be told apart in a plot.
_PLOTTED_EVALS, _PLOTTED_COLUMNS = 60, 16

HEIGHT = 420
"""Pixels of the list, and of what is beside it."""

STYLE = Html(
    f"<style>{COLOURS}</style>{VIEW}"
    """<style>
.ra-compare{container-type:inline-size;--ra-line:color-mix(in srgb,currentColor 16%,transparent);
 color:var(--jp-ui-font-color1,currentColor)}
.ra-compare .widget-html,.ra-compare .widget-html-content{margin:0;line-height:inherit}
.ra-compare .widget-label{font-size:12px}
.ra-compare .widget-dropdown>select{text-overflow:ellipsis}
.ra-verdict{font-size:15px;font-weight:600;margin:4px 0 2px}
.ra-verdict .ra-rest{font-weight:400}
.ra-view .ra-text{max-width:105ch;white-space:pre-line}
.ra-view .ra-gate{margin-top:4px}
.ra-view summary{cursor:pointer;width:fit-content}
.ra-view .ra-gate ul{margin:2px 0 0;padding-left:1.4em;max-height:8em;overflow:auto}
.ra-chips{gap:6px;padding:8px 0 4px}
.ra-chips .widget-toggle-button{border-radius:999px;border:1px solid var(--ra-line);height:26px;
 line-height:24px;padding:0 11px;margin:0;background:transparent;box-shadow:none;
 color:inherit;opacity:.85}
.ra-chips .widget-toggle-button.mod-active{opacity:1;font-weight:600;border-color:currentColor;
 background:color-mix(in srgb,currentColor 12%,transparent)}
.ra-compare button:focus-visible,.ra-compare select:focus-visible,.ra-compare input:focus-visible,
.ra-compare summary:focus-visible,.ra-compare [tabindex]:focus-visible{
 outline:2px solid var(--jp-brand-color1,#56B4E9);outline-offset:1px}
.ra-evals{flex-flow:column!important;align-items:stretch!important}
.ra-evals>.widget-label{width:auto!important;text-align:left;height:20px;line-height:20px}
.ra-evals>select{flex:1 1 auto;width:100%;height:100%;font-size:12px;border-radius:4px;
 padding:4px 0}
.ra-evals>select option{padding:2px 8px}
.ra-detail{height:100%;overflow:auto;box-sizing:border-box;border:1px solid var(--ra-line);
 border-radius:4px;padding:8px 12px}
.ra-detail{overflow-wrap:anywhere}
.ra-detail .ra-title{font-size:14px;font-weight:600;margin-bottom:3px}
.ra-detail .ra-row{gap:1px 1.4em}
.ra-detail .ra-values{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:10px;
 margin:10px 0}
.ra-detail h4{font-size:12px;font-weight:600;margin:0 0 3px;padding:0;color:var(--ra-soft)}
.ra-detail pre{font:12px/1.45 var(--jp-code-font-family,monospace);white-space:pre-wrap;
 word-break:normal;overflow-wrap:anywhere;max-height:210px;overflow:auto;margin:0;padding:6px 8px;
 border-radius:4px;color:inherit;background:color-mix(in srgb,currentColor 7%,transparent)}
.ra-detail .ra-none{color:var(--ra-soft);font-style:italic}
.ra-detail td code{display:block;max-height:9em;overflow:auto;overflow-wrap:anywhere}
.ra-detail td.ra-moved code{font-weight:700}
.ra-panes{gap:10px}
.ra-keys{font-size:11px;margin-left:6px}
.ra-compare .ra-plots{overflow:auto;max-height:540px}
.ra-compare .ra-plots svg{max-width:100%;min-width:560px;height:auto}
@container (max-width:700px){.ra-evals{height:190px!important}}
@container (max-width:560px){.ra-detail .ra-values{grid-template-columns:minmax(0,1fr)}}
</style>"""
)


def render_head(state: CompareState) -> Html:
    """The verdict, what the numbers say, and the gate."""
    if state.same:
        return _render_view(tag("div", SAME, class_="ra-alert", role="status"))
    comparison = state.comparison
    words, kind = VERDICTS[comparison.verdict]
    said = comparison.headline
    return _render_view(
        tag(
            "div",
            tag("span", words, class_=f"rta-{kind}"),
            tag("span", f" · {said}", class_="ra-rest"),
            class_="ra-verdict",
            role="status",
        ),
        tag("div", comparison.explain(), class_="ra-text ra-soft"),
        _render_gate(state),
    )


def _render_view(*children: object) -> Html:
    return tag("div", *children, class_="ra-view rta")


def _render_gate(state: CompareState) -> Html:
    words, kind = ("✓ Gate holds", "good") if state.gate else ("✗ Gate does not hold", "bad")
    said = tag("b", words, class_=f"rta-{kind}")
    if not state.gate.reasons:
        return tag("div", said, class_="ra-gate")
    opened = tag("summary", said, tag("span", " · why", class_="ra-soft"))
    reasons = tag("ul", *(tag("li", reason) for reason in state.gate.reasons))
    return tag("details", opened, reasons, class_="ra-gate")


def label_chip(transition: str, count: int) -> str:
    """What stands on the button of a transition."""
    return f"{SIGNS[transition][0]} {phrase(transition)} {count}"


def list_options(state: CompareState) -> tuple[tuple[str, str], ...]:
    """The evals of the list, each with its id."""
    return tuple((_label_option(row), row["eval_id"]) for row in state.listed)


def _label_option(row: Mapping[str, Any]) -> str:
    return f"{SIGNS[row['transition']][0]}  {label_eval(row)}"


def describe_position(state: CompareState) -> str:
    """Which eval of how many is open."""
    if state.place is None:
        return "none listed"
    shown = len(state.listed)
    more = f" (the first of {shown + state.hidden:,})" if state.hidden else ""
    return f"{state.place + 1} of {shown:,}{more}"


def render_detail(state: CompareState) -> Html:
    """The open eval: what became of it, where, and its values side by side."""
    row = state.row
    if row is None:
        content: tuple[object, ...] = (tag("div", NOTHING, class_="ra-soft"),)
    else:
        said = (row["reason"], row["failure"])
        content = (
            _render_title(row),
            _render_facts(state, row),
            *(tag("div", name(one_line(each))) for each in said if each),
            _render_ids(state, row),
            _render_values(row),
            _render_paths(state, row["eval_id"]),
        )
    return tag(
        "div",
        *content,
        class_="ra-view rta ra-detail",
        tabindex="0",
        role="region",
        aria_label="The eval",
    )


def _render_title(row: Mapping[str, Any]) -> Html:
    mark, kind = SIGNS[row["transition"]]
    what = tag("span", f"{mark} {phrase(row['transition'])}", class_=f"rta-tag rta-{kind}")
    return tag("div", what, " · ", name(label_eval(row)), class_="ra-title", title=row["eval_id"])


def _render_facts(state: CompareState, row: Mapping[str, Any]) -> Html:
    facts = {
        "": join(_render_side(row, "baseline"), _render_side(row, "candidate"), by=" → "),
        "block": _render_block(row),
        "document": label_documents(row),
        "path": _either_side(state, "path"),
        "asserted": one_line(row["condition"]),
        "took": _describe_delay(row["duration_delta_ms"]),
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


def _either_side(state: CompareState, what: str) -> Any:
    return state.result_of("candidate")[what] or state.result_of("baseline")[what]


def _render_ids(state: CompareState, row: Mapping[str, Any]) -> Html | None:
    """The ids by which results and documents are asked for."""
    results = [row[f"{side}_result_id"] for side in ("baseline", "candidate")]
    documents = [each for each in _either_side(state, "document_ids") or () if each]
    groups = {"results": results, "documents": documents}
    shown = [
        join(f"{title} ", join(*(tag("code", one_line(each)) for each in ids if each), by=" → "))
        for title, ids in groups.items()
        if any(ids)
    ]
    return tag("div", join(*shown, by=" · "), class_="ra-soft") if shown else None


def _render_side(row: Mapping[str, Any], side: str) -> Html:
    state, n, rate = (row[f"{side}_{each}"] for each in ("state", "n", "pass_rate"))
    if state is None:
        return tag("span", "absent")
    # ``mixed`` is a state of several results; a single one cannot have it, and it has no colour.
    mark = tag("span", "~", title=state) if state == "mixed" else sign(state)
    return join(mark, f" {state}", _describe_passed(n, round(rate * n)) if n > 1 else None)


def _describe_passed(n: int, passed: int) -> str:
    many = {n: f"all {n}", 0: f"none of {n} passed"}
    return f" ({many.get(passed, f'{passed} of {n} passed')})"


def _render_block(row: Mapping[str, Any]) -> Html | None:
    if row["block_id"] is None:
        return None
    code = BLOCKS[row["block_changed"]]
    block = name(one_line(row["block_id"]))
    return join(block, f" (code {code})") if code else block


def _describe_delay(delta: int | None) -> str | None:
    if not delta:
        return None if delta is None else "as long"
    return f"{format_milliseconds(abs(delta))} {'longer' if delta > 0 else 'less'}"


def _render_values(row: Mapping[str, Any]) -> Html:
    columns = (
        tag(
            "section",
            tag("h4", title, _describe_shown(row, side)),
            _render_value(row[_VALUES[side]]),
        )
        for side, title in _SIDES.items()
    )
    return tag("div", *columns, class_="ra-values")


def _describe_shown(row: Mapping[str, Any], side: str) -> str | None:
    """Which of several results is shown, where they differ."""
    return ": the newest that did not pass" if row.get(f"{side}_state") == "mixed" else None


def _render_value(text: str | None) -> Html:
    if text is None:
        return tag("div", "no value", class_="ra-none")
    if len(text) <= _LONGEST:
        return tag("pre", indent_json(text))
    return tag("pre", f"{text[:_LONGEST]}… and {len(text) - _LONGEST:,} characters more")


def indent_json(text: str) -> str:
    """Compact JSON in lines; every scalar stays as it was written.

    Example:
        >>> print(indent_json('{"price":1.10,"lines":[]}'))
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
    # Not by parsing and dumping: that would write 1.10 as 1.1 and 1e400 as Infinity.
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


def _render_paths(state: CompareState, eval_id: str) -> Html | None:
    differing = state.comparison.diff(eval_id)
    if not differing.height or differing["path"].to_list() == ["$"]:
        # Both values are scalars, and stand side by side already.
        return None
    # Paths at which the candidate differs from the baseline first; the others differ only from what
    # was expected.
    # An item that only moved has the same text on both sides, and a path that says so.
    moved = pl.col("baseline").ne_missing(pl.col("candidate")) | pl.col("path").str.ends_with("])")
    rows = differing.with_columns(moved=moved).sort("moved", descending=True, maintain_order=True)
    more = rows.height - _PATHS
    header = tag("tr", *(tag("th", each, scope="col") for each in ("Path", *_SIDES.values())))
    body = (_render_path(row) for row in rows.head(_PATHS).iter_rows(named=True))
    return join(
        tag("h4", f"Where they differ: {count_noun(rows.height, 'path')}"),
        tag("table", tag("thead", header), tag("tbody", *body)),
        tag("div", f"… and {more:,} more", class_="ra-soft") if more > 0 else None,
    )


def _render_path(row: Mapping[str, Any]) -> Html:
    cells = [tag("td", tag("code", row["path"]), data_label="")]
    for side, title in _SIDES.items():
        moved = side == "candidate" and row["moved"]
        value = "" if row[side] is None else tag("code", row[side])
        cells.append(tag("td", value, data_label=title, class_="ra-moved" if moved else None))
    return tag("tr", *cells)


def static_page(state: CompareState, *, values: bool) -> Html:
    """The comparison as a page that is read without Jupyter.

    Args:
        state: What is compared.
        values: Whether expected and actual values are in it.
    """
    said: Sequence[object] = (
        (tag("div", SAME, class_="ra-alert"),)
        if state.same
        else (Html(state.comparison.to_html(values=values)), _render_gate(state))
    )
    return join(STYLE, _render_view(*said))


def plain_text(state: CompareState) -> str:
    """The state as text, without expected and actual values."""
    if state.same:
        return f"{state.side(state.baseline).words}\n{SAME}"
    gate = "Gate holds." if state.gate else "Gate does not hold."
    return "\n".join([repr(state.comparison), " ".join([gate, *state.gate.reasons])])


def plot_by_block(state: CompareState) -> Html:
    """What flipped, by block."""
    from retab_analysis.plots import plot_comparison

    evals = state.comparison.evals
    blocks = evals["block_id"].n_unique()
    return render_plot(
        lambda ax: plot_comparison(state.comparison, ax=ax),
        label=f"What flipped in each of {blocks} blocks",
        width=9.0,
        height=min(1.6 + 0.4 * blocks, 12.0),
    )


def plot_by_eval(state: CompareState) -> Html:
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
    return tag("div", tag("div", words, class_="ra-soft") if words else None, drawing)
