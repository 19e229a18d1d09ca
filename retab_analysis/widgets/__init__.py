"""The view for notebooks that ``watch`` and ``explore`` give.

``state`` is what it shows, as a plain value, and what a person does to it; ``facts`` say it in
words, ``pieces`` and ``opened`` in HTML. ``stream`` keeps it up to date, and ``reading`` compares
a workflow as ``check`` does. ``view`` gives it to the user, ``page`` shows its HTML in a notebook
(``page.js`` is its side in the browser), and ``kernel_events`` answers while a cell blocks the
kernel.
"""

from retab_analysis.widgets.view import View as View
from retab_analysis.widgets.view import explore as explore
from retab_analysis.widgets.view import watch as watch
