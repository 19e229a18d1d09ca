"""What is said today stays as it is recorded, unless a change means to change it.

``GOLDEN=write pytest tests/golden`` writes what is said now; the diff of the files is reviewed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from golden.book import describe_verdict, hold, write_entry
from golden.histories import History, read_histories
from golden.lives import LIVES, live_through
from golden.suites import describe_suite, small_suites
from support.doors import Answer, ask_command_line
from support.edited import TABLE, Row
from support.fakes import KEY
from support.faultserver import FaultServer
from support.lettered_api import FLOW
from support.situations import SITUATIONS, Situation

import retab_analysis as ra


def test_the_recorded_situations() -> None:
    hold("situations.txt", "\n".join(map(_ask_situation, SITUATIONS)))


def test_what_python_says_of_each_row_of_the_table() -> None:
    hold("table.txt", "\n".join(_check_row(*each) for each in TABLE.items()))


def test_the_hand_made_histories() -> None:
    entries = [_check_history(each, upto) for each in read_histories() for upto in each.after]
    hold("histories.txt", "\n".join(entries))


def test_a_hundred_simulated_suites() -> None:
    lines = [describe_suite(*each) for each in small_suites()]
    assert len(lines) == 100
    hold("suites.txt", "".join(lines))


def test_the_life_of_a_run_on_a_page() -> None:
    hold("lives.txt", "\n".join(map(live_through, LIVES)))


def _ask_situation(situation: Situation) -> str:
    answer = ask_command_line(replace(situation, arguments=f"{situation.command} --json"))
    document = json.loads(answer.out) if answer.out else {}
    aspects = [("exit", f"{answer.code}")]
    if "gate" in document:
        told = [document[each] for each in ("headline", "verdict", "evals", "gate")]
        aspects += describe_verdict(*told)
        aspects += [("text", ask_command_line(situation).out)]
    else:
        # What it prints of an error has ports and numbers that are not the same everywhere.
        error = document.get("error") or answer.err
        aspects += [("error", Answer(answer.code, "", error).says)]
    return write_entry(f"{situation.about}: {situation.command}", aspects)


def _check_row(name: str, row: Row) -> str:
    made = row.make().check(**row.asks)
    step = made.next_step
    aspects = [("headline", made.headline)] + ([("next", step.code)] if step else [])
    return write_entry(name, aspects)


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
