"""Every frame's columns as data: name, dtype, source, meaning.

A column's source is a polars expression over the paths of the API's document
(``counts.outcome.passed``; ``*`` stands for each member of an object or list). Decoding gathers the
paths that the expressions name and evaluates all of them at once. So only ``tables`` defines the
content of a frame; ``table`` is the mechanism. ``conditions`` puts an eval's assertion into words.
``conversion`` checks the frames that users pass, and turns those from pandas or duckdb back into
ours.
"""

from retab_analysis.schema.conditions import asserts_the_same as asserts_the_same
from retab_analysis.schema.conditions import complete_words as complete_words
from retab_analysis.schema.conditions import describe_condition as describe_condition
from retab_analysis.schema.conditions import write_by_value as write_by_value
from retab_analysis.schema.conversion import as_polars as as_polars
from retab_analysis.schema.conversion import checked as checked
from retab_analysis.schema.conversion import converted as converted
from retab_analysis.schema.conversion import find_other_table as find_other_table
from retab_analysis.schema.conversion import read_ids as read_ids
from retab_analysis.schema.table import Datetime as Datetime
from retab_analysis.schema.table import Table as Table
from retab_analysis.schema.table import base_type as base_type
from retab_analysis.schema.table import path_type as path_type
from retab_analysis.schema.tables import BLOCKS as BLOCKS
from retab_analysis.schema.tables import COMPARISON as COMPARISON
from retab_analysis.schema.tables import CONFIG_CHANGES as CONFIG_CHANGES
from retab_analysis.schema.tables import EDITS as EDITS
from retab_analysis.schema.tables import ERAS as ERAS
from retab_analysis.schema.tables import EVALS as EVALS
from retab_analysis.schema.tables import GRAPHS as GRAPHS
from retab_analysis.schema.tables import LIVE_BLOCKS as LIVE_BLOCKS
from retab_analysis.schema.tables import PROBLEMS as PROBLEMS
from retab_analysis.schema.tables import RESULTS as RESULTS
from retab_analysis.schema.tables import RESULTS_WITH_PAYLOADS as RESULTS_WITH_PAYLOADS
from retab_analysis.schema.tables import RUNS as RUNS
from retab_analysis.schema.tables import TABLES as TABLES
from retab_analysis.schema.tables import TRIES as TRIES
from retab_analysis.schema.tables import VERSIONS as VERSIONS
from retab_analysis.schema.tables import WORKFLOWS as WORKFLOWS
