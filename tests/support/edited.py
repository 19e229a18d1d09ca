"""Situations as a table: the rows of EVIDENCE 5 and of ANSWER 2, and what each asks.

A row has an exit code, which every door has to give; the golden book has what is said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from support.lettered_api import DAY, HOUR, LetteredApi, Run, alike

BLOCKS = {f"{block} {at}": block for block in ("classify", "extract") for at in range(4)}
EXTRACT = [each for each, block in BLOCKS.items() if block == "extract"]
EDITED = {"classify": "A", "extract": "A" * 6 + "B"}
FINE = dict.fromkeys(BLOCKS, "P" * 6)

Situation = Callable[[], LetteredApi]


def made(evals: Mapping[str, str] = {}, codes: object = "A", **more: object) -> LetteredApi:
    return LetteredApi({**FINE, **evals}, blocks=BLOCKS, codes=codes, **more)  # type: ignore[arg-type]


def run_on_edit(
    api: LetteredApi, letters: Mapping[str, str], scope: str = "B", **more: object
) -> Run:
    return api.run(letters, scope=scope, codes={"extract": "B"}, after=HOUR, **more)


def edited(letters: Mapping[str, str] | str | None = None, **more: object) -> LetteredApi:
    """An edit of extract, and a run of it with these letters, if any."""
    api = made(codes=EDITED)
    if letters is not None:
        its = dict.fromkeys(EXTRACT, letters) if isinstance(letters, str) else letters
        run_on_edit(api, its, **more)  # type: ignore[arg-type]
    return api


def silent(api: LetteredApi) -> LetteredApi:
    for each in BLOCKS:
        api.change(each, freshness=None)
    return api


def stuck() -> LetteredApi:
    """The edit's run has not ended for two days, and lacks a result."""
    api = edited(dict(zip(EXTRACT, "PPPU", strict=True)))
    api.now = api.runs[-1].at + 2 * DAY
    return api


def newer(after: timedelta = HOUR, now: timedelta | None = None) -> LetteredApi:
    """A whole run that has not ended, of which nobody knows the code."""
    api = silent(made(codes={"classify": "A", "extract": "A"}))
    run = api.run("U" * 8, after=after)
    api.now = None if now is None else run.at + now
    return api


def invalid(api: LetteredApi, eval_id: str = "extract 0") -> LetteredApi:
    api.change(eval_id, validation_status="broken")
    return api


def broken(letters: str, codes: str) -> LetteredApi:
    its = dict.fromkeys(EXTRACT[:3], letters)
    return made(its, codes={"classify": "A", "extract": codes})


LONG = "P" * 20
ONE_EDIT = "A" * 20 + "B"


class Row(NamedTuple):
    """A situation, its exit code, and what :func:`check` is asked beside it."""

    make: Situation
    code: int
    asks: Mapping[str, Any] = {}

    @property
    def options(self) -> str:
        """What is asked, on the command line."""
        words = {"accepted": "accepted.toml"}
        return " ".join(f"--{name} {words.get(name, value)}" for name, value in self.asks.items())


def two(letters: str, codes: str = "A", **others: str) -> LetteredApi:
    """Two evals with the same letters, others by their names, and six that pass."""
    fine = alike(6, "P" * len(letters))
    return LetteredApi({"total": letters, "lines": letters, **others, **fine}, codes=codes)


