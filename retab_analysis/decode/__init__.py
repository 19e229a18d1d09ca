"""Bytes → structs → columns → one frame; what does not decode is reported beside it.

``documents`` turns bytes into structs, ``frames`` structs into the columns of a table, ``problems``
says what did not decode and why, and ``decoders`` is ``decode_runs`` and its like.
"""

from retab_analysis.decode.decoders import decode_evals, decode_results, decode_runs
from retab_analysis.decode.frames import Page, parse_document, parse_one, parse_page, to_frame
from retab_analysis.decode.problems import Problem, Problems, report_problems

__all__ = [
    "Page",
    "Problem",
    "Problems",
    "decode_evals",
    "decode_results",
    "decode_runs",
    "parse_document",
    "parse_one",
    "parse_page",
    "report_problems",
    "to_frame",
]
