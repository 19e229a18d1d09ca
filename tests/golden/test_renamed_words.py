"""Whoever renames a word changes ``WORDS`` alone: no door says the old one any more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.inside import WORDS

import retab_analysis

TESTS = Path(__file__).parents[1]
RENAMED = {
    "flaky": "fickle",
    "unclear": "murky",
    "broke": "snapped",
    "fixed": "healed",
    "no result": "empty hands",
    "failing as before": "ailing since long",
    "not compared": "left alone",
}


def speak(package: Path) -> str:
    path = os.pathsep.join((str(package.parent), str(TESTS)))
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "support.spoken"],
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": path, "MPLBACKEND": "agg", "COLUMNS": "200"},
        capture_output=True,
        encoding="utf-8",
        timeout=900,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    return told.stdout


def test_a_renamed_word_is_renamed_in_every_place(tmp_path: Path) -> None:
    package = tmp_path / "retab_analysis"
    shutil.copytree(Path(retab_analysis.__file__).parent, package)
    detail = package / "comparison" / "detail.py"
    before, rest = detail.read_text("utf-8").split("WORDS: Mapping[str, Word] = {\n", 1)
    table, after = rest.split("\n}\n", 1)
    for old, new in RENAMED.items():
        assert old in {each.word for each in WORDS.values()}
        # The second text of a row is its word, the last one its key.
        table = re.sub(rf'(Word\("[^"]+", )"{old}"', rf'\1"{new}"', table)
    detail.write_text(f"{before}WORDS: Mapping[str, Word] = {{\n{table}\n}}\n{after}", "utf-8")
    said = speak(package)
    # Names of frames, files, arguments and transitions are none of the words.
    left = re.compile(rf"(?<![\w.'\"`=-])({'|'.join(RENAMED)})(?![\w`'\"=])", re.IGNORECASE)
    assert not [said[max(0, at.start() - 60) : at.end() + 40] for at in left.finditer(said)]
    for new in RENAMED.values():
        assert new in said.casefold(), new
