"""A workflow's API on loopback, written as letters: a row is an eval, a column is a run.

``P`` passed, ``F`` failed, ``B`` blocked, ``E`` error, ``C`` cancelled, ``U`` not ended yet, a dot
or the end of the row: no result. Histories that the library has to judge are a line or three::

    fine = alike(6, "P" * 21)
    made = LetteredApi({"a": "P" * 20 + "F", **fine}, codes="A" * 20 + "B").check()

    with LetteredApi({"a": "P" * 15 + "F" * 6, **fine}) as api:     # the same check, day after day
        for api.upto in range(16, 22):
            made = api.check()

What else there is, each as what makes it so (``w`` is ``"W" * 20``)::

    evals {"a": "P" * 20 + "E" + "E"}, scopes=w + "We"        # an error, and its rerun errs too
    evals {"a": "P" * 20 + "F" + "P" * 5}, scopes=w + "Wbbbbb"    # block runs, minutes apart
    scopes=w + "B", blocks={"a": "extract", "b": "extract"}   # the edit was run by its block only
    api.run({"a": "F"}, scope="E", codes={"extract": "Z"})    # one eval tried on an edited draft
    definitions={"a": "AAAB"} with three runs                 # edited since, and not run since
    evals {"new": "." * 20 + "F"}                             # saved after the twentieth run
    api.saved_at["extract"] = api.runs[2].at + HOUR           # what ran since is of older code
    api.resave("a", api.runs[-1].at + HOUR, assertion__target__path="x")  # an eval is saved again
    api.runs[-1].results = ["a", "a"]                         # b's result is lost, a's is doubled
    api.change("res_run_20_a", workflow_id="wf_other")        # any member of anything
    del api.runs[3]; api.upto = 12                            # runs that are gone, or not there yet
    api.largest_page = 5; api.cut["/evals/runs"] = 5          # short pages; a list that breaks off
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import retab_analysis as ra
from support.documents import changed, eval_document, workflow_document
from support.fakes import KEY, FakeTime, client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import shelves
from support.made_runs import result_with, run_with

FLOW = "wf_letters"
FIRST = datetime(2026, 4, 1, 10, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STATES = {
    "P": "passed",
    "F": "failed",
    "B": "blocked",
    "E": "error",
    "C": "cancelled",
    "U": "unscored",
}
_ENDED = ("passed", "failed", "blocked", "error", "cancelled")
VALUE = {"total": "12.50", "note": "two red apples"}


def alike(number: int, letters: str, name: str = "fine") -> dict[str, str]:
    """So many evals with the same letters."""
    return {f"{name} {at}": letters for at in range(number)}


def spell(letters: str) -> str:
    """``"15P F"`` written out."""
    return re.sub(r"(\d*)(\S)\s*", lambda at: int(at[1] or 1) * at[2], letters)


@contextlib.contextmanager
def using(archive: ra.Archive | None) -> Iterator[None]:
    """For a block: what reads runs and results reads them from an archive, unless it is None."""
    if archive is None:
        yield
        return
    ra.use(archive=archive)
    try:
        yield
    finally:
        ra.use(archive=None)


@dataclass
class Run:
    """A run, which a test may change.

    Attributes:
        id: Its id.
        at: When it was created; runs are listed by that.
        column: Which letter of ``definitions``, ``inputs`` and ``codes`` is its own.
        letters: What became of each of its evals.
        codes: The letter of each block's code.
        scope: W for the whole workflow, B for a block, E for an eval.
        status: Its status, if that is not what the letters say.
        results: The evals of the results that it has, if these are not one of each eval.
        looks: So often it is looked at before it ends.
    """

    id: str
    at: datetime
    column: int
    letters: dict[str, str]
    codes: dict[str, str]
    scope: str = "W"
    status: str | None = None
    results: list[str] | None = None
    looks: int = 0

    @property
    def eval_id(self) -> str | None:
        """The eval that it is a run of."""
        return next(iter(self.letters)) if self.scope == "E" else None

    def states(self) -> dict[str, str]:
        """What is known of its evals."""
        shown = dict.fromkeys(self.letters, "U") if self.looks else self.letters
        return {each: STATES[letter] for each, letter in shown.items()}


@dataclass
class LetteredApi:
    """Answers as the API does, with what a test changes between two calls.

    Attributes:
        evals: For each saved eval a letter per run.
        codes: A letter per run for the code of all blocks, or for that of each block; the last one
            stays. One letter more than there are runs is the draft as it is now.
        names: Names of evals; an eval is called after its id where there is none.
        scopes: A letter per run: W whole workflow, B block, E eval; whole if empty. A small letter
            is a minute after the run before, a large one a day. The last one stays.
        blocks: The block of each eval, ``extract`` if not given.
        definitions: For each eval a letter per run for what it asserts; all A if not given.
        values: What a letter of a definition expects.
        inputs: For each eval a letter per run for what it is given; all A if not given.
        documents: The document of each eval; one of its own if not given.
        published: The versions that were published, as letters: what else ran was a draft. With
            them it is the dialect in which runs name publications.
        labels: The label of each block; none if not given.
        saved: When a block was saved last without a change.
        saved_at: When a block was saved last, whatever its codes tell.
        history: Whether the API gives the history of blocks; it answers 404 else.
        fingerprints: Whether results and summaries carry those of their code and inputs.
        validity: Whether saved evals tell the validity of their code, now and in summaries.
        memory: Whether saved evals remember their latest pass and failure.
        reruns: For each eval its letters in the runs that are started; it passes after these.
        looks: So often a started run is looked at before it ends.
        broken: What is answered, by method and beginning of the path, instead of what is asked for;
            also what takes the request and gives the answer, or None for the usual one.
        upto: So many runs there are so far; None for all.
        largest_page: No page has more.
        cut: After so many rows a list has no cursor any more, by the end of its path.
        now: What time the server has, an hour after the newest run if None. What is started is
            created then, at least a minute after the newest run.
        flow: The workflow's id.
    """

    evals: Mapping[str, str]
    codes: str | Mapping[str, str] = "A"
    names: Mapping[str, str] = field(default_factory=dict)
    scopes: str = "W"
    blocks: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    published: Collection[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    saved: dict[str, datetime] = field(default_factory=dict)
    saved_at: dict[str, datetime] = field(default_factory=dict)
    history: bool = True
    fingerprints: bool = True
    validity: bool = False
    memory: bool = True
    reruns: Mapping[str, str] = field(default_factory=dict)
    looks: int = 0
    broken: dict[str, Reply | Callable[[str], Reply | None]] = field(default_factory=dict)
    upto: int | None = None
    largest_page: int = 100
    cut: dict[str, int] = field(default_factory=dict)
    now: datetime | None = None
    flow: str = FLOW
    published_after: timedelta = -HOUR  # the first run of a version
    max_attempts: int = 5

    def __post_init__(self) -> None:
        self.asked: list[str] = []
        self.server: FaultServer | None = None
        self._changes: dict[str, dict[str, Any]] = {}
        self._lock = threading.RLock()
        self.write(self.evals)

    def __enter__(self) -> LetteredApi:
        self.server = FaultServer([self]).__enter__()
        # Never waits for real, but in the threads of a pool, whose waits have to end at a stop.
        self.client = client_for(self.server.url, max_attempts=self.max_attempts)
        # The API's clock is the later one: it says what time it is.
        self.client._set_time(FakeTime(wall_at_start=(FIRST - DAY).timestamp()).as_time())
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self.server is not None
        self.server.__exit__()
        self.server = None

    # What a test does

    def write(self, evals: Mapping[str, str]) -> None:
        """Begin anew with these evals and their letters."""
        self.evals, self.runs, self._removed, self._gone = evals, [], set[str](), 0
        hidden, self.upto = self.upto, None
        for at in range(max(map(len, evals.values()), default=0)):
            letters = {each: row[at] for each, row in evals.items() if at < len(row)}
            scope = _letter(self.scopes, at) if self.scopes else "W"
            self.run(letters, scope=scope.upper(), after=MINUTE if scope.islower() else DAY)
        self.upto = hidden

    def again(self) -> LetteredApi:
        """The same once more, of which nothing was asked yet."""
        made = replace(self)
        known = {name: copy.deepcopy(vars(self)[name]) for name in ("runs", "_changes", "_removed")}
        vars(made).update(known)
        return made

    def check(self, archive: ra.Archive | None = None, **more: Any) -> Any:
        """Check the workflow; where it is not served yet, it is served as long as that takes."""
        with contextlib.nullcontext(self) if self.server else self, using(archive):
            # A test may change the past, which no API does: results are read again.
            shelves.pop(self.client, None)
            return ra.check(self.flow, client=self.client, **({"progress": False} | more))

    def run(
        self,
        letters: str | Mapping[str, str],
        *,
        scope: str = "W",
        codes: Mapping[str, str] | None = None,
        after: timedelta = DAY,
        **more: Any,
    ) -> Run:
        """Add a run to those that there are; letters are of all evals, in their order."""
        shown, column = self.shown(), self._column()
        if isinstance(letters, str):
            letters = dict(zip(self.evals, letters, strict=False))
        letters = {each: letter for each, letter in letters.items() if letter != "."}
        newest = max((each.at for each in shown), default=FIRST - after)
        own = {**self._codes(column), **(codes or {})}
        name = more.pop("id", f"run_{column}")
        run = Run(name, newest + after, column, letters, own, scope, **more)
        self.runs.insert(len(shown), run)
        if self.upto is not None:
            self.upto += 1
        return run

    def edit(self, block: str) -> None:
        """Edit a block of the draft."""
        column = self._column(now=True)
        alike = dict.fromkeys(self._codes(column), self.codes)
        rows = self.codes if isinstance(self.codes, Mapping) else alike
        row = (rows.get(block) or "A")[:column]
        self.codes = {**rows, block: row.ljust(column, row[-1]) + chr(ord(row[-1]) + 1)}

    def fail(self, request: str, answer: Reply, *, after: int = 0, times: int = 1) -> None:
        """Answer so a few times whatever begins like that, after so many right answers."""
        seen = itertools.count()
        self.broken[request] = lambda _: answer if after <= next(seen) < after + times else None

    def remove(self, *evals: str, with_results: bool = False) -> None:
        """Delete saved evals, and with them the runs of each alone; or all of their results."""
        self._removed |= {*evals}
        for run in self.runs if with_results else ():
            left = [*run.letters] if run.results is None else run.results
            run.results = [each for each in left if each not in evals]
        kept = [run for run in self.runs if run.eval_id not in evals]
        self._gone += len(self.runs) - len(kept)
        self.runs = kept

    def restore(self, eval_id: str) -> None:
        """Save an eval that was deleted, or is new."""
        self._removed.discard(eval_id)

    def forget(self, which: str, member: str) -> None:
        """Take back what was changed of a member."""
        self._changes.get(which, {}).pop(member, None)

    def change(self, which: str, **members: Any) -> None:
        """Change members of a run, a result or a saved eval, as ``part__member=value``."""
        self._changes.setdefault(which, {}).update(members)

    def resave(self, eval_id: str, at: datetime, **members: Any) -> None:
        """Save an eval again, with other members, or as it is."""
        self.change(eval_id, updated_at=_iso(at), **members)

    @property
    def started(self) -> list[Run]:
        """The runs that were started through the API."""
        return [run for run in self.runs if run.id.startswith("started_")]

    def shown(self) -> list[Run]:
        """The runs that there are so far, in the order of their columns."""
        return self.runs[: self.upto]

    # What the API answers

    def __call__(self, request: str) -> Reply:
        method, target, _ = request.split(" ", 2)
        address = urlsplit(target)
        with self._lock:
            self.asked.append(f"{method} {address.path}")
        for beginning, answer in list(self.broken.items()):
            if f"{method} {target} ".startswith(beginning):
                found = answer(request) if callable(answer) else answer
                if found is not None:
                    return found
        if f"Authorization: Bearer {KEY}\r\n" not in request:
            return reply(401, {"detail": "Invalid API key"})
        query = {name: each[-1] for name, each in parse_qs(address.query).items()}
        with self._lock:
            if method == "POST":
                body = request.partition("\r\n\r\n")[2]
                return self._post(unquote(address.path), json.loads(body) if body else {})
            return self._get(unquote(address.path), query)

    def _get(self, path: str, query: dict[str, str]) -> Reply:
        folder, _, which = path.removeprefix("/v1/workflows").rpartition("/")
        lists: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "": lambda: [workflow_document(self.flow, name="Letters", published=self._current())],
            "/blocks": lambda: self._blocks(self._codes(self._column(now=True))),
            f"/{self.flow}/published-versions": self._publications,
            "/versions": self._graphs,
            "/evals": lambda: [self._eval(each) for each in self._saved()],
            "/evals/runs": lambda: self._list_runs(query),
            "/evals/results": lambda: [
                row
                for run in self.shown()
                if query.get("run_id", run.id) == run.id
                for row in self._results(run)
            ],
        }
        if (of_list := lists.get(path.removeprefix("/v1/workflows"))) is not None:
            return self._page(path, query, of_list())
        if folder == "/versions":
            return self._version_or_diff(which, query)
        if self.history and which == "config-history":
            return self._page(path, query, self._eras(folder.removeprefix("/blocks/")))
        found = [row for row in lists.get(folder, list)() if row["id"] == which]
        for run in self.shown():
            run.looks = max(run.looks - (run.id == which), 0)
        return self._reply(found[0]) if found else _MISSING

    def _page(self, path: str, query: dict[str, str], rows: list[dict[str, Any]]) -> Reply:
        wanted: dict[str, Callable[[dict[str, Any]], Any]] = {
            "workflow_id": lambda row: self.flow,
            "eval_id": lambda row: row["eval_id"],
            "target_block_id": lambda row: (row["target"] or {}).get("block_id"),
            "status": lambda row: row["lifecycle"]["status"],
            "trigger_type": lambda row: row["trigger"]["type"],
        }
        for name in wanted.keys() & query.keys():
            rows = [each for each in rows if wanted[name](each) == query[name]]
        ends = [most for piece, most in self.cut.items() if path.endswith(piece)]
        rows = rows[: min(ends, default=None)]
        keys = [each.get("id", str(at)) for at, each in enumerate(rows)]
        if "after" in query and query["after"] not in keys:
            return _MISSING
        begin = keys.index(query["after"]) + 1 if "after" in query else 0
        end = begin + min(int(query.get("limit", "50")), self.largest_page)
        return self._reply(page(rows[begin:end], keys[end - 1] if end < len(rows) else None))

    def _reply(self, body: Any, status: int = 200, now: datetime | None = None) -> Reply:
        return reply(status, body, {"Date": format_datetime(now or self._now(), usegmt=True)})

    def _list_runs(self, query: dict[str, str]) -> list[dict[str, Any]]:
        order = sorted(self.shown(), key=lambda run: (run.at, run.column, run.id))
        low = datetime.fromisoformat(query.get("from_date", "0001-01-01T00:00:00Z"))
        high = datetime.fromisoformat(query.get("to_date", "9999-01-01T00:00:00Z"))
        rows = [self._document(run) for run in order if low <= run.at <= high]
        unwanted = query.get("exclude_status")
        rows = [each for each in rows if each["lifecycle"]["status"] != unwanted]
        return rows if query.get("order") == "asc" else rows[::-1]

    def _post(self, path: str, body: dict[str, Any]) -> Reply:
        if path.endswith("/cancel"):
            run = next(each for each in self.runs if each.id == path.split("/")[-2])
            if self._document(run)["lifecycle"]["status"] in ("completed", "error", "cancelled"):
                return reply(409, {"detail": "The run has ended"})
            ends = {"U": "C"} if not run.looks else dict.fromkeys(STATES, "C")
            run.letters = {each: ends.get(now, now) for each, now in run.letters.items()}
            run.looks = 0
            return self._reply(self._document(run))
        scope = body["scope"] or {"type": "workflow"}
        kind = {"workflow": "W", "block": "B", "single": "E"}[scope["type"]]
        evals = [
            each
            for each in self._saved()
            if scope.get("eval_id", each) == each
            and scope.get("block_id", self._block(each)) == self._block(each)
        ]
        if body["workflow_id"] != self.flow or (not evals and kind != "W"):
            return _MISSING
        letters = {}
        for each in evals:
            before = sum(each in run.letters for run in self.started)
            letters[each] = self.reruns.get(each, "")[before : before + 1] or "P"
        draft = self._codes(self._column(now=True))
        name = f"started_{len(self.shown()) + self._gone}"
        # Runs wait for each other in one queue.
        looks = self.looks * (1 + sum(run.looks > 0 for run in self.runs))
        newest = max((run.at for run in self.shown()), default=FIRST)
        after = max(MINUTE, (self.now or newest) - newest)
        run = self.run(letters, scope=kind, codes=draft, after=after, id=name, looks=looks)
        pending = {"lifecycle": {"status": "pending"}, "counts": None}
        return self._reply(changed(self._document(run), **pending), 201, self.now or run.at)

    # What there is

    def _column(self, *, now: bool = False) -> int:
        """The column of the next run; now: that of the draft, while further runs are hidden."""
        column = len(self.shown())
        return column - 1 if now and column < len(self.runs) else column

    def _block(self, eval_id: str) -> str:
        return self.blocks.get(eval_id, "extract")

    def _codes(self, column: int) -> dict[str, str]:
        """The letter of each block's code."""
        blocks = dict.fromkeys(map(self._block, self.evals))
        rows = self.codes if isinstance(self.codes, Mapping) else dict.fromkeys(blocks, self.codes)
        return {block: _letter(rows.get(block, ""), column) for block in {**blocks, **rows}}

    def _version(self, codes: Mapping[str, str]) -> str:
        """A version is called after its blocks' letters, after one if they always have the same."""
        one = [*codes][:1] if isinstance(self.codes, str) else self.codes
        return f"version_{''.join(codes[each] for each in one) or 'A'}"

    def _published(self) -> dict[str, dict[str, str]]:
        """The codes of each published version that has run, the oldest first."""
        known = {self._version(run.codes): run.codes for run in self.shown()}
        names = [f"version_{each}" for each in self.published]
        return {each: known[each] for each in names if each in known}

    def _graphs(self) -> list[dict[str, Any]]:
        return [self._graph(name, codes) for name, codes in self._published().items()][::-1]

    def _graph(self, name: str, codes: Mapping[str, str]) -> dict[str, Any]:
        first = min(run.at for run in self.shown() if self._version(run.codes) == name)
        own = {"id": name, "workflow_id": self.flow, "created_at": _iso(first - HOUR)}
        return {**own, "blocks": self._blocks(codes)}

    def _publications(self) -> list[dict[str, Any]]:
        names = [*self._published()]
        first = {self._version(run.codes): run.at for run in reversed(self.shown())}
        rows = [
            {
                "id": f"wph_{at}",
                "workflow_id": self.flow,
                "workflow_version_id": name,
                "version": at + 1,
                "description": f"Note {at + 1}",
                "published_at": _iso(first[name] + self.published_after),
                "is_current": name == names[-1],
            }
            for at, name in enumerate(names)
        ]
        return rows[::-1]

    def _current(self) -> dict[str, Any] | None:
        """The version that is in production, as the workflow names it."""
        for row in self._publications()[:1]:
            known = {name: row[name] for name in ("published_at", "description")}
            return {"version_id": row["workflow_version_id"], **known}
        return None

    def _blocks(self, codes: Mapping[str, str]) -> list[dict[str, Any]]:
        runs = self.shown()

        def saved(block: str, code: str) -> datetime:
            """An hour before its code ran first, or half of the time since it was another."""
            same = [*itertools.takewhile(lambda run: run.codes.get(block) == code, reversed(runs))]
            before = max((run.at for run in runs[: len(runs) - len(same)]), default=FIRST - DAY)
            first = same[-1].at if same else self._now()
            edited = max(first - HOUR, before + (first - before) / 2)
            return self.saved_at.get(block) or max(edited, self.saved.get(block, edited))

        return [
            {
                "id": block,
                "workflow_id": self.flow,
                "type": "extract",
                "label": self.labels.get(block, ""),
                "config": {"prompt": f"Prompt {code}"},
                "parent_id": None,
                "updated_at": _iso(saved(block, code)),
            }
            for block, code in codes.items()
        ]

    def _eras(self, block: str) -> list[dict[str, Any]]:
        """How a block was configured, an era for each letter of its code, the newest first.

        It was edited an hour before a run, or half of the time since the run before, if that is
        less. Beside runs, an edit that was not run is known for an hour.
        """

        def edited(first: datetime) -> datetime:
            earlier = max((run.at for run in self.shown() if run.at < first), default=FIRST - DAY)
            return max(first - HOUR, earlier + (first - earlier) / 2)

        seen: dict[str, list[datetime]] = {}
        for run in self.shown():
            seen.setdefault(run.codes[block], []).append(run.at)
        now = self._codes(self._column(now=True))[block]
        seen.setdefault(now, []).append(self._now())
        published = [each[block] for each in self._published().values()]
        return [
            {
                "id": None,
                "block_config_version_fingerprint": f"mark {block} {code}",
                "block_type": "extract",
                "block_label": self.labels.get(block, ""),
                "config_snapshot": {"prompt": f"Prompt {code}"},
                "first_seen_at": _iso(edited(min(moments))),
                "last_seen_at": _iso(max(moments)),
                "publish_epochs": [
                    {"id": f"wph_{at}", "publish_version": at + 1, "workflow_version_id": "any"}
                    for at, each in enumerate(published)
                    if each == code
                ],
                "run_count": sum(run.codes[block] == code for run in self.shown()),
                "matches_current_draft": code == now,
                "is_current_published": code in published[-1:],
            }
            for code, moments in reversed(seen.items())
        ]

    def _version_or_diff(self, which: str, query: dict[str, str]) -> Reply:
        known = self._published()
        ends = {
            f"{end}_workflow_version_id": query.get(f"{end}_workflow_version_id", which)
            for end in ("from", "to")
        }
        if not {*ends.values()} <= known.keys():
            return _MISSING
        if which != "diff":
            return self._reply(self._graph(which, known[which]))
        old, new = (known[each] for each in ends.values())
        differ = [each for each, code in old.items() if new.get(each) != code]
        return self._reply({**ends, **_NO_DIFFERENCE, "changed_block_ids": differ})

    def _document(self, run: Run) -> dict[str, Any]:
        states = list(run.states().values())
        counts = {name: states.count(name) for name in _ENDED}
        going = states.count("unscored")
        status = "running" if going else "cancelled" if counts["cancelled"] else "completed"
        block = self._block(next(iter(run.letters), ""))
        document = run_with(
            run.id,
            run.status or status,
            **counts,
            running=going,
            workflow_id=self.flow,
            eval_id=run.eval_id,
            target=None if run.scope == "W" else {"type": "block", "block_id": block},
            workflow_version_id=self._version(run.codes),
            timing=_timing(run.at, None if going else 30),
        )
        if document["lifecycle"]["status"] == "error":
            document["lifecycle"]["message"] = "lost its worker"
        return changed(document, **self._changes.get(run.id, {}))

    def _results(self, run: Run) -> list[dict[str, Any]]:
        states = run.states()
        shown = [*states] if run.results is None else run.results
        rows = [self._result(eval_id, states[eval_id], run) for eval_id in shown]
        return [changed(row, **self._changes.get(row["id"], {})) for row in rows]

    def _result(self, eval_id: str, state: str, run: Run) -> dict[str, Any]:
        name = self.documents.get(eval_id, f"{eval_id}.pdf")
        given = _letter(self.inputs.get(eval_id, ""), run.column)
        file = {"id": f"file {name}", "filename": name, "mime_type": "application/pdf"}
        document = result_with(
            eval_id,
            state,
            run.id,
            workflow_id=self.flow,
            block_id=self._block(eval_id),
            block_execution_fingerprint=self._mark(f"code {self._code(eval_id, run)}"),
            handle_inputs_fingerprint=self._mark(f"inputs {given}"),
            handle_inputs={"document": {"type": "file", "document": file}},
            timing=_timing(run.at, 2 if state in ("passed", "failed", "blocked") else None),
        )
        if document["assertion_result"] is not None:
            expected = self._expected(eval_id, run.column)
            other = {**expected, "note": "two green apples"} if isinstance(expected, dict) else None
            document["assertion_result"].update(
                actual_value=expected if state == "passed" else other, expected_value=expected
            )
        return document

    def _expected(self, eval_id: str, column: int) -> Any:
        letter = _letter(self.definitions.get(eval_id, ""), column)
        other = VALUE if letter == "A" else {**VALUE, "total": f"{ord(letter) - 53}.00"}
        return self.values.get(letter, other)

    def _code(self, eval_id: str, run: Run) -> str:
        return run.codes[self._block(eval_id)]

    def _mark(self, fingerprint: str) -> str | None:
        return fingerprint if self.fingerprints else None

    def _now(self) -> datetime:
        return self.now or max((run.at for run in self.shown()), default=FIRST) + HOUR

    def _saved(self) -> list[str]:
        """The evals that are saved so far: each an hour before the first run that has it."""
        shown = {each for run in self.shown() for each in run.letters}
        later = {each for run in self.runs for each in run.letters} - shown
        return [each for each in self.evals if each not in {*later, *self._removed}]

    def _eval(self, eval_id: str) -> dict[str, Any]:
        """A saved eval as it is now."""
        had = [run for run in self.shown() if eval_id in run.letters]
        column = self._column(now=True)
        code = self._codes(column)[self._block(eval_id)]
        known = had[-1:] and self._code(eval_id, had[-1]) == code
        asserted, given = (
            bool(had) and _letter(row, column) != _letter(row, had[-1].column)
            for row in (self.definitions.get(eval_id, ""), self.inputs.get(eval_id, ""))
        )
        reasons = ["validity_changed"] * (not known) + ["inputs_changed"] * given
        passed = [run for run in had if run.letters[eval_id] == "P" and self.memory]
        failed = [run for run in had if run.letters[eval_id] in "FB" and self.memory]
        created = min((run.at for run in had), default=FIRST) - HOUR
        document = eval_document(
            eval_id,
            workflow_id=self.flow,
            name=self.names.get(eval_id, eval_id),
            target={"type": "block", "block_id": self._block(eval_id)},
            assertion__condition={"kind": "equals", "expected": self._expected(eval_id, column)},
            freshness={
                "status": "stale" if reasons else "fresh",
                "reasons": reasons,
                "validity_fingerprint": f"validity {code}" if self.validity else None,
            },
            latest_run_summary=self._summary(eval_id, had),
            latest_passing_run_summary=self._summary(eval_id, passed),
            latest_failing_run_summary=self._summary(eval_id, failed),
            created_at=_iso(created),
            updated_at=_iso(self._now() if asserted or given else created),
        )
        return changed(document, **self._changes.get(eval_id, {}))

    def _summary(self, eval_id: str, runs: list[Run]) -> dict[str, Any] | None:
        """What a saved eval remembers of the last of some runs."""
        if not runs:
            return None
        row = self._result(eval_id, runs[-1].states()[eval_id], runs[-1])
        same = ("block_execution_fingerprint", "handle_inputs_fingerprint")
        validity = f"validity {self._code(eval_id, runs[-1])}" if self.validity else None
        return {
            "run_record_id": row["id"],
            "status": row["lifecycle"]["status"],
            "outcome": row["verdict"],
            "validity_fingerprint": validity,
            **{each: row[each] for each in same},
            **{each: at for each, at in row["timing"].items() if each != "created_at"},
        }


_NO_DIFFERENCE: dict[str, Any] = {
    f"{how}_{what}_ids": [] for how in ("added", "removed", "changed") for what in ("block", "edge")
}
_MISSING = reply(404, {"detail": "there is no such thing"})


def _letter(row: str, column: int) -> str:
    """The letter of a column; the last one stays, and A stands for no row."""
    return row[min(column, len(row) - 1)] if row else "A"


def _timing(at: datetime, seconds: int | None) -> dict[str, Any]:
    return {
        "created_at": _iso(at),
        "started_at": _iso(at),
        "completed_at": None if seconds is None else _iso(at + timedelta(seconds=seconds)),
        "duration_ms": None if seconds is None else 1000 * seconds,
    }


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
