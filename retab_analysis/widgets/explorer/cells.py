"""What stands in a cell of a list: a row as text, and with signs where they say it faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from retab_analysis.markup import STATE_SIGNS, Html, join, name, one_line, sign, tag
from retab_analysis.widgets.common import text as words
from retab_analysis.widgets.explorer.listing import Column, Row

_LONGEST = 200

Cell = Callable[[Row], str]


def text(column: str) -> Cell:
    """A text in one line; empty where there is none."""
    return lambda row: one_line(row[column], _LONGEST)


def time(column: str) -> Cell:
    """A moment in UTC, to the minute."""
    return lambda row: "" if row[column] is None else f"{row[column]:%Y-%m-%d %H:%M}"


def duration(column: str) -> Cell:
    """Milliseconds in words, also below zero: the clocks of two machines may disagree."""
    return lambda row: "" if row[column] is None else words.milliseconds(row[column])


def share(column: str) -> Cell:
    """A share in percent; 0.0 and 100.0 only where none and all are meant."""

    def percent(row: Row) -> str:
        value = row[column]
        if value is None:
            return ""
        return f"{value if value in (0, 1) else min(max(value, 0.001), 0.999):.1%}"

    return percent


def passed_of_total(row: Row) -> str:
    """How many evals of a run passed."""
    passed = row["passed"]
    return f"{'?' if passed is None else passed} of {row['total_evals']}"


def scope(row: Row) -> str:
    """What a run is of."""
    which = {"block": "target_block_id", "eval": "eval_id"}.get(row["scope"])
    return one_line(f"{row['scope']} {row[which]}" if which else row["scope"], _LONGEST)


def run_status(row: Row) -> Html:
    """A run's status, and whether all is well."""
    state = {True: "passed", False: "failed", None: row["status"]}[row["ok"]]
    if row["status"] in ("error", "cancelled"):
        state = row["status"]
    return join(sign(state), f" {one_line(row['status'], _LONGEST)}")


def state(row: Row) -> Html:
    """A state with its sign."""
    return join(one_sign(row["state"]), f" {one_line(row['state'], _LONGEST)}")


def recent_signs(row: Row) -> Html:
    """Several states as signs, the newest last."""
    return tag("span", *(one_sign(each) for each in row["recent"]), class_="ra-signs")


def recent_text(row: Row) -> str:
    """The same as text."""
    return "".join(STATE_SIGNS.get(each, "~" if each == "mixed" else "?") for each in row["recent"])


def one_sign(of: str) -> Html:
    """A state as a sign only."""
    return tag("span", "~", title="mixed", class_="ra-mixed") if of == "mixed" else sign(of)


def flaky_mark(row: Row) -> str:
    """Whether its verdict flips on identical code."""
    return "≈ flaky" if row["flaky"] else ""


def change(row: Row) -> str:
    """What happened to an eval against the run before."""
    return one_line(row["change"]).replace("_", " ")


def differs(column: str) -> Cell:
    """Whether something is another than in the run before."""
    return lambda row: {True: "changed", False: "same"}.get(row[column], "")


def last_change(row: Row) -> str:
    """What happened to an eval last, and when."""
    when = row["changed_at"]
    return change(row) if when is None else f"{change(row)} {when:%Y-%m-%d}"


def table(columns: Sequence[Column], rows: Sequence[Row], *, heading: bool) -> Html:
    """Rows as a table of fixed widths, one line each.

    Args:
        columns: What is shown.
        rows: The rows.
        heading: Whether the headings are seen; else they are there to be heard.
    """
    total = sum(column.share for column in columns)
    widths = (tag("col", style=f"width:{100 * each.share / total:.3f}%") for each in columns)
    head = tag("tr", *(tag("th", each.title, scope="col") for each in columns))
    body = (tag("tr", *(_cell(column, row) for column in columns)) for row in rows)
    return tag(
        "table",
        tag("colgroup", *widths),
        tag("thead", head, class_=None if heading else "ra-heard"),
        tag("tbody", *body),
        class_="ra-list",
    )


def _cell(column: Column, row: Row) -> Html:
    plain = column.text(row)
    return tag("td", column.html(row) if column.html else name(plain), title=plain or None)


def as_text(columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    """Rows as lines of text, one below the other."""
    cells = [[column.title for column in columns]]
    cells += [[one_line(column.text(row), 28) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
