"""A view of runs that keeps itself up to date.

``watcher`` asks the API in a thread of its own and keeps a snapshot, ``state`` says what follows
from a snapshot and a clock, ``html`` draws that as HTML and text, ``controls`` with ipywidgets, and
``view`` has ``watch`` and what it returns.
"""
