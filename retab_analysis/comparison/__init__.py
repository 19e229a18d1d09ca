"""Comparing two sides: which evals broke, since when, and how sure that is.

``compare`` has the public functions, ``comparison`` the object that they give. From the frames of
``sides``, and what :mod:`retab_analysis.evidence` says of them, ``transitions`` makes one row per
eval, and ``suite_test`` the summary and the verdict. ``gate`` is the rule that passes or fails a
build, ``detail`` every word about an eval, ``verdict_document`` the whole verdict as it is shown,
and ``json_diff`` where two JSON values differ.
"""

from retab_analysis.comparison.compare import compare as compare
from retab_analysis.comparison.comparison import Comparison as Comparison
from retab_analysis.comparison.gate import Gate as Gate
