"""The ledger: which outcomes are comparable, and which of them are one row of the model.

A run is when it began, in minutes, and the letters of its evals; beside that its scope (``W``,
``B`` or ``E``), code, and how many minutes it took.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from support.frames import START, many, results
from support.inside import Ledger, SavedEvals, Sides, Told, collect, tell, write_by_value

DAY = 24 * 60
SCOPES = {"W": "workflow", "B": "block", "E": "eval"}


class Run(NamedTuple):
    """A run of evals; ``now`` puts it on the candidate's side."""

    at: float
    letters: dict[str, str]
    scope: str = "W"
    code: str | None = "A"
    minutes: float = 1.0
    now: bool = False
    more: dict[str, Any] = {}  # noqa: RUF012


def told(*runs: Run, blocks: dict[str, str] | None = None, horizon: datetime | None = None) -> Told:
    """What is concluded from some runs, with what is known of their scopes."""
    sides: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for number, run in enumerate(runs):
        began = START + timedelta(minutes=run.at)
        known = {
            "run_created_at": began,
            "created_at": began,
            "completed_at": began + timedelta(minutes=run.minutes),
            "run_scope": SCOPES[run.scope],
            "block_execution_fingerprint": run.code,
            "workflow_version_id": run.code,
        }
        for name, letter in run.letters.items():
            block = (blocks or {}).get(name, "block_1")
            sides[run.now] += many(name, letter, number, **{**known, "block_id": block, **run.more})
    its = Sides.of(results(*sides[True]), None, results(*sides[False]))
    return tell(its.results, SavedEvals(), horizon=horizon)


def ledger(*runs: Run, **more: Any) -> Ledger:
    return told(*runs, **more).ledger


def errors_since(made: Told) -> dict[str, datetime]:
    """Since when evals end in errors."""
    found = {each.id: each.errors_since for each in made.stories}
    return {name: at for name, at in found.items() if at is not None}


def rows(made: Ledger, name: str = "a") -> list[str]:
    """What an eval has in each row: P or F for each outcome, a dot for none."""
    place = made.evals["eval_id"].to_list().index(name)
    told = made.histories
    return [
        "P" * int(p) + "F" * int(f) or "."
        for p, f in zip(told.passes[place], told.fails[place], strict=True)
    ]


def of_one(letters: str, **columns: list[Any]) -> Ledger:
    """An eval with a run a day, and a column's value for each of them."""
    given = [
        Run(at * DAY, {"a": letter}, more={name: each[at] for name, each in columns.items()})
        for at, letter in enumerate(letters)
    ]
    return ledger(*given[:-1], given[-1]._replace(now=True))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a":1,"b":2}', '{"b":2,"a":1}', True),
        ("1", "1.0", True),
        ("100", "1e2", True),
        ("0", "-0.0", True),
        ("[1,2]", "[2,1]", False),
        ("1", '"1"', False),
        ("1", "true", False),
        ("1", "-1", False),
        ("0.1", "0.10000000000000001", False),
        ("9007199254740993", "9007199254740992", False),
        ("null", "{}", False),
        ("not JSON", "not JSON", True),
    ],
)
def test_a_definition_is_compared_by_value(one: str, other: str, same: bool) -> None:
    assert (write_by_value(one) == write_by_value(other)) == same
    made = of_one("PF", expected_value=[one, other])
    assert rows(made) == (["P", "F"] if same else [".", "F"])


@pytest.mark.parametrize(
    ("letters", "definitions", "counted"),
    [
        ("PPFF", "AABB", "..FF"),
        ("PPPF", "ABAA", "P.PF"),  # what was tried and put back is skipped
        ("PFPF", "ABBA", "P..F"),
        ("PPFF", "A?BB", ".PFF"),
        ("PPFF", "AA??", "PPFF"),  # what is not known may be the same
        ("PPCF", "AABA", "PPF"),  # what decided nothing has no definition
        ("PPEF", "AABA", "PP.F"),
        ("PPFC", "AAAB", "PPF."),
    ],
)
@pytest.mark.parametrize(
    "column", ["expected_value", "condition_kind", "handle_inputs_fingerprint"]
)
def test_a_history_is_of_the_present_definition(
    letters: str, definitions: str, counted: str, column: str
) -> None:
    values = [None if each == "?" else f'"{each}"' for each in definitions]
    found = "".join(rows(of_one(letters, **{column: values})))
    assert found.strip(".") == counted.strip(".")


