"""Summaries of runs and results: polars in, polars out.

Each function takes a DataFrame or a LazyFrame and returns the same. The order of the input's rows
does not matter. If a row is there twice (by ``run_id`` or ``result_id``), the later one counts.

``summaries`` is about runs; ``result_summaries``, ``states``, ``failures``, ``history`` and
``label_counts`` are about results. All of these consist of expressions alone: the streaming engine
can run them. ``eval_summaries`` concludes by the model of :mod:`retab_analysis.evidence`, through
``conclusions``, and collects a LazyFrame. ``periods`` places moments in weeks, and ``frames``
checks the input, also for the plots.
"""

from retab_analysis.analysis.eval_summaries import summarize_evals as summarize_evals
from retab_analysis.analysis.failures import failures as failures
from retab_analysis.analysis.history import eval_history as eval_history
from retab_analysis.analysis.label_counts import confusion as confusion
from retab_analysis.analysis.result_summaries import summarize_results as summarize_results
from retab_analysis.analysis.states import states as states
from retab_analysis.analysis.summaries import summarize_runs as summarize_runs
