"""The plots of a comparison, as pieces of HTML."""

from __future__ import annotations

import polars as pl

from retab_analysis.markup import Html, tag
from retab_analysis.widgets.common.drawing import as_svg
from retab_analysis.widgets.compare.sides import KINDS
from retab_analysis.widgets.compare.state import Versus

# So many evals and columns are still told apart; what is compared is among the newest.
_EVALS, _COLUMNS = 60, 16


def by_block(state: Versus) -> Html:
    """What flipped, by block."""
    from retab_analysis.plots import plot_comparison

    evals = state.comparison.evals
    blocks = evals["block_id"].n_unique()
    return as_svg(
        lambda ax: plot_comparison(state.comparison, ax=ax),
        label=f"What flipped in each of {blocks} blocks",
        width=9.0,
        height=min(1.6 + 0.4 * blocks, 12.0),
    )


def by_eval(state: Versus) -> Html:
    """The listed evals as a grid of verdicts, over the newest versions or runs."""
    from retab_analysis.plots import plot_verdicts

    column = KINDS[state.kind]
    evals = [row["eval_id"] for row in state.listed[:_EVALS]]
    shown = {side.value for side in state.sides[state.kind][:_COLUMNS]}
    shown |= {state.baseline, state.candidate}
    rows = state.results.filter(pl.col("eval_id").is_in(evals), pl.col(column).is_in(sorted(shown)))
    across = rows[column].n_unique()
    drawing = as_svg(
        lambda ax: plot_verdicts(rows, by=column, ax=ax),
        label=f"The verdicts of {len(evals)} evals in {across} {state.kind}s",
        width=max(9.0, 3.2 + 0.3 * across),
        height=min(2.4 + 0.26 * len(evals), 18.0),
    )
    cut = len(state.listed) + state.hidden - len(evals)
    words = f"The first {len(evals)} of the listed evals." if cut else None
    return tag("div", tag("div", words, class_="ra-soft") if words else None, drawing)
