"""What a user of the official SDK does with a body, as models and on to a frame."""

from __future__ import annotations

import json
from typing import TypeVar

import polars as pl
from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


def sdk_models(body: bytes, model: type[Model]) -> list[Model]:
    """The records of a page, as the SDK's lists give them."""
    return [model.model_validate(each) for each in json.loads(body)["data"]]


def sdk_frame(body: bytes, model: type[BaseModel]) -> pl.DataFrame:
    """A frame with a column for each leaf of the models."""
    dumped = [each.model_dump() for each in sdk_models(body, model)]
    return pl.json_normalize(dumped, infer_schema_length=None)
