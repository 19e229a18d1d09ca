"""Take the README's picture: the answer of its first example, as a notebook shows it.

``make docs`` runs this if the answer may look different. It needs Chromium.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

import retab_analysis as ra

ROOT = Path(__file__).parents[1]
PAGE = '<!doctype html><meta charset="utf-8"><body style="margin:16px; background:white">{}'
OPTIONS = "--headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1000,900"


def answer() -> str:
    """The verdict of the README's first example, as HTML."""
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert example is not None
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(example[1], "README.md", "exec"), names)
    ra.demo().stop()
    return str(names["verdict"]._repr_html_())


def main() -> None:
    """Write ``docs/answer.png``."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("There is no Chromium here, so docs/answer.png stays as it is.")
        return
    target = ROOT / "docs" / "answer.png"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "answer.html")
        page.write_text(PAGE.format(answer()), encoding="utf-8")
        command = [chromium, *OPTIONS.split(), f"--screenshot={target}", page.as_uri()]
        subprocess.run(command, check=True, timeout=60, stderr=subprocess.DEVNULL)
    Image.open(target).convert("RGB").quantize(96).save(target, optimize=True)


if __name__ == "__main__":
    main()
