"""What a plot of very many runs costs: drawn and written as a picture, in processor time.

The processor time of all threads is what is promised, because a busy machine changes it less than
the time on the clock; the load of the machine is printed beside.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import partial
from statistics import median

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import retab_analysis as ra
from benchmarks import bodies, harness
from benchmarks.harness import AtMost, processor_seconds
from benchmarks.harness import Figure as Measured

NAME = "plots"
SIZE = 50_000
DECODED = 2_000
LARGER = 10
PLOTS: dict[str, Callable[..., Axes]] = {
    each.__name__: each for each in (ra.plot_outcomes, ra.plot_pass_rate, ra.plot_durations)
}
LOAD = "load of the machine, of all cores"


def _label(plot: str, runs: int) -> str:
    return f"{plot} of {runs:,} runs: processor time"


PROMISES = {
    _label(plot, runs): AtMost(seconds)
    for runs, seconds in ((SIZE, 2.0), (LARGER * SIZE, 5.0))
    for plot in PLOTS
}


def measure(size: int = SIZE) -> list[Measured]:
    """Draw each plot of ``size`` runs, and of ten times as many."""
    figures = []
    for factor in (1, LARGER):
        frame = runs(factor * size)
        for name, plot in PLOTS.items():
            draw = partial(_draw, plot, frame)
            took = median(processor_seconds(draw) for _ in range(harness.ROUNDS))
            figures.append(Measured(_label(name, factor * SIZE), took, "s"))
    return [*figures, Measured(LOAD, os.getloadavg()[0] / (os.cpu_count() or 1), "")]


def runs(n: int) -> pl.DataFrame:
    """So many runs: some that were decoded, over and over, always a few hours later."""
    few = ra.decode_runs(bodies.page(bodies.runs(min(n, DECODED))))
    times = ("created_at", "started_at", "completed_at")
    copies = (
        few.with_columns(
            pl.col("run_id") + f"_{at}",
            *(pl.col(name) + pl.duration(hours=3 * at) for name in times),
        )
        for at in range(-(-n // few.height))
    )
    return pl.concat(copies).head(n)


def _draw(plot: Callable[..., Axes], frame: pl.DataFrame) -> None:
    ax = Figure(figsize=(14, 6), layout="constrained").subplots()
    plot(frame, ax=ax)
    ax.figure.get_figure(root=True).savefig(io.BytesIO(), format="png")
