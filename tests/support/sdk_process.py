"""The official SDK in a process of its own, and what it reads as its own models."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

READER = Path(__file__).with_name("sdk_reader.py")


class SdkError(Exception):
    """What the SDK raised: its ``status_code``, ``code``, ``message``, ``request_id``."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.fields = fields


class SdkProcess:
    """A context manager; ``read`` calls a method of the SDK's client."""

    def __init__(self, api_key: str, base_url: str) -> None:
        self._environment = {
            **os.environ,
            "RETAB_API_KEY": api_key,
            "RETAB_API_BASE_URL": base_url,
        }

    def __enter__(self) -> SdkProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(READER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=self._environment,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()  # the end of its input ends it

    def read(self, call: str, **arguments: Any) -> list[Any]:
        """What a method gives: the models of a list to its last page, or a single one.

        Raises:
            SdkError: The SDK raised an error of the API.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": call, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the SDK's process ended in {call}; see its standard error")
        answer = json.loads(line)
        if "error" in answer:
            raise SdkError(answer["error"])
        return [_model(each) for each in answer["models"]]

    def read_one(self, call: str, **arguments: Any) -> Any:
        """The model that a method gives."""
        (model,) = self.read(call, **arguments)
        return model


def _model(dumped: dict[str, Any]) -> BaseModel:
    kind: type[BaseModel] = getattr(importlib.import_module(dumped["module"]), dumped["name"])
    return kind.model_validate(dumped["document"])
