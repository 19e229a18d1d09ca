"""Documents through the decoder, a page of them or one."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from support.faultserver import page
from support.inside import Table, read_page, report_problems, to_frame


def decode(table: Table, *records: Any) -> pl.DataFrame:
    found = read_page(table.record, json.dumps(page(records)).encode())
    report_problems(table, found.problems, strict=True)
    return to_frame(table, found.structs)


def row(table: Table, document: Any) -> dict[str, Any]:
    return decode(table, document).row(0, named=True)
