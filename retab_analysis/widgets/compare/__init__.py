"""Two sides of a frame of results: the document of their comparison, with choice of sides.

``state`` is what can be compared and what is, ``html`` draws that, and ``view`` has
``compare_view`` and what it returns, which does what a person asks for; ``task`` is what takes
time.
"""
