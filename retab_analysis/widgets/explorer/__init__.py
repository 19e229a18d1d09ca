"""Runs, results and evals to search, sort and look into."""
