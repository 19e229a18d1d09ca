"""What runs and results say, polars in and polars out.

Each function takes a DataFrame or a LazyFrame and gives back the same. The order of the input's
rows does not matter. A row that is there twice (by ``run_id`` or ``result_id``) counts once, as the
later one says.

``summaries`` is about runs; ``result_summaries``, ``states``, ``failures`` and ``history`` are
about results. All of these are made of expressions alone, so that the streaming engine can run
them. ``eval_summaries`` asks the model of :mod:`retab_analysis.evidence` through ``assessment``,
for which a LazyFrame is collected. ``frames`` checks what comes in, for the plots too.
"""

from retab_analysis.analysis.eval_summaries import summarize_evals as summarize_evals
from retab_analysis.analysis.failures import failures as failures
from retab_analysis.analysis.history import eval_history as eval_history
from retab_analysis.analysis.result_summaries import summarize_results as summarize_results
from retab_analysis.analysis.states import states as states
from retab_analysis.analysis.summaries import summarize_runs as summarize_runs
