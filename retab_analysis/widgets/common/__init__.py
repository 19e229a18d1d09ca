"""What the three views share.

``arguments`` checks what they take, ``text`` puts rows and times into words, ``html`` draws evals
and plots, ``controls`` builds ipywidgets.
"""
