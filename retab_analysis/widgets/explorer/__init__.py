"""Runs, results and evals to filter, sort and look into.

``lists`` says what is listed and how a row reads, ``list_state`` what a person has chosen of one
list, ``state`` what is known and which lists there are, ``fetcher`` asks for what is missing, in a
thread. ``html`` makes HTML and text of it, with ``time_strip`` for the list over time, ``panel``
for what is chosen and ``values`` for its values. ``explorer_page`` shows that and does what a
person asks for, and ``view`` has ``explore`` and what it returns.
"""
