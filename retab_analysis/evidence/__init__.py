"""What an eval's history says: how sure one can be that it got worse, since when, and why.

``outcomes`` makes arrays of RESULTS frames, with ``code_edits``, which tells where code was edited,
and ``findings`` makes a frame of what comes out. In between, ``rates`` has the constants of the
model, ``inference`` its formulas, ``since`` tells when and why an eval got worse, ``kinds`` what
kind of eval it is, and ``reruns`` how many more results will be needed. Nothing is imported here:
numpy is loaded only by who asks for one of these modules.
"""
