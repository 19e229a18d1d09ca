"""A view of runs that keeps itself up to date.

``snapshot`` is what is known, ``state`` what follows from it and a clock, ``watcher`` the thread
that keeps it up to date, ``fragments``, ``notebook`` and ``terminal`` draw it, ``view`` is what
users hold in their hands.
"""
