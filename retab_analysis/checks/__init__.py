"""The calls that fetch what they need and answer.

``plan`` chooses the runs and says why, ``read`` reads them, ``check`` and ``settle`` compare. Every
door to a verdict (the live view, the command line, pytest) uses these.
"""
