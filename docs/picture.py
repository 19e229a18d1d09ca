"""Make the README's picture anew, the answer as a notebook shows it: ``python docs/picture.py``.

Needs Chromium and Pillow, which matplotlib brings.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from PIL import Image

import retab_analysis as ra

PAGE = '<!doctype html><meta charset="utf-8"><body style="margin:16px; background:white">{}'


def main() -> None:
    """Write ``docs/answer.png``."""
    sandbox = ra.demo()
    html = ra.check("wf_invoices", progress=False)._repr_html_()
    sandbox.stop()
    target = Path(__file__).parent / "answer.png"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "answer.html")
        page.write_text(PAGE.format(html), encoding="utf-8")
        command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars"]
        command += ["--window-size=1000,900", f"--screenshot={target}", page.as_uri()]
        subprocess.run(command, check=True, timeout=60)
    Image.open(target).convert("RGB").quantize(96).save(target, optimize=True)


if __name__ == "__main__":
    main()
