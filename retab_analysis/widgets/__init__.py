"""Views for notebooks. State in plain values and classes; what is shown only draws it.

``watching``, ``exploring`` and ``comparing`` are the three views; they share ``evals`` (evals as a
table, and how a view looks), ``words``, ``parts`` (of ipywidgets) and ``drawing`` (of plots).
"""

from retab_analysis.widgets.comparing.view import CompareView, compare_view
from retab_analysis.widgets.exploring.entry import explore
from retab_analysis.widgets.exploring.view import Explorer
from retab_analysis.widgets.watching.view import LiveView, watch

__all__ = ["CompareView", "Explorer", "LiveView", "compare_view", "explore", "watch"]
