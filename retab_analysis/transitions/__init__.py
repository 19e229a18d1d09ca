"""What became of each eval between two sides, by eleven rules; the first that fits is it.

``sides`` makes one row per eval of several results, ``history`` counts what earlier runs on
identical code say, ``rules`` puts both together.
"""

from retab_analysis.transitions.rules import EVALS_SCHEMA, TRANSITIONS, find_transitions
from retab_analysis.transitions.sides import check_results

__all__ = ["EVALS_SCHEMA", "TRANSITIONS", "check_results", "find_transitions"]
