"""Runs, results and evals to filter, sort and look into.

``listing`` says what a list is, ``listings`` are those that there are, ``filters`` and
``list_state`` what a person has chosen of one; ``exploration`` is all that is known, ``reading``
fetches what is not, in the thread of ``background``; ``cells``, ``fragments``, ``plots``,
``list_view`` and ``notebook`` draw it, ``view`` is what users hold in their hands, ``entry`` what
it takes.
"""
