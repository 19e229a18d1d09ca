"""Frames of several versions to be compared, and what a view of them shows."""

from __future__ import annotations

import polars as pl

from support.frames import many, results
from support.inside import CompareState


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


def sides(state: CompareState) -> tuple[str, str, str]:
    return state.kind, state.baseline, state.candidate
