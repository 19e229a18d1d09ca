"""Things to plot, and what can be seen of a plot."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retab_analysis import (
    plot_comparison,
    plot_confusion,
    plot_durations,
    plot_outcomes,
    plot_pass_rate,
    plot_verdicts,
)
from support.frames import result, results, run, runs
from support.inside import compare

Plot = Callable[..., Axes]


OF_RUNS: tuple[Plot, ...] = (plot_pass_rate, plot_outcomes, plot_durations)


OF_FRAMES: tuple[Plot, ...] = (*OF_RUNS, plot_verdicts, plot_confusion)


ALL: tuple[Plot, ...] = (*OF_FRAMES, plot_comparison)


HOSTILE = ("$x_$", "_private", "<b>", "$5 and $6", "\\alpha", "a\nb", "%s", "{x}")


def version(at: int) -> str:
    return f"wfv_0123456789abcdef{at:04}0123456789abcdef"


def some(plot: Plot, names: list[str]) -> Any:
    """What a plot draws, with a category of each name."""
    if plot is plot_comparison:
        first = [result(f"e{at}", "passed", 1, block_id=each) for at, each in enumerate(names)]
        last = [result(f"e{at}", "failed", 2, block_id=each) for at, each in enumerate(names)]
        return compare(results(*first), results(*last))
    if plot is plot_confusion:
        labels = [json.dumps(each) for each in names]
        return results(
            *(
                result(f"e{at}", "passed", at, expected_value=each, actual_value=each, run_id=name)
                for at, (name, each) in enumerate(zip(names, labels, strict=True))
            )
        )
    if plot is plot_verdicts:
        rows = [
            result(f"e{at}", "failed" if (at + on) % 3 else "passed", on, **named)
            for at, eval_name in enumerate(names)
            for on, run_id in enumerate(names[:40])
            for named in [{"eval_name": eval_name, "run_id": run_id}]
        ]
        return results(*rows)
    return runs(*(run(each, at, trigger_type=each, failed=at % 3) for at, each in enumerate(names)))


def texts(ax: Axes) -> list[str]:
    found = [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts]
    return [each.get_text() for each in found]


def notes_of(ax: Axes) -> tuple[str, ...]:
    """What the figure leaves out, line by line."""
    notes: str = ax.retab_notes  # type: ignore[attr-defined]
    return tuple(notes.splitlines())


def title_of(ax: Axes) -> str:
    return ax.get_title(loc="left")


def legend_texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [each.get_text() for each in legend.get_texts()]


def heights(ax: Axes) -> dict[str, list[float]]:
    return {
        str(bars.get_label()): [bar.get_height() for bar in bars.patches] for bars in ax.containers
    }


def figure_of(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def drawn(ax: Axes) -> list[Any]:
    """What can be compared of a plot."""
    figure_of(ax).canvas.draw()
    places = [collection.get_offsets().tolist() for collection in ax.collections]
    patches = [patch.get_path().vertices.tolist() for patch in ax.patches]
    return [texts(ax), legend_texts(ax), places, patches, ax.get_xlim(), ax.get_ylim()]
