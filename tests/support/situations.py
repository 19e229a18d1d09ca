"""Situations in which somebody asks whether a change broke anything.

Each is a workflow's past as letters and a command line; ``support/doors.py`` asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from support.edited import TABLE
from support.fakes import KEY
from support.faultserver import reply
from support.lettered_api import FLOW, LetteredApi

PAST = 20
P = "P" * PAST
EDIT = "A" * PAST + "B"
"""The code of one run more, whose block was edited."""
ACCEPT = "accept wf_contracts accepted.toml --reason known"
FINE = {f"fine {at}": P + "P" for at in range(6)}


@dataclass(frozen=True)
class Situation:
    """A past, a command line, and the exit code that it has to give.

    Attributes:
        about: What happened.
        code: The exit code.
        api: What the API serves.
        options: What follows ``check WORKFLOW``.
        accepted: What the file ``accepted.toml`` holds, if there is one.
        address: Where the API is said to be; the API's own address if None.
        key: The key; None for none.
        arguments: The whole command line, where it is another one.
        shown: The command lines, with semicolons between, of which the last shows the same in the
            sandbox; ``{contracts[5]}`` is a run of the whole workflow that has ended, counted from
            the newest one. Empty where the sandbox has nothing like it.
    """

    about: str
    code: int
    api: LetteredApi
    options: str = ""
    accepted: str | None = None
    address: str | None = None
    key: str | None = KEY
    arguments: str | None = None
    shown: str = ""

    @property
    def command(self) -> str:
        """The command line."""
        return self.arguments or f"check {FLOW} {self.options}".strip()


def _broken(more: str, codes: str = "", **settings: Any) -> LetteredApi:
    """Two evals that passed, and these letters since; others that are fine."""
    rows = {"total": P + more, "lines": P + more}
    fine = {name: "P" * (PAST + len(more)) for name in FINE}
    return LetteredApi({**rows, **fine}, codes=codes, **settings)


def _one(letters: str, codes: str = "", **settings: Any) -> LetteredApi:
    """One eval with these letters; others that are fine."""
    return LetteredApi(
        {"total": letters, **{name: "P" * len(letters) for name in FINE}}, codes, **settings
    )


def _all(letters: str, number: int = 12, **settings: Any) -> LetteredApi:
    return LetteredApi({f"eval {at}": letters for at in range(number)}, **settings)


def _accepted(until: str | None = None) -> str:
    entries = [
        f'[[accepted]]\nid = "{each}"\nreason = "known"\n' + (f"until = {until}\n" if until else "")
        for each in ("lines", "total")
    ]
    return "\n".join(entries)


_SUSPECT: dict[str, Any] = {"letters": "P" * 12 + "F"}
_ONE_FAILED = "check wf_contracts --candidate {contracts[5]}"
_FLAKY = "PPFPPPFPPFPPPPFPPFPP"

SITUATIONS = (
    Situation(
        "everything passes", 0, _all(P + "P"), shown="check wf_claims --candidate {claims[35]}"
    ),
    Situation(
        "an edit broke two evals",
        1,
        _broken("F", EDIT),
        shown="check wf_contracts --candidate {contracts[4]}",
    ),
    Situation(
        "red again: two runs later nothing is mended",
        1,
        _broken("FFF", EDIT + "BB"),
        shown="check wf_contracts --candidate {contracts[2]}",
    ),
    Situation(
        "red still: a week later", 1, _broken("F" * 8, EDIT + "B" * 7), shown="check wf_contracts"
    ),
    Situation(
        "an edit mended what an edit had broken",
        0,
        _broken("FFFFP", EDIT + "BBBC"),
        shown="check wf_claims --candidate {claims[20]}",
    ),
    Situation(
        "drift: three failures in a row, without an edit",
        1,
        _broken("FFF"),
        shown="check wf_claims",
    ),
    Situation("an edit blocks two evals", 1, _broken("B", EDIT)),
    Situation(
        "flaky only, and it fails now",
        0,
        _one(_FLAKY + "F"),
        shown="check wf_contracts --candidate {contracts[7]}",
    ),
    Situation("flaky only, and it passes now", 0, _one(_FLAKY + "P")),
    Situation(
        "an eval that never passed",
        0,
        _one("F" * PAST + "F"),
        shown="check wf_contracts --candidate {contracts[7]}",
    ),
    Situation(
        "one failure, without an edit",
        2,
        _one(**_SUSPECT),
        shown=_ONE_FAILED,
    ),
    *(
        Situation("the same", code, _one(**_SUSPECT), options, shown=f"{_ONE_FAILED} {options}")
        for code, options in (
            (0, "--undecided ok"),
            (1, "--undecided fail"),
            (1, "--fail-on regressed,suspect"),
        )
    ),
    Situation("run again, it passes", 0, _one(**_SUSPECT, reruns={}), "--settle 12"),
    Situation("run again, it fails", 2, _one(**_SUSPECT, reruns={"total": "FFFF"}), "--settle 12"),
    Situation(
        "an execution error",
        2,
        _one(P + "E"),
        shown="check wf_statements --candidate {statements[4]}",
    ),
    Situation("run again, it passes", 0, _one(P + "E"), "--settle 12"),
    Situation(
        "an outage: every eval ends in an error",
        1,
        _all(P + "E"),
        shown="check wf_claims --candidate {claims[9]}",
    ),
    Situation(
        "the run was cancelled",
        1,
        _all(P + "C"),
        f"--candidate run_{PAST}",
        shown="check wf_contracts --candidate {contracts[12]}",
    ),
    Situation(
        "half of the run was cancelled",
        1,
        LetteredApi({f"eval {at}": P + ("P" if at % 2 else "C") for at in range(12)}),
        f"--candidate run_{PAST}",
        shown="check wf_invoices --candidate {invoices[1]}",
    ),
    Situation(
        "the run goes on still",
        2,
        LetteredApi({f"eval {at}": P + ("P" if at % 3 else "U") for at in range(12)}),
        f"--candidate run_{PAST}",
        shown="check {going[0]} --candidate {going[1]}",
    ),
    Situation(
        "the first run: nothing to compare with",
        0,
        _all("P"),
        shown="check wf_statements --candidate {statements[33]}",
    ),
    Situation(
        "the same",
        0,
        _all("P"),
        "--undecided ok",
        shown="check wf_statements --candidate {statements[33]} --undecided ok",
    ),
    Situation("no run has ended yet", 2, _all("U")),
    Situation(
        "every eval was edited, and passes",
        0,
        _all(P + "P", 3, definitions={f"eval {at}": EDIT for at in range(3)}),
    ),
    Situation("an edited eval fails", 0, _one(P + "F", definitions={"total": EDIT})),
    Situation("a new eval fails", 0, _one("." * PAST + "F")),
    Situation("an eval is saved, and was not run", 1, _one(P + ".")),
    Situation(
        "what broke is accepted",
        0,
        _broken("F", EDIT),
        "--accepted accepted.toml",
        _accepted(),
        shown=f"{ACCEPT}; check wf_contracts --accepted accepted.toml",
    ),
    Situation(
        "what was accepted passes again",
        1,
        _broken("P"),
        "--accepted accepted.toml",
        _accepted(),
        shown=f"{ACCEPT}; check wf_contracts --accepted accepted.toml --candidate {{contracts[7]}}",
    ),
    Situation(
        "the acceptance has run out",
        1,
        _broken("F", EDIT),
        "--accepted accepted.toml",
        _accepted("2026-01-01"),
    ),
    Situation(
        "no eval is sure, all together got worse",
        1,
        LetteredApi(
            {
                f"eval {at:02}": ("PPPPF" * 6)[at % 5 :][:PAST] + ("PPFFF" * 3)[at % 5 :][:5]
                for at in range(40)
            },
            codes="A" * PAST + "B" * 5,
        ),
        " ".join(f"--candidate run_{PAST + at}" for at in range(5)),
    ),
    Situation("three evals, one earlier run", 0, _all("PP", 3)),
    Situation("a fresh run, and it passes", 0, _all(P), "--start"),
    Situation(
        "a fresh run of an edited block breaks two evals",
        1,
        _broken("", "A" * PAST + "B", reruns={"total": "F", "lines": "F"}),
        "--start",
        shown="check wf_contracts --start",
    ),
    Situation(
        "only the edited block is run, and two of its evals break",
        1,
        LetteredApi(
            {"total": P, "lines": P, "type": P, "pages": P},
            codes={"extract": "A" * PAST + "B", "classify": "A"},
            blocks={"type": "classify", "pages": "classify"},
            reruns={"total": "F", "lines": "F"},
        ),
        "--start --only edited",
    ),
    Situation("nothing was edited, and nothing is run", 0, _all(P), "--start --only edited"),
    Situation(
        "against the code before the newest edit",
        1,
        _broken("FFF", EDIT + "BB"),
        "--baseline previous",
        shown="check wf_invoices --baseline previous",
    ),
    Situation(
        "no such baseline",
        4,
        _all(P + "P"),
        "--baseline nope",
        shown="check wf_claims --baseline nope",
    ),
    Situation(
        "no such workflow", 3, _all(P + "P"), arguments="check wf_nope", shown="check wf_nope"
    ),
    Situation("no key", 3, _all(P + "P"), key=None, shown="check wf_claims"),
    Situation("a wrong key", 3, _all(P + "P"), key="sk_retab_wrong_key", shown="check wf_claims"),
    Situation("the server is away", 3, _all(P + "P"), address="http://127.0.0.1:9"),
    Situation(
        "the server fails",
        3,
        _all(P + "P", broken={"GET": reply(500, {"detail": "database on fire"})}),
    ),
    Situation(
        "something else answers",
        3,
        _all(P + "P", broken={"GET": reply(200, b"<html>Log in</html>")}),
    ),
    Situation("no workflow given", 4, _all(P + "P"), arguments="check", shown="check"),
    Situation(
        "nothing fails on that word",
        4,
        _all(P + "P"),
        "--fail-on everything",
        shown="check wf_claims --fail-on everything",
    ),
    Situation(
        "no such file",
        4,
        _all(P + "P"),
        "--accepted accepted.toml",
        shown="check wf_claims --accepted accepted.toml",
    ),
    Situation(
        "names that would steer a terminal or a runner",
        1,
        _broken(
            "F",
            EDIT,
            names={"total": "\x1b[2J::error::\r\n##[x] <b>|", "lines": "`$(rm)`\n::set-output"},
        ),
    ),
    *(
        Situation(
            name,
            row.code,
            row.make(),
            row.options,
            _accepted() if "accepted" in row.asks else None,
        )
        for name, row in TABLE.items()
    ),
)
