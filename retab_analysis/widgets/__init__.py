"""Views for notebooks. State in plain values and classes; what is shown only draws it.

``watching``, ``exploring`` and ``comparing`` are the three views; they share ``evals`` (evals as a
table, and how a view looks), ``words``, ``parts`` (of ipywidgets) and ``drawing`` (of plots).
"""

from retab_analysis.widgets.compare.view import CompareView, compare_view
from retab_analysis.widgets.explorer.explore import explore
from retab_analysis.widgets.explorer.view import Explorer
from retab_analysis.widgets.live.view import LiveView, watch

__all__ = ["CompareView", "Explorer", "LiveView", "compare_view", "explore", "watch"]
