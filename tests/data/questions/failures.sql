SELECT {columns} FROM results WHERE state IN ('failed', 'blocked', 'error')
ORDER BY {moment} DESC NULLS LAST, run_id NULLS LAST, block_id NULLS LAST, eval_id NULLS LAST
