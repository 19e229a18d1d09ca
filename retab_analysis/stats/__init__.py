"""Statistics: plain functions of numbers.

``suite`` has the change of the whole suite, by the distribution in ``student``. ``clusters`` finds
the evals that read the same documents. ``proportions`` has the interval of one share.
"""
