"""Runs that a page watches from the queue to their end, and what it says at each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from golden.book import write_entry
from support.fakes import FakeTime, client_for
from support.faultserver import page, reply
from support.inside import Door, View, inside, plain
from support.lettered_api import FLOW, LetteredApi, Run, alike
from support.made_runs import run_with
from support.watching import until

import retab_analysis as ra

MINUTE = timedelta(minutes=1)
PAST = {"broken 1": "P" * 5 + "F" * 4, "broken 2": "P" * 5 + "F" * 4} | {
    "error": "P" * 8 + "E",
    "flaky": "PFPPFPPFP",
    **alike(4, "P" * 9),
}


@dataclass(frozen=True)
class Life:
    """A run of some evals, and the letters of its results at each step."""

    about: str
    evals: Mapping[str, str]
    steps: Sequence[str]
    scope: str = "W"
    codes: str = "A"
    before: int = 0  # so many runs wait, or run, before it
    flow: str = "wf_other"  # whose


LIVES = (
    Life("the same code again", PAST, ("UUUUUUUU", "FUUPUPUU", "FFEPPPPF", "FFEPPPPF"), before=2),
    Life("behind a run of its own workflow", PAST, ("UUUUUUUU", "FFEPPPPF"), before=2, flow=FLOW),
    Life("behind runs that are no queue", PAST, ("UUUUUUUU", "FFEPPPPF"), before=3),
    Life("mended and broken", PAST, ("FPUUUUUU", "FPPFFUUU", "PPPFFEPP")),
    Life("an edited block", PAST, ("UUUUUUUU", "FPUUFPUU", "FPPPFPPF"), codes="AAAAABBBBC"),
    Life("nothing was broken", alike(5, "P" * 9), ("UUUUU", "PUUUU", "PFUUU", "PFPPP")),
    Life("one eval", PAST, ("U", "P"), scope="E"),
    Life("the first run", alike(5, ""), ("UUUUU", "PUUUU", "PFEUU", "PFEPP")),
    Life("cancelled", PAST, ("FUUUUUUU", "FPCCCCCC")),
)


def live_through(life: Life) -> str:
    """What the page says at each step of a life; a minute goes by before each."""
    its, told = dict(zip(life.evals, life.steps[0], strict=False)), []
    with LetteredApi(life.evals, codes=life.codes) as api:
        run = api.run(its, scope=life.scope, id="watched", status="queued")
        _put_before(api, run, life)
        clock = FakeTime(wall_at_start=run.at.timestamp())
        client = client_for(api.server.url if api.server else "", clock, max_attempts=1)
        _go_on(api, run, clock, run.status)
        with ra.watch("watched", interval=0.01, client=client) as view:
            until(lambda: view.comparison is not None)
            told.append(("queued", _describe(view)))
            for letters in life.steps:
                _go_on(api, run, clock, "running" if "U" in letters else None)
                run.letters = dict(zip(its, letters, strict=True))
                run.status = "running" if "U" in letters else None
                until(lambda: _is_seen(view, run))
                told.append((letters, _describe(view)))
            _says_what_check_says(view, api)
    return write_entry(life.about, told)


def _says_what_check_says(view: View, api: LetteredApi) -> None:
    """The heads of the view, of ``check`` and of its text are equal once the run has ended."""
    head, made = view._tell(view._shown_id).head, api.check()
    for passing in (0, 100):
        checked = inside(made).document(Door(True, is_live=True, passing=passing)).head
        assert (checked.heading, checked.context) == (head.heading, head.context)
        told = checked.brief, checked.badge, plain(checked.line)
        assert told == (head.brief, head.badge, plain(head.line))
    assert str(made).startswith(str(head.heading))
    assert head.brief in str(made)
    assert all(each.text in made._repr_html_() for each in head.context)


def _put_before(api: LetteredApi, run: Run, life: Life) -> None:
    """Let other runs stand in the queue before a run."""
    statuses = ["running", "queued", "running"][: life.before]
    before = {"workflow_id": life.flow, "timing__created_at": f"{run.at - MINUTE:%FT%TZ}"}
    others = [run_with(f"r{at}", s, running=300, **before) for at, s in enumerate(statuses)]
    api.broken["GET /v1/workflows/evals/runs?exclude_status"] = reply(body=page(others))


def _go_on(api: LetteredApi, run: Run, clock: FakeTime, status: str | None) -> None:
    """Let a minute go by; what the run then is comes last, because the view looks meanwhile."""
    clock.now += 60
    api.now = run.at + timedelta(seconds=clock.now)
    if run.status is None:
        return  # it ended before
    started = None if status == "queued" else f"{run.at + MINUTE:%FT%TZ}"
    ended = None if status else f"{api.now:%FT%TZ}"
    lasted = None if status else int(clock.now - 60) * 1000
    own = {"started_at": started, "completed_at": ended, "duration_ms": lasted}
    api.change(run.id, **{f"timing__{name}": value for name, value in own.items()})


def _is_seen(view: View, run: Run) -> bool:
    """Whether the page shows a run as it is."""
    if run.status is None:
        return view.done
    look = view.state.look
    read = dict(look.results.filter(run_id=run.id).select("eval_id", "state").iter_rows())
    return read == run.states() and run.status in look.watched["status"]


def _describe(view: View) -> str:
    facts = view._tell(view._shown_id)
    head = facts.head
    parts = [f"{head.heading}", plain(head.line), head.badge or "no pill"]
    parts += [", ".join(map(str, each)) for each in (facts.counts, facts.progress) if each]
    marks = (f"{k} {plain(each.line)}" for k, each in sorted(facts.marks.items()))
    parts += [f"fails now: {', '.join(facts.news)}"] if facts.news else []
    return "\n".join([*parts, *([f"marks: {'; '.join(marks)}"] if facts.marks else [])])
