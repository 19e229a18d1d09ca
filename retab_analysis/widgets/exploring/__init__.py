"""Runs, results and evals to filter, sort and look into.

``listing`` is one list with its filters, ``listings`` are the lists that there are, ``exploration``
is all that is known, ``reading`` fetches what is not, in the thread of ``background``; ``cells``,
``fragments``, ``plots``, ``list_view`` and ``notebook`` draw it, ``view`` is what users hold in
their hands.
"""
