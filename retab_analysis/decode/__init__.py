"""Bytes → structs → rows → one frame, with a report of records that do not decode.

``documents`` turns bytes into structs, ``frames`` structs into the columns of a table. ``problems``
describes records that do not decode, and ``decoders`` has ``decode_runs`` and its like.
"""

from retab_analysis.decode.decoders import decode_evals as decode_evals
from retab_analysis.decode.decoders import decode_results as decode_results
from retab_analysis.decode.decoders import decode_runs as decode_runs
from retab_analysis.decode.documents import Page as Page
from retab_analysis.decode.documents import read_document as read_document
from retab_analysis.decode.documents import read_one as read_one
from retab_analysis.decode.documents import read_page as read_page
from retab_analysis.decode.frames import compute as compute
from retab_analysis.decode.frames import gather as gather
from retab_analysis.decode.frames import to_frame as to_frame
from retab_analysis.decode.problems import Problem as Problem
from retab_analysis.decode.problems import Problems as Problems
from retab_analysis.decode.problems import report_problems as report_problems
