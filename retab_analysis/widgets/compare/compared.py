"""How the evals of a comparison read in a list."""

from __future__ import annotations

from collections.abc import Iterable

from retab_analysis.comparison.detail import WORDS
from retab_analysis.markup import Html, join, sign, tag
from retab_analysis.widgets.phrases import format_probability, label_eval
from retab_analysis.widgets.table import Facet, Listing, Row, TableColumn

SIDES = ("baseline", "candidate")


def label_transition(row: Row) -> str:
    """The sign and the name of what became of an eval."""
    return " ".join(WORDS[row["transition"]][:2])


def join_sides(sides: Iterable[Html]) -> Html:
    """Both sides; the arrow leads from one to the other on a page from right to left, too."""
    return tag("span", join(*sides, by=" → "), dir="ltr")


def mark_side(state: str | None, title: str | None = None) -> Html:
    """The sign of an eval's state on one side; None where it is not there."""
    if state is None:
        return tag("span", "–", title="absent")
    # ``mixed`` is a state of several results; a single one cannot have it, and it has no colour.
    return tag("span", "~", title=title or state) if state == "mixed" else sign(state, title)


def _name_eval(row: Row) -> Html:
    label = label_eval(row)
    return tag("div", label, title=label, dir="auto")


def _say_p(row: Row) -> str:
    p = row["p_regressed"]
    return "" if p is None else format_probability(p).removeprefix("p ")


COMPARED = Listing(
    noun="evals",
    key="eval_id",
    columns=(
        TableColumn("transition", "What", 11, label_transition),
        TableColumn("eval_name", "Eval", None, label_eval, _name_eval),
        TableColumn(
            "states",
            "Before, now",
            8.2,
            lambda row: " → ".join(row[f"{side}_state"] or "absent" for side in SIDES),
            lambda row: join_sides(mark_side(row[f"{side}_state"]) for side in SIDES),
        ),
        TableColumn("p_regressed", "Got worse", 7.2, _say_p, is_number=True),
    ),
    facets=(Facet("What", "transition"),),
)
"""The rows of ``Comparison.evals``, in their own order."""
