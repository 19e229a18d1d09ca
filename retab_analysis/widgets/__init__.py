"""The view for notebooks that ``watch`` and ``explore`` give.

``state`` is what it shows, as a plain value; ``facts`` are what is told of a state, ``pieces`` and
``opened`` their HTML, ``events`` what a person does to it. ``stream`` keeps it up to date, and
``reading`` has a workflow compared as ``check`` does. ``view`` gives it to the user.

``page`` shows HTML in a notebook and sends events back (``page.js`` is its side in the browser),
``handle`` puts it into a cell's output with what stands for it once nothing drives it, ``jobs``
does what takes time, and ``kernel_events`` answers while a cell blocks the kernel.
"""

from retab_analysis.widgets.view import View as View
from retab_analysis.widgets.view import explore as explore
from retab_analysis.widgets.view import watch as watch
