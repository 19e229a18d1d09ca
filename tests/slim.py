"""``make test-slim``: a check where only slim.txt is installed, and how large that is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import retab_analysis as ra

MOST_MEGABYTES = 250


def check(workflow_id: str) -> int:
    """What the program ends with, which is the exit code of a check against the sandbox."""
    with ra.Sandbox() as sandbox:
        known = sandbox.credentials
        keys = {"RETAB_API_KEY": known["api_key"], "RETAB_API_BASE_URL": known["base_url"]}
        program = Path(sys.prefix, "bin", "retab-analysis")
        return subprocess.run(
            [program, "check", workflow_id], env={**os.environ, **keys}
        ).returncode


def megabytes(folder: Path) -> float:
    """What the files of a folder take on the disk, in units of 2**20 bytes."""
    return sum(each.lstat().st_blocks * 512 for each in folder.rglob("*")) / 2**20


if __name__ == "__main__":
    code, size = check("wf_contracts"), megabytes(Path(sys.prefix))
    print(f"check ended with {code} (1 is expected); the environment takes {size:.0f} MB")
    sys.exit(code != 1 or size > MOST_MEGABYTES)
