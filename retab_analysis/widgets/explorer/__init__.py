"""Runs, results and evals to filter, sort and look into.

``lists`` says what is listed and how a row reads, ``state`` what is known and which lists there
are, ``fetcher`` asks for what is missing, in a thread. ``html`` makes HTML and text of it, with
``panel`` for what is chosen. ``view`` has ``explore`` and what it returns, which does what a person
asks for.
"""
