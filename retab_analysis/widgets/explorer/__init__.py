"""Runs, results and evals to filter, sort and look into.

``lists`` says what is listed and how a row reads, ``list_state`` what a person has chosen of one
list, ``state`` what is known and which lists there are, ``fetcher`` asks for what is missing, in a
thread. ``html`` draws the state as HTML and text, ``controls`` with ipywidgets, and ``view`` has
``explore`` and what it returns.
"""
