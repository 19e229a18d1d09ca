"""The program that tells how often the suite's statistics are right."""

from __future__ import annotations

import re

import pytest

from simulation.suite_table import main


@pytest.mark.parametrize(
    ("part", "rows", "share"),
    [
        ("power", 18, r": ([01]\.\d\d)"),
        ("level", 24, r"[|/] (\d\.\d{3})"),
        ("cover", 27, r"(\d\.\d{3})"),
    ],
)
def test_of_one_suite_a_design_all_or_nothing_is_found(
    part: str, rows: int, share: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--tries", "1", "--part", part])
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 2 + rows
    for line in lines[2:]:
        assert line.count("|") == 6
        assert {float(each) for each in re.findall(share, line)} <= {0.0, 1.0}
