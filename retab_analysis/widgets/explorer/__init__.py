"""Runs, results and evals to filter, sort and look into."""
