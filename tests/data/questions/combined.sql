-- One row per group and eval, and the newest name of each eval.
WITH dated AS (SELECT *, {moment} AS moment FROM results
), counted AS (
    SELECT eval_id, {key} AS key, min(moment) AS moment,
        count(*) FILTER (WHERE state = 'passed') AS passed,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state = 'blocked') AS blocked,
        count(*) FILTER (WHERE state = 'error') AS error,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
        count(*) AS n_results
    FROM dated GROUP BY eval_id, {key}
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
