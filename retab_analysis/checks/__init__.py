"""The calls that fetch what they need and answer.

``verdict`` has ``check`` and the one path to a verdict. ``plan`` chooses the runs and says why,
``source`` reads them, and ``read`` puts their results on two sides. Every door (the overview,
the live view, the command line, MCP, pytest) takes it.
"""
