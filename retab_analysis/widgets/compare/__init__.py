"""Two sides of a frame of results, eval by eval.

``state`` is what can be compared, what is, and which eval is open, ``html`` draws that as HTML and
text, ``controls`` with ipywidgets, and ``view`` has ``compare_view`` and what it returns.
"""
