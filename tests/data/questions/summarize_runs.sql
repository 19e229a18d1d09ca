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
