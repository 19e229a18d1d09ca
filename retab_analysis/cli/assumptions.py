"""The questions for the facts in ``facts.toml``.

A question only reads. For each record that it looks at, it returns whether the record is as
assumed, or the difference in words. Users paste these words into issues: they have counts, statuses
and names of fields, and never a value.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.resources import files
from itertools import pairwise
from typing import Any

from retab_analysis import wire
from retab_analysis.cli.session import RecordingClient
from retab_analysis.decode import read_page
from retab_analysis.errors import ProtocolError, RetabAnalysisError, SchemaError
from retab_analysis.fetch.params import quote_id

Document = dict[str, Any]

FLOWS = "/v1/workflows"
RUNS, RESULTS, GRAPHS = f"{FLOWS}/evals/runs", f"{FLOWS}/evals/results", f"{FLOWS}/versions"
# The lists of a workflow; other lists need another id.
BLOCKS = f"{FLOWS}/blocks"
LISTS = {"runs": RUNS, "evals": f"{FLOWS}/evals", "graphs": GRAPHS, "blocks": BLOCKS}
WHOLE = ("results", "evals")  # read to the end; of other lists the first page is enough
PAGE, MOST_PAGES = 100, 100
REFUSED = (400, 404, 405, 410, 422)  # statuses of what the API does not have
SURE = {"sdk": "certain", "cli": "probable", "docs": "probable", "ours": "guessed"}
FEW, NEARLY_ALL = 4, 0.9  # evals that tell about saves, and their share
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")


class DiffersError(Exception):
    """The fact is false."""


class UnaskedError(Exception):
    """It is not known whether the fact holds."""


def load_facts() -> list[Document]:
    text = files("retab_analysis.cli").joinpath("facts.toml").read_text("utf-8")
    facts = tomllib.loads(text)["fact"].items()
    return [
        {"name": name, "sure": SURE[its["source"]], **its, **its.get("ask", {})}
        for name, its in facts
    ]


@dataclass
class Asker:
    """Sends each request once, and notes the requests behind an answer."""

    client: RecordingClient
    workflow: str | None
    request_ids: dict[str, None] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)  # of the last answer
    _known: dict[Any, Any] = field(default_factory=dict)

    def ask(self, fact: Document) -> None:
        """Ask a fact; returns if it holds, and else raises one of three errors."""
        found = [*(getattr(self, f"ask_{fact['by']}")() if "by" in fact else self._ask_table(fact))]
        wrong = [each for each in found if each is False or isinstance(each, str)]
        if not found:
            raise UnaskedError("there is nothing to look at")
        if wrong:
            raise DiffersError(wrong[0] or f"{len(wrong)} of {len(found)} are otherwise")

    def get(self, path: str, **params: Any) -> Any:
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

    def pages(self, path: str, limit: int = PAGE, **params: Any) -> Iterator[list[Document]]:
        cursor: Document = {}
        for _ in range(MOST_PAGES):
            found = self.get(path, **params, limit=limit, **cursor)
            yield found["data"]
            after = found["list_metadata"]["after"]
            if not after:
                return
            if after == cursor.get("after"):
                raise DiffersError("a cursor leads to itself")
            cursor = {"after": after}
        raise DiffersError(f"no end after {MOST_PAGES} pages")

    @property
    def flow(self) -> str:
        if self.workflow is None:
            self.workflow = _first(self.others("workflows"), "workflow")["id"]
        return self.workflow

    def whole(self) -> Document:
        runs = (run for run in self.others("runs") if run["eval_id"] is run["target"] is None)
        done = (run for run in runs if _of(run, "lifecycle.status") == "completed")
        return _first(done, "completed run of the whole workflow")

    def place(self, name: str) -> tuple[str, Document]:
        if name == "workflows":
            return FLOWS, {"sort_by": "updated_at", "order": "desc"}
        if name == "results":
            return RESULTS, {"run_id": self.whole()["id"]}
        if name == "publications":
            return f"{FLOWS}/{quote_id('workflow', self.flow)}/published-versions", {}
        if name == "eras":
            block_id = quote_id("block", _first(self.others("blocks"), "block")["id"])
            return f"{BLOCKS}/{block_id}/config-history", {"workflow_id": self.flow}
        if name == "usage":
            return "/v1/usage/primitives", {"workflow_id": self.flow, "run_id": self.whole()["id"]}
        return LISTS[name], {"workflow_id": self.flow}

    def rows(self, name: str, **params: Any) -> list[Document]:
        if name.startswith("latest"):
            summaries = (row[f"{name}_run_summary"] for row in self.others("evals"))
            return [each for each in summaries if each]
        if name == "runs+results":
            return self.others("runs") + self.others("results")
        if name == "auth":
            return [self.get("/v1/auth/status")]
        if name == "graph":
            version = quote_id("version", self.published(1)[0])
            blocks: list[Document] = self.get(f"{GRAPHS}/{version}", workflow_id=self.flow)[
                "blocks"
            ]
            return blocks
        path, usual = self.place(name)
        pages = self.pages(path, **usual, **params)
        return [row for page in pages for row in page] if name in WHOLE else next(pages)

    def others(self, name: str) -> list[Document]:
        try:
            return self.rows(name)
        except (RetabAnalysisError, LookupError, TypeError):
            raise UnaskedError(f"the list of {name} has no answer to look at") from None

    def published(self, least: int = 0) -> list[str]:
        try:
            ids = [row["workflow_version_id"] for row in self.others("publications")]
        except (UnaskedError, LookupError):
            ids = [row.get("workflow_version_id") or row["id"] for row in self.others("graphs")]
        if len(ids) < least:
            raise UnaskedError(f"there are not {least} published versions to look at")
        return ids

    def drafts(self) -> list[str]:
        used = dict.fromkeys(run["workflow_version_id"] for run in self.others("runs"))
        published = self.published()
        return [each for each in used if each and each not in published]

    # Questions that need only their table

    def _ask_table(self, fact: Document) -> Iterable[Any]:
        if "decodes" in fact:
            return self._decodes(fact["at"], getattr(wire, fact["decodes"]))
        if "filter" in fact:
            return self._filters(fact["filter"], partial(_of, place=fact["member"]))
        rows = self.rows(fact["at"])
        if "some" in fact:
            return [bool(rows) or "there are none"]
        if "header" in fact:
            named = any(fact["header"] in name.replace("-", "") for name in self.headers)
            return [named is fact["is_there"]]
        rows = [row for row in rows if "where" not in fact or row[fact["where"]]]
        if "has" in fact:
            return [all(_of(row, name) for name in fact["has"]) for row in rows]
        found = [each for row in rows if (each := _of(row, fact["member"])) is not None]
        values = [value for each in found for value in (each if isinstance(each, list) else [each])]
        return [each in fact["among"] for each in values] or [True] * bool(rows)

    def _decodes(self, name: str, record: type[wire.Wire]) -> list[Any]:
        path, params = self.place(name)
        body = json.dumps(self.get(path, **params, limit=PAGE)).encode()
        try:
            problems = read_page(record, body).problems
        except (ProtocolError, SchemaError):
            return ["not a page: {data, list_metadata}"]
        steps = [re.match(r"\$?(?:\.data\[\d+\])?\.(\w+)", each.path) for each in problems]
        names = sorted({step[1] for step in steps if step} & set(record.__struct_fields__))
        said = f"{problems.total} do not decode, at {', '.join(names) or 'the id'}"
        return [said if problems.total else True]

    def _filters(self, name: str, value: Callable[[Document], Any]) -> list[bool]:
        keeps, runs = not name.startswith("exclude"), self.others("runs")
        wanted = value(_first((each for each in runs if value(each)), f"run to ask {name} for"))
        kept = self.rows("runs", **{name: wanted})
        # If no run is left, an empty answer is right.
        return [(value(each) == wanted) is keeps for each in kept] or [True] * (not keeps)

    # The others, by the name in a fact

    def ask_limit(self) -> Iterator[bool]:
        pages = self.pages(RUNS, 2, workflow_id=self.flow)
        return (len(page) <= 2 for page, _ in zip(pages, range(2), strict=False))

    def ask_cursors(self) -> Iterator[Any]:
        ids = [row["id"] for page in self.pages(RUNS, workflow_id=self.flow) for row in page]
        yield len(ids) == len(set(ids)) or "a run is on two pages"

    def ask_order(self) -> Iterator[Any]:
        for order in ({}, {"order": "asc"}):
            created = [_created(each) for each in self.rows("runs", **order)]
            is_ordered = created == sorted(created, reverse=not order)
            yield is_ordered or f"not in order with {order or 'no order'}"

    def ask_dates(self) -> Iterator[bool]:
        runs = self.others("runs")
        middle = _created(_first(runs[len(runs) // 2 :], "run"))
        text, slack = middle.isoformat().replace("+00:00", "Z"), timedelta(seconds=1)
        for name, sign in (("from_date", 1), ("to_date", -1)):
            kept = self.rows("runs", **{name: text})
            yield from (sign * (_created(each) - middle) >= -slack for each in kept)

    def ask_times(self) -> Iterator[bool]:
        members = [member for run in self.others("runs") for member in run["timing"].items()]
        times = [at for name, at in members if name.endswith("_at") and at is not None]
        yield from (TIME.fullmatch(each) is not None for each in times)
        if "date" not in self.headers:
            raise UnaskedError("no answer has a Date")
        latest = parsedate_to_datetime(self.headers["date"]) + timedelta(minutes=5)
        yield from (datetime.fromisoformat(each) <= latest for each in times)

    def ask_durations(self) -> Iterator[bool]:
        for timing in (each["timing"] for each in self.others("runs")):
            if timing["duration_ms"] is not None:
                took = datetime.fromisoformat(timing["completed_at"]) - datetime.fromisoformat(
                    timing["started_at"]
                )
                yield abs(took / timedelta(milliseconds=1) - timing["duration_ms"]) <= 2_000

    def ask_scope(self) -> Iterator[Any]:
        run, results = self.whole(), self.others("results")
        is_whole = len({each["eval_id"] for each in results}) == run["total_evals"]
        yield is_whole or f"{len(results)} results of {run['total_evals']} evals"
        yield from (each["workflow_eval_run_id"] == run["id"] for each in results)

    def ask_counts(self) -> Iterator[bool]:
        for counts in (each["counts"] for each in self.others("runs")):
            if counts and counts["outcome"] and counts["lifecycle_counts"]:
                yield sum(counts["outcome"].values()) == counts["lifecycle_counts"]["completed"]

    def ask_summary(self) -> Iterator[Any]:
        summary = _first((each for each in self.rows("latest") if each["outcome"]), "summary")
        result = self.get(f"{RESULTS}/{quote_id('result', summary['run_record_id'])}")
        for name in ("block_execution_fingerprint", "handle_inputs_fingerprint"):
            yield summary[name] == result[name] or f"{name} is another one in its summary"

    def ask_present_code(self) -> Iterator[bool]:
        for row in self.others("evals"):
            said, newest = row["freshness"] or {}, row["latest_run_summary"] or {}
            present, tested = (each.get("validity_fingerprint") for each in (said, newest))
            if newest.get("outcome") and said.get("status") == "fresh":
                yield present is not None and present == tested
            elif newest.get("outcome") and "validity_changed" in (said.get("reasons") or ()):
                yield None not in (present, tested) and present != tested

    def ask_saves(self) -> Iterator[Any]:
        saved = (row for row in self.others("evals") if row["updated_at"])
        ran = [row for row in saved if _of(row, "latest_run_summary.outcome")]
        began = [datetime.fromisoformat(row["latest_run_summary"]["started_at"]) for row in ran]
        last = [datetime.fromisoformat(row["updated_at"]) for row in ran]
        later = sum(at >= start for at, start in zip(last, began, strict=True))
        if len(ran) < FEW:
            raise UnaskedError(f"fewer than {FEW} evals ran")
        yield later < NEARLY_ALL * len(ran) or f"{later} of {len(ran)} are as new as their last run"

    def ask_ids(self) -> Iterator[Any]:
        result, its = (_first(self.others(f"{each}s"), each) for each in ("result", "eval"))
        known = {FLOWS: {"id": self.flow}, RUNS: self.whole(), RESULTS: result, LISTS["evals"]: its}
        for path, row in known.items():
            found = self.get(f"{path}/{quote_id('id', row['id'])}")
            yield found["id"] == row["id"] or f"GET {path}/{{id}} answers with another one"

    def ask_runs_of_drafts(self) -> Iterator[bool]:
        published = self.published()
        return (run["workflow_version_id"] not in published for run in self.others("runs"))

    def ask_versions(self) -> Iterator[Any]:
        rows = self.others("publications")
        yield from (new["published_at"] >= old["published_at"] for new, old in pairwise(rows))
        yield sum(each["is_current"] for each in rows) == 1 or "not one version is the current one"

    def ask_difference(self) -> Iterator[Any]:
        new, old, *_ = self.published(2)
        asked = {"from_workflow_version_id": old, "to_workflow_version_id": new}
        found = self.get(f"{GRAPHS}/diff", workflow_id=self.flow, **asked)
        yield {**found, **asked} == found or "the answer is about other versions"
        for change in ("added", "removed", "changed"):
            yield isinstance(found[f"{change}_block_ids"], list) or "no lists of block ids"

    def ask_draft_ids(self) -> Iterator[Any]:
        for each in self.drafts():
            begins = re.match("[a-z]{2,8}_", each)
            yield (
                each.startswith("draft_") or f"one begins with {begins[0] if begins else 'no word'}"
            )

    def ask_drafts(self) -> list[Any]:
        draft = quote_id("version", next(iter(self.drafts()), "draft_doctor"))
        return self._refuses(f"{GRAPHS}/{draft}", workflow_id=self.flow)

    def ask_whose_key(self) -> Iterator[bool]:
        (status,) = self.rows("auth")
        places = ("environment_slug", "environment_id", "environment.id", "environment.name")
        yield any(_of(status, each) for each in places)

    def ask_idempotency(self) -> list[Any]:
        raise UnaskedError("a start is billed, and doctor starts nothing")

    def ask_unknown(self) -> list[Any]:
        return self._refuses(f"{RUNS}/doctor-no-such-id")

    def _refuses(self, path: str, **params: Any) -> list[Any]:
        try:
            self.get(path, **params)
        except RetabAnalysisError as error:
            status = getattr(error, "status_code", None)
            if status not in REFUSED:
                raise
            return [status == 404 or f"answered with {status}, not with 404"]
        return ["there is an answer, not a 404"]

    def ask_links(self) -> Iterator[Any]:
        inputs = [(row["handle_inputs"] or {}).values() for row in self.others("results")]
        given = (each for values in inputs for each in values if each.get("document"))
        file = quote_id("file", _first(given, "file in a result's inputs")["document"]["id"])
        link = self.get(f"/v1/files/{file}/download-link")
        yield bool(re.match("https?://", link["download_url"])) or "it is not an address"
        yield from (isinstance(link[name], str) for name in ("expires_in", "filename"))


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ProtocolError("not JSON") from None


def _first(rows: Iterable[Document], what: str) -> Document:
    for row in rows:
        return row
    raise UnaskedError(f"there is no {what} to look at")


def _of(row: Document, place: str) -> Any:
    value: Any = row
    for name in place.split("."):
        value = None if value is None else value.get(name)
    return value


def _created(run: Document) -> datetime:
    return datetime.fromisoformat(run["timing"]["created_at"])
