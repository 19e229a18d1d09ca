"""Asks an API through the official SDK and prints what it made of the answers, line by line.

A program of its own, because constructing the SDK's client patches ``ssl`` for its whole process.
It finds address and key in the environment, as the SDK does; ``sdk_process`` talks to it.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from operator import attrgetter
from typing import Any

from pydantic import BaseModel
from retab import Retab
from retab.exceptions import APIError
from retab.types.pagination import PaginatedList

DATES = ("from_date", "to_date")


def main() -> None:
    with Retab(max_retries=0, timeout=30) as client:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(answer(client, json.loads(line))) + "\n")
            sys.stdout.flush()


def answer(client: Retab, request: dict[str, Any]) -> dict[str, Any]:
    arguments = {
        name: datetime.fromisoformat(value) if name in DATES else value
        for name, value in request["arguments"].items()
    }
    try:
        read = attrgetter(request["call"])(client)(**arguments)
        # A list is read to its end: iterating over the SDK's page fetches the next ones.
        models = list(read) if isinstance(read, PaginatedList) else [read] * (read is not None)
    except APIError as error:
        names = ("status_code", "code", "message", "details", "request_id")
        return {"error": {name: getattr(error, name) for name in names}}
    return {"models": [dumped(model) for model in models]}


def dumped(model: BaseModel) -> dict[str, Any]:
    """The model with the name of its class, and without the defaults that the API did not send."""
    kind = type(model)
    document = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {"module": kind.__module__, "name": kind.__name__, "document": document}


if __name__ == "__main__":
    main()
