-- Of one result of each eval in each run. What is not dated counts as older than all else.
{combined}, told AS (
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
