"""What tabular functions answer, asked in SQL of ``runs`` and ``results``.

Each question is written by hand from what the function's documentation says, in what DuckDB and
Spark have in common.
"""

from __future__ import annotations

# When a result's run was created, or the result itself where that is not known.
_MOMENT = "coalesce(run_created_at, created_at)"

_SUMMARIZE_RUNS = """
WITH counted AS (
    SELECT *, passed + failed + blocked + error AS rated,
        status = 'completed' AND coalesce(cancelled, 0) = 0 AS is_complete
    FROM runs
), judged AS (
    SELECT *, coalesce(error >= 3 AND 2 * error >= rated, FALSE) AS was_outage FROM counted
), standing AS (
    SELECT *, CASE
        WHEN was_outage THEN NULL
        WHEN scope = 'workflow' AND is_complete THEN 3
        WHEN scope = 'workflow' THEN 2
        WHEN is_complete THEN 1
        ELSE 0 END AS standing
    FROM judged
), chosen AS (
    SELECT *,
        standing = max(standing) OVER (PARTITION BY workflow_version_id) AS in_times,
        coalesce(rated IS NOT NULL AND standing = max(
            CASE WHEN rated IS NOT NULL THEN standing END
        ) OVER (PARTITION BY workflow_version_id), FALSE) AS in_rate
    FROM standing
), summed AS (
    SELECT workflow_version_id,
        count(*) AS n_runs,
        count(*) FILTER (WHERE ok) AS ok_runs,
        count(*) FILTER (WHERE in_rate) AS rated_runs,
        count(*) FILTER (WHERE was_outage) AS n_outages,
        count(*) FILTER (WHERE NOT in_rate AND NOT was_outage) AS n_left_out,
        sum(total_evals) AS total_evals, sum(passed) AS passed, sum(failed) AS failed,
        sum(blocked) AS blocked, sum(error) AS error, sum(cancelled) AS cancelled,
        coalesce(sum(rated) FILTER (WHERE in_rate), 0) AS rated_evals,
        coalesce(sum(passed) FILTER (WHERE in_rate), 0) AS rated_passed,
        percentile_cont(0.5) WITHIN GROUP (
            ORDER BY CASE WHEN in_times THEN duration_ms END
        ) AS duration_ms_p50,
        percentile_cont(0.95) WITHIN GROUP (
            ORDER BY CASE WHEN in_times THEN duration_ms END
        ) AS duration_ms_p95,
        percentile_cont(0.5) WITHIN GROUP (
            ORDER BY CASE WHEN in_times THEN queue_ms END
        ) AS queue_ms_p50,
        percentile_cont(0.95) WITHIN GROUP (
            ORDER BY CASE WHEN in_times THEN queue_ms END
        ) AS queue_ms_p95,
        min(created_at) AS first_created_at, max(created_at) AS last_created_at
    FROM chosen GROUP BY workflow_version_id
), shared AS (
    SELECT *, CAST(rated_passed AS DOUBLE) / nullif(rated_evals, 0) AS pass_rate,
        CAST(nullif(rated_evals, 0) AS DOUBLE) AS n, CAST(1.959963984540054 AS DOUBLE) AS z
    FROM summed
), wilson AS (
    SELECT *, (pass_rate + z * z / (2 * n)) / (1 + z * z / n) AS middle,
        z * sqrt(pass_rate * (1 - pass_rate) / n + z * z / (4 * n * n)) / (1 + z * z / n) AS half
    FROM shared
)
SELECT workflow_version_id, n_runs, ok_runs, rated_runs, n_outages, n_left_out,
    CAST(total_evals AS BIGINT) AS total_evals, CAST(passed AS BIGINT) AS passed,
    CAST(failed AS BIGINT) AS failed, CAST(blocked AS BIGINT) AS blocked,
    CAST(error AS BIGINT) AS error, CAST(cancelled AS BIGINT) AS cancelled,
    CAST(rated_evals AS BIGINT) AS rated_evals, pass_rate,
    middle - half AS pass_rate_low, middle + half AS pass_rate_high,
    duration_ms_p50, duration_ms_p95, queue_ms_p50, queue_ms_p95,
    first_created_at, last_created_at
FROM wilson ORDER BY first_created_at NULLS LAST, workflow_version_id NULLS LAST
"""

