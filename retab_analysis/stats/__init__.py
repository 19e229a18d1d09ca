"""Statistics: plain functions of numbers.

``suite`` has the change of the whole suite: one standard error for its test, its interval and the
fall that would show. ``student`` has the t distribution, ``clusters`` finds the evals that read the
same documents, ``proportions`` has the interval of one share.
"""
