"""What an eval's history says: how sure one can be that it got worse, since when, and why.

``comparable`` says which results count and makes arrays of them. ``rates`` has the constants of the
model, ``inference`` its formulas; ``nature`` tells what comes and goes, ``reruns`` how many more
results will be needed, and ``since`` when and why an eval got worse, in a frame of all that.
Nothing is imported here: numpy is loaded only by who asks for one of these modules.
"""