BOTH, OTHER = {"a": "F", "b": "P"}, {"a": "P"}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        # A run of an hour: the three hours begin where it ended.
        ([Run(239, OTHER, "E")], ["PF"]),
        ([Run(241, OTHER, "E")], ["F", "P"]),
        # However often it is run again in them, it is one pass and one failure.
        ([Run(70 + at, OTHER, "E") for at in range(4)], ["PF"]),
        ([Run(70, {"a": "F"}, "E")], ["F"]),
        ([Run(70, {"a": "F"}, "E"), Run(90, OTHER, "E")], ["PF"]),
        # Windows do not chain: what joins a row does not lengthen it.
        ([Run(230, OTHER, "E"), Run(250, OTHER, "E")], ["PF", "P"]),
        # A row of reruns is open for three hours from the first of them.
        ([Run(250, OTHER, "E"), Run(429, {"a": "F"}, "E")], ["F", "PF"]),
        ([Run(250, OTHER, "E"), Run(431, {"a": "F"}, "E")], ["F", "P", "F"]),
        # A rerun of other code is a row of its own, and closes the one before.
        ([Run(70, OTHER, "E", "B")], ["F", "P"]),
        ([Run(70, {"a": "F"}, "E", "B"), Run(80, OTHER, "E", "A")], ["F", "F", "P"]),
        ([Run(70, {"a": "C"}, "E", "B"), Run(80, OTHER, "E", "A")], ["F", "P"]),
        ([Run(70, OTHER, "E", None)], ["PF"]),
        # Two runs of the workflow or of a block are two rows, however near.
        ([Run(61, BOTH)], ["F", "F"]),
        ([Run(61, BOTH, "B")], ["F", "F"]),
        ([Run(61, {"b": "P"}, "B"), Run(70, OTHER, "E")], ["F", "P"]),
    ],
)
def test_reruns_of_three_hours_are_one_row(after: list[Run], expected: list[str]) -> None:
    runs = [Run(0, BOTH, minutes=60), *after]
    assert rows(ledger(*[run._replace(now=True) for run in runs])) == expected
    # It is the same for what is earlier.
    earlier = ledger(*runs, Run(9 * DAY, BOTH, now=True))
    assert rows(earlier) == [*expected, "F"]


def test_without_an_end_the_three_hours_begin_with_the_run() -> None:
    whole = Run(0, BOTH, more={"completed_at": None})
    for at, expected in ((179, ["PF", "P"]), (181, ["F", "P", "P"])):
        made = ledger(whole, Run(at, OTHER, "E"), Run(9 * DAY, OTHER, now=True))
        assert rows(made) == expected


def test_the_end_of_the_run_counts_and_not_of_its_results() -> None:
    ended = START + timedelta(minutes=60)
    whole = Run(0, BOTH, minutes=1, more={"run_completed_at": ended})
    made = ledger(whole, Run(239, OTHER, "E"), Run(9 * DAY, OTHER, now=True))
    assert rows(made) == ["PF", "P"]


def test_rows_are_counted_per_block() -> None:
    blocks = {"a": "one", "b": "other"}
    runs = [Run(at * DAY, {"b": "P"}, "B") for at in range(1, 6)]
    both = Run(0, {"a": "P", "b": "P"}), Run(9 * DAY, {"a": "F", "b": "P"}, now=True)
    made = ledger(both[0], *runs, both[1], blocks=blocks)
    assert [row for row in rows(made) if row != "."] == ["P", "F"]
    assert rows(made)[-2:] == ["P", "F"]  # nothing lies between
    assert rows(made, "b") == ["P"] * 7


@pytest.mark.parametrize(
    ("letters", "codes", "since"),
    [
        ("PPE", "AAA", None),
        ("PPEE", "AAAA", 2),
        ("PPEEE", "AAAAA", 2),
        ("PEEP", "AAAA", None),  # it has an outcome now
        ("PEPE", "AAAA", None),
        ("PPEE", "AAAB", None),
        ("PEEE", "AABB", 2),  # on the newest code
        ("PEFE", "AAAA", None),
        ("PECE", "AAAA", 1),  # a cancelled result is nothing
    ],
)
def test_an_error_is_no_outcome_and_is_dated_where_it_repeats(
    letters: str, codes: str, since: int | None
) -> None:
    runs = [
        Run(at * DAY, {"a": letter, "b": "P"}, code=code)
        for at, (letter, code) in enumerate(zip(letters, codes, strict=True))
    ]
    made = told(*runs[:-1], runs[-1]._replace(now=True))
    assert "".join(rows(made.ledger)) == letters.replace("E", ".").replace("C", ".")
    began = {} if since is None else {"a": START + timedelta(days=since)}
    assert errors_since(made) == began


def test_errors_of_one_row_do_not_repeat() -> None:
    whole = Run(DAY, {"a": "E", "b": "P"}, now=True)
    before = Run(0, {"a": "P", "b": "P"})
    for minutes, repeats in ((5, False), (170, False), (190, True)):
        again = Run(DAY + minutes, {"a": "E"}, "E", now=True)
        assert ("a" in errors_since(told(before, whole, again))) == repeats


