"""Plots of runs, results and comparisons, one file per function.

Each function draws on one :class:`matplotlib.axes.Axes` and returns it. With ``ax=None`` it is on a
new figure of pyplot, which a notebook's cell shows; with an ``ax`` it does not touch pyplot. It
changes no global setting. Every colour comes with a hatch, a marker or a word of the same meaning.
"""

from retab_analysis.plots.comparison import plot_comparison as plot_comparison
from retab_analysis.plots.confusion import plot_confusion as plot_confusion
from retab_analysis.plots.durations import plot_durations as plot_durations
from retab_analysis.plots.outcomes import plot_outcomes as plot_outcomes
from retab_analysis.plots.pass_rate import plot_pass_rate as plot_pass_rate
from retab_analysis.plots.verdicts import plot_verdicts as plot_verdicts
