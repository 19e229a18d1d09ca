{combined}, opened AS (
    SELECT *, min(moment) OVER (PARTITION BY key) AS opened FROM combined
)
SELECT opened.eval_id, eval_name, key AS {key}, state, n,
    CASE WHEN n > 0 THEN CAST(passed AS DOUBLE) / n END AS pass_rate
FROM opened LEFT JOIN named ON opened.eval_id = named.eval_id AND age = 1
ORDER BY opened NULLS LAST, key NULLS LAST, moment NULLS LAST, opened.eval_id NULLS LAST
