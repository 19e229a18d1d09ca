"""The calls that fetch what they need and answer.

``plan`` says which runs are read and why, ``read`` reads them, ``check`` and ``settle`` compare.
Everything that shows a verdict (the live view, the command line, pytest) goes through these.
"""
