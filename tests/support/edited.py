"""What a verdict says, as a table: the rows of EVIDENCE 5 and of ANSWER 2, and what each asks.

A row has a headline, an exit code and a next step, and every door has to give them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from support.lettered_api import DAY, FLOW, HOUR, LetteredApi, Run, alike

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


WAS_EDITED = "extract was edited"
LONG = "P" * 20
ONE_EDIT = "A" * 20 + "B"
SETTLE, VALUES = "verdict = ra.settle(verdict)", "verdict.values()"
WATCH = f'view = ra.watch(workflow_id="{FLOW}")'
WHOLE = f'run = ra.start_runs("{FLOW}")'
EDITED_ONLY = f'run = ra.start_runs("{FLOW}", only="edited")'


class Row(NamedTuple):
    """A situation, what has to be said of it, and what :func:`check` is asked beside it."""

    make: Situation
    code: int
    headline: str
    next: str | None
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
    "edited": Row(
        edited, 2, f"○ {WAS_EDITED} and has not run yet; before that nothing broke", EDITED_ONLY
    ),
    "a part of it ran": Row(
        lambda: edited({EXTRACT[0]: "P"}, scope="E"),
        2,
        f"○ {WAS_EDITED}: 3 of its 4 evals have not run since; nothing broke",
        EDITED_ONLY,
    ),
    "two blocks": Row(
        lambda: made(codes="A" * 6 + "B"),
        2,
        "○ 2 blocks were edited and have not run yet; before that nothing broke",
        EDITED_ONLY,
    ),
    "an assertion": Row(
        lambda: made(definitions={EXTRACT[0]: "A" * 6 + "B"}),
        2,
        "○ 1 edited eval has not run yet; nothing else broke",
        EDITED_ONLY,
    ),
    "inputs": Row(
        lambda: made(inputs={EXTRACT[0]: "A" * 6 + "B"}),
        2,
        "○ 1 edited eval has not run yet; nothing else broke",
        EDITED_ONLY,
    ),
    "never ran": Row(
        lambda: made({"new": ""}),
        2,
        "○ 1 new eval has not run yet; nothing else broke",
        EDITED_ONLY,
    ),
    "edited again": Row(
        lambda: broken("PPPFFF", "AAABBBC"),
        1,
        "✗ 3 evals are still broken since the edit of 4 Apr; "
        "extract was edited again and has not run",
        EDITED_ONLY,
    ),
    "edited again and run": Row(
        lambda: broken("PPPFFF", "AAABCD"),
        1,
        "✗ 3 evals are still broken since the edit of 4 Apr; the edit of 6 Apr mended none",
        'ra.tries("wf_letters", "extract")',
    ),
    "broke, and another block was edited": Row(
        lambda: LetteredApi(
            {each: "PPPPPPF" if each in EXTRACT else "PPPPPPP" for each in BLOCKS},
            blocks=BLOCKS,
            codes={"classify": "A" * 7 + "B", "extract": "A" * 6 + "B"},
        ),
        1,
        "✗ 4 evals broke since the edit of extract; classify was edited and has not run",
        EDITED_ONLY,
    ),
    "its run goes on": Row(
        lambda: edited("U"), 2, f"○ {WAS_EDITED}; its run goes on (0 of 4)", WATCH
    ),
    "cancelled at once": Row(
        lambda: edited("C"),
        1,
        f"? {WAS_EDITED}; its run was cancelled before a result",
        EDITED_ONLY,
    ),
    "some failed, others lost": Row(
        lambda: edited(dict(zip(EXTRACT, "FFFC", strict=True))),
        1,
        "✗ 3 evals broke since the edit of extract; 1 has no result",
        EDITED_ONLY,
    ),
    "not valid, broken before": Row(
        lambda: invalid(broken("PPPFFF", "AAABBB")),
        1,
        "✗ 3 evals are still broken since the edit of extract on 4 Apr",
        VALUES,
    ),
    "not valid, passed before": Row(
        lambda: invalid(edited(dict.fromkeys(EXTRACT[1:], "P"))),
        1,
        "? 1 eval does not fit extract any more since its edit",
        VALUES,
    ),
    "not valid, never ran": Row(
        lambda: invalid(made({"new": ""}), "new"), 0, "✓ Nothing broke: 8 of 8 pass", None
    ),
    "redefined, tried, put back": Row(
        lambda: made(
            {**dict.fromkeys(BLOCKS, "P" * 9), EXTRACT[0]: "PPPPFFFFF"},
            definitions={EXTRACT[0]: "AAAAAABAA"},
        ),
        1,
        "✗ 1 eval is still broken since 5 Apr, without an edit",
        SETTLE,
    ),
    "nothing passes": Row(
        lambda: LetteredApi({f"x{at}": "FFF" for at in range(5)}),
        2,
        "○ Nothing passes: 0 of 5, 5 fail as before",
        VALUES,
    ),
    "first run, nothing passes": Row(
        lambda: LetteredApi({f"x{at}": "F" for at in range(5)}),
        2,
        "○ First run: all 5 fail",
        VALUES,
    ),
    "first run": Row(
        lambda: LetteredApi({f"x{at}": "P" for at in range(5)}),
        0,
        "○ First run: all 5 pass; the next check compares with it",
        None,
    ),
    "an error twice": Row(
        lambda: made({EXTRACT[0]: "PPPPEE"}),
        1,
        "✗ 1 eval ended in an error at every run since 5 Apr",
        VALUES,
    ),
    "nothing can be compared": Row(
        lambda: made(definitions=dict.fromkeys(BLOCKS, "AAAAAB")),
        0,
        "○ Nothing to compare yet: 8 of 8 pass",
        None,
    ),
    "a newer run of judged code goes on": Row(
        lambda: edited_whole("U" * 8), 0, "✓ Nothing broke: 8 of 8 pass", None
    ),
    "a newer run was cancelled": Row(
        lambda: edited_whole("PPCCCCCC"), 0, "✓ Nothing broke: 8 of 8 pass", None
    ),
    "a newer run goes on": Row(
        newer,
        2,
        "○ A newer run goes on since 11:00 (0 of 8); before it nothing broke",
        WATCH,
    ),
    "a newer run has not ended": Row(
        lambda: newer(now=2 * DAY),
        2,
        "○ A newer run has not ended since 6 Apr; before it nothing broke",
        WHOLE,
    ),
    "a newer run is dated in the future": Row(
        lambda: newer(after=60 * DAY, now=-59 * DAY),
        2,
        "○ A newer run is dated in the future; before it nothing broke",
        WHOLE,
    ),
    "one edit": Row(
        lambda: two(LONG + "F", ONE_EDIT), 1, "✗ 2 evals broke since the edit of extract", VALUES
    ),
    "the same at a later run": Row(
        lambda: two(LONG + "FFF", ONE_EDIT + "BB"),
        1,
        "✗ 2 evals are still broken since the edit of extract on 21 Apr",
        VALUES,
    ),
    "without an edit": Row(
        lambda: two(LONG + "FFF"),
        1,
        "✗ 2 evals are still broken since 21 Apr, without an edit",
        VALUES,
    ),
    "several causes": Row(
        lambda: made(
            dict.fromkeys(BLOCKS, LONG + "P")
            | dict.fromkeys((*EXTRACT[:2], "classify 0"), LONG + "F"),
            codes=ONE_EDIT,
        ),
        1,
        "✗ 3 evals broke: 2 since the edit of extract, 1 since the edit of classify",
        SETTLE,
    ),
    "breaks and fixes": Row(
        lambda: two(LONG + "F", ONE_EDIT, mended="F" * 20 + "P"),
        1,
        "✗ 2 evals broke since the edit of extract; 1 is fixed",
        VALUES,
    ),
    "nothing broke": Row(made, 0, "✓ Nothing broke: 8 of 8 pass", None),
    "some fail as before": Row(
        lambda: two(LONG + "P", other="F" * 21),
        0,
        "✓ Nothing broke: 8 of 9 pass, 1 fails as before",
        None,
    ),
    "fixed": Row(
        lambda: two(LONG + "FFFFP", ONE_EDIT + "BBBC"),
        0,
        "✓ 2 evals are fixed, nothing broke",
        None,
    ),
    "only accepted ones fail": Row(
        lambda: two(LONG + "FFF", ONE_EDIT + "BB"),
        0,
        "✓ Nothing new broke: 6 of 8 pass, 2 accepted",
        None,
        {"accepted": ("total", "lines")},
    ),
    "what is accepted passes again": Row(
        lambda: two(LONG + "P"),
        1,
        "✗ 2 entries of accepted failures are outdated",
        None,
        {"accepted": ("lines", "total")},
    ),
    "a suspect": Row(
        lambda: two("P" * 13, other="P" * 12 + "F"),
        2,
        "? 1 eval may have broken; nothing else did",
        SETTLE,
    ),
    "a suspect since an edit": Row(
        lambda: LetteredApi({"other": "PPPPFPPPF", **alike(8, "P" * 9)}, codes="A" * 8 + "B"),
        2,
        "? 1 eval may have broken since the edit of extract",
        SETTLE,
    ),
    "a suspect, and one has no result": Row(
        lambda: two("P" * 13, other="P" * 12 + "F", lost="P" * 12 + "C"),
        1,
        "? 1 of 10 evals has no result; 1 may have broken",
        SETTLE,
        {"candidate": "run_12"},
    ),
    "saved again": Row(
        lambda: saved_again("classify 0"),
        2,
        "○ 1 eval was saved again and has not run since; nothing else broke",
        EDITED_ONLY,
    ),
    "the suite fell in one run": Row(
        fallen,
        2,
        "? The pass rate fell from 75 % to 50 % in one run; no single eval explains it",
        WHOLE,
    ),
    "an outage": Row(
        lambda: LetteredApi(alike(12, LONG + "E")),
        1,
        "‼ Outage: 12 of 12 evals ended in an error",
        WHOLE,
    ),
    "no result": Row(
        lambda: two("P" * 21, lost="P" * 20 + "C"),
        1,
        "? 1 of 9 evals has no result",
        f'run = ra.start_runs("{FLOW}", evals=["lost"])',
        {"candidate": "run_20"},
    ),
    "one error": Row(
        lambda: two("P" * 21, crashed=LONG + "E"),
        2,
        "? 1 eval ended in an error; nothing broke",
        SETTLE,
    ),
    "nothing decided": Row(
        lambda: LetteredApi(alike(12, LONG + "C")),
        1,
        "? No result yet: the run was cancelled",
        WHOLE,
        {"candidate": "run_20"},
    ),
    "still running": Row(
        lambda: two("P" * 21, going="P" * 20 + "U"),
        2,
        "… 8 of 9 done: nothing broke so far",
        WATCH,
        {"candidate": "run_20"},
    ),
    "still running, some fail": Row(
        lambda: two(LONG + "F", ONE_EDIT, going=LONG + "U"),
        2,
        "… 8 of 9 done: 2 fail so far",
        WATCH,
        {"candidate": "run_20"},
    ),
    "asked for and could not run": Row(
        lambda: ended_in_error(made(), "PPEPP..."),
        1,
        "‼ This run could not run: 4 of 8 passed, 1 error, 3 have no result",
        WHOLE,
        {"candidate": "asked"},
    ),
    "asked for, an error, and every result is there": Row(
        lambda: ended_in_error(made(), "P" * 8),
        0,
        "✓ Nothing broke: 8 of 8 pass",
        None,
        {"candidate": "asked"},
    ),
    "the same, and some broke": Row(
        lambda: ended_in_error(two(LONG, ONE_EDIT), "FFPPPPPP"),
        1,
        "✗ 2 evals broke since the edit of extract",
        VALUES,
        {"candidate": "asked"},
    ),
    "the newest run ended in an error, and every result is there": Row(
        lambda: ended_in_error(two(LONG, ONE_EDIT), "FFPPPPPP"),
        1,
        "✗ 2 evals broke since the edit of extract",
        VALUES,
    ),
    "two versions": Row(
        lambda: versions("PPPPPP"),
        0,
        "✓ Nothing broke from v1 to v2: 7 of 7 pass",
        None,
        {"baseline": "v1", "candidate": "v2"},
    ),
    "two versions; one of them broke something": Row(
        lambda: versions("PPPFFF"),
        1,
        "✗ 1 eval broke from v1 to v2",
        VALUES,
        {"baseline": "v1", "candidate": "v2"},
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
