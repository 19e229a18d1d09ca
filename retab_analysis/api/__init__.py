"""The API's endpoints: what may be asked, page after page, and what came back.

``arguments`` checks what callers pass, ``paging`` follows cursors, ``parallel`` does many things at
once, ``windows`` reads long histories with several ``readers``, ``polling`` looks again and again;
``runs``, ``results`` and ``catalog`` have one function for each endpoint.
"""
