"""The evidence in an eval's history: how sure it is that it got worse, since when, and why.

``comparable`` chooses the results that count and makes arrays of them. ``rates`` has the constants
of the model, ``inference`` its formulas. ``since`` tells when and why an eval got worse, whether it
comes and goes, and how many further results decide. This file imports nothing: only the modules
load numpy.
"""
