"""The view for notebooks that ``watch`` and ``explore`` give.

``state`` holds its content and a person's choices as a plain value. ``facts`` put it into words,
``pieces`` and ``opened`` into HTML. ``stream`` keeps it up to date, and ``reading`` compares a
workflow as ``check`` does. ``view`` is the user's object, and ``page`` shows its HTML in a notebook
(``page.js`` is its side in the browser).
"""

from retab_analysis.widgets.view import View as View
from retab_analysis.widgets.view import explore as explore
from retab_analysis.widgets.view import watch as watch