# One row per group and eval, and the newest name of each eval.
_COMBINED = f"""
WITH dated AS (SELECT *, {_MOMENT} AS moment FROM results
), counted AS (
    SELECT eval_id, {{key}} AS key, min(moment) AS moment,
        count(*) FILTER (WHERE state = 'passed') AS passed,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state = 'blocked') AS blocked,
        count(*) FILTER (WHERE state = 'error') AS error,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
        count(*) AS n_results
    FROM dated GROUP BY eval_id, {{key}}
), combined AS (
    SELECT *, passed + failed + blocked AS n, CASE
        WHEN passed > 0 AND failed + blocked > 0 THEN 'mixed'
        WHEN passed > 0 THEN 'passed'
        WHEN failed > blocked THEN 'failed'
        WHEN blocked > 0 THEN 'blocked'
        WHEN error > 0 THEN 'error'
        WHEN n_results > cancelled THEN 'unscored'
        ELSE 'cancelled' END AS state
    FROM counted
), named AS (
    SELECT eval_id, eval_name, row_number() OVER (
        PARTITION BY eval_id ORDER BY moment DESC NULLS LAST, eval_name DESC
    ) AS age FROM dated WHERE eval_name IS NOT NULL
)
"""

_STATES = f"""{_COMBINED}, opened AS (
    SELECT *, min(moment) OVER (PARTITION BY key) AS opened FROM combined
)
SELECT opened.eval_id, eval_name, key AS {{key}}, state, n,
    CASE WHEN n > 0 THEN CAST(passed AS DOUBLE) / n END AS pass_rate
FROM opened LEFT JOIN named ON opened.eval_id = named.eval_id AND age = 1
ORDER BY opened NULLS LAST, key NULLS LAST, moment NULLS LAST, opened.eval_id NULLS LAST
"""

_SUMMARIZE_RESULTS = """
WITH of_runs AS (
    SELECT run_id,
        count(*) FILTER (WHERE state = 'error') AS errors,
        count(*) FILTER (WHERE state IN ('passed', 'failed', 'blocked', 'error')) AS ended,
        count(DISTINCT eval_id) AS evals,
        count(*) FILTER (
            WHERE state = 'cancelled' OR status NOT IN ('completed', 'error', 'cancelled')
        ) AS unfinished
    FROM results GROUP BY run_id
), scoped AS (
    SELECT *, coalesce(run_scope, CASE WHEN evals = 1 THEN 'eval' ELSE 'workflow' END) AS own_scope
    FROM results JOIN of_runs USING (run_id)
), judged AS (
    SELECT *, coalesce(
        run_is_outage, own_scope = 'workflow' AND errors >= 3 AND 2 * errors >= ended
    ) AS is_outage FROM scoped
), standing AS (
    SELECT *, CASE
        WHEN is_outage THEN NULL
        WHEN own_scope = 'workflow' AND unfinished = 0 THEN 3
        WHEN own_scope = 'workflow' THEN 2
        WHEN unfinished = 0 THEN 1
        ELSE 0 END AS standing
    FROM judged
), chosen AS (
    SELECT *, coalesce(standing = max(standing) OVER (), FALSE) AS counts FROM standing
), known AS (
    SELECT *, counts AND state IN ('passed', 'failed', 'blocked', 'error') AS in_rate FROM chosen
), counted AS (
    SELECT {keys}, count(*) AS n_results,
        count(*) FILTER (WHERE state = 'passed') AS passed,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state = 'blocked') AS blocked,
        count(*) FILTER (WHERE state = 'error') AS error,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE in_rate) AS rated_evals,
        count(*) FILTER (WHERE is_outage) AS n_in_outages,
        count(*) FILTER (WHERE NOT in_rate AND NOT is_outage) AS n_left_out,
        count(*) FILTER (WHERE in_rate AND state = 'passed') AS rated_passed,
        percentile_cont(0.5) WITHIN GROUP (
            ORDER BY CASE WHEN counts THEN duration_ms END
        ) AS duration_ms_p50,
        percentile_cont(0.95) WITHIN GROUP (
            ORDER BY CASE WHEN counts THEN duration_ms END
        ) AS duration_ms_p95
    FROM known GROUP BY {keys}
), shared AS (
    SELECT *, CAST(1.959963984540054 AS DOUBLE) AS z,
        CAST(nullif(rated_evals, 0) AS DOUBLE) AS n,
        CAST(rated_passed AS DOUBLE) / nullif(rated_evals, 0) AS pass_rate
    FROM counted
), wilson AS (
    SELECT *, (pass_rate + z * z / (2 * n)) / (1 + z * z / n) AS middle,
        z * sqrt(pass_rate * (1 - pass_rate) / n + z * z / (4 * n * n)) / (1 + z * z / n) AS half
    FROM shared
)
SELECT {keys}, n_results, passed, failed, blocked, error, cancelled,
    rated_evals, n_in_outages, n_left_out, pass_rate,
    middle - half AS pass_rate_low, middle + half AS pass_rate_high,
    duration_ms_p50, duration_ms_p95
FROM wilson ORDER BY failed + blocked DESC, {order}
"""

