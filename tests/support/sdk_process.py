"""The official SDK in a process of its own, and what it reads as its own models."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from support.program import Program

READER = Path(__file__).with_name("sdk_reader.py")


class SdkError(Exception):
    """What the SDK raised: its ``status_code``, ``code``, ``message``, ``request_id``."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.fields = fields


class SdkProcess(Program):
    """A context manager; ``read`` calls a method of the SDK's client."""

    def __init__(self, api_key: str, base_url: str) -> None:
        super().__init__(READER, RETAB_API_KEY=api_key, RETAB_API_BASE_URL=base_url)

    def read(self, call: str, **arguments: Any) -> list[Any]:
        """What a method gives: the models of a list to its last page, or a single one.

        Raises:
            SdkError: The SDK raised an error of the API.
        """
        answer = self.ask(call=call, arguments=arguments)
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
