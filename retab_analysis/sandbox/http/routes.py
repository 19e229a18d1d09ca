"""Routes: from method, path, query and body to a question for the store."""

import hmac
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.http.messages import ApiError, Request, Response, coded
from retab_analysis.sandbox.http.params import (
    Query,
    read_new_eval,
    read_object,
    read_run_filter,
    read_run_request,
)
from retab_analysis.sandbox.queries import PageQuery
from retab_analysis.sandbox.store import Store


class Call(NamedTuple):
    """A request that passed the bearer check, and the id in its path if it has one."""

    ident: str
    query: Query
    body: bytes
    sign: Callable[[str], str]


Endpoint = Callable[[Store, Call], Response]


def _list_runs(store: Store, call: Call) -> Response:
    narrow = read_run_filter(call.query)
    return Response(200, store.list_runs(narrow, call.query.page(50)))


def _create_run(store: Store, call: Call) -> Response:
    return Response(201, store.create_run(*read_run_request(call.body)))


def _list_results(store: Store, call: Call) -> Response:
    run_id = call.query.required("run_id")
    return Response(200, store.list_results(run_id, call.query.page(20)))


def _list_evals(store: Store, call: Call) -> Response:
    workflow_id, block_id = call.query.required("workflow_id"), call.query.text("target_block_id")
    return Response(200, store.list_evals(workflow_id, block_id, call.query.page(50)))


def _list_block_versions(store: Store, call: Call) -> Response:
    workflow_id, page = call.query.required("workflow_id"), call.query.page(50)
    block_id, version_id = map(call.query.text, ("block_id", "workflow_version_id"))
    return Response(200, store.list_block_versions(workflow_id, block_id, version_id, page))


def _list_of_workflow(give: Callable[[Store, str, PageQuery], bytes]) -> Endpoint:
    return lambda store, call: Response(
        200, give(store, call.query.required("workflow_id"), call.query.page(50))
    )


def _one(give: Callable[[Store, str], bytes]) -> Endpoint:
    return lambda store, call: Response(200, give(store, call.ident))


def _list_workflows(store: Store, call: Call) -> Response:
    project_id, sort_by = call.query.text("project_id"), call.query.text("sort_by")
    return Response(200, store.list_workflows(call.query.page(10), project_id, sort_by))


def _list_publications(store: Store, call: Call) -> Response:
    return Response(200, store.list_publications(call.ident, call.query.page(50)))


def _get_version(store: Store, call: Call) -> Response:
    return Response(200, store.get_version(call.query.required("workflow_id"), call.ident))


def _list_eras(store: Store, call: Call) -> Response:
    workflow_id, page = call.query.required("workflow_id"), call.query.page(50, most=200)
    return Response(200, store.list_eras(call.ident, workflow_id, page))


def _diff_versions(store: Store, call: Call) -> Response:
    query = call.query
    workflow_id = query.required("workflow_id")
    baseline = query.required("from_workflow_version_id")
    candidate = query.required("to_workflow_version_id")
    return Response(200, store.diff_versions(workflow_id, baseline, candidate))


def _download_link(store: Store, call: Call) -> Response:
    link = {
        "download_url": call.sign(call.ident),
        "expires_in": "15 minutes",
        "filename": store.file(call.ident).filename,
        "mime_data": None,
    }
    return Response(200, to_json(link))


_STATUS = {
    "authenticated": True,
    "auth_method": "api_key",
    "organization_id": "org_sandbox",
    "environment_slug": "sandbox",
    "environment_id": "env_sandbox",
}
_FILES = "/files/"
_WITH_A_BEARER = {"WWW-Authenticate": "Bearer"}


def _refuse(store: Store, call: Call) -> Response:
    raise coded(501, "not_implemented", "the sandbox does not have this endpoint")


# What the sandbox does not have: all of the real API that has no route here.
_CHANGES: dict[str, Endpoint] = {"PATCH": _refuse, "DELETE": _refuse}
_ELSEWHERE = {"GET": _refuse, "POST": _refuse, "PUT": _refuse, **_CHANGES}
_OF_WORKFLOWS = ("artifacts", "edges", "experiments", "reviews", "runs", "spec", "steps")

# In the order of trial: "runs" is not the id of an eval, nor "diff" of a version.
_ROUTES: dict[str, dict[str, Endpoint]] = {
    "workflows/evals/runs": {"GET": _list_runs, "POST": _create_run},
    "workflows/evals/runs/{}": {"GET": _one(Store.get_run)},
    "workflows/evals/runs/{}/cancel": {"POST": _one(Store.cancel_run)},
    "workflows/evals/results": {"GET": _list_results},
    "workflows/evals/results/{}": {"GET": _one(Store.get_result)},
    "workflows/evals": {
        "GET": _list_evals,
        "POST": lambda store, call: Response(201, store.create_eval(*read_new_eval(call.body))),
    },
    "workflows/evals/{}": {
        "GET": _one(Store.get_eval),
        "PATCH": lambda store, call: Response(
            200, store.update_eval(call.ident, read_object(call.body))
        ),
        "DELETE": lambda store, call: Response(204, store.delete_eval(call.ident)),
    },
    "workflows": {"GET": _list_workflows, "POST": _refuse},
    "workflows/{}/published-versions": {"GET": _list_publications},
    "workflows/versions": {"GET": _list_of_workflow(Store.list_versions)},
    "workflows/versions/diff": {"GET": _diff_versions},
    "workflows/versions/{}": {"GET": _get_version},
    "workflows/blocks": {"GET": _list_of_workflow(Store.list_blocks), "POST": _refuse},
    "workflows/blocks/{}/config-history": {"GET": _list_eras},
    "workflows/blocks/versions": {"GET": _list_block_versions},
    "workflows/blocks/executions": _ELSEWHERE,
    "workflows/blocks/{}": {"GET": _one(Store.get_block), **_CHANGES},
    **{f"workflows/{name}": _ELSEWHERE for name in _OF_WORKFLOWS},
    "workflows/{}": {"GET": _one(Store.get_workflow), **_CHANGES},
    "auth/status": {"GET": lambda store, call: Response(200, to_json(_STATUS))},
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

    return endpoints[request.method](store, Call(ident, Query(query), request.body, sign))


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