def _run_of(n: int, errors: int, blocks: int) -> tuple[dict[str, str], dict[str, str]]:
    letters = {f"e{at:03}": "E" if at < errors else "P" for at in range(n)}
    return letters, {name: f"b{at % blocks}" for at, name in enumerate(letters)}


@pytest.mark.parametrize(
    ("n", "errors", "blocks", "outage"),
    [
        (30, 3, 2, True),  # three evals, a tenth, two blocks
        (31, 3, 2, False),  # less than a tenth
        (4, 2, 2, False),  # two evals
        (30, 14, 1, False),  # one block, less than half
        (30, 15, 1, True),
        (3, 3, 1, True),
    ],
)
def test_an_outage(n: int, errors: int, blocks: int, outage: bool) -> None:
    letters, of = _run_of(n, errors, blocks)
    runs = [Run(at * DAY, letters) for at in range(2)]
    made = told(runs[0], runs[1]._replace(now=True), blocks=of)
    assert made.ledger.results["outage"].all() == outage
    # Its errors count nowhere, not as one of two in a row either.
    assert len(errors_since(made)) == (0 if outage else errors)


def jumps(made: Ledger, name: str = "a") -> str:
    """To which rows an eval's rate may jump."""
    place = made.evals["eval_id"].to_list().index(name)
    told = made.histories
    may_jump = told.jumps[place] & told.begun[place]
    return "".join("-x"[int(each)] for each in may_jump)


@pytest.mark.parametrize(
    ("later", "scope", "code", "expected"),
    [
        (240, "E", "A", "-x-"),  # a rerun on the same code within a day
        (DAY + 60, "E", "A", "-xx"),
        (60, "E", "B", "-xx"),
        (60, "W", "A", "-x-"),
    ],
)
def test_no_rate_jumps_between_a_run_and_its_reruns(
    later: float, scope: str, code: str, expected: str
) -> None:
    last = Run(5 * DAY, BOTH, now=True)
    again = Run(5 * DAY + later, OTHER if scope == "E" else BOTH, scope, code, now=True)
    assert jumps(ledger(Run(0, BOTH), last, again)) == expected


def test_a_pass_that_only_the_saved_eval_remembers_is_a_row() -> None:
    remembered = Run(0, {"a": "P"}, more={"run_id": None, "result_id": None})
    other = Run(DAY, {"b": "P"}, more={"run_id": None, "result_id": None})
    made = ledger(remembered, other, Run(9 * DAY, BOTH), Run(10 * DAY, BOTH, now=True))
    # Several evals remember something: that is one row, and not a run of all of them.
    assert rows(made) == ["P", "F", "F"]
    assert rows(made, "b") == ["P", "P", "P"]


def test_an_edit_is_where_two_known_codes_differ() -> None:
    # Where a code between them is not known, it may have been there already.
    codes = ["A", "A", "B", None, "C", "C"]
    runs = [Run(at * DAY, BOTH, code=code) for at, code in enumerate(codes)]
    made = ledger(*runs[:-1], runs[-1]._replace(now=True))
    assert made.histories.edited[0].tolist()[1:] == [0, 2, 1, 2, 0]


@pytest.mark.parametrize(
    ("letters", "codes", "edits"),
    [
        # One of many says so.
        (["PPP", "PPP", "PPP"], ["AAB", "A??", "A??"], "002"),
        # Who was not run at the edit was edited with his block.
        (["PP.P", "PPPP"], ["AA.B", "AABB"], "0020"),
        (["PPPP", "PP.P"], ["AABB", "AA.B"], "0020"),
        # Of a run on several codes each is one; equal codes before and after hide an unknown one.
        (["PPP", "PPP"], ["ABB", "AAB"], "022"),
        (["PPPP"], ["AA?A"], "0000"),
    ],
)
def test_a_block_was_edited_where_any_of_its_evals_says_so(
    letters: list[str], codes: list[str], edits: str
) -> None:
    sides: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for name, its, of in zip("abc", letters, codes, strict=False):
        for at, (letter, code) in enumerate(zip(its, of, strict=True)):
            if letter != ".":
                more = {
                    "block_execution_fingerprint": None if code == "?" else code,
                    "workflow_version_id": None,
                    "run_scope": "workflow",
                }
                sides[at == len(its) - 1] += many(name, letter, at, **more)
    made = collect(Sides.of(results(*sides[True]), None, results(*sides[False])).results)
    assert "".join(map(str, made.histories.edited[0])) == edits


def test_an_eval_stays_in_its_block_where_its_newest_result_does_not_name_it() -> None:
    nameless = Run(2 * DAY, {"a": "P"}, more={"block_id": None})
    made = ledger(Run(0, BOTH | {"b": "P"}), nameless, Run(3 * DAY, {"b": "P"}, now=True))
    assert made.evals["block_id"].to_list() == ["block_1", "block_1"]
    assert made.histories.block[0] == made.histories.block[1]
