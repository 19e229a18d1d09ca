"""Statistics: plain functions of numbers.

``proportions`` has the interval of one share, ``exact`` the exact tests, ``paired`` the interval of
a difference of shares. ``suite`` has the change of a whole suite with its test and its interval; it
uses numpy, and imports it when called.
"""

from retab_analysis.stats.cluster_interval import cluster_interval
from retab_analysis.stats.clusters import label_clusters
from retab_analysis.stats.exact import fisher_exact, least_flips, mcnemar_exact
from retab_analysis.stats.outcome_table import OutcomeTable
from retab_analysis.stats.paired import paired_interval
from retab_analysis.stats.proportions import wilson_interval, wilson_over
from retab_analysis.stats.students_t import t_quantile
from retab_analysis.stats.suite import SuiteChange, suite_change

__all__ = [
    "OutcomeTable",
    "SuiteChange",
    "cluster_interval",
    "fisher_exact",
    "label_clusters",
    "least_flips",
    "mcnemar_exact",
    "paired_interval",
    "suite_change",
    "t_quantile",
    "wilson_interval",
    "wilson_over",
]
