"""``make test-slim``: a check where only slim.txt is installed, and how large that is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import retab_analysis as ra
from retab_analysis.cli import main

MOST_MEGABYTES = 250


def check(workflow_id: str) -> int:
    """The exit code of a check against the sandbox."""
    with ra.Sandbox() as sandbox:
        os.environ["RETAB_API_KEY"] = sandbox.credentials["api_key"]
        os.environ["RETAB_API_BASE_URL"] = sandbox.credentials["base_url"]
        return main(["check", workflow_id])


def megabytes(folder: Path) -> float:
    """What the files of a folder take on the disk, in units of 2**20 bytes."""
    return sum(each.lstat().st_blocks * 512 for each in folder.rglob("*")) / 2**20


if __name__ == "__main__":
    code, size = check("wf_contracts"), megabytes(Path(sys.prefix))
    print(f"check ended with {code} (1 is expected); the environment takes {size:.0f} MB")
    sys.exit(code != 1 or size > MOST_MEGABYTES)
