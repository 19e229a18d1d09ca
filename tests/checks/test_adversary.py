"""Whatever happens in whatever dialect, the three laws of the timeline hold, and green is true.

1. What ``check`` calls stale, and no run tests now, is among what ``only="edited"`` starts. By
   itself it starts nothing else.
2. ``settle`` refuses nothing as edited that has run.
3. What was advised and done is not advised again.

And no verdict is green over a saved eval without a result on its present code and definition.
``SEQUENCES=300 pytest -m study tests/checks/test_adversary.py`` plays so many worlds.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.adversary import play_seed
from support.studied import with_studies

SEEDS = range(int(os.environ.get("SEQUENCES", 32)))


@pytest.mark.parametrize("seed", with_studies(SEEDS, range(6)))
def test_the_laws_hold(seed: int, tmp_path: Path) -> None:
    broken = play_seed(seed, tmp_path)
    assert not broken, broken
