"""Which request means what: a pure mapping from method, path, query and body to the store."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from urllib.parse import quote, unquote

from retab_analysis.sandbox.http.messages import ApiError, unauthorized
from retab_analysis.sandbox.http.params import Query, create_request, run_filter
from retab_analysis.sandbox.store import Store
from retab_analysis.sandbox.world.seeding import fingerprint


class RawRequest(NamedTuple):
    """A request as it came in; `base_url` is where the server listens, for links to itself."""

    method: str
    target: str
    authorization: str
    body: bytes
    base_url: str


class Request(NamedTuple):
    """A request that passed the bearer check, and the id in its path where it has one."""

    ident: str
    query: Query
    body: bytes
    sign: Callable[[str], str]


class Answer(NamedTuple):
    """A successful answer."""

    status: int
    body: bytes
    media_type: str = "application/json"


Endpoint = Callable[[Store, Request], Answer]


def _list_runs(store: Store, request: Request) -> Answer:
    narrow, page = run_filter(request.query), request.query.page(50)
    request.query.done()
    sort_by = request.query.text("sort_by") or "created_at"
    return Answer(200, store.list_runs(narrow, page, sort_by))


def _create_run(store: Store, request: Request) -> Answer:
    workflow_id, scope = create_request(request.body)
    return Answer(201, store.create_run(workflow_id, scope))


def _get_run(store: Store, request: Request) -> Answer:
    return Answer(200, store.get_run(request.ident))


def _cancel_run(store: Store, request: Request) -> Answer:
    return Answer(200, store.cancel_run(request.ident))


def _list_results(store: Store, request: Request) -> Answer:
    run_id, page = request.query.required("run_id"), request.query.page(20)
    request.query.done()
    return Answer(200, store.list_results(run_id, page))


def _get_result(store: Store, request: Request) -> Answer:
    return Answer(200, store.get_result(request.ident))


def _list_evals(store: Store, request: Request) -> Answer:
    workflow_id, page = request.query.required("workflow_id"), request.query.page(50)
    request.query.done()
    block_id = request.query.text("target_block_id")
    return Answer(200, store.list_evals(workflow_id, block_id, page))


def _get_eval(store: Store, request: Request) -> Answer:
    return Answer(200, store.get_eval(request.ident))


def _list_workflows(store: Store, request: Request) -> Answer:
    page = request.query.page(10)
    request.query.done()
    project_id = request.query.text("project_id")
    sort_by = request.query.text("sort_by") or "updated_at"
    return Answer(200, store.list_workflows(page, project_id, sort_by))


def _download_link(store: Store, request: Request) -> Answer:
    return Answer(200, store.download_link(request.ident, request.sign(request.ident)))


def _diff_versions(store: Store, request: Request) -> Answer:
    query = request.query
    workflow_id = query.required("workflow_id")
    baseline = query.required("from_workflow_version_id")
    candidate = query.required("to_workflow_version_id")
    query.done()
    return Answer(200, store.diff_versions(workflow_id, baseline, candidate))


_FILES = "/files/"

# In the order in which they are tried: "runs" is no eval's id.
_ROUTES: tuple[tuple[tuple[str, ...], dict[str, Endpoint]], ...] = (
    (("workflows", "evals", "runs"), {"GET": _list_runs, "POST": _create_run}),
    (("workflows", "evals", "runs", "{}"), {"GET": _get_run}),
    (("workflows", "evals", "runs", "{}", "cancel"), {"POST": _cancel_run}),
    (("workflows", "evals", "results"), {"GET": _list_results}),
    (("workflows", "evals", "results", "{}"), {"GET": _get_result}),
    (("workflows", "evals"), {"GET": _list_evals}),
    (("workflows", "evals", "{}"), {"GET": _get_eval}),
    (("workflows",), {"GET": _list_workflows}),
    (("workflows", "versions", "diff"), {"GET": _diff_versions}),
    (("files", "{}", "download-link"), {"GET": _download_link}),
)


def answer(store: Store, api_key: str, raw: RawRequest) -> Answer:
    """Answer a request.

    Raises:
        ApiError: The refusal, for whatever reason.
    """
    path, _, query = raw.target.partition("?")
    if path.startswith(_FILES):
        return _file(store, api_key, raw)
    _authorize(api_key, raw.authorization)
    endpoints, ident = _match(path)
    if raw.method not in endpoints:
        raise ApiError(405, "Method Not Allowed", {"Allow": ", ".join(endpoints)})
    request = Request(ident, Query(query), raw.body, partial(_signed, raw.base_url, api_key))
    return endpoints[raw.method](store, request)


def _authorize(api_key: str, authorization: str) -> None:
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise unauthorized("Missing bearer token")
    if key.strip() != api_key:
        raise unauthorized("Invalid API key")


def _signed(base_url: str, api_key: str, file_id: str) -> str:
    """Write the address of a file, good without a key because it is signed."""
    return f"{base_url}{_FILES}{quote(file_id)}?signature={fingerprint(api_key, file_id)}"


def _file(store: Store, api_key: str, raw: RawRequest) -> Answer:
    """Give a file by its signed address, so that a download link leads somewhere."""
    ident = unquote(raw.target.partition("?")[0].removeprefix(_FILES), errors="replace")
    if raw.method != "GET":
        raise ApiError(405, "Method Not Allowed", {"Allow": "GET"})
    if _signed("", api_key, ident) != raw.target:
        raise ApiError(403, "The signature does not fit")
    return Answer(200, store.file_text(ident), "text/plain; charset=utf-8")


def _match(path: str) -> tuple[dict[str, Endpoint], str]:
    # Split before unquoting: an id may hold an escaped slash.
    empty, *steps = path.split("/")
    if empty or steps[:1] != ["v1"]:
        raise ApiError(404, "Not Found")
    for pattern, endpoints in _ROUTES:
        if len(pattern) == len(steps) - 1:
            pairs = list(zip(pattern, steps[1:], strict=True))
            if all(wanted in (step, "{}") and step for wanted, step in pairs):
                ident = next((step for wanted, step in pairs if wanted == "{}"), "")
                return endpoints, unquote(ident, errors="replace")
    raise ApiError(404, "Not Found")
