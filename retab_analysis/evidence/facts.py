"""Facts: what was read of a workflow besides its runs and results.

What was not given is a value, too: None, an empty mapping, or the reason in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl
from msgspec import Struct


class Facts(Struct, frozen=True, eq=False):
    """What is known of a workflow as it is now.

    ``saved`` is an EVALS frame, ``publications`` a VERSIONS frame, ``eras`` an ERAS frame of blocks
    with saved evals. ``saved_at`` tells when each block was saved last, ``labels`` what it is
    called. ``why_no_blocks`` says why neither is known. All was read by ``read_at``.
    """

    saved: pl.DataFrame
    saved_at: Mapping[str, datetime | None] = {}
    labels: Mapping[str, str | None] = {}
    why_no_blocks: str = ""
    eras: pl.DataFrame | None = None
    publications: pl.DataFrame | None = None
    workflow: pl.DataFrame | None = None
    read_at: datetime = datetime.min.replace(tzinfo=UTC)
