"""Live views for notebooks. State in plain values; what is shown only draws it.

``snapshot`` is what is known, ``state`` what follows from it and a clock, ``watcher`` the thread
that keeps it up to date, ``fragments``, ``notebook`` and ``terminal`` draw it, ``live`` is what
users hold in their hands.
"""

from retab_analysis.widgets.compare_view import CompareView, compare_view
from retab_analysis.widgets.explorer import Explorer, explore
from retab_analysis.widgets.live import LiveView, watch

__all__ = ["CompareView", "Explorer", "LiveView", "compare_view", "explore", "watch"]
