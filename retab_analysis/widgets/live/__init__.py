"""A view of runs that keeps itself up to date.

``watcher`` asks the API in a thread of its own and keeps a snapshot; ``watched_runs`` knows which
runs it looks at, and ``news`` holds them against their past. ``state`` says what follows from a
snapshot, with ``run_lines`` for what is told of each run; ``html`` draws that as HTML and text, and
``view`` has ``watch`` and what it returns, which does what its buttons say.
"""
