"""Workflows that were edited, or whose newest runs say less than they seem to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from support.lettered_api import DAY, HOUR, LetteredApi, Run

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
TABLE: dict[str, tuple[Situation, int, str]] = {
    "edited": (edited, 2, f"○ {WAS_EDITED} and has not run yet; before that nothing broke"),
    "a part of it ran": (
        lambda: edited({EXTRACT[0]: "P"}, scope="E"),
        2,
        f"○ {WAS_EDITED}: 3 of its 4 evals have not run since; nothing broke",
    ),
    "two blocks": (
        lambda: made(codes="A" * 6 + "B"),
        2,
        "○ 2 blocks were edited and have not run yet; before that nothing broke",
    ),
    "an assertion": (
        lambda: made(definitions={EXTRACT[0]: "A" * 6 + "B"}),
        2,
        "○ 1 edited eval has not run yet; nothing else broke",
    ),
    "inputs": (
        lambda: made(inputs={EXTRACT[0]: "A" * 6 + "B"}),
        2,
        "○ 1 edited eval has not run yet; nothing else broke",
    ),
    "never ran": (lambda: made({"new": ""}), 2, "○ 1 new eval has not run yet; nothing else broke"),
    "edited again": (
        lambda: broken("PPPFFF", "AAABBBC"),
        1,
        "✗ 3 evals are still broken since the edit of 4 Apr; "
        "extract was edited again and has not run",
    ),
    "its run goes on": (lambda: edited("U"), 2, f"○ {WAS_EDITED}; its run goes on (0 of 4)"),
    "cancelled at once": (
        lambda: edited("C"),
        1,
        f"? {WAS_EDITED}; its run was cancelled before a result",
    ),
    "some failed, others lost": (
        lambda: edited(dict(zip(EXTRACT, "FFFC", strict=True))),
        1,
        "✗ 3 evals broke since the edit of extract; 1 has no result",
    ),
    "not valid, broken before": (
        lambda: invalid(broken("PPPFFF", "AAABBB")),
        1,
        "✗ 3 evals are still broken since the edit of extract on 4 Apr",
    ),
    "not valid, passed before": (
        lambda: invalid(edited(dict.fromkeys(EXTRACT[1:], "P"))),
        1,
        "? 1 eval does not fit extract any more since its edit",
    ),
    "not valid, never ran": (
        lambda: invalid(made({"new": ""}), "new"),
        0,
        "✓ Nothing broke: 8 of 8 pass",
    ),
    "redefined, tried, put back": (
        lambda: made(
            {**dict.fromkeys(BLOCKS, "P" * 9), EXTRACT[0]: "PPPPFFFFF"},
            definitions={EXTRACT[0]: "AAAAAABAA"},
        ),
        1,
        "✗ 1 eval is still broken since 5 Apr, without an edit",
    ),
    "nothing passes": (
        lambda: LetteredApi({f"x{at}": "FFF" for at in range(5)}),
        2,
        "○ Nothing passes: 0 of 5, 5 fail as before",
    ),
    "first run, nothing passes": (
        lambda: LetteredApi({f"x{at}": "F" for at in range(5)}),
        2,
        "○ First run: 0 of 5 pass",
    ),
    "first run": (
        lambda: LetteredApi({f"x{at}": "P" for at in range(5)}),
        0,
        "○ First run: 5 of 5 pass; the next check compares with it",
    ),
    "an error twice": (
        lambda: made({EXTRACT[0]: "PPPPEE"}),
        1,
        "✗ 1 eval ended in an error at every run since 5 Apr",
    ),
    "nothing can be compared": (
        lambda: made(definitions=dict.fromkeys(BLOCKS, "AAAAAB")),
        0,
        "○ Nothing to compare yet: 8 of 8 pass",
    ),
    "a newer run of judged code goes on": (
        lambda: edited_whole("U" * 8),
        0,
        "✓ Nothing broke: 8 of 8 pass",
    ),
    "a newer run was cancelled": (
        lambda: edited_whole("PPCCCCCC"),
        0,
        "✓ Nothing broke: 8 of 8 pass",
    ),
    "a newer run is dated in the future": (
        lambda: newer(after=60 * DAY, now=-59 * DAY),
        2,
        "○ A newer run is dated in the future; before it nothing broke",
    ),
}


def edited_whole(letters: str) -> LetteredApi:
    api = made()
    api.run(letters, after=HOUR)
    return api
