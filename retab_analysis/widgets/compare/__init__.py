"""Two sides of a frame of results, eval by eval.

``state`` is what can be compared, what is, and which eval is open. ``html`` draws that as HTML and
text, ``detail`` the eval that is open. ``compare_page`` shows it and does what a person asks for,
``task`` what takes time, and ``view`` has ``compare_view`` and what it returns.
"""