_FAILURES = f"""
SELECT {{columns}} FROM results WHERE state IN ('failed', 'blocked', 'error')
ORDER BY {_MOMENT} DESC NULLS LAST, run_id NULLS LAST, block_id NULLS LAST, eval_id NULLS LAST
"""

# Of one result of each eval in each run. What is not dated counts as older than all else.
_EVAL_HISTORY = f"""{_COMBINED}, told AS (
    SELECT results.*, combined.n, combined.moment,
        CASE WHEN n > 0 THEN CAST(passed AS DOUBLE) / n END AS share,
        combined.state AS outcome, combined.state IN (
            'passed', 'failed', 'blocked', 'error', 'mixed'
        ) AS is_settled
    FROM results JOIN combined ON results.eval_id = combined.eval_id AND run_id = key
), numbered AS (
    SELECT *, min(moment) OVER (PARTITION BY eval_id) AS first_moment,
        row_number() OVER (PARTITION BY eval_id ORDER BY moment NULLS FIRST, run_id) AS number
    FROM told
), following AS (
    SELECT *, max(CASE WHEN is_settled THEN number END) OVER (
        PARTITION BY eval_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS previous
    FROM numbered
)
SELECT now.eval_name, now.eval_id, now.run_id, now.workflow_version_id, now.run_created_at,
    now.outcome AS state, was.outcome AS previous_state,
    CASE WHEN NOT now.is_settled THEN 'incomplete'
        WHEN was.run_id IS NULL THEN NULL
        WHEN now.handle_inputs_fingerprint <> was.handle_inputs_fingerprint
            OR now.condition_kind <> was.condition_kind
            OR now.expected_value <> was.expected_value THEN 'not_comparable'
        WHEN now.outcome = 'passed' AND was.outcome = 'passed' THEN 'still_passing'
        WHEN now.outcome = 'passed' THEN 'fixed'
        WHEN was.outcome <> 'passed' THEN 'still_failing'
        WHEN now.outcome = 'blocked' THEN 'newly_blocked'
        WHEN now.outcome = 'error' THEN 'newly_errored'
        ELSE 'regressed' END AS change,
    now.block_execution_fingerprint <> was.block_execution_fingerprint AS block_changed,
    now.handle_inputs_fingerprint <> was.handle_inputs_fingerprint AS inputs_changed,
    now.block_id, now.n, now.share AS pass_rate, now.score,
    now.duration_ms, was.run_id AS previous_run_id
FROM following AS now LEFT JOIN following AS was
    ON now.eval_id = was.eval_id AND now.previous = was.number
ORDER BY now.first_moment NULLS LAST, now.eval_id, now.moment NULLS LAST, now.run_id
"""


def summarize_runs() -> str:
    return _SUMMARIZE_RUNS


def states(by: str = "run_id") -> str:
    return _STATES.format(key=by)


def summarize_results(*by: str) -> str:
    order = ", ".join(f"{each} NULLS LAST" for each in by)
    return _SUMMARIZE_RESULTS.format(keys=", ".join(by), order=order)


def failures(*columns: str) -> str:
    return _FAILURES.format(columns=", ".join(columns))


def eval_history() -> str:
    return _EVAL_HISTORY.format(key="run_id")
