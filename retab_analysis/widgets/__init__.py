"""Views for notebooks: ``watch`` and ``explore``.

``live`` and ``explorer`` each compute their state as plain values (``state``), draw it as HTML and
text (``html``) and give it to the user (``view``). They share ``open_eval``: all that is told of
one eval. ``table`` has the rows that a person searches, sorts and chooses from.

``page`` shows HTML in a notebook and sends events back (``page.js`` and ``style.css`` are its side
in the browser), ``elements`` makes the HTML that it understands, ``handle`` puts it into a cell's
output with what stands for it once nothing drives it, ``jobs`` does what takes time, and
``kernel_events`` answers while a cell blocks the kernel.
"""

from retab_analysis.widgets.explorer.view import Explorer as Explorer
from retab_analysis.widgets.explorer.view import explore as explore
from retab_analysis.widgets.live.view import LiveView as LiveView
from retab_analysis.widgets.live.view import watch as watch
