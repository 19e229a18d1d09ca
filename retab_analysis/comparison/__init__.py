"""Comparing two sides: which evals broke, and whether that is more than noise.

``entry`` has ``compare`` and ``compare_versions``; ``core`` the object that they give; ``numbers``
its statistics, ``gate`` its rule, ``words`` what it says, ``pages`` how it is shown, ``paths`` how
two JSON values differ.
"""

from retab_analysis.comparison.compare import compare, compare_versions
from retab_analysis.comparison.comparison import Comparison
from retab_analysis.comparison.gate import Gate

__all__ = ["Comparison", "Gate", "compare", "compare_versions"]
