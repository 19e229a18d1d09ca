"""Two sides of a frame of results, eval by eval.

``state`` is what can be compared, what is, and which eval is open, and ``compared`` how evals read
in a list. ``html`` draws that as HTML and text, ``detail`` the eval that is open. ``view`` has
``compare_view`` and what it returns, which does what a person asks for; ``task`` is what takes
time.
"""
