"""Retab eval runs as polars frames, live progress and version comparison in Jupyter."""
