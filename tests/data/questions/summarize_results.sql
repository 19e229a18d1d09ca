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
