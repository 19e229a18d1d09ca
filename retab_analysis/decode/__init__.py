"""Bytes → structs → rows → one frame; what does not decode is reported beside it.

``split`` finds the records of a body when one of them is bad, ``structs`` reads a body, ``rows``
gathers the paths of the structs into columns, ``page`` is the three together, and ``public`` is
``decode_runs`` and its like.
"""

from retab_analysis.decode.frames import to_frame
from retab_analysis.decode.page import Page, Problem, parse_document, parse_one, parse_page
from retab_analysis.decode.decoders import decode_evals, decode_results, decode_runs, report

__all__ = [
    "Page",
    "Problem",
    "decode_evals",
    "decode_results",
    "decode_runs",
    "parse_document",
    "parse_one",
    "parse_page",
    "report",
    "to_frame",
]
