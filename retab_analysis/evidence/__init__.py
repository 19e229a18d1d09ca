"""What an eval's history says: how sure one can be that it got worse, since when, and why.

``rates`` has the constants of the model, ``histories`` what goes into it, ``inference`` does the
inference and ``answers`` reads its result. Nothing is imported here: numpy is loaded only by who
asks for one of these modules.
"""
