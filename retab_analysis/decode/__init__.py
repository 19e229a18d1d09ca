"""Bytes → structs → rows → one frame; what does not decode is reported beside it.

``documents`` turns bytes into structs, ``frames`` structs into the columns of a table, ``problems``
says what did not decode and why, and ``decoders`` is ``decode_runs`` and its like.
"""

from retab_analysis.decode.decoders import decode_evals, decode_results, decode_runs
from retab_analysis.decode.documents import Page, read_document, read_one, read_page
from retab_analysis.decode.frames import compute, gather, to_frame
from retab_analysis.decode.problems import Problem, Problems, report_problems

__all__ = [
    "Page",
    "Problem",
    "Problems",
    "compute",
    "decode_evals",
    "decode_results",
    "decode_runs",
    "gather",
    "read_document",
    "read_one",
    "read_page",
    "report_problems",
    "to_frame",
]
