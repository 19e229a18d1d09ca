"""A view of runs that keeps itself up to date."""
