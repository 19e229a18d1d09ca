"""Statistics: plain functions of numbers.

``outcomes`` has the table of what every eval came to in every run, ``suite`` the change of the
whole suite: its ``permutations`` test, its ``interval`` and the fall that both would find
(``power``). ``clusters`` finds the evals that read the same documents, ``proportions`` has the
interval of one share.
"""
