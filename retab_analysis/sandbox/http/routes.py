"""Routes: from method, path, query and body to a question for the store."""

import hmac
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.http.messages import ApiError, Request, Response, coded
from retab_analysis.sandbox.http.params import (
    Query,
    read_object,
    read_run_filter,
    read_run_request,
)
from retab_analysis.sandbox.store import Store


class Call(NamedTuple):
    """A request that passed the bearer check, and the id in its path if it has one."""

    ident: str
    query: Query
    body: bytes
    sign: Callable[[str], str]
    key: str


Endpoint = Callable[[Store, Call], bytes]


def _give(
    give: Callable[..., bytes], *names: str, page: int | None = None, most: int = 100
) -> Endpoint:
    """Ask the store with values by name, and for a page of ``page`` rows if the query has no limit.

    ``{}`` is the id in the path, and ``?`` marks a field that the query need not have.
    """

    def endpoint(store: Store, call: Call) -> bytes:
        values = [call.ident if name == "{}" else call.query.field(name) for name in names]
        return give(store, *values, *([] if page is None else [call.query.page(page, most)]))

    return endpoint


def _download_link(store: Store, call: Call) -> bytes:
    link = {
        "download_url": call.sign(call.ident),
        "expires_in": "15 minutes",
        "filename": store.file(call.ident).filename,
        "mime_data": None,
    }
    return to_json(link)


_STATUS = {
    "authenticated": True,
    "auth_method": "api_key",
    "organization_id": "org_sandbox",
    "environment_slug": "sandbox",
    "environment_id": "env_sandbox",
}
_FILES = "/files/"
_WITH_A_BEARER = {"WWW-Authenticate": "Bearer"}


def _refuse(store: Store, call: Call) -> bytes:
    raise coded(501, "not_implemented", "the sandbox does not have this endpoint")


# What the sandbox does not have: all of the real API that has no route here.
_CHANGES: dict[str, Endpoint] = {"PATCH": _refuse, "DELETE": _refuse}
_ELSEWHERE = {"GET": _refuse, "POST": _refuse, "PUT": _refuse, **_CHANGES}
_OF_WORKFLOWS = ("artifacts", "edges", "experiments", "reviews", "runs", "spec", "steps")

# In the order of trial: "runs" is not the id of an eval, nor "diff" of a version.
_ROUTES: dict[str, dict[str, Endpoint]] = {
    "workflows/evals/runs": {
        "GET": lambda store, call: store.list_runs(
            read_run_filter(call.query), call.query.page(50)
        ),
        "POST": lambda store, call: store.create_run(*read_run_request(call.body), call.key),
    },
    "workflows/evals/runs/{}": {"GET": _give(Store.get_run, "{}")},
    "workflows/evals/runs/{}/cancel": {"POST": _give(Store.cancel_run, "{}")},
    "workflows/evals/results": {"GET": _give(Store.list_results, "run_id", page=20)},
    "workflows/evals/results/{}": {"GET": _give(Store.get_result, "{}")},
    "workflows/evals": {
        "GET": _give(Store.list_evals, "workflow_id", "target_block_id?", page=50),
        "POST": _refuse,
    },
    "workflows/evals/{}": {
        "GET": _give(Store.get_eval, "{}"),
        "PATCH": lambda store, call: store.update_eval(call.ident, read_object(call.body)),
        "DELETE": _give(Store.delete_eval, "{}"),
    },
    "workflows": {
        "GET": _give(Store.list_workflows, "project_id?", "sort_by?", page=10),
        "POST": _refuse,
    },
    "workflows/{}/published-versions": {"GET": _give(Store.list_publications, "{}", page=50)},
    "workflows/versions": {"GET": _give(Store.list_versions, "workflow_id", page=50)},
    "workflows/versions/diff": {
        "GET": _give(
            *(Store.diff_versions, "workflow_id"),
            *("from_workflow_version_id", "to_workflow_version_id"),
        )
    },
    "workflows/versions/{}": {"GET": _give(Store.get_version, "workflow_id", "{}")},
    "workflows/blocks": {
        "GET": _give(Store.list_blocks, "workflow_id", page=50),
        "POST": _refuse,
    },
    "workflows/blocks/{}/config-history": {
        "GET": _give(Store.list_eras, "{}", "workflow_id", page=50, most=200)
    },
    **{f"workflows/blocks/{name}": _ELSEWHERE for name in ("executions", "versions")},
    "workflows/blocks/{}": {"GET": _give(Store.get_block, "{}"), **_CHANGES},
    **{f"workflows/{name}": _ELSEWHERE for name in _OF_WORKFLOWS},
    "workflows/{}": {"GET": _give(Store.get_workflow, "{}"), **_CHANGES},
    "auth/status": {"GET": lambda store, call: to_json(_STATUS)},
    "files/{}/download-link": {"GET": _download_link},
}


def answer(store: Store, key: str, request: Request) -> Response:
    path, _, query = request.target.partition("?")
    if path.startswith(_FILES):
        return _file(store, key, request)
    scheme, _, given = request.authorization.partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise ApiError(401, "Missing bearer token", _WITH_A_BEARER)
    if given.strip() != key:
        raise ApiError(401, "Invalid API key", _WITH_A_BEARER)
    endpoints, ident = _match(path)
    if request.method not in endpoints:
        raise ApiError(405, "Method Not Allowed", {"Allow": ", ".join(endpoints)})

    def sign(file_id: str) -> str:
        return request.base_url + _signed_path(key, file_id)

    call = Call(ident, Query(query), request.body, sign, request.key)
    body = endpoints[request.method](store, call)
    # A POST without an id creates something; one with an id cancels a run.
    status = {"DELETE": 204, "POST": 200 if ident else 201}.get(request.method, 200)
    return Response(status, body)


def _signed_path(key: str, file_id: str) -> str:
    """Write the path of a file, which works without a key because the key signs it."""
    signature = hmac.new(key.encode(), file_id.encode(errors="replace"), "sha256").hexdigest()
    return f"{_FILES}{quote(file_id)}?signature={signature[:32]}"


def _file(store: Store, key: str, request: Request) -> Response:
    """Give a file by its signed path, the target of download links."""
    ident = unquote(request.target.partition("?")[0].removeprefix(_FILES), errors="replace")
    if request.method != "GET":
        raise ApiError(405, "Method Not Allowed", {"Allow": "GET"})
    if request.target != _signed_path(key, ident):
        raise ApiError(403, "The signature does not fit")
    name = store.file(ident).filename
    text = f"{name}\n\nThis document exists only in the sandbox's simulation.\n"
    return Response(200, text.encode(), "text/plain; charset=utf-8")


def _match(path: str) -> tuple[dict[str, Endpoint], str]:
    # Split before unquoting: an id may contain an escaped slash.
    empty, *steps = path.split("/")
    if empty or steps[:1] != ["v1"]:
        raise ApiError(404, "Not Found")
    for pattern, endpoints in _ROUTES.items():
        parts = pattern.split("/")
        if len(parts) == len(steps) - 1:
            pairs = list(zip(parts, steps[1:], strict=True))
            if all(wanted in (step, "{}") and step for wanted, step in pairs):
                ident = next((step for wanted, step in pairs if wanted == "{}"), "")
                return endpoints, unquote(ident, errors="replace")
    if all(steps):
        return _ELSEWHERE, ""
    raise ApiError(404, "Not Found")
