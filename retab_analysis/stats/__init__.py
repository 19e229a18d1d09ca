"""Statistics: plain functions of numbers.

``suite`` has the change of the whole suite, by the distribution in ``student``. ``proportions`` has
the interval of one share.
"""
