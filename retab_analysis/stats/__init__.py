"""Statistics: plain functions of numbers, and the same over frames.

``proportions`` has the interval of one share, ``exact`` the exact tests, ``paired`` the interval of
a difference of shares, ``outcomes`` what several results of one eval come to. ``suite`` has the
change of a whole suite with its test and its interval; it uses numpy, and imports it when called.
"""

from retab_analysis.stats.cluster_interval import cluster_interval
from retab_analysis.stats.clusters import label_clusters
from retab_analysis.stats.exact import (
    chance_of_flip,
    chance_of_one_step,
    fisher_exact,
    fisher_exact_over,
    flip_chance_over,
    least_flips,
    mcnemar_exact,
    one_step_chance_over,
)
from retab_analysis.stats.outcome_table import OutcomeTable
from retab_analysis.stats.outcomes import (
    DECIDED,
    NOT_PASSING,
    OUTCOMES,
    change_of,
    known_state,
    state_of,
)
from retab_analysis.stats.paired import paired_interval
from retab_analysis.stats.proportions import wilson_interval, wilson_over
from retab_analysis.stats.students_t import t_quantile
from retab_analysis.stats.suite import SuiteChange, suite_change

__all__ = [
    "DECIDED",
    "NOT_PASSING",
    "OUTCOMES",
    "OutcomeTable",
    "SuiteChange",
    "chance_of_flip",
    "chance_of_one_step",
    "change_of",
    "cluster_interval",
    "fisher_exact",
    "fisher_exact_over",
    "flip_chance_over",
    "known_state",
    "label_clusters",
    "least_flips",
    "mcnemar_exact",
    "one_step_chance_over",
    "paired_interval",
    "state_of",
    "suite_change",
    "t_quantile",
    "wilson_interval",
    "wilson_over",
]
