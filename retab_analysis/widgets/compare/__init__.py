"""Two sides of a frame of results, eval by eval.

``sides`` is what can be chosen, ``versus`` what is compared, listed and open; ``fragments``,
``style``, ``plots`` and ``notebook`` draw it, ``view`` is what users hold in their hands.
"""
