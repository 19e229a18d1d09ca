"""Comparing two sides: which evals broke, since when, and how sure that is.

``compare`` has the public function, ``comparison`` the object that it returns. ``stories`` makes
one story per eval from the frames of ``sides``, with the rules of :mod:`retab_analysis.evidence`.
``suite_test`` makes the summary and the verdict. ``gate`` is the rule that passes or fails a build.
``detail`` has every word about an eval, ``verdict_document`` the whole verdict as every door shows
it. ``json_diff`` finds the places where two JSON values differ.
"""

from retab_analysis.comparison.compare import compare as compare
from retab_analysis.comparison.comparison import Comparison as Comparison
from retab_analysis.comparison.gate import Gate as Gate
