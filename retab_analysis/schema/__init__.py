"""Every frame's columns as data: name, dtype, where it comes from, what it means.

A column's source is a polars expression over the paths of the API's document
(``counts.outcome.passed``; ``*`` stands for each member of an object). Decoding gathers the paths
that the expressions name and evaluates all of them at once, so ``tables`` is the only place that
says what a frame holds; ``table`` is the mechanism, and ``conditions`` says in words what an eval
asserts. ``checking`` looks at the frames that users pass, and ``conversion`` turns what came
through pandas or duckdb back into one of ours.
"""

from retab_analysis.schema.checking import checked, find_other_table
from retab_analysis.schema.conditions import (
    asserts_the_same,
    complete_words,
    describe_condition,
    write_by_value,
)
from retab_analysis.schema.conversion import as_polars, converted
from retab_analysis.schema.table import Column, Datetime, Table, path_type
from retab_analysis.schema.tables import (
    BLOCKS,
    COMPARISON,
    CONFIG_CHANGES,
    EVALS,
    EVALS_WITH_REASONS,
    LIVE_BLOCKS,
    PROBLEMS,
    RESULTS,
    RESULTS_WITH_PAYLOADS,
    RUNS,
    TABLES,
    VERSION_DIFF,
    VERSIONS,
    WORKFLOWS,
)

__all__ = [
    "BLOCKS",
    "COMPARISON",
    "CONFIG_CHANGES",
    "EVALS",
    "EVALS_WITH_REASONS",
    "LIVE_BLOCKS",
    "PROBLEMS",
    "RESULTS",
    "RESULTS_WITH_PAYLOADS",
    "RUNS",
    "TABLES",
    "VERSIONS",
    "VERSION_DIFF",
    "WORKFLOWS",
    "Column",
    "Datetime",
    "Table",
    "as_polars",
    "asserts_the_same",
    "checked",
    "complete_words",
    "converted",
    "describe_condition",
    "find_other_table",
    "path_type",
    "write_by_value",
]
