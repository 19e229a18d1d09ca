"""Frames of several versions to be compared."""

from __future__ import annotations

from typing import Any

import polars as pl

import retab_analysis as ra
from support.frames import many, results
from support.inside import Comparison


def suite(**versions: str) -> pl.DataFrame:
    """One run of each version, which edits the block; one eval per letter, a dot is none."""
    rows = [
        row
        | {
            "workflow_version_id": version,
            "workflow_draft_fingerprint": f"draft of {version}",
            "block_execution_fingerprint": f"code of {version}",
        }
        for day, (version, letters) in enumerate(versions.items(), 1)
        for at, letter in enumerate(letters)
        if letter != "."
        for row in many(f"e{at}", letter, day)
    ]
    return results(*rows)


THREE = suite(v1="PPPPPPP", v2="PPPPPFP", v3="FBEPPPP")


def compare_in(frame: pl.DataFrame, baseline: str, candidate: str, **more: Any) -> Comparison:
    """Compare two versions of a frame; its other rows are the history."""
    version = pl.col("workflow_version_id")
    before, now = (frame.filter(version == each) for each in (baseline, candidate))
    others = frame.filter(~version.is_in((baseline, candidate)).fill_null(False))
    return ra.compare(before, now, history=others, **more)
