"""Views for notebooks: ``watch``, ``explore`` and ``compare_view``.

Each of ``live``, ``explorer`` and ``compare`` computes its state as plain values (``state``), draws
it as HTML and text (``html``) and gives it to the user (``view``). They share ``table`` (rows that
are filtered, sorted and chosen from) and ``open_eval`` (all that is told of one eval).

``page`` shows HTML in a notebook and sends events back (``page.js`` and ``style.css`` are its side
in the browser), ``elements`` makes the HTML that it understands, ``handle`` puts it into a cell's
output with what stands for it once nothing drives it, ``jobs`` does what takes time, and
``kernel_events`` answers while a cell blocks the kernel.
"""

from retab_analysis.widgets.compare.view import CompareView as CompareView
from retab_analysis.widgets.compare.view import compare_view as compare_view
from retab_analysis.widgets.explorer.view import Explorer as Explorer
from retab_analysis.widgets.explorer.view import explore as explore
from retab_analysis.widgets.live.view import LiveView as LiveView
from retab_analysis.widgets.live.view import watch as watch