def fallen() -> LetteredApi:
    """Each eval fails in every fourth run, a quarter of them in each; now half of them fail."""
    patterns = [("PPPF" * 4)[at:][:12] for at in range(4)]
    return LetteredApi(
        {f"e{at:03}": patterns[at % 4] + "PF"[at // 4 % 2] for at in range(80)},
    )


def ended_in_error(api: LetteredApi, letters: str) -> LetteredApi:
    """The newest run ended in an error itself, with these results."""
    api.run(letters, after=HOUR, status="error", id="asked")
    return api


def versions(letters: str) -> LetteredApi:
    evals = {"total": letters, **alike(6, "P" * 6)}
    return LetteredApi(evals, codes="AAABBB", published="AB")


TABLE: dict[str, Row] = {
    "edited": Row(edited, 2),
    "a part of it ran": Row(lambda: edited({EXTRACT[0]: "P"}, scope="E"), 2),
    "two blocks": Row(lambda: made(codes="A" * 6 + "B"), 2),
    "an assertion": Row(lambda: made(definitions={EXTRACT[0]: "A" * 6 + "B"}), 2),
    "inputs": Row(lambda: made(inputs={EXTRACT[0]: "A" * 6 + "B"}), 2),
    "never ran": Row(lambda: made({"new": ""}), 2),
    "edited again": Row(lambda: broken("PPPFFF", "AAABBBC"), 1),
    "edited again and run": Row(lambda: broken("PPPFFF", "AAABCD"), 1),
    "broke, and another block was edited": Row(
        lambda: LetteredApi(
            {each: "PPPPPPF" if each in EXTRACT else "PPPPPPP" for each in BLOCKS},
            blocks=BLOCKS,
            codes={"classify": "A" * 7 + "B", "extract": "A" * 6 + "B"},
        ),
        1,
    ),
    "its run goes on": Row(lambda: edited("U"), 2),
    "cancelled at once": Row(lambda: edited("C"), 1),
    "some failed, others lost": Row(lambda: edited(dict(zip(EXTRACT, "FFFC", strict=True))), 1),
    "some passed, others stuck": Row(stuck, 1),
    "not valid, broken before": Row(lambda: invalid(broken("PPPFFF", "AAABBB")), 1),
    "not valid, passed before": Row(lambda: invalid(edited(dict.fromkeys(EXTRACT[1:], "P"))), 1),
    "not valid, never ran": Row(lambda: invalid(made({"new": ""}), "new"), 0),
    "redefined, tried, put back": Row(
        lambda: made(
            {**dict.fromkeys(BLOCKS, "P" * 9), EXTRACT[0]: "PPPPFFFFF"},
            definitions={EXTRACT[0]: "AAAAAABAA"},
        ),
        1,
    ),
    "nothing passes": Row(lambda: LetteredApi({f"x{at}": "FFF" for at in range(5)}), 2),
    "first run, nothing passes": Row(lambda: LetteredApi({f"x{at}": "F" for at in range(5)}), 2),
    "first run": Row(lambda: LetteredApi({f"x{at}": "P" for at in range(5)}), 0),
    "an error twice": Row(lambda: made({EXTRACT[0]: "PPPPEE"}), 1),
    "nothing can be compared": Row(lambda: made(definitions=dict.fromkeys(BLOCKS, "AAAAAB")), 0),
    "a newer run of judged code goes on": Row(lambda: edited_whole("U" * 8), 0),
    "a newer run was cancelled": Row(lambda: edited_whole("PPCCCCCC"), 0),
    "a newer run goes on": Row(newer, 2),
    "a newer run has not ended": Row(lambda: newer(now=2 * DAY), 2),
    "a newer run is dated in the future": Row(lambda: newer(after=60 * DAY, now=-59 * DAY), 2),
    "one edit": Row(lambda: two(LONG + "F", ONE_EDIT), 1),
    "the same at a later run": Row(lambda: two(LONG + "FFF", ONE_EDIT + "BB"), 1),
    "without an edit": Row(lambda: two(LONG + "FFF"), 1),
    "several causes": Row(
        lambda: made(
            dict.fromkeys(BLOCKS, LONG + "P")
            | dict.fromkeys((*EXTRACT[:2], "classify 0"), LONG + "F"),
            codes=ONE_EDIT,
        ),
        1,
    ),
    "breaks and fixes": Row(lambda: two(LONG + "F", ONE_EDIT, mended="F" * 20 + "P"), 1),
    "nothing broke": Row(made, 0),
    "some fail as before": Row(lambda: two(LONG + "P", other="F" * 21), 0),
    "fixed": Row(lambda: two(LONG + "FFFFP", ONE_EDIT + "BBBC"), 0),
    "only accepted ones fail": Row(
        lambda: two(LONG + "FFF", ONE_EDIT + "BB"), 0, {"accepted": ("total", "lines")}
    ),
    "what is accepted passes again": Row(
        lambda: two(LONG + "P"), 1, {"accepted": ("lines", "total")}
    ),
    "a suspect": Row(lambda: two("P" * 13, other="P" * 12 + "F"), 2),
    "a suspect since an edit": Row(
        lambda: LetteredApi({"other": "PPPPFPPPF", **alike(8, "P" * 9)}, codes="A" * 8 + "B"), 2
    ),
    "a suspect, and one has no result": Row(
        lambda: two("P" * 13, other="P" * 12 + "F", lost="P" * 12 + "C"), 1, {"candidate": "run_12"}
    ),
    "saved again": Row(lambda: saved_again("classify 0"), 2),
    "the suite fell in one run": Row(fallen, 2),
    "an outage": Row(lambda: LetteredApi(alike(12, LONG + "E")), 1),
    "no result": Row(lambda: two("P" * 21, lost="P" * 20 + "C"), 1, {"candidate": "run_20"}),
    "one error": Row(lambda: two("P" * 21, crashed=LONG + "E"), 2),
    "nothing decided": Row(lambda: LetteredApi(alike(12, LONG + "C")), 1, {"candidate": "run_20"}),
    "still running": Row(lambda: two("P" * 21, going="P" * 20 + "U"), 2, {"candidate": "run_20"}),
    "still running, some fail": Row(
        lambda: two(LONG + "F", ONE_EDIT, going=LONG + "U"), 2, {"candidate": "run_20"}
    ),
    "asked for and could not run": Row(
        lambda: ended_in_error(made(), "PPEPP..."), 1, {"candidate": "asked"}
    ),
    "asked for, an error, and every result is there": Row(
        lambda: ended_in_error(made(), "P" * 8), 0, {"candidate": "asked"}
    ),
    "the same, and some broke": Row(
        lambda: ended_in_error(two(LONG, ONE_EDIT), "FFPPPPPP"), 1, {"candidate": "asked"}
    ),
    "the newest run ended in an error, and every result is there": Row(
        lambda: ended_in_error(two(LONG, ONE_EDIT), "FFPPPPPP"), 1
    ),
    "two versions": Row(lambda: versions("PPPPPP"), 0, {"baseline": "v1", "candidate": "v2"}),
    "two versions; one of them broke something": Row(
        lambda: versions("PPPFFF"), 1, {"baseline": "v1", "candidate": "v2"}
    ),
}


def saved_again(eval_id: str) -> LetteredApi:
    api = made()
    api.resave(eval_id, api.runs[-1].at + HOUR)
    return api


def edited_whole(letters: str) -> LetteredApi:
    api = made()
    api.run(letters, after=HOUR)
    return api
