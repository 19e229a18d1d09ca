"""What an eval's history says: how sure one can be that it got worse, since when, and why.

``comparable`` says which results count, which of them tell what an eval does now, and which runs
are one hour, and makes arrays of RESULTS frames. ``rates`` has the constants of the model,
``inference`` its formulas; ``since`` tells when and why an eval got worse, ``kinds`` what kind of
eval it is and ``reruns`` how many more results will be needed; ``since`` makes a frame of all that.
Nothing is imported here: numpy is loaded only by who asks for one of these modules.
"""
