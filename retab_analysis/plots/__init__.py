"""Plots of runs, results and comparisons, one file per function.

Each function draws on one :class:`matplotlib.axes.Axes` and gives it back: with ``ax=None`` on a
new figure of pyplot, which a notebook's cell shows; with an ``ax`` nothing of pyplot is touched.
No global setting is changed, and what a colour says, a hatch, a marker or a word says too.
"""

from retab_analysis.plots.comparison import plot_comparison as plot_comparison
from retab_analysis.plots.durations import plot_durations as plot_durations
from retab_analysis.plots.outcomes import plot_outcomes as plot_outcomes
from retab_analysis.plots.pass_rate import plot_pass_rate as plot_pass_rate
from retab_analysis.plots.verdicts import plot_verdicts as plot_verdicts
