"""The client of a command, and the runs that it started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from retab_analysis.cli import github
from retab_analysis.markup import count_noun, one_line
from retab_analysis.transport import Client
from retab_analysis.transport.response import Response

_STARTS = "/v1/workflows/evals/runs"


def say_cancel(run_ids: Iterable[str]) -> str:
    """The command that cancels runs, in a sentence; Ctrl-C ends only this program."""
    return f"To cancel: retab-analysis cancel {' '.join(map(one_line, run_ids))}"


class RecordingClient(Client):
    """A client that knows which runs it started, and the headers of the newest answer."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.started: list[str] = []
        self.headers: Mapping[str, str] = {}

    def describe(self) -> dict[str, str]:
        parts, settings = urlsplit(self.base_url), self._settings
        proxies = getproxies()
        proxy = proxies.get(parts.scheme) or proxies.get("all")
        shown = "none"
        if proxy and not proxy_bypass(parts.hostname or ""):
            try:
                found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
                port = f":{found.port}" if found.port else ""
                shown = f"{found.scheme}://{found.hostname}{port}"
            except ValueError:
                shown = "one that is not an address"
        key = f"from {settings.key_source}. {self.describe_environment()}"
        address = f"{self.base_url} from {settings.url_source}"
        return {"key": key, "address": address, "proxy": shown}

    def _read(self, response: Response, *arguments: Any) -> Any:
        self.headers = response.headers
        return super()._read(response, *arguments)

    def post(self, path: str, *arguments: Any, **settings: Any) -> Any:
        answered = super().post(path, *arguments, **settings)
        if path == _STARTS:
            self.started.append(answered.id)
            github.set_output("runs", " ".join(self.started))
        return answered


class Session:
    """A client, made at the first request, with a profile's key if one is named."""

    def __init__(self, client: RecordingClient | None = None, profile: str | None = None) -> None:
        self._client, self._profile = client, profile

    @property
    def client(self) -> RecordingClient:
        if self._client is None:
            self._client = RecordingClient(profile=self._profile)
        return self._client

    def describe_started(self) -> Iterator[str]:
        started = [] if self._client is None else self._client.started
        if started:
            n = count_noun(len(started), "run")
            yield f"Started: {n}; what has not ended goes on. {say_cancel(started)}"
