"""What this library takes for granted of the API, each as a question that only reads.

A question returns where its assumption holds, and raises otherwise. What it raises is pasted into
issues: it is made of counts, statuses and names of fields, and never of a value.
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
NOWHERE = "doctor-no-such-id"
STATUSES = ("pending", "queued", "running", *TERMINAL)
FINGERPRINTS = ("block_execution_fingerprint", "handle_inputs_fingerprint")
FRESHNESS = ("fresh", "stale", "unknown", None)
STALE = (
    *("validity_changed", "inputs_changed", "engine_changed", "metrics_engine_changed"),
    "no_baseline",
)
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
        whole = (each for each in runs if _is_whole(each) and status_of(each) == "completed")
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


def status_of(document: Document) -> Any:
    """The status of a run or a result."""
    return document["lifecycle"]["status"]


def _created(run: Document) -> datetime:
    return _moment(run["timing"]["created_at"])


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _all(rows: Iterable[Document], holds: Callable[[Document], Any], what: str) -> None:
    """Ask something of every row, of which there has to be one."""
    asked = list(rows)
    _first(asked, what)
    wrong = sum(not holds(each) for each in asked)
    if wrong:
        raise DiffersError(f"{wrong} of {len(asked)}: {what}")


# The questions


def _decodes(path: str, record: type[wire.Wire]) -> Callable[[Asker], None]:
    def question(asker: Asker) -> None:
        params: Document = {"workflow_id": asker.flow} if path != FLOWS else {}
        if path == RESULTS:
            params = {"run_id": asker.whole()["id"]}
        elif path == FLOWS:
            params = {"sort_by": "updated_at", "order": "desc"}
        body = json.dumps(asker.get(path, **params, limit=PAGE)).encode()
        try:
            problems = read_page(record, body).problems
        except (ProtocolError, SchemaError):
            raise DiffersError("not a page: {data, list_metadata}") from None
        steps = [re.match(r"\$?(?:\.data\[\d+\])?\.(\w+)", each.path) for each in problems]
        names = sorted({step[1] for step in steps if step} & set(record.__struct_fields__))
        if problems.total:
            raise DiffersError(f"{problems.total} do not decode, at {', '.join(names) or 'the id'}")

    return question


def _cursors_end(asker: Asker) -> None:
    ids = [row["id"] for page in asker.pages(RUNS, workflow_id=asker.flow) for row in page]
    if len(ids) != len(set(ids)):
        raise DiffersError("a run is on two pages")


def _limit_holds(asker: Asker) -> None:
    for page, _ in zip(asker.pages(RUNS, 2, workflow_id=asker.flow), range(2), strict=False):
        if len(page) > 2:
            raise DiffersError("a page has more rows than limit")


def _order_holds(asker: Asker) -> None:
    for order in ({}, {"order": "asc"}):
        created = [_created(each) for each in asker.of_flow(RUNS, **order)]
        if created != sorted(created, reverse=not order):
            raise DiffersError(f"not in order with {order or 'no order'}")


def _filter(name: str, value: Callable[[Document], Any], *, keeps: bool = True) -> Any:
    """A question whether a filter of the list of runs keeps what it should."""

    def question(asker: Asker) -> None:
        runs = asker.of_flow(RUNS)
        wanted = value(_first((each for each in runs if value(each)), f"run to ask {name} for"))
        kept = asker.get(RUNS, workflow_id=asker.flow, **{name: wanted}, limit=PAGE)["data"]
        # Without a run that is left, an answer that is empty is right.
        if kept or keeps:
            _all(kept, lambda each: (value(each) == wanted) is keeps, f"run kept by {name}")

    return question


def _dates_cut(asker: Asker) -> None:
    runs = asker.of_flow(RUNS)
    middle = _created(_first(runs[len(runs) // 2 :], "run"))
    text, slack = middle.isoformat().replace("+00:00", "Z"), timedelta(seconds=1)
    for name, holds in (
        ("from_date", lambda run: _created(run) >= middle - slack),
        ("to_date", lambda run: _created(run) <= middle + slack),
    ):
        kept = asker.get(RUNS, workflow_id=asker.flow, **{name: text}, limit=PAGE)["data"]
        _all(kept, holds, f"run kept by {name}")


def _times_are_utc(asker: Asker) -> None:
    runs = asker.of_flow(RUNS)
    times = [each for run in runs for name, each in run["timing"].items() if name.endswith("_at")]
    rows = [{"at": each} for each in times if each is not None]
    _all(rows, lambda row: TIME.fullmatch(row["at"]), "time in ISO 8601 with an offset")
    date = asker.headers.get("date")
    if date is None:
        raise UnaskedError("no answer has a Date")
    latest = parsedate_to_datetime(date) + timedelta(minutes=5)
    _all(rows, lambda row: _moment(row["at"]) <= latest, "time that is over by the API's Date")


def _duration_fits(run: Document) -> bool:
    timing = run["timing"]
    took = _moment(timing["completed_at"]) - _moment(timing["started_at"])
    apart: float = abs(took / timedelta(milliseconds=1) - timing["duration_ms"])
    return apart <= 2_000


def _durations_fit(asker: Asker) -> None:
    ended = [each for each in asker.of_flow(RUNS) if each["timing"]["duration_ms"] is not None]
    _all(ended, _duration_fits, "run whose duration_ms is from its start to its completion")


def _whole_run_is_whole(asker: Asker) -> None:
    run, results = asker.whole(), asker.results()
    if len({each["eval_id"] for each in results}) != run["total_evals"]:
        raise DiffersError(f"{len(results)} results of {run['total_evals']} evals")
    _all(results, lambda each: each["workflow_eval_run_id"] == run["id"], "result of the run")


def _counts_add_up(asker: Asker) -> None:
    counts = [each["counts"] for each in asker.of_flow(RUNS) if each["counts"]]
    _all(
        [each for each in counts if each["outcome"] and each["lifecycle_counts"]],
        lambda each: sum(each["outcome"].values()) == each["lifecycle_counts"]["completed"],
        "run with passed + failed + blocked = completed",
    )


def _statuses_are_known(asker: Asker) -> None:
    rows = asker.of_flow(RUNS) + asker.results()
    _all(rows, lambda each: status_of(each) in STATUSES, "status that is known")


def _verdicts_are_known(asker: Asker) -> None:
    _all(asker.results(), lambda each: each["verdict"] in (*DECIDED, None), "verdict that is known")


def _results_have_fingerprints(asker: Asker) -> None:
    decided = [each for each in asker.results() if each["verdict"]]
    _all(decided, lambda each: all(map(each.get, FINGERPRINTS)), "result with both fingerprints")


def _summaries(asker: Asker, name: str = "latest_run_summary") -> list[Document]:
    return [each[name] for each in asker.of_flow(EVALS) if each[name]]


def _summaries_have_fingerprints(asker: Asker) -> None:
    decided = [each for each in _summaries(asker) if each["outcome"]]
    _all(decided, lambda each: all(map(each.get, FINGERPRINTS)), "summary with both fingerprints")


def _a_summary_is_of_its_result(asker: Asker) -> None:
    summary = _first((each for each in _summaries(asker) if each["outcome"]), "summary")
    result = asker.get(f"{RESULTS}/{quote_id('result', summary['run_record_id'])}")
    for name in FINGERPRINTS:
        if summary[name] != result[name]:
            raise DiffersError(f"{name} of a result is another one in its summary")


def _summaries_say_what_they_are(asker: Asker) -> None:
    passing, failing = (_summaries(asker, f"latest_{each}_run_summary") for each in _KINDS)
    _all(passing, lambda each: each["outcome"] == "passed", "latest_passing_run_summary")
    if failing:
        _all(failing, lambda each: each["outcome"] in NOT_PASSING, "latest_failing_run_summary")


_KINDS = ("passing", "failing")


def _freshness_is_known(asker: Asker) -> None:
    said = [each["freshness"] for each in asker.of_flow(EVALS) if each["freshness"]]
    _all(said, lambda each: each["status"] in FRESHNESS, "freshness whose status is known")
    _all(said, lambda each: set(each["reasons"] or ()) <= set(STALE), "freshness, reasons known")


def _one_by_id(asker: Asker) -> None:
    for path, row in ((RUNS, asker.whole()), (RESULTS, _first(asker.results(), "result"))):
        if asker.get(f"{path}/{quote_id('id', row['id'])}")["id"] != row["id"]:
            raise DiffersError(f"GET {path}/{{id}} answers with another one")


def _version_id(row: Document) -> Any:
    return row.get("workflow_version_id") or row["id"]


def _versions_are_newest_first(asker: Asker) -> None:
    rows = asker.of_flow(VERSIONS)
    _first(rows, "published version")
    if any(new["published_at"] < old["published_at"] for new, old in pairwise(rows)):
        raise DiffersError("not the newest first")
    if sum(each["is_current"] for each in rows) != 1:
        raise DiffersError("not one version is the current one")


def _a_version_has_blocks(asker: Asker) -> None:
    version_id = _version_id(_first(asker.of_flow(VERSIONS), "published version"))
    path = f"{VERSIONS}/{quote_id('version', version_id)}"
    blocks = asker.get(path, workflow_id=asker.flow)["blocks"]
    _all(blocks, lambda each: isinstance(each["config"], dict), "block with its config")


def _versions_can_be_compared(asker: Asker) -> None:
    rows = asker.of_flow(VERSIONS)
    new, old = _first(rows, "published version"), _first(rows[1:], "second published version")
    sides = (_version_id(old), _version_id(new))
    names = ("from_workflow_version_id", "to_workflow_version_id")
    asked = dict(zip(names, sides, strict=True))
    found = asker.get(f"{VERSIONS}/diff", workflow_id=asker.flow, **asked)
    if tuple(found[each] for each in names) != sides:
        raise DiffersError("the answer is about other versions")
    if not all(isinstance(found[f"{each}_block_ids"], list) for each in _CHANGES):
        raise DiffersError("no lists of block ids")


_CHANGES = ("added", "removed", "changed")


def _drafts_are_called_so(asker: Asker) -> None:
    rows = [row for page in asker.pages(VERSIONS, workflow_id=asker.flow) for row in page]
    published = {_version_id(each) for each in rows}
    used = [{"id": each["workflow_version_id"]} for each in asker.of_flow(RUNS)]
    drafts = (each for each in used if each["id"] not in published)
    _first(drafts, "run of a draft")
    what = f"version of a run that is published, or begins with {DRAFT}"
    _all(used, lambda each: each["id"] in published or each["id"].startswith(DRAFT), what)


def _refuses(asker: Asker, path: str, **params: Any) -> None:
    try:
        asker.get(path, **params)
    except RetabAnalysisError as error:
        status = getattr(error, "status_code", None)
        if status == 404:
            return
        if status not in (400, 405, 410, 422):
            raise
        raise DiffersError(f"answered with {status}, not with 404") from None
    raise DiffersError("there is an answer, not a 404")


def _drafts_cannot_be_asked_for(asker: Asker) -> None:
    _refuses(asker, f"{VERSIONS}/{DRAFT}_doctor", workflow_id=asker.flow)


def _unknown_ids_are_404(asker: Asker) -> None:
    _refuses(asker, f"{RUNS}/{NOWHERE}")


def _blocks_have_configs(asker: Asker) -> None:
    _all(
        asker.of_flow(BLOCKS),
        lambda each: isinstance(each["config"], dict) and _moment(each["updated_at"]),
        "block of the draft with its config and updated_at",
    )


def _files_have_links(asker: Asker) -> None:
    inputs = [each for row in asker.results() for each in (row["handle_inputs"] or {}).values()]
    file = _first((each for each in inputs if each.get("document")), "file in a result's inputs")
    link = asker.get(f"/v1/files/{quote_id('file', file['document']['id'])}/download-link")
    if not re.match("https?://", link["download_url"]):
        raise DiffersError("download_url is not an address")
    if not isinstance(link["expires_in"], str) or not isinstance(link["filename"], str):
        raise DiffersError("expires_in or filename is not a text")


def _requests_have_ids(asker: Asker) -> None:
    asker.of_flow(RUNS)
    if not asker.headers.get("x-request-id"):
        raise DiffersError("an answer has no x-request-id")


def _no_rate_limit_is_named(asker: Asker) -> None:
    asker.of_flow(RUNS)
    named = sorted(each for each in asker.headers if "ratelimit" in each.replace("-", ""))
    if named:
        raise DiffersError("there are headers that we do not look at")


@dataclass(frozen=True)
class Assumption:
    """One thing that is taken for granted."""

    name: str
    sentence: str
    question: Callable[[Asker], None]


_LISTS: dict[str, tuple[str, type[wire.Wire]]] = {
    "workflows": (FLOWS, wire.Workflow),
    "runs": (RUNS, wire.Run),
    "results": (RESULTS, wire.Result),
    "saved evals": (EVALS, wire.Eval),
    "versions": (VERSIONS, wire.Publication),
    "blocks": (BLOCKS, wire.Block),
}


def _block_of(run: Document) -> Any:
    return (run["target"] or {}).get("block_id")


ASSUMPTIONS = [
    *(
        Assumption(name, f"GET {path} gives a page of records that decode.", _decodes(path, record))
        for name, (path, record) in _LISTS.items()
    ),
    Assumption("limit", "A page has no more rows than limit.", _limit_holds),
    Assumption("cursors", "The cursor leads on, and is null at the end.", _cursors_end),
    Assumption("order", "Runs come newest first; order=asc turns them round.", _order_holds),
    Assumption(
        "filter: status",
        "status keeps the runs of that status.",
        _filter("status", status_of),
    ),
    Assumption(
        "filter: exclude_status",
        "exclude_status keeps the others.",
        _filter("exclude_status", status_of, keeps=False),
    ),
    Assumption(
        "filter: trigger_type",
        "trigger_type keeps the runs that it started.",
        _filter("trigger_type", lambda run: run["trigger"]["type"]),
    ),
    Assumption(
        "filter: target_block_id",
        "target_block_id keeps the runs of that block.",
        _filter("target_block_id", _block_of),
    ),
    Assumption(
        "filter: eval_id",
        "eval_id keeps the runs of that eval alone.",
        _filter("eval_id", lambda run: run["eval_id"]),
    ),
    Assumption("filter: dates", "from_date and to_date keep what is between.", _dates_cut),
    Assumption("times", "Times are ISO 8601 with an offset, and not ahead.", _times_are_utc),
    Assumption("durations", "duration_ms is from start to completion.", _durations_fit),
    Assumption("scope", "A whole run has a result of each of total_evals.", _whole_run_is_whole),
    Assumption("counts", "passed + failed + blocked = completed.", _counts_add_up),
    Assumption("statuses", f"A status is one of {', '.join(STATUSES)}.", _statuses_are_known),
    Assumption("verdicts", "A verdict is passed, failed, blocked or null.", _verdicts_are_known),
    Assumption(
        "fingerprints of results",
        "A decided result has the fingerprints of its code and its inputs.",
        _results_have_fingerprints,
    ),
    Assumption(
        "fingerprints of summaries",
        "So has the summary of an eval's latest run.",
        _summaries_have_fingerprints,
    ),
    Assumption(
        "summary and result",
        "Both name the same fingerprints.",
        _a_summary_is_of_its_result,
    ),
    Assumption(
        "passing and failing",
        "The latest passing summary passed, the latest failing one did not.",
        _summaries_say_what_they_are,
    ),
    Assumption("freshness", "Its statuses and reasons are known.", _freshness_is_known),
    Assumption("by id", "A run and a result can be had by their ids.", _one_by_id),
    Assumption(
        "order of versions",
        "Versions come newest first, and one is current.",
        _versions_are_newest_first,
    ),
    Assumption("one version", "A version has blocks with configs.", _a_version_has_blocks),
    Assumption("difference", "Two versions can be compared.", _versions_can_be_compared),
    Assumption(
        "names of drafts",
        f"A version that is not published is called {DRAFT}….",
        _drafts_are_called_so,
    ),
    Assumption("drafts", "A draft is answered with 404.", _drafts_cannot_be_asked_for),
    Assumption("draft's blocks", "The draft's blocks have configs.", _blocks_have_configs),
    Assumption("links", "A document has a link for a while.", _files_have_links),
    Assumption("unknown ids", "An unknown id is answered with 404.", _unknown_ids_are_404),
    Assumption("request ids", "Answers have an x-request-id.", _requests_have_ids),
    Assumption("rate limits", "No header names a limit of requests.", _no_rate_limit_is_named),
]
