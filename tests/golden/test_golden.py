"""What is said today stays as it is recorded, unless a change means to change it.

``GOLDEN=write pytest tests/golden`` writes what is said now; the diff of the files is reviewed.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from golden.book import describe_verdict, hold, write_entry
from golden.histories import History, read_histories
from golden.lives import LIVES, live_through
from golden.suites import describe_suite, small_suites
from support.fakes import KEY
from support.faultserver import FaultServer
from support.lettered_api import FLOW

import retab_analysis as ra


def test_the_hand_made_histories() -> None:
    entries = [_check_history(each, upto) for each in read_histories() for upto in each.after]
    hold("histories.txt", "\n".join(entries))


def test_a_hundred_simulated_suites() -> None:
    lines = [describe_suite(*each) for each in small_suites()]
    assert len(lines) == 100
    hold("suites.txt", "".join(lines))


def test_the_life_of_a_run_on_a_page() -> None:
    hold("lives.txt", "\n".join(map(live_through, LIVES)))


def _check_history(history: History, upto: int) -> str:
    title = f"{history.about}, after {upto} run{'s' * (upto > 1)}"
    api = replace(history.api, upto=upto)
    with FaultServer([api]) as server, ra.Client(KEY, server.url) as client:
        try:
            made = ra.check(FLOW, client=client, progress=False, **history.asking)
        except ra.RetabAnalysisError as error:
            return write_entry(title, [("letters", history.written), ("error", str(error))])
    headline, evals = str(made).splitlines()[0], made.evals.rows(named=True)
    aspects = describe_verdict(
        headline, made.verdict, evals, {**asdict(made.gate()), "exit_code": made.gate().exit_code}
    )
    return write_entry(title, [("letters", history.written), *aspects])
