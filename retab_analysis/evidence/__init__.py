"""What an eval's history says: how sure one can be that it got worse, since when, and why.

``candidate`` says which results tell what an eval does now, and ``comparable`` makes arrays of
RESULTS frames: what is comparable, and which runs are one hour. ``rates`` has the constants of the
model, ``inference`` its formulas; ``since`` tells when and why an eval got worse, ``kinds`` what
kind of eval it is, ``reruns`` how many more results will be needed, and ``each_eval`` makes a frame
of all that. Nothing is imported here: numpy is loaded only by who asks for one of these modules.
"""
