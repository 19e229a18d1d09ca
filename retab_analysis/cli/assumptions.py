"""What this library takes for granted of the API, each as a question that only reads.

A question gives for each thing that it looks at whether it is as assumed, or what differs in words.
These words are pasted into issues: they are made of counts, statuses and names of fields, and never
of a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

from retab_analysis import wire
from retab_analysis.cli.session import RecordingClient
from retab_analysis.decode import read_page
from retab_analysis.errors import ProtocolError, RetabAnalysisError, SchemaError
from retab_analysis.fetch.params import quote_id
from retab_analysis.vocabulary import DECIDED, DRAFT, NOT_PASSING, TERMINAL

Document = dict[str, Any]

FLOWS = "/v1/workflows"
RUNS, RESULTS, EVALS = f"{FLOWS}/evals/runs", f"{FLOWS}/evals/results", f"{FLOWS}/evals"
VERSIONS, BLOCKS = f"{FLOWS}/versions", f"{FLOWS}/blocks"
PAGE, MOST_PAGES = 100, 100
STATUSES = ("pending", "queued", "running", *TERMINAL)
FINGERPRINTS = ("block_execution_fingerprint", "handle_inputs_fingerprint")
FRESHNESS = ("fresh", "stale", "unknown", None)
STALE = {
    *("validity_changed", "inputs_changed", "engine_changed", "metrics_engine_changed"),
    "no_baseline",
}
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")


class DiffersError(Exception):
    """The assumption does not hold."""


class UnaskedError(Exception):
    """It cannot be said whether the assumption holds."""


@dataclass
class Asker:
    """Asks each thing once, and notes from which requests an answer came."""

    client: RecordingClient
    workflow: str | None
    request_ids: dict[str, None] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)  # of the answer looked at last
    _known: dict[Any, Any] = field(default_factory=dict)

    def get(self, path: str, **params: Any) -> Any:
        """The answer to a GET, or its error, which is remembered, too."""
        key = (path, *params.items())
        if key not in self._known:
            self.client.headers = {}
            try:
                sent = [(name, str(each)) for name, each in params.items()]
                found = self.client.get(path, sent, parse=_read_json)
            except RetabAnalysisError as error:
                found = error
            self._known[key] = found, self.client.headers
        found, self.headers = self._known[key]
        if request_id := self.headers.get("x-request-id"):
            self.request_ids[request_id] = None
        if isinstance(found, RetabAnalysisError):
            raise found
        return found

    def page(self, path: str, **params: Any) -> list[Document]:
        """The rows of a page that another question asked for first."""
        try:
            rows: list[Document] = self.get(path, **params)["data"]
        except (RetabAnalysisError, LookupError, TypeError):
            raise UnaskedError(f"GET {path} has no answer to look at") from None
        return rows

    def pages(self, path: str, limit: int = PAGE, **params: Any) -> Iterator[list[Document]]:
        """The pages of a list."""
        cursor: Document = {}
        for _ in range(MOST_PAGES):
            yield self.page(path, **params, limit=limit, **cursor)
            after = self.get(path, **params, limit=limit, **cursor)["list_metadata"]["after"]
            if not after:
                return
            if after == cursor.get("after"):
                raise DiffersError("a cursor leads to itself")
            cursor = {"after": after}
        raise DiffersError(f"no end after {MOST_PAGES} pages")

    @property
    def flow(self) -> str:
        """The workflow that is looked at."""
        if self.workflow is None:
            rows = self.page(FLOWS, sort_by="updated_at", order="desc", limit=PAGE)
            self.workflow = _first(rows, "workflow")["id"]
        return self.workflow

    def of_flow(self, path: str, **params: Any) -> list[Document]:
        """The first page of a list of the workflow."""
        return self.page(path, workflow_id=self.flow, **params, limit=PAGE)

    def whole(self) -> Document:
        """The newest completed run of the whole workflow."""
        runs = self.of_flow(RUNS)
        whole = (each for each in runs if _is_whole(each) and _status_of(each) == "completed")
        return _first(whole, "completed run of the whole workflow")

    def results(self) -> list[Document]:
        """The results of that run."""
        run_id = self.whole()["id"]
        return [row for page in self.pages(RESULTS, run_id=run_id) for row in page]


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ProtocolError("not JSON") from None


def _first(rows: Iterable[Document], what: str) -> Document:
    for row in rows:
        return row
    raise UnaskedError(f"there is no {what} to look at")


def _is_whole(run: Document) -> bool:
    return run["eval_id"] is None and run["target"] is None


def _status_of(document: Document) -> Any:
    return document["lifecycle"]["status"]


def _version_of(document: Document) -> Any:
    return document.get("workflow_version_id") or document["id"]


def _created(run: Document) -> datetime:
    return _moment(run["timing"]["created_at"])


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Question = Callable[[Asker], Iterable[Any]]


@dataclass(frozen=True)
class Assumption:
    """One thing that is taken for granted."""

    name: str
    sentence: str
    question: Question

    def ask(self, asker: Asker) -> None:
        """Ask it; returns where it holds.

        If it does not hold, this raises DiffersError; if there is nothing to look at, UnaskedError;
        if the API cannot be asked or refuses, RetabAnalysisError.
        """
        found = [*self.question(asker)]
        wrong = [each for each in found if each is False or isinstance(each, str)]
        if not found:
            raise UnaskedError("there is nothing to look at")
        if wrong:
            raise DiffersError(wrong[0] or f"{len(wrong)} of {len(found)} are otherwise")


ASSUMPTIONS: list[Assumption] = []


def _assume(name: str, sentence: str) -> Callable[[Question], Question]:
    """Take what a question asks for granted; they are asked in this order."""

    def add(question: Question) -> Question:
        ASSUMPTIONS.append(Assumption(name, sentence, question))
        return question

    return add


_LISTS: dict[str, tuple[str, type[wire.Wire]]] = {
    "workflows": (FLOWS, wire.Workflow),
    "runs": (RUNS, wire.Run),
    "results": (RESULTS, wire.Result),
    "saved evals": (EVALS, wire.Eval),
    "versions": (VERSIONS, wire.Publication),
    "blocks": (BLOCKS, wire.Block),
}


def _decodes(path: str, record: type[wire.Wire]) -> Question:
    def question(asker: Asker) -> list[Any]:
        params: Document = {"workflow_id": asker.flow} if path != FLOWS else {}
        if path == RESULTS:
            params = {"run_id": asker.whole()["id"]}
        elif path == FLOWS:
            params = {"sort_by": "updated_at", "order": "desc"}
        body = json.dumps(asker.get(path, **params, limit=PAGE)).encode()
        try:
            problems = read_page(record, body).problems
        except (ProtocolError, SchemaError):
            return ["not a page: {data, list_metadata}"]
        steps = [re.match(r"\$?(?:\.data\[\d+\])?\.(\w+)", each.path) for each in problems]
        names = sorted({step[1] for step in steps if step} & set(record.__struct_fields__))
        said = f"{problems.total} do not decode, at {', '.join(names) or 'the id'}"
        return [said if problems.total else True]

    return question


for _name, (_path, _record) in _LISTS.items():
    _assume(_name, f"GET {_path} gives a page of records that decode.")(_decodes(_path, _record))


@_assume("limit", "A page has no more rows than limit.")
def _limit_holds(asker: Asker) -> Iterator[bool]:
    pages = asker.pages(RUNS, 2, workflow_id=asker.flow)
    return (len(page) <= 2 for page, _ in zip(pages, range(2), strict=False))


@_assume("cursors", "The cursor leads on, and is null at the end.")
def _cursors_end(asker: Asker) -> Iterator[Any]:
    ids = [row["id"] for page in asker.pages(RUNS, workflow_id=asker.flow) for row in page]
    yield len(ids) == len(set(ids)) or "a run is on two pages"


@_assume("order", "Runs come newest first; order=asc turns them round.")
def _order_holds(asker: Asker) -> Iterator[Any]:
    for order in ({}, {"order": "asc"}):
        created = [_created(each) for each in asker.of_flow(RUNS, **order)]
        is_ordered = created == sorted(created, reverse=not order)
        yield is_ordered or f"not in order with {order or 'no order'}"


_FILTERS: dict[str, tuple[str, Callable[[Document], Any]]] = {
    "status": ("keeps the runs of that status", _status_of),
    "exclude_status": ("keeps the others", _status_of),
    "trigger_type": ("keeps the runs that it started", lambda run: run["trigger"]["type"]),
    "target_block_id": (
        "keeps the runs of that block",
        lambda run: (run["target"] or {}).get("block_id"),
    ),
    "eval_id": ("keeps the runs of that eval alone", lambda run: run["eval_id"]),
}


def _filter(name: str, value: Callable[[Document], Any]) -> Question:
    """The question whether a filter of the list of runs keeps what it should."""
    keeps = not name.startswith("exclude")

    def question(asker: Asker) -> list[bool]:
        runs = asker.of_flow(RUNS)
        wanted = value(_first((each for each in runs if value(each)), f"run to ask {name} for"))
        kept = asker.get(RUNS, workflow_id=asker.flow, **{name: wanted}, limit=PAGE)["data"]
        # Without a run that is left, an answer that is empty is right.
        return [(value(each) == wanted) is keeps for each in kept] or [True] * (not keeps)

    return question


for _name, (_says, _value) in _FILTERS.items():
    _assume(f"filter: {_name}", f"{_name} {_says}.")(_filter(_name, _value))


@_assume("filter: dates", "from_date and to_date keep what is between.")
def _dates_cut(asker: Asker) -> Iterator[bool]:
    runs = asker.of_flow(RUNS)
    middle = _created(_first(runs[len(runs) // 2 :], "run"))
    text, slack = middle.isoformat().replace("+00:00", "Z"), timedelta(seconds=1)
    for name, sign in (("from_date", 1), ("to_date", -1)):
        kept = asker.get(RUNS, workflow_id=asker.flow, **{name: text}, limit=PAGE)["data"]
        yield from (sign * (_created(each) - middle) >= -slack for each in kept)


@_assume("times", "Times are ISO 8601 with an offset, and not ahead.")
def _times_are_utc(asker: Asker) -> Iterator[bool]:
    timings = [each["timing"].items() for each in asker.of_flow(RUNS)]
    times = [at for each in timings for name, at in each if name.endswith("_at") and at is not None]
    yield from (TIME.fullmatch(each) is not None for each in times)
    if "date" not in asker.headers:
        raise UnaskedError("no answer has a Date")
    latest = parsedate_to_datetime(asker.headers["date"]) + timedelta(minutes=5)
    yield from (_moment(each) <= latest for each in times)


@_assume("durations", "duration_ms is from start to completion.")
def _durations_fit(asker: Asker) -> Iterator[bool]:
    for timing in (each["timing"] for each in asker.of_flow(RUNS)):
        if timing["duration_ms"] is not None:
            took = _moment(timing["completed_at"]) - _moment(timing["started_at"])
            yield abs(took / timedelta(milliseconds=1) - timing["duration_ms"]) <= 2_000


@_assume("scope", "A whole run has a result of each of total_evals.")
def _whole_run_is_whole(asker: Asker) -> Iterator[Any]:
    run, results = asker.whole(), asker.results()
    is_whole = len({each["eval_id"] for each in results}) == run["total_evals"]
    yield is_whole or f"{len(results)} results of {run['total_evals']} evals"
    yield from (each["workflow_eval_run_id"] == run["id"] for each in results)


@_assume("counts", "passed + failed + blocked = completed.")
def _counts_add_up(asker: Asker) -> Iterator[bool]:
    for counts in (each["counts"] for each in asker.of_flow(RUNS)):
        if counts and counts["outcome"] and counts["lifecycle_counts"]:
            yield sum(counts["outcome"].values()) == counts["lifecycle_counts"]["completed"]


@_assume("statuses", f"A status is one of {', '.join(STATUSES)}.")
def _statuses_are_known(asker: Asker) -> Iterator[bool]:
    return (_status_of(each) in STATUSES for each in asker.of_flow(RUNS) + asker.results())


@_assume("verdicts", "A verdict is passed, failed, blocked or null.")
def _verdicts_are_known(asker: Asker) -> Iterator[bool]:
    return (each["verdict"] in (*DECIDED, None) for each in asker.results())


@_assume(
    "fingerprints of results", "A decided result has the fingerprints of its code and its inputs."
)
def _results_have_fingerprints(asker: Asker) -> Iterator[bool]:
    return (all(map(each.get, FINGERPRINTS)) for each in asker.results() if each["verdict"])


def _summaries(asker: Asker, which: str) -> list[Document]:
    return [each for row in asker.of_flow(EVALS) if (each := row[f"{which}_run_summary"])]


@_assume("fingerprints of summaries", "So has the summary of an eval's latest run.")
def _summaries_have_fingerprints(asker: Asker) -> Iterator[bool]:
    decided = (each for each in _summaries(asker, "latest") if each["outcome"])
    return (all(map(each.get, FINGERPRINTS)) for each in decided)


@_assume("summary and result", "Both name the same fingerprints.")
def _a_summary_is_of_its_result(asker: Asker) -> Iterator[Any]:
    decided = (each for each in _summaries(asker, "latest") if each["outcome"])
    summary = _first(decided, "summary")
    result = asker.get(f"{RESULTS}/{quote_id('result', summary['run_record_id'])}")
    for name in FINGERPRINTS:
        yield summary[name] == result[name] or f"{name} is another one in its summary"


@_assume(
    "passing and failing", "The latest passing summary passed, the latest failing one did not."
)
def _summaries_say_what_they_are(asker: Asker) -> Iterator[bool]:
    for which, right in (("passing", ("passed",)), ("failing", NOT_PASSING)):
        yield from (each["outcome"] in right for each in _summaries(asker, f"latest_{which}"))


@_assume("freshness", "Its statuses and reasons are known.")
def _freshness_is_known(asker: Asker) -> Iterator[bool]:
    for said in (each["freshness"] for each in asker.of_flow(EVALS)):
        if said:
            yield said["status"] in FRESHNESS and STALE.issuperset(said["reasons"] or ())


@_assume("by id", "A run and a result can be had by their ids.")
def _one_by_id(asker: Asker) -> Iterator[Any]:
    for path, row in ((RUNS, asker.whole()), (RESULTS, _first(asker.results(), "result"))):
        found = asker.get(f"{path}/{quote_id('id', row['id'])}")
        yield found["id"] == row["id"] or f"GET {path}/{{id}} answers with another one"


@_assume("order of versions", "Versions come newest first, and one is current.")
def _versions_are_newest_first(asker: Asker) -> Iterator[Any]:
    rows = asker.of_flow(VERSIONS)
    _first(rows, "published version")
    yield from (new["published_at"] >= old["published_at"] for new, old in pairwise(rows))
    yield sum(each["is_current"] for each in rows) == 1 or "not one version is the current one"


@_assume("one version", "A version has blocks with configs.")
def _a_version_has_blocks(asker: Asker) -> Iterator[bool]:
    version_id = _version_of(_first(asker.of_flow(VERSIONS), "published version"))
    version = asker.get(f"{VERSIONS}/{quote_id('version', version_id)}", workflow_id=asker.flow)
    return (isinstance(each["config"], dict) for each in version["blocks"])


@_assume("difference", "Two versions can be compared.")
def _versions_can_be_compared(asker: Asker) -> Iterator[Any]:
    rows = asker.of_flow(VERSIONS)
    new, old = _first(rows, "published version"), _first(rows[1:], "second published version")
    names = ("from_workflow_version_id", "to_workflow_version_id")
    asked = dict(zip(names, map(_version_of, (old, new)), strict=True))
    found = asker.get(f"{VERSIONS}/diff", workflow_id=asker.flow, **asked)
    yield {**found, **asked} == found or "the answer is about other versions"
    for change in ("added", "removed", "changed"):
        yield isinstance(found[f"{change}_block_ids"], list) or "no lists of block ids"


@_assume("names of drafts", f"A version that is not published is called {DRAFT}….")
def _drafts_are_called_so(asker: Asker) -> Iterator[bool]:
    pages = asker.pages(VERSIONS, workflow_id=asker.flow)
    published = {_version_of(row) for page in pages for row in page}
    used = [each["workflow_version_id"] for each in asker.of_flow(RUNS)]
    return (each.startswith(DRAFT) for each in used if each not in published)


def _refuses(asker: Asker, path: str, **params: Any) -> list[Any]:
    try:
        asker.get(path, **params)
    except RetabAnalysisError as error:
        status = getattr(error, "status_code", None)
        if status not in (400, 404, 405, 410, 422):
            raise
        return [status == 404 or f"answered with {status}, not with 404"]
    return ["there is an answer, not a 404"]


@_assume("drafts", "A draft is answered with 404.")
def _drafts_cannot_be_asked_for(asker: Asker) -> list[Any]:
    return _refuses(asker, f"{VERSIONS}/{DRAFT}_doctor", workflow_id=asker.flow)


@_assume("draft's blocks", "The draft's blocks have configs.")
def _blocks_have_configs(asker: Asker) -> Iterator[bool]:
    for each in asker.of_flow(BLOCKS):
        yield isinstance(each["config"], dict) and bool(_moment(each["updated_at"]))


@_assume("links", "A document has a link for a while.")
def _files_have_links(asker: Asker) -> Iterator[Any]:
    inputs = [each for row in asker.results() for each in (row["handle_inputs"] or {}).values()]
    file = _first((each for each in inputs if each.get("document")), "file in a result's inputs")
    link = asker.get(f"/v1/files/{quote_id('file', file['document']['id'])}/download-link")
    is_address = re.match("https?://", link["download_url"])
    yield is_address is not None or "download_url is not an address"
    for name in ("expires_in", "filename"):
        yield isinstance(link[name], str) or f"{name} is not a text"


@_assume("unknown ids", "An unknown id is answered with 404.")
def _unknown_ids_are_404(asker: Asker) -> list[Any]:
    return _refuses(asker, f"{RUNS}/doctor-no-such-id")


@_assume("request ids", "Answers have an x-request-id.")
def _requests_have_ids(asker: Asker) -> Iterator[Any]:
    asker.of_flow(RUNS)
    yield bool(asker.headers.get("x-request-id")) or "an answer has none"


@_assume("rate limits", "No header names a limit of requests.")
def _no_rate_limit_is_named(asker: Asker) -> Iterator[Any]:
    asker.of_flow(RUNS)
    named = any("ratelimit" in each.replace("-", "") for each in asker.headers)
    yield not named or "there are headers that we do not look at"
