"""Views for notebooks: ``watch``, ``explore`` and ``compare_view``.

Each of ``live``, ``explorer`` and ``compare`` computes its state as plain values (``state``), draws
it as HTML and text (``html``) and gives it to the user (``view``); until one page draws all of it,
``controls`` builds ipywidgets. They share ``common``.
"""

from retab_analysis.widgets.compare.view import CompareView, compare_view
from retab_analysis.widgets.explorer.view import Explorer, explore
from retab_analysis.widgets.live.view import LiveView, watch

__all__ = ["CompareView", "Explorer", "LiveView", "compare_view", "explore", "watch"]
